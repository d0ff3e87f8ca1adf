"""Calls that nobody ends: rings past their time, talks past theirs, stations and phones that were lost."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select

from intercom.call_records import Call, CallLeg
from intercom.call_state import ACTIVE, Act, CallState
from intercom.calls import CallDesk
from intercom.station_hub import StationHub

PhoneGone = Callable[[str], bool]
"""Whether this device has been away longer than the grace for a reconnect."""


def tend(calls: CallDesk, hub: StationHub, phone_gone: PhoneGone, *, now: datetime) -> int:
    """End every call whose time, station or phone is gone; returns how many ended."""
    with calls.db.reading() as session:
        running = session.execute(
            select(Call, CallLeg.device_id)
            .outerjoin(CallLeg, CallLeg.id == Call.answered_leg_id)
            .where(Call.state.in_(ACTIVE))
        ).all()
    ended = 0
    for call, device_id in running:
        act = _due(call, device_id, hub, phone_gone, now)
        if act is not None:
            ended += calls.end(call.id, act, now=now)
    return ended


def _due(call: Call, device_id: str | None, hub: StationHub, phone_gone: PhoneGone, now: datetime) -> Act | None:
    if call.state == CallState.RINGING and call.expires_at <= now:
        return Act.RING_TIME_OVER
    if call.state == CallState.ANSWERED and call.talk_until is not None and call.talk_until <= now:
        return Act.TALK_TIME_OVER
    if hub.lost(call.station_id):
        return Act.STATION_LOST
    if call.state == CallState.ANSWERED and device_id is not None and phone_gone(device_id):
        return Act.PHONE_LOST
    return None
