"""How calls, openings and sessions look to people's pages."""

import threading
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session

from backend.access import OpeningView
from backend.accounts import Account, name_of
from backend.communities import Building, Household, HouseholdAddress, Unit
from backend.doors import Door
from backend.identity import sessions
from backend.pictures import PictureView
from backend.vault import Vault
from intercom.call_records import Call, CallView, view_of
from intercom.call_state import CallState, EndReason, missed
from intercom.stations import Station, StationDoor
from mobile_api.schemas import (
    AccountOut,
    ByOut,
    CallOut,
    DoorRefOut,
    OpeningOut,
    PictureOut,
    SessionDeviceOut,
    SessionOut,
)
from mobile_api.services import Services


def pictures_out(views: list[PictureView]) -> list[PictureOut]:
    """Links, or the reasons there are none."""
    return [PictureOut(moment=v.moment, url=v.url, missing=v.missing) for v in views]


@dataclass(frozen=True, kw_only=True)
class CallPlace:
    """The names around a call: its station, the doors it opens, the home it rings."""

    station: DoorRefOut
    doors: list[DoorRefOut]
    household: DoorRefOut


_PLACE = (
    select(
        Station.name.label("station"),
        Building.name.label("building"),
        Unit.name.label("unit"),
        Household.room,
        Door.id.label("door_id"),
        Door.name.label("door"),
    )
    .join(Household, and_(Household.id == bindparam("household_id"), Household.community_id == Station.community_id))
    .join(Building, Building.id == Household.building_id)
    .outerjoin(Unit, Unit.id == Household.unit_id)
    .join(StationDoor, StationDoor.station_id == Station.id)
    .join(Door, Door.id == StationDoor.door_id)
    .where(Station.id == bindparam("station_id"))
    .order_by(StationDoor.relay)
)


def place_of(session: Session, call: Call) -> CallPlace:
    """The names as they are now: one statement, for a call waits for it."""
    rows = session.execute(_PLACE, {"station_id": call.station_id, "household_id": call.household_id}).all()
    first = rows[0]
    home = HouseholdAddress(id=call.household_id, building=first.building, unit=first.unit, room=first.room)
    return CallPlace(
        station=DoorRefOut(id=call.station_id, name=first.station),
        doors=[DoorRefOut(id=row.door_id, name=row.door) for row in rows],
        household=DoorRefOut(id=home.id, name=home.name),
    )


class CallPlaces:
    """The names of running calls, read once for each call, so that its changes are announced without reading them."""

    MOST = 5000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, CallPlace] = {}

    def of(self, session: Session, call: Call) -> CallPlace:
        """The names of this call as they were when it began; forgotten when it is over."""
        with self._lock:
            known = self._running.get(call.id)
            if call.state == CallState.ENDED:
                self._running.pop(call.id, None)
        if known is not None:
            return known
        place = place_of(session, call)
        if call.state != CallState.ENDED:
            with self._lock:
                if len(self._running) >= self.MOST:
                    self._running.clear()
                self._running[call.id] = place
        return place


def call_out(
    view: CallView, place: CallPlace, *, pictures: list[PictureView], device_id: str | None, now: datetime
) -> CallOut:
    """A call for a phone; `device_id` None makes the form that goes to all phones of the home."""
    call = view.call
    mine = next((leg.state for leg in view.legs if leg.device_id == device_id), None)
    return CallOut(
        id=call.id,
        version=call.version,
        state=call.state,
        station=place.station,
        doors=place.doors,
        household=place.household,
        placed_at=call.placed_at,
        expires_at=call.expires_at,
        talk_until=call.talk_until,
        answered_at=call.answered_at,
        answered_by=ByOut(device_id=view.answered_device, name=view.answered_name) if view.answered_device else None,
        ended_at=call.ended_at,
        end_reason=call.end_reason,
        ended_by=ByOut(device_id=call.ended_by, name=view.ended_name) if call.ended_by else None,
        missed=call.state == CallState.ENDED
        and missed(
            answered=call.answered_at is not None, reason=EndReason(call.end_reason) if call.end_reason else None
        ),
        my_leg=mine,
        pictures=pictures_out(pictures),
        server_time=now,
    )


def calls_out(do: Services, session: Session, calls: list[Call], *, device_id: str, now: datetime) -> list[CallOut]:
    """Calls for one phone, with pictures."""
    pictures = do.pictures.of_calls(session, [call.id for call in calls], now=now)
    places: dict[tuple[str, str], CallPlace] = {}
    found = []
    for call in calls:
        where = (call.station_id, call.household_id)
        if where not in places:
            places[where] = place_of(session, call)
        view = view_of(session, do.vault, call)
        found.append(call_out(view, places[where], pictures=pictures[call.id], device_id=device_id, now=now))
    return found


def view_out(do: Services, view: CallView, *, device_id: str | None, now: datetime) -> CallOut:
    """One call, fresh from an operation, with pictures."""
    with do.db.reading() as session:
        pictures = do.pictures.of_calls(session, [view.call.id], now=now)[view.call.id]
        return call_out(view, place_of(session, view.call), pictures=pictures, device_id=device_id, now=now)


def opening_out(view: OpeningView) -> OpeningOut:
    """An opening as it is known."""
    opening = view.opening
    return OpeningOut(
        id=opening.id,
        door=DoorRefOut(id=opening.door_id, name=view.door_name),
        state=opening.state,
        reason=opening.detail,
        at=opening.settled_at or opening.commanded_at,
        call_id=opening.call_id,
    )


def account_out(vault: Vault, account: Account, privacy_version: str) -> AccountOut:
    """An account as its own devices see it."""
    return AccountOut(
        id=account.id,
        name=name_of(vault, account),
        role=account.role,
        privacy_accepted=account.privacy_version == privacy_version,
        language=account.language,
    )


def session_out(do: Services, session: sessions.Session, *, privacy_version: str, now: datetime) -> SessionOut:
    """What a sign-in or refresh answers; the refresh token goes into the cookie only."""
    token = do.tokens.issue(account=session.account, device=session.device, session_id=session.session_id, now=now)
    return SessionOut(
        access_token=token,
        expires_in_s=do.tokens.lifetime_s,
        server_time=now,
        device=SessionDeviceOut(id=session.device.id, name=session.device.name, state=session.device.state),
        account=account_out(do.vault, session.account, privacy_version),
    )
