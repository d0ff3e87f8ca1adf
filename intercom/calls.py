"""Calls: place, answer, decline, hang up, end - every race settled by one conditional UPDATE (clause 8(1)b, R068).

Each change raises the call's version in the transaction that makes it; phones and stations ignore older versions. The
fact of a change carries the call as it is then, so that announcing it needs no second reading.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, inspect, update
from sqlalchemy.orm import Session

from backend.access_rules import CallClaim
from backend.db import Base, Database, UnitOfWork, rows_changed, table_of
from backend.errors import (
    CallAlreadyAnsweredError,
    CallEndedError,
    HouseholdBusyError,
    NotFoundError,
    StationBusyError,
)
from backend.events import CallAnswered, CallDeclined, CallEnded, CallRinging
from backend.failpoints import failpoint
from backend.households import current_tenancy_id, stands_in
from backend.identity.tokens import Caller
from backend.ids import new_id
from backend.vault import Vault
from intercom import call_statements
from intercom.call_records import Call, CallLeg, CallView, call_by_id, legs_of, view_of
from intercom.call_state import ACTIVE, Act, CallState, EndReason, LegState, reason_of, sources_of
from intercom.station_protocol import StationKind
from intercom.stations import household_dialled

_calls = table_of(Call)

Presence = Callable[[Collection[str]], set[str]]
"""Of these devices, the ones whose page is open now."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A phone's part in a call it may know of."""

    leg_id: str
    leg_state: str
    call_state: str
    answered_leg_id: str | None
    talk_s: int


