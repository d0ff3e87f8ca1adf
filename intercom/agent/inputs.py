"""Door contacts and exit buttons: GPIO files that are read 20 times a second and become events.

A contact reads 1 while its door is open and an exit button 1 while pressed; a `!` before the path turns that round. The
exit button is wired to the lock itself: the station only reports it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from intercom.agent.clock import ServerClock
from intercom.agent.journal import Journal
from intercom.agent.wiring import relay_path
from intercom.station_config import Door, StationConfig
from intercom.station_protocol import Contact, EventKind
from intercom.station_reports import DoorContact

logger = logging.getLogger(__name__)
POLL_S = 0.05


@dataclass(frozen=True)
class GpioInput:
    """A GPIO file pattern that can be read as a yes or no."""

    pattern: str
    inverted: bool = False

    def read(self, number: int) -> bool | None:
        """None when this number is not wired or the file says neither 0 nor 1."""
        path = relay_path(self.pattern, number)
        if path is None:
            return None
        try:
            text = path.read_text().strip()
        except (OSError, ValueError):
            return None
        return None if text not in ("0", "1") else (text == "1") != self.inverted


def input_from(text: str) -> GpioInput | None:
    """The input named by `--contact` or `--exit-button`: `none` or `gpio:FILE` (`gpio:!FILE` when wired the other way).

    Raises:
        ValueError: neither.
    """
    if text == "none":
        return None
    if text.startswith("gpio:") and len(text) > len("gpio:"):
        pattern = text.removeprefix("gpio:")
        return GpioInput(pattern.removeprefix("!"), inverted=pattern.startswith("!"))
    raise ValueError(f"unknown input {text!r}: none or gpio:FILE")


@dataclass
class _Debounced:
    """Believes a level after two equal readings."""

    level: bool | None = None
    _last: bool | None = field(default=None)

    def feed(self, reading: bool | None) -> bool:
        """Whether the believed level changed."""
        if reading is None or reading != self._last:
            self._last = reading
            return False
        changed, self.level = reading != self.level, reading
        return changed


class Inputs:
    """Watches the inputs of every configured door."""

    def __init__(
        self,
        *,
        contact: GpioInput | None,
        exit_button: GpioInput | None,
        journal: Journal,
        clock: ServerClock,
        on_event: Callable[[], None],
    ) -> None:
        self._contact = contact
        self._exit_button = exit_button
        self._journal = journal
        self._clock = clock
        self._on_event = on_event
        self._doors: tuple[Door, ...] = ()
        self._contacts: dict[str, _Debounced] = {}
        self._buttons: dict[str, _Debounced] = {}

    def apply(self, config: StationConfig) -> None:
        self._doors = config.doors

    def contacts(self) -> tuple[DoorContact, ...]:
        """What the contacts of all doors say now."""
        return tuple(DoorContact(door_id=door.id, contact=self._state(door)) for door in self._doors)

    def _state(self, door: Door) -> Contact:
        level = self._contacts[door.id].level if door.id in self._contacts else None
        if level is None:
            return Contact.UNKNOWN
        return Contact.OPEN if level else Contact.CLOSED

    async def watch(self) -> None:
        """Read all inputs for ever."""
        if self._contact is None and self._exit_button is None:
            return
        while True:
            for door in self._doors:
                self.read_once(door)
            await asyncio.sleep(POLL_S)

    def read_once(self, door: Door) -> None:
        """One reading of one door's inputs."""
        if self._contact is not None:
            contact = self._contacts.setdefault(door.id, _Debounced())
            first = contact.level is None
            if contact.feed(self._contact.read(door.relay)):
                self._contact_changed(door, first=first)
        if self._exit_button is not None:
            button = self._buttons.setdefault(door.id, _Debounced())
            if button.feed(self._exit_button.read(door.relay)) and button.level:
                self._record(EventKind.EXIT_BUTTON, door, detail=None)

    def _contact_changed(self, door: Door, *, first: bool) -> None:
        """A change while the station was off is reported too, marked as such, because its time is not known."""
        state = self._state(door)
        before = self._journal.remembered_contact(door.id)
        if before == state.value:
            return
        self._journal.remember_contact(door.id, state.value)
        if before is None:
            return
        kind = EventKind.DOOR_OPENED if state is Contact.OPEN else EventKind.DOOR_CLOSED
        self._record(kind, door, detail="noticed_at_start" if first else None)

    def _record(self, kind: EventKind, door: Door, *, detail: str | None) -> None:
        event = self._journal.record_event(kind, door.id, at=self._clock.now(), detail=detail)
        logger.info("%s at %s (event %d)", kind.value, door.name, event.seq)
        self._on_event()
