"""Calls as records: the call, one leg for each phone, and how both are read."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, bindparam, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.accounts import name_by_id
from backend.db import ID_LENGTH, Base, belongs_to
from backend.errors import NotFoundError
from backend.households import stands_in
from backend.identity.tokens import Caller
from backend.vault import Vault
from intercom.call_state import ACTIVE


class Call(Base):
    """A call from a station to a household, in the tenancy that had the home when it was placed."""

    __tablename__ = "call"
    __table_args__ = (
        UniqueConstraint("community_id", "id"),
        UniqueConstraint("station_id", "request_id"),
        belongs_to("station_id", "station"),
        belongs_to("household_id", "household"),
        Index(
            "uq_call_active_station",
            "station_id",
            unique=True,
            sqlite_where=text("state <> 'ended'"),
            postgresql_where=text("state <> 'ended'"),
        ),
        Index(
            "uq_call_active_household",
            "household_id",
            unique=True,
            sqlite_where=text("state <> 'ended'"),
            postgresql_where=text("state <> 'ended'"),
        ),
        Index("ix_call_tenancy", "tenancy_id", "id"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    station_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    household_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    tenancy_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    request_id: Mapped[str] = mapped_column(String(64))
    dial: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(10))
    version: Mapped[int]
    placed_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    talk_until: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answered_leg_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(20))
    ended_by: Mapped[str | None] = mapped_column(String(ID_LENGTH))


class CallLeg(Base):
    """One phone's part in a call."""

    __tablename__ = "call_leg"
    __table_args__ = (
        UniqueConstraint("call_id", "device_id"),
        belongs_to("call_id", "call"),
        belongs_to("device_id", "device"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    call_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    device_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    account_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    state: Mapped[str] = mapped_column(String(20))
    received_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class CallView:
    """A call with its legs and the names of who answered and who ended it."""

    call: Call
    legs: tuple[CallLeg, ...]
    answered_device: str | None
    answered_name: str | None
    ended_name: str | None


_CALL = select(Call).where(Call.id == bindparam("call_id")).execution_options(populate_existing=True)
_LEGS = (
    select(CallLeg)
    .where(CallLeg.call_id == bindparam("call_id"))
    .order_by(CallLeg.id)
    .execution_options(populate_existing=True)
)


def call_by_id(session: Session, call_id: str) -> Call:
    """The call as the statements of this transaction left it; it exists."""
    return session.scalars(_CALL, {"call_id": call_id}).one()


def legs_of(session: Session, call_id: str) -> list[CallLeg]:
    """The call's legs in the order they were made, as the statements of this transaction left them."""
    return list(session.scalars(_LEGS, {"call_id": call_id}))


def visible_call(session: Session, caller: Caller, call_id: str, *, now: datetime) -> Call:
    """The call, if it belongs to a tenancy of the caller that has the home now.

    Raises:
        NotFoundError: no such call, or not the caller's to know of.
    """
    call = session.get(Call, call_id)
    if (
        call is None
        or call.community_id != caller.community_id
        or call.tenancy_id is None
        or not stands_in(session, caller.account_id, call.tenancy_id, now=now)
    ):
        raise NotFoundError("there is no such call")
    return call


def calls_of(
    session: Session, tenancy_ids: Collection[str], *, active_only: bool, before: str | None, limit: int
) -> list[Call]:
    """Calls of these tenancies, newest first, older than the call `before`."""
    query = select(Call).where(Call.tenancy_id.in_(tenancy_ids)).order_by(Call.id.desc()).limit(limit)
    if active_only:
        query = query.where(Call.state.in_(ACTIVE))
    if before is not None:
        query = query.where(Call.id < before)
    return list(session.scalars(query))


def view_of(session: Session, vault: Vault, call: Call) -> CallView:
    """The call with its legs and names."""
    legs = tuple(legs_of(session, call.id))
    answered = next((leg for leg in legs if leg.id == call.answered_leg_id), None)
    ended = next((leg for leg in legs if leg.device_id == call.ended_by), None)
    return CallView(
        call=call,
        legs=legs,
        answered_device=answered.device_id if answered else None,
        answered_name=_name(session, vault, answered),
        ended_name=_name(session, vault, ended),
    )


def _name(session: Session, vault: Vault, leg: CallLeg | None) -> str | None:
    return None if leg is None else name_by_id(session, vault, leg.account_id)
