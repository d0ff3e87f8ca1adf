"""HTTP for the demo page only: its frames get real codes here and then sign in and pair like everybody else."""

from datetime import timedelta
from typing import Any, Literal

from apiflask import APIBlueprint
from flask import request
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.accounts import Account, name_of
from backend.clock import utc_now
from backend.communities import Community, Household
from backend.db import scoped_get
from backend.errors import NotFoundError
from backend.events import DeviceRemoved
from backend.households import Relation, Resident, Tenancy, current_tenancy
from backend.identity import devices, invitations
from backend.identity.devices import Device
from intercom.call_records import Call
from intercom.call_state import ACTIVE, Act
from intercom.stations import Station, make_pairing_code
from mobile_api.access_control import Audience, allow
from mobile_api.schemas import In, Out
from mobile_api.seed import DEMO_COMMUNITY, DEMO_ROOM, FAMILY
from mobile_api.services import services

blueprint = APIBlueprint("demo", __name__, url_prefix="/api/v1/demo", tag="Demo")

FORGOTTEN_AFTER = timedelta(hours=2)


class PersonaIn(In):
    """Who of the family this frame is."""

    persona: Literal["mum", "dad", "son", "daughter", "grandma"]


class PersonaOut(Out):
    """A real invitation for that person."""

    code: str
    name: str
    relation: Literal["owner", "family", "tenant"]


class DemoStationIn(In):
    """Which station this frame is."""

    station: Literal["unit", "gate"]


class DemoStationOut(Out):
    """A real pairing code for that station, and the room to press."""

    code: str
    room: str


@blueprint.before_request
def only_in_the_demo() -> None:
    """Outside the demo these routes do not exist."""
    if not services().settings.demo:
        raise NotFoundError(f"there is no {request.path}")


def _home(session: Session) -> tuple[str, Household]:
    row = session.execute(
        select(Community.id, Household)
        .join(Household, Household.community_id == Community.id)
        .join(Resident, Resident.household_id == Household.id)
        .where(Community.name == DEMO_COMMUNITY, Household.room == DEMO_ROOM)
        .limit(1)
    ).one()
    return row[0], row[1]


@blueprint.post("/invitations")
@allow(Audience.PUBLIC)
@blueprint.input(PersonaIn)
@blueprint.output(PersonaOut, status_code=201)
def create_demo_invitation(json_data: PersonaIn) -> PersonaOut:
    """An invitation for one of the demo family; devices of the demo that were not seen for two hours make room."""
    do, now = services(), utc_now()
    name, _ = FAMILY[json_data.persona]
    with do.db.unit_of_work() as uow:
        community_id, household = _home(uow.session)
        tenancy = current_tenancy(uow.session, household.id, now=now)
        if tenancy is None:
            raise NotFoundError("the demo home has nobody; reset the demo")
        residents = uow.session.scalars(select(Resident).where(Resident.tenancy_id == tenancy.id))
        resident = next(r for r in residents if _name(uow.session, r) == name)
        _make_room(uow, resident.account_id)
        _, code = invitations.invite(
            uow,
            do.vault,
            tenancy=scoped_get(uow.session, Tenancy, community_id, tenancy.id),
            relation=Relation(resident.relation),
            ends_at=None,
            account_id=resident.account_id,
            made_by=None,
            now=now,
        )
    return PersonaOut(code=code, name=name, relation=resident.relation)


def _name(session: Session, resident: Resident) -> str:
    return name_of(services().vault, session.get_one(Account, resident.account_id))


def _make_room(uow: Any, account_id: str) -> None:
    now = utc_now()
    owned = devices.of_accounts(uow.session, [account_id])
    stale = [device for device in owned if device.last_seen_at < now - FORGOTTEN_AFTER]
    here = services().residents
    for device in stale or owned[: max(0, len(owned) - devices.MAX_DEVICES_OF_ACCOUNT + 1)]:
        if here is None or not here.connected([device.id]):
            device.removed_at = now


@blueprint.post("/pairing-codes")
@allow(Audience.PUBLIC)
@blueprint.input(DemoStationIn)
@blueprint.output(DemoStationOut, status_code=201)
def create_demo_pairing_code(json_data: DemoStationIn) -> DemoStationOut:
    """A pairing code for the demo's station."""
    do, now = services(), utc_now()
    with do.db.unit_of_work() as uow:
        community_id, household = _home(uow.session)
        query = select(Station.id).where(Station.community_id == community_id, Station.kind == json_data.station)
        if json_data.station == "unit":
            query = query.where(Station.unit_id == household.unit_id)
        station_id = uow.session.scalars(query.limit(1)).one()
        code, _ = make_pairing_code(uow, do.vault, community_id=community_id, station_id=station_id, now=now)
    room = DEMO_ROOM if json_data.station == "unit" else f"3-2-{DEMO_ROOM}"
    return DemoStationOut(code=code, room=room)


@blueprint.post("/reset")
@allow(Audience.PUBLIC)
@blueprint.output({}, status_code=204)
def reset_demo() -> Any:
    """End running calls and sign every phone of the demo home out; records stay, for they cannot be removed."""
    do, now = services(), utc_now()
    with do.db.reading() as session:
        community_id, household = _home(session)
        running = list(
            session.scalars(select(Call.id).where(Call.community_id == community_id, Call.state.in_(ACTIVE)))
        )
    for call_id in running:
        do.calls.end(call_id, Act.WITHDRAWN, now=now)
    with do.db.unit_of_work() as uow:
        accounts = list(uow.session.scalars(select(Resident.account_id).where(Resident.household_id == household.id)))
        for device in devices.of_accounts(uow.session, accounts):
            uow.session.execute(update(Device).where(Device.id == device.id).values(removed_at=now))
            uow.state(DeviceRemoved(community_id=community_id, device_id=device.id, account_id=device.account_id))
    return ""
