"""Opening a door: decide, record, command, record what the station said - in this order (clauses 8.1 i and 8(1)-(12)).

An opening may be lost in a crash; its record may not. So the decision is durable before the command leaves, and the
phone is told what the station acknowledged, never what was hoped.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy import ForeignKey, String, UniqueConstraint, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend import access_log, doors
from backend.access_log import Entry, RecordKind
from backend.access_rules import CallClaim, Decision, Request, decide
from backend.clock import utc_now
from backend.communities import Household
from backend.db import ID_LENGTH, Base, Database, UnitOfWork, belongs_to, rows_changed, scoped_get
from backend.errors import AccessDeniedError, IdempotencyMismatchError
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


@dataclass(frozen=True, kw_only=True)
class OpenCommand:
    """What a station is told; it refuses the command after `expires_at` by the server's time."""

    command_id: str
    community_id: str
    station_id: str
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

    def release(self, command: OpenCommand) -> Acknowledgement:
        """Send the command and wait for its acknowledgement within the deadline; never raises for a silent station."""

    def wait(self, command_id: str) -> None:
        """Wait until a command that is under way is settled, or its deadline is over."""


class CallBook(Protocol):
    """What opening has to know of calls."""

    def claim(
        self, session: Session, *, call_id: str, tenancy_ids: set[str], device_id: str, door_id: str, now: datetime
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
    ) -> Opening:
        """Open a door for a resident, from a call or on their own; a repeated key opens once and gets the same opening.

        Raises:
            NotFoundError: no such door in the caller's community.
            AccessDeniedError: a rule refuses; the refusal is recorded too.
            IdempotencyMismatchError: the key was used for another door or call.
        """
        try:
            opening, decision = self._decide(
                caller, door_id=door_id, call_id=call_id, idempotency_key=idempotency_key, now=now
            )
        except IntegrityError:
            # Two equal requests at once: the unique key let one through, this one reads what that one made.
            opening, decision = self._repeated(caller, idempotency_key=idempotency_key), None
        if opening is None:
            assert decision is not None
            raise AccessDeniedError("this door does not open for you now", reason=decision.reason)
        if (opening.door_id, opening.call_id) != (door_id, call_id):
            raise IdempotencyMismatchError("this idempotency key was used for another opening")
        if decision is None:
            self.controller.wait(opening.id)
            return self.opening(caller, opening_id=opening.id)
        failpoint("server.decision_recorded")
        self._carry_out(opening)
        return self.opening(caller, opening_id=opening.id)

    def opening(self, caller: Caller, *, opening_id: str) -> Opening:
        """One of the caller's openings.

        Raises:
            NotFoundError: there is none.
        """
        with self.db.reading() as session:
            opening = scoped_get(session, Opening, caller.community_id, opening_id)
            if opening.account_id != caller.account_id:
                scoped_get(session, Opening, "", opening_id)
            return opening

    def settle(self, command_id: str, acknowledgement: Acknowledgement, *, now: datetime) -> bool:
        """Record what became of an opening, once; a station's late word replaces an earlier 'no answer'.

        Returns whether this word changed what is known.
        """
        with self.db.unit_of_work() as uow:
            opening = uow.session.get(Opening, command_id)
            if opening is None:
                return False
            replaces = (
                (OpeningState.COMMANDED,)
                if acknowledgement.state in {OpeningState.UNANSWERED, OpeningState.OFFLINE}
                else CORRECTABLE
            )
            late = opening.state != OpeningState.COMMANDED
            changed = rows_changed(
                uow.session,
                update(Opening)
                .where(Opening.id == opening.id, Opening.state.in_(replaces))
                .values(state=acknowledgement.state, detail=acknowledgement.detail, settled_at=now),
            )
            if changed == 0:
                return False
            if acknowledgement.state == OpeningState.OPENED:
                self.calls.door_opened(
                    uow, door_id=opening.door_id, call_id=opening.call_id, device_id=opening.device_id, now=now
                )
            uow.state(
                OpeningChanged(
                    community_id=opening.community_id,
                    opening_id=opening.id,
                    device_id=opening.device_id,
                    door_id=opening.door_id,
                    call_id=opening.call_id,
                    state=acknowledgement.state,
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

    def _repeated(self, caller: Caller, *, idempotency_key: str) -> Opening | None:
        with self.db.reading() as session:
            return self._earlier(session, caller, idempotency_key)

    def _earlier(self, session: Session, caller: Caller, idempotency_key: str) -> Opening | None:
        return session.scalar(
            select(Opening).where(Opening.device_id == caller.device_id, Opening.idempotency_key == idempotency_key)
        )

    def _decide(
        self, caller: Caller, *, door_id: str, call_id: str | None, idempotency_key: str, now: datetime
    ) -> tuple[Opening | None, Decision | None]:
        """One transaction: decision row and, when granted, the opening. (opening, None) for a repeated key."""
        with self.db.unit_of_work() as uow:
            session = uow.session
            earlier = self._earlier(session, caller, idempotency_key)
            if earlier is not None:
                return earlier, None
            door = uow.get(doors.Door, caller.community_id, door_id)
            standing = memberships(session, caller.account_id, now=now)
            counting = [m for m in standing if m.counts]
            way = _way_to(session, counting, door)
            claim = None
            if call_id is not None:
                claim = self.calls.claim(
                    session,
                    call_id=call_id,
                    tenancy_ids={m.tenancy_id for m in counting},
                    device_id=caller.device_id,
                    door_id=door.id,
                    now=now,
                )
            decision = decide(
                Request(
                    device_approved=caller.approved,
                    has_household=bool(standing),
                    lives_here=bool(counting),
                    own_door=way is not None,
                    call=claim,
                )
            )
            via = way or (counting[0] if counting else None)
            correlation_id = new_id()
            opening = None
            mover = self.controller.station_for(session, door.id)
            if decision.granted and via is not None:
                opening = Opening(
                    id=correlation_id,
                    community_id=caller.community_id,
                    device_id=caller.device_id,
                    account_id=caller.account_id,
                    idempotency_key=idempotency_key,
                    door_id=door.id,
                    station_id=mover[0] if mover else None,
                    call_id=call_id,
                    household_id=via.household_id,
                    tenancy_id=via.tenancy_id,
                    state=OpeningState.COMMANDED,
                    commanded_at=now,
                    expires_at=now + timedelta(seconds=self.lifetime_s),
                )
                session.add(opening)
                session.flush()
            access_log.append(
                uow,
                self.vault,
                Entry(
                    kind=RecordKind.DECISION,
                    correlation_id=correlation_id,
                    method="call" if call_id else "app",
                    result="granted" if decision.granted else "refused",
                    reason=decision.reason,
                    door_id=door.id,
                    station_id=opening.station_id if opening else None,
                    call_id=call_id if claim is not None and claim.mine else None,
                    household_id=via.household_id if via else None,
                    tenancy_id=via.tenancy_id if via else None,
                    account_id=caller.account_id,
                    device_id=caller.device_id,
                ),
                community_id=caller.community_id,
                now=now,
            )
            return opening, decision

    def _carry_out(self, opening: Opening) -> None:
        """Command the station, outside any transaction, and record what it said."""
        if opening.station_id is None:
            answer = Acknowledgement(state=OpeningState.OFFLINE, detail="no station has this door")
        else:
            with self.db.reading() as session:
                hold_s = scoped_get(session, doors.Door, opening.community_id, opening.door_id).hold_s
                mover = self.controller.station_for(session, opening.door_id)
            answer = self.controller.release(
                OpenCommand(
                    command_id=opening.id,
                    community_id=opening.community_id,
                    station_id=opening.station_id,
                    door_id=opening.door_id,
                    relay=mover[1] if mover else 1,
                    hold_s=hold_s,
                    issued_at=opening.commanded_at,
                    expires_at=opening.expires_at,
                    call_id=opening.call_id,
                )
            )
        self.settle(opening.id, answer, now=utc_now())


def _way_to(session: Session, standing: list[Membership], door: doors.Door) -> Membership | None:
    """The membership whose home this door is on the way to."""
    for membership in standing:
        household = session.get_one(Household, membership.household_id)
        if door.id in {d.id for d in doors.doors_of(session, household)}:
            return membership
    return None