@dataclass(frozen=True, kw_only=True)
class CallDesk:
    """The operations on calls. `claim` is the statement that settles the race for the first answer."""

    db: Database
    vault: Vault
    presence: Presence
    claim: Update = call_statements.CLAIM_FIRST_ANSWER

    def place(self, station_id: str, *, community_id: str, dial: str, request_id: str, now: datetime) -> CallView:
        """A visitor pressed a room: one transaction holds call, legs and fact; every phone of the home is to ring.

        The same request, or the same room while it rings, gives the same call. Nobody connected: the call ends at once
        and stays with the home as missed.

        Raises:
            RoomUnknownError: nothing to ring here under this number.
            StationBusyError: this station is in a call.
            HouseholdBusyError: the home is in a call from elsewhere; the attempt stays with the home as missed.
        """
        with self.db.unit_of_work() as uow:
            view = self._place(uow, station_id, community_id=community_id, dial=dial, request_id=request_id, now=now)
        failpoint("server.call_placed")
        if view.call.end_reason == EndReason.HOUSEHOLD_BUSY:
            raise HouseholdBusyError("the household is in another call", call_id=view.call.id)
        return view

    def _place(
        self, uow: UnitOfWork, station_id: str, *, community_id: str, dial: str, request_id: str, now: datetime
    ) -> CallView:
        session = uow.session
        station: Any = session.execute(
            call_statements.STATION_PRESSED, {"station_id": station_id, "community_id": community_id}
        ).one_or_none()
        if station is None:
            raise NotFoundError("there is no such station")
        running = None
        for found in session.execute(
            call_statements.CALLS_OF_STATION, {"station_id": station.id, "request_id": request_id}
        ).all():
            if found.request_id == request_id:
                return self._fresh(session, found.id)
            running = found
        household_id = household_dialled(session, station, dial)
        if running is not None:
            if running.state == CallState.RINGING and running.household_id == household_id:
                return self._fresh(session, running.id)
            raise StationBusyError("this station is in a call; hang up first")
        call = Call(
            id=new_id(),
            community_id=community_id,
            station_id=station.id,
            household_id=household_id,
            tenancy_id=current_tenancy_id(session, household_id, now=now),
            request_id=request_id,
            dial=dial,
            state=CallState.RINGING,
            version=1,
            placed_at=now,
            expires_at=now + timedelta(seconds=station.ring_s),
        )
        busy = session.execute(call_statements.CALL_OF_HOUSEHOLD, {"household_id": household_id}).first() is not None
        if busy:
            _end_unplaced(call, EndReason.HOUSEHOLD_BUSY, now)
        devices = session.execute(call_statements.PHONES_TO_RING, {"tenancy_id": call.tenancy_id, "now": now}).all()
        if not busy and not self.presence([device.id for device in devices]):
            _end_unplaced(call, EndReason.NOBODY_CONNECTED, now)
        legs = []
        if call.state == CallState.RINGING:
            legs = [_new_leg(call.id, call.community_id, device.id, device.account_id) for device in devices]
        session.execute(call_statements.PLACE, _values(call))
        if legs:
            session.execute(call_statements.ADD_LEG, [_values(leg) for leg in legs])
        view = CallView(call=call, legs=tuple(legs), answered_device=None, answered_name=None, ended_name=None)
        if call.state == CallState.RINGING:
            uow.state(CallRinging(**_facts(view)))
        else:
            uow.state(CallEnded(**_facts(view), reason=str(call.end_reason)))
        return view

    def received(self, caller: Caller, *, call_id: str, now: datetime) -> None:
        """This phone rings now."""
        with self.db.unit_of_work() as uow:
            part = self._part(uow.session, caller, call_id, now)
            uow.session.execute(call_statements.RECEIVED, {"leg_id": part.leg_id, "now": now})

    def answer(self, caller: Caller, *, call_id: str, now: datetime) -> CallView:
        """Answer on this phone; repeating it on the phone that won is fine.

        Raises:
            NotFoundError: no such call for this phone.
            CallAlreadyAnsweredError: another phone was first; says who.
            CallEndedError: the call is over, or its ring time is.
        """
        with self.db.unit_of_work() as uow:
            part = self._part(uow.session, caller, call_id, now)
            won = rows_changed(
                uow.session,
                self.claim,
                {
                    "of_call": call_id,
                    "winner": part.leg_id,
                    "now": now,
                    "talk_ends": now + timedelta(seconds=part.talk_s),
                },
            )
            if won:
                uow.session.execute(call_statements.SETTLE_LEGS, {"of_call": call_id, "winner": part.leg_id})
            view = self._fresh(uow.session, call_id)
            if won:
                uow.state(CallAnswered(**_facts(view)))
            failpoint("server.before_answer_commit")
        call = view.call
        if won or (view.answered_device == caller.device_id and call.state == CallState.ANSWERED):
            return view
        if call.state == CallState.ANSWERED:
            raise CallAlreadyAnsweredError(
                "another phone answered first", answered_by={"name": view.answered_name}, call_id=call.id
            )
        raise CallEndedError("the call is over", end_reason=call.end_reason or EndReason.NO_ANSWER, call_id=call.id)

    def decline(self, caller: Caller, *, call_id: str, now: datetime) -> CallView:
        """Stop ringing on this phone only; when nobody who is connected still rings, the call ends.

        Raises:
            NotFoundError: no such call for this phone.
            CallAlreadyAnsweredError, CallEndedError: there is nothing left to decline.
        """
        with self.db.unit_of_work() as uow:
            part = self._part(uow.session, caller, call_id, now)
            view = None
            if part.call_state == CallState.RINGING and part.leg_state == LegState.RINGING:
                uow.session.execute(call_statements.DECLINE_LEG, {"leg_id": part.leg_id})
                uow.session.execute(call_statements.NEXT_VERSION, {"of_call": call_id})
                rest = [x.device_id for x in legs_of(uow.session, call_id) if x.state == LegState.RINGING]
                if self.presence(rest):
                    view = self._fresh(uow.session, call_id)
                    uow.state(CallDeclined(**_facts(view), device_id=caller.device_id))
                else:
                    view = self._end(uow, call_id, Act.ALL_DECLINED, by=caller.device_id, now=now)
            view = view or self._fresh(uow.session, call_id)
        if view.call.state == CallState.ANSWERED:
            raise CallAlreadyAnsweredError("the call was answered", answered_by={"name": view.answered_name})
        return view

    def hang_up(self, caller: Caller, *, call_id: str, now: datetime) -> CallView:
        """End the talk on the phone that has it; on a call that is over it changes nothing.

        Raises:
            NotFoundError: no such call for this phone.
            CallAlreadyAnsweredError: another phone has the talk.
        """
        with self.db.unit_of_work() as uow:
            part = self._part(uow.session, caller, call_id, now)
            view = None
            if part.answered_leg_id == part.leg_id:
                view = self._end(uow, call_id, Act.RESIDENT_HANGS_UP, by=caller.device_id, now=now)
            view = view or self._fresh(uow.session, call_id)
        if view.call.state == CallState.ANSWERED:
            raise CallAlreadyAnsweredError("another phone has the talk", answered_by={"name": view.answered_name})
        return view

    def end_by_station(self, station_id: str, *, call_id: str, act: Act, now: datetime) -> CallView:
        """The station ends its call (hang-up at the door, lost media, restart); nothing changes on one that is over.

        Raises:
            NotFoundError: the station has no such call.
        """
        with self.db.unit_of_work() as uow:
            call = uow.session.get(Call, call_id)
            if call is None or call.station_id != station_id:
                raise NotFoundError("there is no such call")
            return self._end(uow, call_id, act, by=None, now=now) or view_of(uow.session, self.vault, call)

    def end(self, call_id: str, act: Act, *, now: datetime) -> bool:
        """End a call for a reason of the service's own; False when it was over."""
        with self.db.unit_of_work() as uow:
            return self._end(uow, call_id, act, by=None, now=now) is not None

    def _end(self, uow: UnitOfWork, call_id: str, act: Act, *, by: str | None, now: datetime) -> CallView | None:
        """End the call if it is in a state this act ends; the call as it is then, or None when nothing changed."""
        reason = reason_of(act)
        ended = rows_changed(
            uow.session,
            update(_calls)
            .where(_calls.c.id == call_id, _calls.c.state.in_(sources_of(act)))
            .values(state=CallState.ENDED, version=_calls.c.version + 1, ended_at=now, end_reason=reason, ended_by=by),
        )
        if ended == 0:
            return None
        uow.session.execute(call_statements.END_LEGS, {"of_call": call_id})
        view = self._fresh(uow.session, call_id)
        uow.state(CallEnded(**_facts(view), reason=str(reason)))
        return view

    def _fresh(self, session: Session, call_id: str) -> CallView:
        """The call as the statements of this transaction left it."""
        return view_of(session, self.vault, call_by_id(session, call_id))

    def _part(self, session: Session, caller: Caller, call_id: str, now: datetime) -> _Part:
        """This phone's part in a call of a tenancy that has the home; one approved after the press gets a leg now."""
        row = session.execute(
            call_statements.PART_OF_DEVICE, {"call_id": call_id, "device_id": caller.device_id}
        ).one_or_none()
        if (
            row is None
            or row.community_id != caller.community_id
            or row.tenancy_id is None
            or not stands_in(session, caller.account_id, row.tenancy_id, now=now)
        ):
            raise NotFoundError("there is no such call")
        leg_id, leg_state = row.leg_id, row.leg_state
        if leg_id is None:
            leg = _new_leg(call_id, row.community_id, caller.device_id, caller.account_id)
            if row.state != CallState.RINGING:
                leg.state = LegState.ENDED if row.state == CallState.ENDED else LegState.COMPLETED_ELSEWHERE
            session.execute(call_statements.ADD_LEG, _values(leg))
            leg_id, leg_state = leg.id, leg.state
        return _Part(
            leg_id=leg_id,
            leg_state=leg_state,
            call_state=row.state,
            answered_leg_id=row.answered_leg_id,
            talk_s=row.talk_s,
        )

    # CallBook: what opening has to know of calls

    def claim_of(
        self, session: Session, *, call_id: str, tenancy_ids: set[str], device_id: str, door_id: str
    ) -> CallClaim:
        """How this call stands towards this person, device and door: one statement."""
        row = session.execute(call_statements.CALL_AT_DOOR, {"call_id": call_id, "door_id": door_id}).one_or_none()
        if row is None or row[1] not in tenancy_ids:
            return CallClaim(running=False, mine=False, serves_door=False, answered_by_another=False)
        state, tenancy_id, answered_device, served_door = row
        return CallClaim(
            running=state in ACTIVE,
            mine=True,
            serves_door=served_door is not None,
            answered_by_another=answered_device not in {None, device_id},
            tenancy_id=tenancy_id,
        )

    def door_opened(
        self, uow: UnitOfWork, *, door_id: str, call_id: str | None, device_id: str | None, now: datetime
    ) -> None:
        """A door opened: its call stops ringing, and so does any ring of a unit station that has only this door.

        At a gate others pass all the time, so an opening that is not of the call leaves it ringing. A talk goes on.
        """
        ringing = uow.session.execute(call_statements.RINGING_AT_DOOR, {"door_id": door_id}).all()
        for ringing_id, kind, doors in ringing:
            if ringing_id == call_id:
                self._end(uow, ringing_id, Act.OPENED_BY_CALL, by=device_id, now=now)
            elif kind == StationKind.UNIT and doors == 1:
                self._end(uow, ringing_id, Act.DOOR_OPENED, by=device_id, now=now)


def _facts(view: CallView) -> dict[str, Any]:
    call = view.call
    return {
        "community_id": call.community_id,
        "call_id": call.id,
        "station_id": call.station_id,
        "tenancy_id": call.tenancy_id,
        "version": call.version,
        "snapshot": view,
    }


def _end_unplaced(call: Call, reason: EndReason, now: datetime) -> None:
    call.state, call.end_reason, call.ended_at = CallState.ENDED, reason, now


def _new_leg(call_id: str, community_id: str, device_id: str, account_id: str) -> CallLeg:
    return CallLeg(
        id=new_id(),
        community_id=community_id,
        call_id=call_id,
        device_id=device_id,
        account_id=account_id,
        state=LegState.RINGING,
    )


def _values(row: Base) -> dict[str, Any]:
    """A new row's values, for an insert without the mapper."""
    return {name: getattr(row, name) for name, _ in inspect(type(row)).columns.items()}
