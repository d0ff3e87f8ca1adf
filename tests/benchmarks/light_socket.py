"""Sockets for load generators: a WebSocket client on a bare asyncio protocol, and Socket.IO spoken over it.

It costs a few microseconds a message, so that a thousand of them on one core measure the server and not themselves.
Frames go out under a mask of zeros, which the RFC's framing allows and a load generator may use.
"""

import asyncio
import base64
import json
import secrets
import struct
import time
from collections.abc import Callable
from typing import Any

OnText = Callable[[str, float], None]
"""Called with a message and the moment it was read (time.perf_counter: one clock for all processes on Linux)."""


class ClosedError(Exception):
    """The other side closed, or never opened."""


class LightSocket(asyncio.Protocol):
    """One client connection; whole text messages go to `on_text`."""

    def __init__(self, path: str, port: int, on_text: OnText) -> None:
        self._path = path
        self._port = port
        self.on_text = on_text
        self._buffer = b""
        self._parts: list[bytes] = []
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = False
        self.closed = False
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int, path: str, on_text: OnText) -> "LightSocket":
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(path, port, on_text), "127.0.0.1", port)
        await asyncio.wait_for(made._opened, 30)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if not self._opened.done():
            self._opened.set_exception(ClosedError("closed before the handshake was over"))

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        buffer = self._buffer + data if self._buffer else data
        if not self._open:
            head, found, rest = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = buffer
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self._opened.set_exception(ClosedError(head.split(b"\r\n", 1)[0].decode()))
                return
            self._open = True
            self._opened.set_result(None)
            buffer = rest
        self._buffer = self._read_frames(buffer, now)

    def _read_frames(self, buffer: bytes, now: float) -> bytes:
        place, size = 0, len(buffer)
        while size - place >= 2:
            length, body = buffer[place + 1] & 0x7F, place + 2
            if length >= 126:
                width = 2 if length == 126 else 8
                if size < body + width:
                    break
                length = int.from_bytes(buffer[body : body + width], "big")
                body += width
            if size < body + length:
                break
            self._take(buffer[place], buffer[body : body + length], now)
            place = body + length
        return buffer[place:]

    def _take(self, first: int, body: bytes, now: float) -> None:
        kind = first & 0x0F
        if kind == 8:
            self.close()
        elif kind == 9:
            self._frame(0x8A, body)
        elif kind <= 2:
            self._parts.append(body)
            if first & 0x80:
                text = b"".join(self._parts).decode()
                self._parts = []
                self.on_text(text, now)

    def _frame(self, first: int, body: bytes) -> None:
        size = len(body)
        if size < 126:
            head = struct.pack("!BB", first, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", first, 0xFE, size)
        else:
            head = struct.pack("!BBQ", first, 0xFF, size)
        if self._transport is not None and not self.closed:
            self._transport.write(head + b"\0\0\0\0" + body)

    def send(self, text: str) -> None:
        self._frame(0x81, text.encode())

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()


OnEvent = Callable[[str, Any, float], None]


class SocketIo:
    """One Socket.IO v5 connection to one namespace, websocket transport only; answers the server's pings."""

    def __init__(self, namespace: str, on_event: OnEvent, *, raw: bool = False) -> None:
        self._prefix = "" if namespace == "/" else f"{namespace},"
        self._event, self._ack = f"42{self._prefix}", f"43{self._prefix}"
        self._on_event = on_event
        self._raw = raw
        self._next = 0
        self._waiting: dict[int, asyncio.Future[tuple[Any, float]]] = {}
        self._joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._auth: Any = None
        self.socket: LightSocket | None = None

    async def connect(self, port: int, auth: Any) -> "SocketIo":
        self._auth = auth
        self.socket = await LightSocket.connect(port, "/socket.io/?EIO=4&transport=websocket", self._heard)
        await asyncio.wait_for(self._joined, 30)
        return self

    def _heard(self, text: str, at: float) -> None:
        assert self.socket is not None or text.startswith("0")
        if text.startswith(self._event):
            if self._raw:
                self._on_event(text, None, at)
            else:
                event, *body = json.loads(text[len(self._event) :])
                self._on_event(event, body[0] if body else None, at)
        elif text.startswith(self._ack):
            number, _, body = text[len(self._ack) :].partition("[")
            waiting = self._waiting.pop(int(number), None)
            if waiting is not None and not waiting.done():
                waiting.set_result((json.loads(f"[{body}")[0], at))
        elif text == "2":
            self._send("3")
        elif text.startswith("0"):
            asyncio.get_running_loop().call_soon(lambda: self._send(f"40{self._prefix}{json.dumps(self._auth or {})}"))
        elif text.startswith("40"):
            self._joined.set_result(None)
        elif text.startswith("44") and not self._joined.done():
            self._joined.set_exception(ClosedError(text))

    def _send(self, text: str) -> None:
        if self.socket is None:
            asyncio.get_running_loop().call_soon(lambda: self._send(text))
        else:
            self.socket.send(text)

    def emit(self, event: str, body: Any) -> None:
        self._send(f"{self._event}{json.dumps([event, body], separators=(',', ':'))}")

    async def ask(self, event: str, body: Any) -> tuple[Any, float]:
        """Emit, and wait for the acknowledgement and the moment it came."""
        number, self._next = self._next, self._next + 1
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        self._send(f"{self._event}{number}{json.dumps([event, body], separators=(',', ':'))}")
        return await asyncio.wait_for(waiting, 20)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()


class Http:
    """HTTP/1.1 for requests whose time counts; keeps its connection as long as the server does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(
        self, method: str, path: str, headers: dict[str, str], body: Any = None
    ) -> tuple[int, Any, float]:
        """Status, JSON body, and the moment the answer was whole."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        payload = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}", f"Content-Length: {len(payload)}"]
        lines += ["Content-Type: application/json"] if payload else []
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + payload)
        head = (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 20)).decode().lower()
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        answer = await self._reader.readexactly(length)
        at = time.perf_counter()
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1]), json.loads(answer) if answer else None, at

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = self._reader = None
