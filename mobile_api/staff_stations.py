"""HTTP for the administrator: doors, stations, their pairing, configuration and health."""

from apiflask import APIBlueprint
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.clock import utc_now
from backend.doors import Door, DoorKind, add_door
from intercom.station_protocol import RelayKind, StationKind
from intercom.stations import (
    Station,
    StationSettings,
    add_station,
    configure,
    doors_of_station,
    make_pairing_code,
)
from mobile_api.access_control import Audience, allow, caller, idempotent
from mobile_api.invitation_codes import qr_svg
from mobile_api.services import Services, services
from mobile_api.staff_schemas import (
    DoorIn,
    PairingCodeOut,
    StaffDoorOut,
    StaffDoorsOut,
    StationChangeIn,
    StationDoorOut,
    StationIn,
    StationOut,
    StationsOut,
)

blueprint = APIBlueprint("staff_stations", __name__, url_prefix="/api/v1/staff", tag="Property: doors and stations")


def _door_out(do: Services, session: Session, door: Door) -> StaffDoorOut:
    mover = do.hub.station_for(session, door.id)
    return StaffDoorOut(
        id=door.id,
        name=door.name,
        kind=door.kind,
        building_id=door.building_id,
        unit_id=door.unit_id,
        device_id=door.device_id,
        hold_s=door.hold_s,
        contact=door.contact,
        station_id=mover[0] if mover else None,
    )


@blueprint.get("/doors")
@allow(Audience.ADMINISTRATOR)
@blueprint.output(StaffDoorsOut)
def list_staff_doors() -> StaffDoorsOut:
    """Every door of the community."""
    do = services()
    with do.db.reading() as session:
        doors = session.scalars(select(Door).where(Door.community_id == caller().community_id).order_by(Door.id))
        return StaffDoorsOut(items=[_door_out(do, session, door) for door in doors])


@blueprint.post("/doors")
@allow(Audience.ADMINISTRATOR)
@idempotent
@blueprint.input(DoorIn)
@blueprint.output(StaffDoorOut, status_code=201)
def create_door(json_data: DoorIn) -> StaffDoorOut:
    """Add a door."""
    do = services()
    with do.db.unit_of_work() as uow:
        door = add_door(
            uow,
            community_id=caller().community_id,
            name=json_data.name,
            kind=DoorKind(json_data.kind),
            building_id=json_data.building_id,
            unit_id=json_data.unit_id,
            device_id=json_data.device_id,
            hold_s=json_data.hold_s,
        )
        return _door_out(do, uow.session, door)


def _station_out(do: Services, session: Session, station: Station) -> StationOut:
    link = do.hub.link(station.id)
    return StationOut(
        id=station.id,
        name=station.name,
        kind=station.kind,
        doors=[
            StationDoorOut(id=door.id, name=door.name, relay=place.relay)
            for door, place in doors_of_station(session, station.id)
        ],
        device_id=station.device_id,
        paired=station.public_key is not None,
        online=link is not None,
        last_seen_at=station.last_seen_at,
        software=station.software,
        config_version=station.config_version,
        applied_config_version=station.applied_config_version,
        clock_offset_ms=station.clock_offset_ms,
        ring_s=station.ring_s,
        talk_s=station.talk_s,
        language=station.language,
        relay=station.relay_kind,
        relay_url=station.relay_url,
    )


@blueprint.get("/stations")
@allow(Audience.ADMINISTRATOR)
@blueprint.output(StationsOut)
def list_stations() -> StationsOut:
    """Every station with its health: online, last seen, software, configuration told and applied, clock."""
    do = services()
    with do.db.reading() as session:
        stations = session.scalars(
            select(Station).where(Station.community_id == caller().community_id).order_by(Station.id)
        )
        return StationsOut(items=[_station_out(do, session, station) for station in stations])


@blueprint.post("/stations")
@allow(Audience.ADMINISTRATOR)
@idempotent
@blueprint.input(StationIn)
@blueprint.output(StationOut, status_code=201)
def create_station(json_data: StationIn) -> StationOut:
    """Add a station and say which doors it moves and whom it calls."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        station = add_station(
            uow,
            community_id=who.community_id,
            name=json_data.name,
            kind=StationKind(json_data.kind),
            door_ids=json_data.door_ids,
            building_ids=json_data.building_ids,
            unit_id=json_data.unit_id,
            ring_s=do.settings.ring_s,
            talk_s=do.settings.talk_s,
        )
        configure(
            uow,
            community_id=who.community_id,
            station_id=station.id,
            settings=StationSettings(relay_kind=RelayKind(json_data.relay), relay_url=json_data.relay_url),
        )
        return _station_out(do, uow.session, station)


@blueprint.patch("/stations/<station_id>")
@allow(Audience.ADMINISTRATOR)
@blueprint.input(StationChangeIn)
@blueprint.output(StationOut)
def change_station(station_id: str, json_data: StationChangeIn) -> StationOut:
    """Change settings; the station gets the new configuration version at once and acknowledges it."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        station = configure(
            uow,
            community_id=who.community_id,
            station_id=station_id,
            settings=StationSettings(
                name=json_data.name,
                ring_s=json_data.ring_s,
                talk_s=json_data.talk_s,
                language=json_data.language,
                relay_kind=RelayKind(json_data.relay) if json_data.relay else None,
                relay_url=json_data.relay_url,
                device_id=json_data.device_id,
            ),
        )
        return _station_out(do, uow.session, station)


@blueprint.post("/stations/<station_id>/pairing-codes")
@allow(Audience.ADMINISTRATOR)
@idempotent
@blueprint.output(PairingCodeOut, status_code=201)
def create_pairing_code(station_id: str) -> PairingCodeOut:
    """An 8-digit code with which the station is paired within ten minutes."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        code, expires_at = make_pairing_code(
            uow, do.vault, community_id=who.community_id, station_id=station_id, now=utc_now()
        )
    link = f"{do.settings.public_origin}/station#pair={code}"
    return PairingCodeOut(code=code, expires_at=expires_at, link=link, qr_svg=qr_svg(link))
