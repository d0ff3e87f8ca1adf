"""The timecode strip of the test picture: a frame's call and its time, readable after any codec.

Layout, for a picture of width W: blocks are W/40 pixels square (16 for 640), in two rows at the very top of the
picture. Each row holds 40 blocks: white, black, then 36 data bits, then black, white; a white block is 1. Both rows'
data bits in order, most significant first, are 72 bits = 9 bytes:

    bytes 0-1  the first 16 bits of SHA-256 of the call's id (UTF-8); 0000 when there is no call
    bytes 2-6  milliseconds of the server's clock (Unix time) modulo 2**40
    bytes 7-8  CRC-16/XMODEM (polynomial 0x1021, start 0) of bytes 0-6

To read it, compare the mean brightness of the inner half of each block with 128; a strip whose frame blocks or CRC are
wrong is no strip. 16-pixel blocks coincide with VP8's macroblocks, so they survive low bitrates and scaling to a half.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

COLUMNS = 40
ROWS = 2
DATA_BITS = 36
WHITE, BLACK = 235, 16


@dataclass(frozen=True)
class Timecode:
    """What one frame says about itself."""

    call_hash: int
    ms: int


def call_hash(call_id: str | None) -> int:
    """The 16 bits that stand for a call; 0 for none."""
    return 0 if call_id is None else int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:2], "big")


def block_size(width: int) -> int:
    """The side of a block in pixels."""
    return width // COLUMNS


def strip_rows(code: Timecode) -> list[list[bool]]:
    """The two rows of 40 blocks."""
    data = code.call_hash.to_bytes(2, "big") + (code.ms % 2**40).to_bytes(5, "big")
    word = int.from_bytes(data + binascii.crc_hqx(data, 0).to_bytes(2, "big"), "big")
    bits = [bool(word >> shift & 1) for shift in range(ROWS * DATA_BITS - 1, -1, -1)]
    return [[True, False, *bits[row * DATA_BITS : (row + 1) * DATA_BITS], False, True] for row in range(ROWS)]


def draw_strip(luma: bytearray, stride: int, *, width: int, code: Timecode) -> None:
    """Write the strip into the top of a luma plane."""
    size = block_size(width)
    for row, blocks in enumerate(strip_rows(code)):
        line = b"".join(bytes((WHITE if block else BLACK,)) * size for block in blocks)
        for y in range(row * size, (row + 1) * size):
            luma[y * stride : y * stride + len(line)] = line


def read_strip(brightness: Callable[[int, int], int], width: int) -> Timecode | None:
    """The timecode of a picture whose brightness at (x, y) is given, from 0 to 255; None when it carries none."""
    size = block_size(width)
    if size < 4:
        return None
    bits: list[bool] = []
    for row in range(ROWS):
        blocks = [_mean(brightness, column * size, row * size, size) >= 128 for column in range(COLUMNS)]
        if blocks[:2] != [True, False] or blocks[-2:] != [False, True]:
            return None
        bits += blocks[2:-2]
    data = int("".join("1" if bit else "0" for bit in bits), 2).to_bytes(9, "big")
    if binascii.crc_hqx(data[:7], 0) != int.from_bytes(data[7:], "big"):
        return None
    return Timecode(call_hash=int.from_bytes(data[:2], "big"), ms=int.from_bytes(data[2:7], "big"))


def _mean(brightness: Callable[[int, int], int], x: int, y: int, size: int) -> float:
    inner = range(size // 4, size - size // 4)
    samples = [brightness(x + dx, y + dy) for dy in inner for dx in inner]
    return sum(samples) / len(samples)
