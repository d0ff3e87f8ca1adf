"""Signalling: SDP and ICE between one phone's leg and its station; the server relays and never touches media."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.errors import NotFoundError, ValidationFailedError
from intercom.call_records import Call, CallLeg
from intercom.call_state import CallState, LegState
from intercom.station_protocol import Signal
from intercom.station_wire import WireError

_TALKING = (LegState.RINGING, LegState.ANSWERED)


def parse(body: dict[str, Any]) -> Signal:
    """A well-formed signal.

    Raises:
        ValidationFailedError: names the member that is wrong.
    """
    try:
        signal = Signal.from_wire(body)
    except WireError as error:
        raise invalid(error) from error
    description = signal.description
    if description is not None and not (description["sdp"].startswith("v=0") and "\nm=" in description["sdp"]):
        raise ValidationFailedError(
            "this is not a session description",
            errors=[{"field": "signal.description.sdp", "message": "not SDP (RFC 8866)"}],
        )
    return signal


def invalid(error: WireError) -> ValidationFailedError:
    """The problem of a message that breaks the protocol."""
    return ValidationFailedError(str(error), errors=[{"field": error.field, "message": str(error)}])


def route_from_phone(session: Session, *, call_id: str, device_id: str) -> tuple[str, str]:
    """(leg id, station id) of this phone's part in a running call.

    Raises:
        NotFoundError: no such call, or this phone has no part in it any more.
    """
    row = session.execute(
        select(CallLeg.id, Call.station_id)
        .join(Call, Call.id == CallLeg.call_id)
        .where(
            Call.id == call_id,
            Call.state != CallState.ENDED,
            CallLeg.device_id == device_id,
            CallLeg.state.in_(_TALKING),
        )
    ).one_or_none()
    if row is None:
        raise NotFoundError("there is no such call for this phone")
    return row.id, row.station_id


def route_from_station(session: Session, *, call_id: str, leg_id: str, station_id: str) -> str:
    """The device behind a leg of this station's running call.

    Raises:
        NotFoundError: no such call or leg, or the leg is out of it.
    """
    device_id = session.scalar(
        select(CallLeg.device_id)
        .join(Call, Call.id == CallLeg.call_id)
        .where(
            Call.id == call_id,
            Call.station_id == station_id,
            Call.state != CallState.ENDED,
            CallLeg.id == leg_id,
            CallLeg.state.in_(_TALKING),
        )
    )
    if device_id is None:
        raise NotFoundError("there is no such call or leg")
    return device_id
