"""The place itself: communities of three types, buildings, units and households (clauses 1 and 3.1-6)."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.db import ID_LENGTH, Base, UnitOfWork, belongs_to, scoped_get
from backend.errors import ConflictError, NotFoundError, ValidationFailedError
from backend.ids import new_id

MAX_ROOMS_AT_ONCE = 2000


class CommunityKind(StrEnum):
    """Closed (封闭), open (开放), or a single block without units (单栋)."""

    CLOSED = "closed"
    OPEN = "open"
    SINGLE_BLOCK = "single_block"


class Community(Base):
    """One residential community; everything else belongs to exactly one."""

    __tablename__ = "community"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(16))
    address_code: Mapped[str | None] = mapped_column(String(30))
    timezone: Mapped[str] = mapped_column(String(40), default="Asia/Shanghai")
    created_at: Mapped[datetime]


class Building(Base):
    """A building (栋); `number` is what a visitor types at a gate."""

    __tablename__ = "building"
    __table_args__ = (UniqueConstraint("community_id", "id"), UniqueConstraint("community_id", "number"))

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    name: Mapped[str] = mapped_column(String(40))
    number: Mapped[str] = mapped_column(String(6))
    address_code: Mapped[str | None] = mapped_column(String(30))


class Unit(Base):
    """A unit (单元): one staircase of a building with an entrance of its own."""

    __tablename__ = "unit"
    __table_args__ = (
        UniqueConstraint("community_id", "id"),
        UniqueConstraint("building_id", "number"),
        belongs_to("building_id", "building"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    building_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    name: Mapped[str] = mapped_column(String(40))
    number: Mapped[str] = mapped_column(String(6))
    address_code: Mapped[str | None] = mapped_column(String(30))


class Household(Base):
    """A home (户). `place_id` is its unit, or its building where there are no units: room numbers are unique in it."""

    __tablename__ = "household"
    __table_args__ = (
        UniqueConstraint("community_id", "id"),
        UniqueConstraint("place_id", "room"),
        belongs_to("building_id", "building"),
        belongs_to("unit_id", "unit"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    building_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    unit_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), index=True)
    place_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    room: Mapped[str] = mapped_column(String(8))
    address_code: Mapped[str | None] = mapped_column(String(30))


@dataclass(frozen=True, kw_only=True)
class HouseholdAddress:
    """Where a household is, in words for people."""

    id: str
    building: str
    unit: str | None
    room: str

    @property
    def name(self) -> str:
        """Such as `3栋2单元 1201`."""
        return f"{self.building}{self.unit or ''} {self.room}"


def create_community(
    uow: UnitOfWork, *, name: str, kind: CommunityKind, now: datetime, address_code: str | None = None, timezone: str
) -> Community:
    """A new, empty community."""
    community = Community(
        id=new_id(), name=name, kind=kind, created_at=now, address_code=address_code, timezone=timezone
    )
    uow.session.add(community)
    uow.session.flush()
    return community


def add_building(
    uow: UnitOfWork, *, community_id: str, name: str, number: str, address_code: str | None = None
) -> Building:
    """A new building.

    Raises:
        ConflictError: the number is taken; visitors could not tell the two apart.
    """
    taken = uow.session.scalar(
        select(Building.id).where(Building.community_id == community_id, Building.number == number)
    )
    if taken is not None:
        raise ConflictError(f"building number {number} is taken")
    building = Building(id=new_id(), community_id=community_id, name=name, number=number, address_code=address_code)
    uow.session.add(building)
    uow.session.flush()
    return building


def add_unit(
    uow: UnitOfWork, *, community_id: str, building_id: str, name: str, number: str, address_code: str | None = None
) -> Unit:
    """A new unit of a building.

    Raises:
        NotFoundError: there is no such building.
        ConflictError: the number is taken, or the community is a single block, which has no units.
    """
    building = uow.get(Building, community_id, building_id)
    community = uow.session.get_one(Community, community_id)
    if community.kind == CommunityKind.SINGLE_BLOCK:
        raise ConflictError("a single block has no units")
    if uow.session.scalar(select(Unit.id).where(Unit.building_id == building.id, Unit.number == number)) is not None:
        raise ConflictError(f"unit number {number} is taken in this building")
    unit = Unit(
        id=new_id(),
        community_id=community_id,
        building_id=building.id,
        name=name,
        number=number,
        address_code=address_code,
    )
    uow.session.add(unit)
    uow.session.flush()
    return unit


def add_households(
    uow: UnitOfWork, *, community_id: str, building_id: str, unit_id: str | None, rooms: list[str]
) -> list[Household]:
    """New households with these room numbers, all or none.

    Raises:
        NotFoundError: no such building, or the unit is not in it.
        ConflictError: a room number is taken or given twice.
        ValidationFailedError: a room number is not 1 to 6 digits.
    """
    building = uow.get(Building, community_id, building_id)
    if unit_id is not None and uow.get(Unit, community_id, unit_id).building_id != building.id:
        raise NotFoundError("there is no such unit in this building")
    for room in rooms:
        if not re.fullmatch(r"[0-9]{1,6}", room):
            raise ValidationFailedError(
                "a room number has 1 to 6 digits", errors=[{"field": "rooms", "message": f"'{room[:20]}'"}]
            )
    place_id = unit_id or building.id
    taken = set(
        uow.session.scalars(select(Household.room).where(Household.place_id == place_id, Household.room.in_(rooms)))
    )
    if taken or len(set(rooms)) < len(rooms):
        raise ConflictError("some room numbers are taken or given twice", rooms=sorted(taken))
    households = [
        Household(
            id=new_id(),
            community_id=community_id,
            building_id=building.id,
            unit_id=unit_id,
            place_id=place_id,
            room=room,
        )
        for room in rooms
    ]
    uow.session.add_all(households)
    uow.session.flush()
    return households


def address_of(session: Session, community_id: str, household_id: str) -> HouseholdAddress:
    """The household's place in words.

    Raises:
        NotFoundError: no such household in this community.
    """
    household = scoped_get(session, Household, community_id, household_id)
    building = session.get_one(Building, household.building_id)
    unit = session.get_one(Unit, household.unit_id) if household.unit_id else None
    return HouseholdAddress(
        id=household.id, building=building.name, unit=unit.name if unit else None, room=household.room
    )
