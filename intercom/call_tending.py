"""Calls that nobody ends: rings past their time, talks past theirs, stations and phones that were lost."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from intercom.call_records import Call, CallLeg
from intercom.call_state import ACTIVE, Act, CallState
from intercom.calls import CallDesk
from intercom.station_hub import StationHub

PhoneGone = Callable[[str], bool]
"""Whether this device has been away longer than the grace for a reconnect."""


def tend(calls: CallDesk, hub: StationHub, phone_gone: PhoneGone, *, grace_s: float, now: datetime) -> int:
    """End every call whose time, station or phone is gone; returns how many ended.

    A phone that answered while its page was still away has `grace_s` from the answer to open it.
    """
    with calls.db.reading() as session:
        running = session.execute(
            select(Call, CallLeg.device_id)
            .outerjoin(CallLeg, CallLeg.id == Call.answered_leg_id)
            .where(Call.state.in_(ACTIVE))
        ).all()
    ended = 0
    for call, device_id in running:
        act = _due(call, hub, now)
        if act is None and _answered_before(call, now - timedelta(seconds=grace_s)) and phone_gone(device_id):
            act = Act.PHONE_LOST
        if act is not None:
            ended += calls.end(call.id, act, now=now)
    return ended


def _answered_before(call: Call, moment: datetime) -> bool:
    return call.answered_at is not None and call.answered_at < moment


def _due(call: Call, hub: StationHub, now: datetime) -> Act | None:
    if call.state == CallState.RINGING and call.expires_at <= now:
        return Act.RING_TIME_OVER
    if call.state == CallState.ANSWERED and call.talk_until is not None and call.talk_until <= now:
        return Act.TALK_TIME_OVER
    if hub.lost(call.station_id):
        return Act.STATION_LOST
    return None
