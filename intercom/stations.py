"""Door stations as records: where they stand, which doors they move, whom they may call, how they are configured."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, UniqueConstraint, bindparam, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.communities import Building, Community, Household, Unit
from backend.db import ID_LENGTH, Base, UnitOfWork, belongs_to, rows_changed
from backend.doors import Door, DoorKind
from backend.errors import (
    NotFoundError,
    PairingCodeUnknownError,
    RoomUnknownError,
    ValidationFailedError,
)
from backend.events import StationConfigured, StationPaired
from backend.ids import new_digits, new_id
from backend.vault import Vault
from intercom import station_config
from intercom.station_protocol import DialKind, RelayKind, StationKind, valid_dial

PAIRING_LIFETIME = timedelta(minutes=10)
_GATE_DIAL = re.compile(r"([0-9]{1,6})-(?:([0-9]{1,6})-)?([0-9]{1,6})")
_ROOM_DIAL = re.compile(r"[0-9]{1,6}")


class Station(Base):
    """A door station; without a `public_key` it is not paired. Every change of its settings raises `config_version`."""

    __tablename__ = "station"
    __table_args__ = (
        UniqueConstraint("community_id", "id"),
        belongs_to("building_id", "building"),
        belongs_to("unit_id", "unit"),
        CheckConstraint("kind <> 'unit' OR building_id IS NOT NULL", name="unit_station_has_a_building"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(8))
    building_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    unit_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    device_id: Mapped[str | None] = mapped_column(String(20))
    address_code: Mapped[str | None] = mapped_column(String(30))
    public_key: Mapped[str | None] = mapped_column(String(43))
    paired_at: Mapped[datetime | None]
    pairing_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    pairing_expires_at: Mapped[datetime | None]
    software: Mapped[str | None] = mapped_column(String(100))
    last_seen_at: Mapped[datetime | None]
    clock_offset_ms: Mapped[int | None]
    config_version: Mapped[int] = mapped_column(default=1)
    applied_config_version: Mapped[int | None]
    ring_s: Mapped[int] = mapped_column(default=45)
    talk_s: Mapped[int] = mapped_column(default=120)
    language: Mapped[str] = mapped_column(String(5), default="zh")
    relay_kind: Mapped[str] = mapped_column(String(8), default=RelayKind.NONE)
    relay_url: Mapped[str | None] = mapped_column(String(200))


class StationDoor(Base):
    """A door a station moves, by which relay; the primary one is opened by a call without choosing."""

    __tablename__ = "station_door"
    __table_args__ = (
        UniqueConstraint("station_id", "relay"),
        belongs_to("station_id", "station"),
        belongs_to("door_id", "door"),
    )

    station_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    door_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    relay: Mapped[int]
    is_primary: Mapped[bool]


class StationBuilding(Base):
    """A building that a gate station may call."""

    __tablename__ = "station_building"
    __table_args__ = (belongs_to("station_id", "station"), belongs_to("building_id", "building"))

    station_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    building_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH))


@dataclass(frozen=True, kw_only=True)
class StationSettings:
    """What an administrator may change; None leaves as it is."""

    name: str | None = None
    ring_s: int | None = None
    talk_s: int | None = None
    language: str | None = None
    relay_kind: RelayKind | None = None
    relay_url: str | None = None
    device_id: str | None = None


def add_station(
    uow: UnitOfWork,
    *,
    community_id: str,
    name: str,
    kind: StationKind,
    door_ids: list[str],
    building_ids: list[str],
    unit_id: str | None = None,
    ring_s: int = 45,
    talk_s: int = 120,
) -> Station:
    """A new, unpaired station; its doors get relays 1, 2, ... in the order given, the first is primary.

    Raises:
        NotFoundError: no such door, building or unit.
        ValidationFailedError: no door, or a unit station without exactly one building.
    """
    if not door_ids or len(set(door_ids)) < len(door_ids):
        raise _invalid("door_ids", "a station serves one door or more, each once")
    if kind == StationKind.UNIT and len(building_ids) != 1:
        raise _invalid("building_ids", "a unit station stands at one building")
    if kind == StationKind.GATE and (not building_ids or unit_id is not None):
        raise _invalid("building_ids", "a gate station names the buildings it calls, and no unit")
    for building_id in building_ids:
        uow.get(Building, community_id, building_id)
    if unit_id is not None and uow.get(Unit, community_id, unit_id).building_id != building_ids[0]:
        raise NotFoundError("there is no such unit in this building")
    station = Station(
        id=new_id(),
        community_id=community_id,
        name=name,
        kind=kind,
        building_id=building_ids[0] if kind == StationKind.UNIT else None,
        unit_id=unit_id,
        config_version=1,
        ring_s=ring_s,
        talk_s=talk_s,
        language="zh",
        relay_kind=RelayKind.NONE,
    )
    uow.session.add(station)
    uow.session.flush()
    for relay, door_id in enumerate(door_ids, start=1):
        door = uow.get(Door, community_id, door_id)
        _refuse_claimed(uow.session, door)
        if kind == StationKind.UNIT and door.kind == DoorKind.UNIT and door.building_id != station.building_id:
            raise _invalid("door_ids", "a unit station does not move another building's door")
        uow.session.add(
            StationDoor(
                station_id=station.id, door_id=door.id, community_id=community_id, relay=relay, is_primary=relay == 1
            )
        )
    if kind == StationKind.GATE:
        for building_id in building_ids:
            uow.session.add(StationBuilding(station_id=station.id, building_id=building_id, community_id=community_id))
    uow.session.flush()
    return station


def _refuse_claimed(session: Session, door: Door) -> None:
    if session.scalar(select(StationDoor.station_id).where(StationDoor.door_id == door.id)) is not None:
        raise _invalid("door_ids", "another station moves this door")


def _invalid(field: str, message: str) -> ValidationFailedError:
    return ValidationFailedError(message, errors=[{"field": field, "message": message}])


def configure(uow: UnitOfWork, *, community_id: str, station_id: str, settings: StationSettings) -> Station:
    """Change settings; the configuration gets the next version and goes to the station at once.

    Raises:
        NotFoundError: no such station.
        ValidationFailedError: an agent relay without its address.
    """
    station = uow.get(Station, community_id, station_id)
    for name in ("name", "ring_s", "talk_s", "language", "relay_kind", "relay_url", "device_id"):
        value = getattr(settings, name)
        if value is not None:
            setattr(station, name, value)
    if station.relay_kind == RelayKind.AGENT and not station.relay_url:
        raise _invalid("relay_url", "an agent relay has an address")
    bump_config(uow, station)
    return station


def bump_config(uow: UnitOfWork, station: Station) -> None:
    """Say that what the station was told is out of date."""
    station.config_version += 1
    uow.session.flush()
    uow.state(
        StationConfigured(community_id=station.community_id, station_id=station.id, version=station.config_version)
    )


def make_pairing_code(
    uow: UnitOfWork, vault: Vault, *, community_id: str, station_id: str, now: datetime
) -> tuple[str, datetime]:
    """An 8-digit code with which this station is paired once, and when it ends; an earlier code ends now.

    Raises:
        NotFoundError: no such station.
    """
    station = uow.get(Station, community_id, station_id)
    code = new_digits(8)
    station.pairing_digest = vault.code_digest(code, purpose="pairing")
    station.pairing_expires_at = now + PAIRING_LIFETIME
    return code, station.pairing_expires_at


def pair(uow: UnitOfWork, vault: Vault, *, code: str, public_key: str, software: str, now: datetime) -> Station:
    """Give the station of this code a key; whoever held the earlier key is disconnected.

    Raises:
        PairingCodeUnknownError: unknown, used or expired.
    """
    digest = vault.code_digest(code, purpose="pairing")
    station = uow.session.scalar(select(Station).where(Station.pairing_digest == digest))
    if station is None:
        raise PairingCodeUnknownError("the pairing code is unknown, used or over; ask the administrator for a new one")
    won = rows_changed(
        uow.session,
        update(Station)
        .where(Station.id == station.id, Station.pairing_digest == digest, Station.pairing_expires_at > now)
        .values(
            pairing_digest=None,
            pairing_expires_at=None,
            public_key=public_key,
            paired_at=now,
            software=software,
            applied_config_version=None,
        ),
    )
    if won == 0:
        raise PairingCodeUnknownError("the pairing code is unknown, used or over; ask the administrator for a new one")
    uow.state(StationPaired(community_id=station.community_id, station_id=station.id))
    return station


class Pressed(Protocol):
    """What a press needs to know of its station."""

    @property
    def id(self) -> str: ...
    @property
    def community_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def building_id(self) -> str | None: ...
    @property
    def unit_id(self) -> str | None: ...


def household_dialled(session: Session, station: Pressed, dial: str) -> str:
    """The household a visitor means at this station; its identifier.

    At a unit: a room number. At a gate: building-unit-room, or building-room where there are no units.

    Raises:
        RoomUnknownError: not a room number, or not one this station may ring.
    """
    unknown = RoomUnknownError("there is no such room here")
    if not valid_dial(dial):
        raise unknown
    household_id = (
        _of_unit(session, station, dial) if station.kind == StationKind.UNIT else _of_gate(session, station, dial)
    )
    if household_id is None:
        raise unknown
    return household_id


_HOME_OF_PLACE = select(Household.id).where(
    Household.community_id == bindparam("community_id"),
    Household.place_id == bindparam("place_id"),
    Household.room == bindparam("room"),
)


def _of_unit(session: Session, station: Pressed, dial: str) -> str | None:
    if not _ROOM_DIAL.fullmatch(dial):
        return None
    place_id = station.unit_id or station.building_id
    return session.scalar(_HOME_OF_PLACE, {"community_id": station.community_id, "place_id": place_id, "room": dial})


def _of_gate(session: Session, station: Pressed, dial: str) -> str | None:
    parts = _GATE_DIAL.fullmatch(dial)
    if parts is None:
        return None
    building_number, unit_number, room = parts.groups()
    query = (
        select(Household.id)
        .join(Building, Building.id == Household.building_id)
        .join(StationBuilding, StationBuilding.building_id == Building.id)
        .where(
            StationBuilding.station_id == station.id,
            Building.community_id == station.community_id,
            Building.number == building_number,
            Household.room == room,
        )
    )
    if unit_number is None:
        query = query.where(Household.unit_id.is_(None))
    else:
        query = query.join(Unit, Unit.id == Household.unit_id).where(Unit.number == unit_number)
    return session.scalar(query)


def doors_of_station(session: Session, station_id: str) -> list[tuple[Door, StationDoor]]:
    """The station's doors, the primary one first."""
    rows = session.execute(
        select(Door, StationDoor)
        .join(StationDoor, StationDoor.door_id == Door.id)
        .where(StationDoor.station_id == station_id)
        .order_by(StationDoor.relay)
    )
    return [(door, link) for door, link in rows]


def config_of(
    session: Session, station: Station, *, ice_servers: tuple[dict[str, object], ...]
) -> station_config.StationConfig:
    """The configuration as the station is told it."""
    community = session.get_one(Community, station.community_id)
    gate = station.kind == StationKind.GATE
    return station_config.StationConfig(
        version=station.config_version,
        station_id=station.id,
        name=station.name,
        kind=StationKind(station.kind),
        community=community.name,
        language=station.language,
        doors=tuple(
            station_config.Door(
                id=door.id, name=door.name, relay=link.relay, hold_s=door.hold_s, primary=link.is_primary
            )
            for door, link in doors_of_station(session, station.id)
        ),
        dial_kind=DialKind.BUILDING_ROOM if gate else DialKind.ROOM,
        dial_hint_zh="楼栋-单元-房号，如 3-2-1201" if gate else "请输入房号，如 1201",
        dial_hint_en="Building-unit-room, e.g. 3-2-1201" if gate else "Room number, e.g. 1201",
        ring_s=station.ring_s,
        talk_s=station.talk_s,
        relay_kind=RelayKind(station.relay_kind),
        relay_url=station.relay_url,
        ice_servers=ice_servers,
    )
