"""How wire objects are read and times and identifiers written: the ground of the station protocol's messages."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

Json = dict[str, Any]
Choice = TypeVar("Choice", bound=StrEnum)


class WireError(ValueError):
    """A message that does not follow the protocol; `field` names the first member that is wrong."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(f"{field_name}: {message}")
        self.field = field_name


def new_id() -> str:
    """A fresh identifier: 32 hexadecimal characters that sort by the time they were made."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def format_time(moment: datetime) -> str:
    """ISO 8601 UTC with milliseconds and a Z; refuses naive times."""
    if moment.tzinfo is None:
        raise ValueError("a naive time cannot go on the wire")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional_time(moment: datetime | None) -> str | None:
    """`format_time` that lets None through."""
    return None if moment is None else format_time(moment)


def parse_time(text: str) -> datetime:
    """The aware UTC time of an ISO 8601 text with a zone; raises ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("time without a zone")
    return moment.astimezone(UTC)


def from_ms(value: int) -> datetime:
    """The time of Unix milliseconds."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=value)


def to_ms(moment: datetime) -> int:
    """Unix milliseconds, rounded down."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True)
class ClockSample:
    """One comparison of the station's clock with the server's: add `offset_ms` to the station's to get the server's.

    The true offset lies within `round_trip_ms / 2` of the estimate, so of several samples the one with the shortest
    round trip is the best (as in RFC 5905).
    """

    offset_ms: int
    round_trip_ms: int


def clock_sample(sent_ms: int, received_ms: int, *, server_ms: int) -> ClockSample:
    """The offset seen in one request: sent and received by the station's clock, stamped by the server in between."""
    return ClockSample(offset_ms=server_ms - (sent_ms + received_ms) // 2, round_trip_ms=max(0, received_ms - sent_ms))


class Fields:
    """Typed reading of one wire object; every refusal names the member."""

    def __init__(self, body: object, name: str) -> None:
        if not isinstance(body, Mapping):
            raise WireError(name, "must be an object")
        self.body: Mapping[str, Any] = body
        self.name = name

    def _wrong(self, key: str, message: str) -> WireError:
        return WireError(f"{self.name}.{key}", message)

    def text(self, key: str, *, limit: int = 200, empty: bool = False) -> str:
        value = self.body.get(key)
        if not isinstance(value, str) or (not value and not empty):
            raise self._wrong(key, "must be a text")
        if len(value.encode("utf-8", "surrogatepass")) > limit:
            raise self._wrong(key, f"is longer than {limit} bytes")
        return value

    def optional_text(self, key: str, *, limit: int = 200) -> str | None:
        return None if self.body.get(key) is None else self.text(key, limit=limit, empty=True)

    def integer(self, key: str, *, low: int = 0, high: int = 2**53) -> int:
        value = self.body.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(key, f"must be an integer from {low} to {high}")
        return value

    def number(self, key: str, *, low: float, high: float) -> float:
        value = self.body.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self._wrong(key, f"must be a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self.body.get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "must be true or false")
        return value

    def time(self, key: str) -> datetime:
        try:
            return parse_time(self.text(key, limit=40))
        except ValueError as error:
            raise self._wrong(key, "must be an ISO 8601 time with a zone") from error

    def optional_time(self, key: str) -> datetime | None:
        return None if self.body.get(key) is None else self.time(key)

    def choice(self, key: str, kind: type[Choice]) -> Choice:
        try:
            return kind(self.text(key, limit=40))
        except ValueError as error:
            raise self._wrong(key, f"must be one of {', '.join(kind)}") from error

    def objects(self, key: str, *, limit: int = 256) -> list[Fields]:
        value = self.body.get(key)
        if not isinstance(value, list) or len(value) > limit:
            raise self._wrong(key, f"must be a list of at most {limit}")
        return [Fields(item, f"{self.name}.{key}[{index}]") for index, item in enumerate(value)]

    def object(self, key: str) -> Fields:
        return Fields(self.body.get(key), f"{self.name}.{key}")
