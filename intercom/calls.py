"""Calls: place, answer, decline, hang up, end - every race settled by one conditional UPDATE (clause 8(1)b, R068).

Each change raises the call's version in the transaction that makes it; phones and stations ignore older versions. The
fact of a change carries the call as it is then, so that announcing it needs no second reading.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, func, select, update
from sqlalchemy.orm import Session, aliased

from backend.access_rules import CallClaim
from backend.db import Database, UnitOfWork, rows_changed
from backend.errors import (
    CallAlreadyAnsweredError,
    CallEndedError,
    HouseholdBusyError,
    NotFoundError,
    StationBusyError,
)
from backend.events import CallAnswered, CallDeclined, CallEnded, CallRinging
from backend.failpoints import failpoint
from backend.households import current_tenancy, people_of
from backend.identity.devices import Device
from backend.identity.tokens import Caller
from backend.ids import new_id
from backend.vault import Vault
from intercom.call_records import Call, CallLeg, CallView, legs_of, view_of, visible_call
from intercom.call_state import ACTIVE, Act, CallState, EndReason, LegState, reason_of, sources_of
from intercom.station_protocol import StationKind
from intercom.stations import Station, StationDoor, household_dialled

Presence = Callable[[Collection[str]], set[str]]
"""Of these devices, the ones whose page is open now."""


def claim_first_answer(call_id: str, *, leg_id: str, talk_s: int, now: datetime) -> Update:
    """The statement that decides who answered: it changes a row only while the call rings and its time is not over."""
    return (
        update(Call)
        .where(Call.id == call_id, Call.state.in_(sources_of(Act.ANSWER)), Call.expires_at > now)
        .values(
            state=CallState.ANSWERED,
            version=Call.version + 1,
            answered_leg_id=leg_id,
            answered_at=now,
            talk_until=now + timedelta(seconds=talk_s),
        )
        .execution_options(synchronize_session=False)
    )


@dataclass(frozen=True, kw_only=True)
class CallDesk:
    """The operations on calls. `claim` is the statement that settles the race for the first answer."""

    db: Database
    vault: Vault
    presence: Presence
    claim: Callable[..., Update] = claim_first_answer

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
        station = uow.get(Station, community_id, station_id)
        earlier = session.scalar(select(Call).where(Call.station_id == station.id, Call.request_id == request_id))
        if earlier is not None:
            return view_of(session, self.vault, earlier)
        household = household_dialled(session, station, dial)
        running = session.scalar(select(Call).where(Call.station_id == station.id, Call.state.in_(ACTIVE)))
        if running is not None:
            if running.state == CallState.RINGING and running.household_id == household.id:
                return view_of(session, self.vault, running)
            raise StationBusyError("this station is in a call; hang up first")
        tenancy = current_tenancy(session, household.id, now=now)
        call = Call(
            id=new_id(),
            community_id=community_id,
            station_id=station.id,
            household_id=household.id,
            tenancy_id=tenancy.id if tenancy else None,
            request_id=request_id,
            dial=dial,
            state=CallState.RINGING,
            version=1,
            placed_at=now,
            expires_at=now + timedelta(seconds=station.ring_s),
        )
        busy = (
            session.scalar(select(Call.id).where(Call.household_id == household.id, Call.state.in_(ACTIVE))) is not None
        )
        if busy:
            _end_unplaced(call, EndReason.HOUSEHOLD_BUSY, now)
        devices = _devices_to_ring(session, call.tenancy_id, now)
        if not busy and not self.presence([device.id for device in devices]):
            _end_unplaced(call, EndReason.NOBODY_CONNECTED, now)
        legs = []
        if call.state == CallState.RINGING:
            legs = [_new_leg(call, device.id, device.account_id) for device in devices]
        session.add(call)
        session.flush()
        session.add_all(legs)
        session.flush()
        view = CallView(call=call, legs=tuple(legs), answered_device=None, answered_name=None, ended_name=None)
        if call.state == CallState.RINGING:
            uow.state(CallRinging(**_facts(view)))
        else:
            uow.state(CallEnded(**_facts(view), reason=str(call.end_reason)))
        return view

    def received(self, caller: Caller, *, call_id: str, now: datetime) -> None:
        """This phone rings now."""
        with self.db.unit_of_work() as uow:
            leg = self._leg(uow, caller, call_id, now)
            leg.received_at = leg.received_at or now

    def answer(self, caller: Caller, *, call_id: str, now: datetime) -> CallView:
        """Answer on this phone; repeating it on the phone that won is fine.

        Raises:
            NotFoundError: no such call for this phone.
            CallAlreadyAnsweredError: another phone was first; says who.
            CallEndedError: the call is over, or its ring time is.
        """
        with self.db.unit_of_work() as uow:
            leg = self._leg(uow, caller, call_id, now)
            won = rows_changed(
                uow.session, self.claim(call_id, leg_id=leg.id, talk_s=_talk_s(uow.session, call_id), now=now)
            )
            if won:
                _move_legs(uow.session, call_id, LegState.RINGING, LegState.COMPLETED_ELSEWHERE, but=leg.id)
                leg.state = LegState.ANSWERED
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
            leg = self._leg(uow, caller, call_id, now)
            call = uow.session.get_one(Call, call_id)
            view = None
            if call.state == CallState.RINGING and leg.state == LegState.RINGING:
                leg.state = LegState.DECLINED
                call.version += 1
                uow.session.flush()
                rest = [x.device_id for x in legs_of(uow.session, call_id) if x.state == LegState.RINGING]
                if self.presence(rest):
                    view = view_of(uow.session, self.vault, call)
                    uow.state(CallDeclined(**_facts(view), device_id=caller.device_id))
                else:
                    view = self._end(uow, call_id, Act.ALL_DECLINED, by=caller.device_id, now=now)
            view = view or view_of(uow.session, self.vault, call)
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
            leg = self._leg(uow, caller, call_id, now)
            call = uow.session.get_one(Call, call_id)
            view = None
            if call.answered_leg_id == leg.id:
                view = self._end(uow, call_id, Act.RESIDENT_HANGS_UP, by=caller.device_id, now=now)
            view = view or view_of(uow.session, self.vault, call)
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
            update(Call)
            .where(Call.id == call_id, Call.state.in_(sources_of(act)))
            .values(state=CallState.ENDED, version=Call.version + 1, ended_at=now, end_reason=reason, ended_by=by)
            .execution_options(synchronize_session=False),
        )
        if ended == 0:
            return None
        uow.session.execute(
            update(CallLeg)
            .where(CallLeg.call_id == call_id, CallLeg.state.in_((LegState.RINGING, LegState.ANSWERED)))
            .values(state=LegState.ENDED)
        )
        view = self._fresh(uow.session, call_id)
        uow.state(CallEnded(**_facts(view), reason=str(reason)))
        return view

    def _fresh(self, session: Session, call_id: str) -> CallView:
        """The call as the statements of this transaction left it."""
        session.flush()
        return view_of(session, self.vault, session.get_one(Call, call_id, populate_existing=True))

    def _leg(self, uow: UnitOfWork, caller: Caller, call_id: str, now: datetime) -> CallLeg:
        """This phone's leg; a phone that was approved after the press gets one now."""
        call = visible_call(uow.session, caller, call_id, now=now)
        leg = uow.session.scalar(
            select(CallLeg).where(CallLeg.call_id == call.id, CallLeg.device_id == caller.device_id)
        )
        if leg is None:
            leg = _new_leg(call, caller.device_id, caller.account_id)
            if call.state != CallState.RINGING:
                leg.state = LegState.ENDED if call.state == CallState.ENDED else LegState.COMPLETED_ELSEWHERE
            uow.session.add(leg)
            uow.session.flush()
        return leg

    # CallBook: what opening has to know of calls

    def claim_of(
        self, session: Session, *, call_id: str, tenancy_ids: set[str], device_id: str, door_id: str
    ) -> CallClaim:
        """How this call stands towards this person, device and door: one statement."""
        row = session.execute(
            select(Call.state, Call.tenancy_id, CallLeg.device_id, StationDoor.door_id)
            .outerjoin(CallLeg, CallLeg.id == Call.answered_leg_id)
            .outerjoin(StationDoor, (StationDoor.station_id == Call.station_id) & (StationDoor.door_id == door_id))
            .where(Call.id == call_id)
        ).one_or_none()
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
        other = aliased(StationDoor)
        doors_there = select(func.count()).where(other.station_id == Station.id).correlate(Station).scalar_subquery()
        ringing = uow.session.execute(
            select(Call.id, Station.kind, doors_there)
            .join(Station, Station.id == Call.station_id)
            .join(StationDoor, StationDoor.station_id == Station.id)
            .where(StationDoor.door_id == door_id, Call.state == CallState.RINGING)
        ).all()
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


def _devices_to_ring(session: Session, tenancy_id: str | None, now: datetime) -> list[Device]:
    if tenancy_id is None:
        return []
    accounts = {resident.account_id for resident in people_of(session, [tenancy_id], now=now)}
    return list(
        session.scalars(
            select(Device).where(
                Device.account_id.in_(accounts), Device.removed_at.is_(None), Device.approved_at.is_not(None)
            )
        )
    )


def _new_leg(call: Call, device_id: str, account_id: str) -> CallLeg:
    return CallLeg(
        id=new_id(),
        community_id=call.community_id,
        call_id=call.id,
        device_id=device_id,
        account_id=account_id,
        state=LegState.RINGING,
    )


def _talk_s(session: Session, call_id: str) -> int:
    """How long a talk from the call's station may last."""
    return session.scalars(
        select(Station.talk_s).join(Call, Call.station_id == Station.id).where(Call.id == call_id)
    ).one()


def _move_legs(session: Session, call_id: str, before: LegState, after: LegState, *, but: str | None = None) -> None:
    query = update(CallLeg).where(CallLeg.call_id == call_id, CallLeg.state == before)
    if but is not None:
        query = query.where(CallLeg.id != but)
    session.execute(query.values(state=after))
