"""Doors: gates of the community and entrances of units, and who they serve (clauses 3.1-4a and 3.1-6)."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.communities import Building, Household, Unit
from backend.db import ID_LENGTH, Base, UnitOfWork, belongs_to
from backend.errors import NotFoundError, ValidationFailedError
from backend.ids import new_id


class DoorKind(StrEnum):
    """A gate serves the whole community; a unit door serves its unit, or its building where there are no units."""

    GATE = "gate"
    UNIT = "unit"


class Contact(StrEnum):
    """What the door contact last said."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Door(Base):
    """A door; `device_id` is the 20-digit number of GB/T 28181, `address_code` the place of annex 1."""

    __tablename__ = "door"
    __table_args__ = (
        UniqueConstraint("community_id", "id"),
        belongs_to("building_id", "building"),
        belongs_to("unit_id", "unit"),
        CheckConstraint("hold_s BETWEEN 1 AND 60", name="hold_is_sane"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(8))
    building_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    unit_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    device_id: Mapped[str | None] = mapped_column(String(20))
    address_code: Mapped[str | None] = mapped_column(String(30))
    hold_s: Mapped[int] = mapped_column(default=5)
    contact: Mapped[str] = mapped_column(String(8), default=Contact.UNKNOWN)
    contact_at: Mapped[datetime | None]


def add_door(
    uow: UnitOfWork,
    *,
    community_id: str,
    name: str,
    kind: DoorKind,
    building_id: str | None = None,
    unit_id: str | None = None,
    device_id: str | None = None,
    hold_s: int = 5,
) -> Door:
    """A new door.

    Raises:
        NotFoundError: no such building or unit.
        ValidationFailedError: a unit door without its building, or a gate with one.
    """
    if (kind == DoorKind.UNIT) != (building_id is not None):
        raise ValidationFailedError(
            "a unit door names its building, a gate names none",
            errors=[{"field": "building_id", "message": "does not fit the kind of door"}],
        )
    if building_id is not None:
        uow.get(Building, community_id, building_id)
    if unit_id is not None and uow.get(Unit, community_id, unit_id).building_id != building_id:
        raise NotFoundError("there is no such unit in this building")
    door = Door(
        id=new_id(),
        community_id=community_id,
        name=name,
        kind=kind,
        building_id=building_id,
        unit_id=unit_id,
        device_id=device_id,
        hold_s=hold_s,
        contact=Contact.UNKNOWN,
    )
    uow.session.add(door)
    uow.session.flush()
    return door


def leads_to(door: Door, household: Household) -> bool:
    """Whether this door is on the way to this household: any gate, its building's own door, or its unit's."""
    if door.community_id != household.community_id:
        return False
    if door.kind == DoorKind.GATE:
        return True
    return door.building_id == household.building_id and door.unit_id in {None, household.unit_id}


def doors_of(session: Session, household: Household) -> list[Door]:
    """The doors on the way to this household, its own entrance first."""
    own = [Door.building_id == household.building_id, or_(Door.unit_id.is_(None), Door.unit_id == household.unit_id)]
    rows = session.scalars(
        select(Door)
        .where(Door.community_id == household.community_id, or_(Door.kind == DoorKind.GATE, (own[0] & own[1])))
        .order_by(Door.kind.desc(), Door.id)
    )
    return list(rows)
