"""The stations that are connected now, and the commands on their way to them: the service's door controller."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from backend.access import Acknowledgement, OpenCommand, OpeningState
from backend.db import table_of
from backend.failpoints import failpoint
from intercom import station_protocol
from intercom.station_protocol import HEARTBEATS_MISSED, ServerEvent
from intercom.stations import StationDoor

Send = Callable[[str, str, dict[str, Any]], None]
"""Send an event with a body to a socket: (sid, event, body)."""


_moves = table_of(StationDoor)
_MOVER = select(_moves.c.station_id, _moves.c.relay).where(_moves.c.door_id == bindparam("door_id"))


@dataclass
class Link:
    """One station's connection."""

    station_id: str
    community_id: str
    sid: str
    software: str
    last_heard: float
    config_version: int | None = None
    clock_offset_ms: int | None = None
    contacts: dict[str, str] = field(default_factory=dict)


class StationHub:
    """Knows which stations are connected, carries commands to them and waits for their word.

    A station that was silent for three heartbeats is offline everywhere.
    """

    def __init__(
        self, *, heartbeat_s: float, open_wait_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.heartbeat_s = heartbeat_s
        self._open_wait_s = open_wait_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._links: dict[str, Link] = {}
        self._by_sid: dict[str, str] = {}
        self._last_heard: dict[str, float] = {}
        self._started = monotonic()
        self._commands: dict[str, threading.Event] = {}
        self.deliver: Send = _nowhere

    def connected(self, *, station_id: str, community_id: str, sid: str, software: str) -> str | None:
        """A station is here; returns the socket it had before, which is to be closed."""
        moment = self._monotonic()
        link = Link(station_id=station_id, community_id=community_id, sid=sid, software=software, last_heard=moment)
        with self._lock:
            earlier = self._links.get(station_id)
            self._links[station_id] = link
            self._by_sid[sid] = station_id
            self._last_heard[station_id] = moment
        return earlier.sid if earlier else None

    def disconnected(self, sid: str) -> str | None:
        """A socket is gone; returns its station unless a newer connection of it is here."""
        with self._lock:
            station_id = self._by_sid.pop(sid, None)
            if station_id is None or self._links[station_id].sid != sid:
                return None
            del self._links[station_id]
            return station_id

    def link_of(self, sid: str) -> Link | None:
        """The connection behind a socket, None when it was replaced or refused."""
        with self._lock:
            station_id = self._by_sid.get(sid)
            link = self._links.get(station_id) if station_id else None
            return link if link is not None and link.sid == sid else None

    def heard(self, link: Link) -> None:
        """The station said something."""
        with self._lock:
            link.last_heard = self._last_heard[link.station_id] = self._monotonic()

    def link(self, station_id: str) -> Link | None:
        """The station's connection, if it is online."""
        with self._lock:
            link = self._links.get(station_id)
            return link if link and self._monotonic() - link.last_heard <= self._silence_s else None

    def online(self, station_id: str) -> bool:
        """Whether the station is connected and was heard within three heartbeats."""
        return self.link(station_id) is not None

    def lost(self, station_id: str) -> bool:
        """Whether the station was unheard for three heartbeats, counted at the earliest from this service's start."""
        with self._lock:
            heard = self._last_heard.get(station_id, self._started)
            return self._monotonic() - heard > self._silence_s

    def station_ids(self) -> list[str]:
        """The stations that are connected."""
        with self._lock:
            return list(self._links)

    def silent(self) -> list[Link]:
        """Connections that were silent for three heartbeats and are to be closed."""
        with self._lock:
            moment = self._monotonic()
            return [link for link in self._links.values() if moment - link.last_heard > self._silence_s]

    def tell(self, station_id: str, event: str, body: dict[str, Any]) -> bool:
        """Send an event to a station; False when it is not connected."""
        link = self.link(station_id)
        if link is None:
            return False
        self.deliver(link.sid, event, body)
        return True

    @property
    def _silence_s(self) -> float:
        return HEARTBEATS_MISSED * self.heartbeat_s

    # DoorController

    def station_for(self, session: Session, door_id: str) -> tuple[str, int] | None:
        """The station that moves this door, and by which relay."""
        row = session.execute(_MOVER, {"door_id": door_id}).one_or_none()
        return (row.station_id, row.relay) if row else None

    def release(self, command: OpenCommand) -> Acknowledgement | None:
        """Send the command and wait for the station's word.

        The word itself is recorded by the namespace when it arrives, so that a late one is not lost; what is returned
        here counts only if none came in time.
        """
        settled = threading.Event()
        with self._lock:
            self._commands[command.command_id] = settled
        try:
            failpoint("server.before_command")
            wire = station_protocol.OpenCommand(
                command_id=command.command_id,
                door_id=command.door_id,
                relay=command.relay,
                hold_s=command.hold_s,
                issued_at=command.issued_at,
                expires_at=command.expires_at,
                call_id=command.call_id,
                by="resident",
            )
            if command.station_id is None or not self.tell(command.station_id, ServerEvent.OPEN, wire.to_wire()):
                return Acknowledgement(state=OpeningState.OFFLINE, detail="the door station is offline")
            failpoint("server.command_sent")
            if settled.wait(self._open_wait_s):
                return None
            return Acknowledgement(state=OpeningState.UNANSWERED, detail="the door station did not answer")
        finally:
            with self._lock:
                self._commands.pop(command.command_id, None)

    def wait(self, command_id: str) -> None:
        """Wait while a command is on its way."""
        with self._lock:
            settled = self._commands.get(command_id)
        if settled is not None:
            settled.wait(self._open_wait_s)

    def settled(self, command_id: str) -> None:
        """The station's word on a command is recorded; whoever waits may go on."""
        with self._lock:
            waiting = self._commands.get(command_id)
        if waiting is not None:
            waiting.set()


def _nowhere(_sid: str, _event: str, _body: dict[str, Any]) -> None:
    raise RuntimeError("the hub is not wired to a socket server")
