"""Opening a door: decide, record, command, record what the station said - in this order (clauses 8.1 i and 8(1)-(12)).

An opening may be lost in a crash; its record may not. So the decision is durable before the command leaves, and the
phone is told what the station acknowledged, never what was hoped.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy import ForeignKey, String, UniqueConstraint, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend import access_log, doors
from backend.access_log import Entry, RecordKind
from backend.access_rules import CallClaim, Decision, Reason, Request, decide
from backend.clock import utc_now
from backend.communities import Household
from backend.db import ID_LENGTH, Base, Database, UnitOfWork, belongs_to, rows_changed, table_of
from backend.errors import AccessDeniedError, ConflictError, IdempotencyMismatchError, NotFoundError
from backend.events import OpeningChanged
from backend.failpoints import failpoint
from backend.households import Membership, memberships
from backend.identity.tokens import Caller
from backend.ids import new_id
from backend.vault import Vault


class OpeningState(StrEnum):
    """What is known of an opening."""

    COMMANDED = "commanded"
    OPENED = "opened"
    FAILED = "failed"
    EXPIRED = "expired"
    UNANSWERED = "unanswered"
    OFFLINE = "offline"


CORRECTABLE = (OpeningState.COMMANDED, OpeningState.UNANSWERED, OpeningState.OFFLINE)
"""States that a station's word, however late, replaces."""


