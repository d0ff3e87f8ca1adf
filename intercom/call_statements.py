"""The statements of a ring and its answer, built once: everybody who is to ring waits for each of them.

They are Core statements on tables, which cost a third of the mapper's; their rows go no further than `calls`.
"""

from sqlalchemy import and_, bindparam, case, func, insert, or_, select, update

from backend.db import UtcDateTime, table_of
from backend.households import Resident
from backend.identity.devices import Device
from intercom.call_records import Call, CallLeg
from intercom.call_state import ACTIVE, Act, CallState, LegState, sources_of
from intercom.stations import Station, StationDoor

_call, _leg, _station = table_of(Call), table_of(CallLeg), table_of(Station)
_device, _resident, _moves = table_of(Device), table_of(Resident), table_of(StationDoor)
_other = _moves.alias()
_now = bindparam("now", type_=UtcDateTime())

STATION_PRESSED = select(
    _station.c.id,
    _station.c.community_id,
    _station.c.kind,
    _station.c.building_id,
    _station.c.unit_id,
    _station.c.ring_s,
).where(_station.c.id == bindparam("station_id"), _station.c.community_id == bindparam("community_id"))

CALLS_OF_STATION = select(_call.c.id, _call.c.request_id, _call.c.state, _call.c.household_id).where(
    _call.c.station_id == bindparam("station_id"),
    or_(_call.c.request_id == bindparam("request_id"), _call.c.state.in_(ACTIVE)),
)
"""What a press has to look at: the call that this request made before, and the one that runs."""

CALL_OF_HOUSEHOLD = (
    select(_call.c.id).where(_call.c.household_id == bindparam("household_id"), _call.c.state.in_(ACTIVE)).limit(1)
)

PHONES_TO_RING = (
    select(_device.c.id, _device.c.account_id)
    .join(_resident, _resident.c.account_id == _device.c.account_id)
    .where(
        _resident.c.tenancy_id == bindparam("tenancy_id"),
        _resident.c.removed_at.is_(None),
        or_(_resident.c.ends_at.is_(None), _resident.c.ends_at > _now),
        _device.c.removed_at.is_(None),
        _device.c.approved_at.is_not(None),
    )
    .order_by(_device.c.id)
)
"""The approved devices of everyone who stands in the tenancy; that it runs is known."""

PLACE = insert(_call)
ADD_LEG = insert(_leg)

PART_OF_DEVICE = (
    select(
        _call.c.community_id,
        _call.c.tenancy_id,
        _call.c.state,
        _call.c.answered_leg_id,
        _leg.c.id.label("leg_id"),
        _leg.c.state.label("leg_state"),
        _station.c.talk_s,
    )
    .join(_station, _station.c.id == _call.c.station_id)
    .outerjoin(_leg, and_(_leg.c.call_id == _call.c.id, _leg.c.device_id == bindparam("device_id")))
    .where(_call.c.id == bindparam("call_id"))
)
"""The call as one device stands towards it; its leg may be missing."""

RECEIVED = (
    update(_leg)
    .where(_leg.c.id == bindparam("leg_id"), _leg.c.received_at.is_(None))
    .values(received_at=bindparam("now", type_=UtcDateTime()))
)

CLAIM_FIRST_ANSWER = (
    update(_call)
    .where(
        _call.c.id == bindparam("of_call"),
        _call.c.state.in_(sources_of(Act.ANSWER)),
        _call.c.expires_at > bindparam("now", type_=UtcDateTime()),
    )
    .values(
        state=CallState.ANSWERED,
        version=_call.c.version + 1,
        answered_leg_id=bindparam("winner"),
        answered_at=bindparam("now", type_=UtcDateTime()),
        talk_until=bindparam("talk_ends", type_=UtcDateTime()),
    )
)
"""Decides who answered: it changes a row only while the call rings and its time is not over."""

SETTLE_LEGS = (
    update(_leg)
    .where(
        _leg.c.call_id == bindparam("of_call"),
        or_(_leg.c.id == bindparam("winner"), _leg.c.state == LegState.RINGING),
    )
    .values(
        state=case(
            (_leg.c.id == bindparam("winner"), LegState.ANSWERED.value), else_=LegState.COMPLETED_ELSEWHERE.value
        )
    )
)
"""One leg has the talk, those that rang are done."""

DECLINE_LEG = update(_leg).where(_leg.c.id == bindparam("leg_id")).values(state=LegState.DECLINED)
NEXT_VERSION = (
    update(_call)
    .where(_call.c.id == bindparam("of_call"), _call.c.state == CallState.RINGING)
    .values(version=_call.c.version + 1)
)
END_LEGS = (
    update(_leg)
    .where(_leg.c.call_id == bindparam("of_call"), _leg.c.state.in_((LegState.RINGING, LegState.ANSWERED)))
    .values(state=LegState.ENDED)
)

CALL_AT_DOOR = (
    select(_call.c.state, _call.c.tenancy_id, _leg.c.device_id, _moves.c.door_id)
    .outerjoin(_leg, _leg.c.id == _call.c.answered_leg_id)
    .outerjoin(_moves, and_(_moves.c.station_id == _call.c.station_id, _moves.c.door_id == bindparam("door_id")))
    .where(_call.c.id == bindparam("call_id"))
)
"""How a call stands towards a door: its state, whose it is, who answered, and the door if its station moves it."""

RINGING_AT_DOOR = (
    select(
        _call.c.id,
        _station.c.kind,
        select(func.count()).where(_other.c.station_id == _station.c.id).correlate(_station).scalar_subquery(),
    )
    .join(_station, _station.c.id == _call.c.station_id)
    .join(_moves, _moves.c.station_id == _station.c.id)
    .where(_moves.c.door_id == bindparam("door_id"), _call.c.state == CallState.RINGING)
)
"""The calls that ring at the stations of a door, with each station's kind and its number of doors."""
