"""What stations report of their doors: contacts and exit buttons, each stored once (annex 2-2)."""

from datetime import datetime, timedelta

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from backend import access_log
from backend.access import Opening
from backend.access_log import Entry, RecordKind
from backend.clock import iso
from backend.db import ID_LENGTH, Base, UnitOfWork, belongs_to
from backend.doors import Contact, Door
from backend.errors import NotFoundError
from backend.events import DoorContactChanged
from backend.ids import new_id
from backend.vault import Vault
from intercom.calls import CallDesk
from intercom.station_protocol import EventKind
from intercom.station_reports import DoorEvent
from intercom.stations import Station, StationDoor

ATTRIBUTION = timedelta(seconds=15)
"""A contact that opens this soon after an opening was commanded is that opening's doing."""

_CONTACT_AFTER = {EventKind.DOOR_OPENED: Contact.OPEN, EventKind.DOOR_CLOSED: Contact.CLOSED}


class StationReport(Base):
    """An event a station reported; its id makes repeating harmless."""

    __tablename__ = "station_report"
    __table_args__ = (belongs_to("station_id", "station"),)

    station_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    seq: Mapped[int]
    received_at: Mapped[datetime]


def record_event(
    uow: UnitOfWork, vault: Vault, calls: CallDesk, *, station: Station, event: DoorEvent, now: datetime
) -> None:
    """Keep one report; a repeated one changes nothing.

    Raises:
        NotFoundError: the door is not one of this station's.
    """
    session = uow.session
    if session.get(StationDoor, (station.id, event.door_id)) is None:
        raise NotFoundError("this station has no such door")
    if session.get(StationReport, (station.id, event.event_id)) is not None:
        return
    session.add(
        StationReport(
            station_id=station.id,
            event_id=event.event_id,
            community_id=station.community_id,
            seq=event.seq,
            received_at=now,
        )
    )
    contact = _CONTACT_AFTER.get(event.kind)
    if contact is not None:
        note_contact(uow, station=station, door_id=event.door_id, contact=contact, now=now)
    opening = _recent_opening(uow, event.door_id, now) if event.kind == EventKind.DOOR_OPENED else None
    if event.kind in {EventKind.DOOR_OPENED, EventKind.EXIT_BUTTON}:
        calls.door_opened(
            uow,
            door_id=event.door_id,
            call_id=opening.call_id if opening else None,
            device_id=opening.device_id if opening else None,
            now=now,
        )
    access_log.append(
        uow,
        vault,
        Entry(
            kind=RecordKind(event.kind.value),
            correlation_id=opening.id if opening else new_id(),
            door_id=event.door_id,
            station_id=station.id,
            station_at=iso(event.at),
            detail=event.detail[:200] if event.detail else None,
        ),
        community_id=station.community_id,
        now=now,
    )


def note_contact(uow: UnitOfWork, *, station: Station, door_id: str, contact: Contact, now: datetime) -> None:
    """The door's contact is known to be open or closed."""
    door = uow.get(Door, station.community_id, door_id)
    door.contact, door.contact_at = contact, now
    uow.state(
        DoorContactChanged(
            community_id=station.community_id, door_id=door_id, station_id=station.id, change=contact.value
        )
    )


def _recent_opening(uow: UnitOfWork, door_id: str, now: datetime) -> Opening | None:
    return uow.session.scalar(
        select(Opening)
        .where(Opening.door_id == door_id, Opening.commanded_at > now - ATTRIBUTION)
        .order_by(Opening.commanded_at.desc())
        .limit(1)
    )