class Opening(Base):
    """One granted wish to open a door, and how it went; its id is the correlation id of its records."""

    __tablename__ = "opening"
    __table_args__ = (
        UniqueConstraint("community_id", "id"),
        UniqueConstraint("device_id", "idempotency_key"),
        belongs_to("door_id", "door"),
        belongs_to("device_id", "device"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    device_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    account_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    idempotency_key: Mapped[str] = mapped_column(String(80))
    door_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    station_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    call_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    household_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    tenancy_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    state: Mapped[str] = mapped_column(String(12), index=True)
    detail: Mapped[str | None] = mapped_column(String(200))
    commanded_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


_openings = table_of(Opening)
_BEGIN_OPENING = insert(_openings)
_SETTLE = (
    update(_openings)
    .where(_openings.c.id == bindparam("of_command"), _openings.c.state.in_(bindparam("replaces", expanding=True)))
    .values({name: bindparam(name) for name in ("state", "detail", "settled_at")})
)
_OPENING_OF_KEY = select(Opening).where(
    Opening.device_id == bindparam("device_id"), Opening.idempotency_key == bindparam("key")
)
_OPENING_OF_ACCOUNT = (
    select(Opening, doors.Door.name)
    .join(doors.Door, doors.Door.id == Opening.door_id)
    .where(Opening.id == bindparam("opening_id"), Opening.account_id == bindparam("account_id"))
)
_DOOR = select(doors.Door).where(
    doors.Door.id == bindparam("door_id"), doors.Door.community_id == bindparam("community_id")
)
_HOUSEHOLD = select(Household).where(Household.id == bindparam("household_id"))
_DOOR_NAME = select(doors.Door.name).where(doors.Door.id == bindparam("door_id"))


@dataclass(frozen=True, kw_only=True)
class OpenCommand:
    """What a station is told; it refuses the command after `expires_at` by the server's time."""

    command_id: str
    community_id: str
    station_id: str | None
    door_id: str
    relay: int
    hold_s: int
    issued_at: datetime
    expires_at: datetime
    call_id: str | None


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """What came of a command: the station's word, or that there was none."""

    state: OpeningState
    detail: str | None = None
    station_at: str | None = None


class DoorController(Protocol):
    """The way to the locks."""

    def station_for(self, session: Session, door_id: str) -> tuple[str, int] | None:
        """The station that moves this door and the number of its relay, None when no station has it."""

    def release(self, command: OpenCommand) -> Acknowledgement | None:
        """Send the command and wait within the deadline; None when the station's word came and is settled already."""

    def wait(self, command_id: str) -> None:
        """Wait until a command that is under way is settled, or its deadline is over."""


@dataclass(frozen=True, kw_only=True)
class OpeningView:
    """An opening and the name of its door."""

    opening: Opening
    door_name: str


class CallBook(Protocol):
    """What opening has to know of calls."""

    def claim_of(
        self, session: Session, *, call_id: str, tenancy_ids: set[str], device_id: str, door_id: str
    ) -> CallClaim:
        """How this call stands towards this person, device and door."""

    def door_opened(
        self, uow: UnitOfWork, *, door_id: str, call_id: str | None, device_id: str | None, now: datetime
    ) -> None:
        """End the rings that this opening ends."""


@dataclass(frozen=True, kw_only=True)
class AccessDesk:
    """The operations on doors, with the ports they need. `lifetime_s` is how long a command may be carried out."""

    db: Database
    vault: Vault
    controller: DoorController
    calls: CallBook
    lifetime_s: float

    def open_door(
        self, caller: Caller, *, door_id: str, call_id: str | None, idempotency_key: str, now: datetime
    ) -> OpeningView:
        """Open a door for a resident, from a call or on their own; a repeated key opens once and gets the same opening.

        Raises:
            NotFoundError: no such door in the caller's community.
            AccessDeniedError: a rule refuses; the refusal is recorded too.
            IdempotencyMismatchError: the key was used for another door or call.
        """
        try:
            begun = self._decide(caller, door_id=door_id, call_id=call_id, idempotency_key=idempotency_key, now=now)
        except IntegrityError:
            # Two equal requests at once: the unique key let one through, this one reads what that one made.
            begun = self._repeated(caller, idempotency_key=idempotency_key)
        if isinstance(begun, Decision):
            raise AccessDeniedError("this door does not open for you now", reason=begun.reason)
        if isinstance(begun, Opening):
            if (begun.door_id, begun.call_id) != (door_id, call_id):
                raise IdempotencyMismatchError("this idempotency key was used for another opening")
            self.controller.wait(begun.id)
            return self.opening(caller, opening_id=begun.id)
        failpoint("server.decision_recorded")
        self._carry_out(begun)
        return self.opening(caller, opening_id=begun.command_id)

    def opening(self, caller: Caller, *, opening_id: str) -> OpeningView:
        """One of the caller's openings.

        Raises:
            NotFoundError: there is none.
        """
        with self.db.reading() as session:
            row = session.execute(
                _OPENING_OF_ACCOUNT, {"opening_id": opening_id, "account_id": caller.account_id}
            ).one_or_none()
        if row is None:
            raise NotFoundError("there is no such opening")
        return OpeningView(opening=row[0], door_name=row[1])

    def settle(
        self, command_id: str, acknowledgement: Acknowledgement, *, now: datetime, station_id: str | None = None
    ) -> bool:
        """Record what became of an opening, once; a station's late word replaces an earlier 'no answer'.

        Returns whether this word changed what is known.

        Raises:
            NotFoundError: no such opening, or `station_id` says it and it is another station's.
        """
        with self.db.unit_of_work() as uow:
            opening = uow.session.get(Opening, command_id)
            if opening is None or station_id not in {None, opening.station_id}:
                raise NotFoundError("there is no such command")
            replaces = (
                (OpeningState.COMMANDED,)
                if acknowledgement.state in {OpeningState.UNANSWERED, OpeningState.OFFLINE}
                else CORRECTABLE
            )
            late = opening.state != OpeningState.COMMANDED
            changed = rows_changed(
                uow.session,
                _SETTLE,
                {
                    "of_command": command_id,
                    "replaces": replaces,
                    "state": acknowledgement.state,
                    "detail": acknowledgement.detail,
                    "settled_at": now,
                },
            )
            if changed == 0:
                return False
            if acknowledgement.state == OpeningState.OPENED:
                self.calls.door_opened(
                    uow, door_id=opening.door_id, call_id=opening.call_id, device_id=opening.device_id, now=now
                )
            uow.session.expunge(opening)
            opening.state, opening.detail, opening.settled_at = acknowledgement.state, acknowledgement.detail, now
            door_name = uow.session.execute(_DOOR_NAME, {"door_id": opening.door_id}).scalar_one()
            uow.state(
                OpeningChanged(
                    community_id=opening.community_id,
                    opening_id=opening.id,
                    device_id=opening.device_id,
                    door_id=opening.door_id,
                    call_id=opening.call_id,
                    state=acknowledgement.state,
                    snapshot=OpeningView(opening=opening, door_name=door_name),
                )
            )
            access_log.append(
                uow,
                self.vault,
                Entry(
                    kind=RecordKind.RESULT,
                    correlation_id=opening.id,
                    method="call" if opening.call_id else "app",
                    result=acknowledgement.state,
                    reason="late" if late else None,
                    detail=acknowledgement.detail,
                    station_at=acknowledgement.station_at,
                    door_id=opening.door_id,
                    station_id=opening.station_id,
                    call_id=opening.call_id,
                    household_id=opening.household_id,
                    tenancy_id=opening.tenancy_id,
                    account_id=opening.account_id,
                    device_id=opening.device_id,
                ),
                community_id=opening.community_id,
                now=now,
            )
            return True

    def recover(self, *, now: datetime) -> int:
        """After a restart: openings nobody heard of again become 'unanswered'; no command is ever sent twice."""
        with self.db.reading() as session:
            lost = list(session.scalars(select(Opening.id).where(Opening.state == OpeningState.COMMANDED)))
        silent = Acknowledgement(state=OpeningState.UNANSWERED, detail="the service restarted")
        return sum(self.settle(opening_id, silent, now=now) for opening_id in lost)

    def _repeated(self, caller: Caller, *, idempotency_key: str) -> Opening:
        with self.db.reading() as session:
            earlier = self._earlier(session, caller, idempotency_key)
        if earlier is None:
            raise ConflictError("the first request with this key was undone; try again")
        return earlier

    def _earlier(self, session: Session, caller: Caller, idempotency_key: str) -> Opening | None:
        return session.scalar(_OPENING_OF_KEY, {"device_id": caller.device_id, "key": idempotency_key})

    def _decide(
        self, caller: Caller, *, door_id: str, call_id: str | None, idempotency_key: str, now: datetime
    ) -> OpenCommand | Opening | Decision:
        """One transaction: the decision's record and, when granted, the opening.

        Returns the command to carry out, the opening that this key made before, or the refusal.
        """
        with self.db.unit_of_work() as uow:
            earlier = self._earlier(uow.session, caller, idempotency_key)
            if earlier is not None:
                return earlier
            door = uow.session.scalar(_DOOR, {"door_id": door_id, "community_id": caller.community_id})
            if door is None:
                raise NotFoundError("there is no such door")
            decision, via = self._judge(uow.session, caller, door=door, call_id=call_id, now=now)
            mover = self.controller.station_for(uow.session, door.id)
            command = OpenCommand(
                command_id=new_id(),
                community_id=caller.community_id,
                station_id=mover[0] if mover else None,
                door_id=door.id,
                relay=mover[1] if mover else 0,
                hold_s=door.hold_s,
                issued_at=now,
                expires_at=now + timedelta(seconds=self.lifetime_s),
                call_id=call_id,
            )
            if decision.granted and via is not None:
                uow.session.execute(_BEGIN_OPENING, _opening_of(command, caller, via, idempotency_key))
            access_log.append(
                uow,
                self.vault,
                Entry(
                    kind=RecordKind.DECISION,
                    correlation_id=command.command_id,
                    method="call" if call_id else "app",
                    result="granted" if decision.granted else "refused",
                    reason=decision.reason,
                    door_id=door.id,
                    station_id=command.station_id,
                    call_id=call_id if decision.reason in _REASONS_WITH_CALL else None,
                    household_id=via.household_id if via else None,
                    tenancy_id=via.tenancy_id if via else None,
                    account_id=caller.account_id,
                    device_id=caller.device_id,
                ),
                community_id=caller.community_id,
                now=now,
            )
        return command if decision.granted else decision

    def _judge(
        self, session: Session, caller: Caller, *, door: doors.Door, call_id: str | None, now: datetime
    ) -> tuple[Decision, Membership | None]:
        """The decision, and the membership by which the person comes."""
        standing = memberships(session, caller.account_id, now=now)
        counting = [m for m in standing if m.counts]
        claim = None
        if call_id is not None:
            claim = self.calls.claim_of(
                session,
                call_id=call_id,
                tenancy_ids={m.tenancy_id for m in counting},
                device_id=caller.device_id,
                door_id=door.id,
            )
        way = None if claim is not None else _way_to(session, counting, door)
        decision = decide(
            Request(
                device_approved=caller.approved,
                has_household=bool(standing),
                lives_here=bool(counting),
                own_door=way is not None,
                call=claim,
            )
        )
        if claim is not None:
            way = next((m for m in counting if m.tenancy_id == claim.tenancy_id), None)
        return decision, way or (counting[0] if counting else None)

    def _carry_out(self, command: OpenCommand) -> None:
        """Command the station, outside any transaction, and record what it said."""
        if command.station_id is None:
            answer: Acknowledgement | None = Acknowledgement(
                state=OpeningState.OFFLINE, detail="no station has this door"
            )
        else:
            answer = self.controller.release(command)
        if answer is not None:
            self.settle(command.command_id, answer, now=utc_now())


_REASONS_WITH_CALL = frozenset({Reason.RESIDENT_IN_CALL, Reason.NOT_DOOR_OF_CALL, Reason.ANSWERED_BY_ANOTHER})


def _opening_of(command: OpenCommand, caller: Caller, via: Membership, idempotency_key: str) -> dict[str, object]:
    return {
        "id": command.command_id,
        "community_id": command.community_id,
        "device_id": caller.device_id,
        "account_id": caller.account_id,
        "idempotency_key": idempotency_key,
        "door_id": command.door_id,
        "station_id": command.station_id,
        "call_id": command.call_id,
        "household_id": via.household_id,
        "tenancy_id": via.tenancy_id,
        "state": OpeningState.COMMANDED,
        "commanded_at": command.issued_at,
        "expires_at": command.expires_at,
    }


def _way_to(session: Session, standing: list[Membership], door: doors.Door) -> Membership | None:
    """The membership whose home this door is on the way to."""
    for membership in standing:
        household = session.scalars(_HOUSEHOLD, {"household_id": membership.household_id}).one()
        if doors.leads_to(door, household):
            return membership
    return None
