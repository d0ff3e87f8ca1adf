"""HTTP: the caller's doors, openings, own records, pictures and ICE servers."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response, make_response
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.access_log import AccessPayload, AccessRecord, RecordKind
from backend.clock import utc_now
from backend.communities import Household
from backend.doors import Door, doors_of
from backend.households import memberships
from intercom.ice import ice_servers
from mobile_api.access_control import Audience, allow, caller, idempotency_key
from mobile_api.rendering import opening_out, pictures_out
from mobile_api.schemas import (
    DoorOut,
    DoorRefOut,
    DoorsOut,
    IceServersOut,
    OpeningIn,
    OpeningOut,
    PageQuery,
    PictureQuery,
    RecordOut,
    RecordsOut,
)
from mobile_api.services import services

blueprint = APIBlueprint("doors", __name__, url_prefix="/api/v1", tag="Doors and records")


@blueprint.get("/doors")
@allow(Audience.RESIDENT)
@blueprint.output(DoorsOut)
def list_doors() -> DoorsOut:
    """The doors on the way to the caller's homes, own entrance first."""
    do, who, now = services(), caller(), utc_now()
    with do.db.reading() as session:
        found: dict[str, Door] = {}
        for standing in memberships(session, who.account_id, now=now):
            if standing.counts:
                household = session.get_one(Household, standing.household_id)
                found.update({door.id: door for door in doors_of(session, household)})
        items = []
        for door in found.values():
            mover = do.hub.station_for(session, door.id)
            items.append(
                DoorOut(
                    id=door.id,
                    name=door.name,
                    kind=door.kind,
                    station_online=mover is not None and do.hub.online(mover[0]),
                    contact=door.contact,
                )
            )
    return DoorsOut(items=items)


@blueprint.post("/doors/<door_id>/openings")
@allow(Audience.RESIDENT)
@blueprint.input(OpeningIn)
@blueprint.output(OpeningOut, status_code=201)
def open_door(door_id: str, json_data: OpeningIn) -> OpeningOut:
    """Open a door; the answer says what the station acknowledged, or that it did not. Needs an Idempotency-Key."""
    do, who = services(), caller()
    do.limits.hit("60/minute", "open", who.device_id)
    opening = do.access.open_door(
        who,
        door_id=door_id,
        call_id=json_data.call_id,
        idempotency_key=idempotency_key(required=True) or "",
        now=utc_now(),
    )
    return opening_out(opening)


@blueprint.get("/openings/<opening_id>")
@allow(Audience.RESIDENT)
@blueprint.output(OpeningOut)
def read_opening(opening_id: str) -> OpeningOut:
    """One of the caller's openings as it is known now."""
    return opening_out(services().access.opening(caller(), opening_id=opening_id))


@blueprint.get("/records")
@allow(Audience.RESIDENT)
@blueprint.input(PageQuery, location="query")
@blueprint.output(RecordsOut)
def list_records(query_data: PageQuery) -> RecordsOut:
    """The caller's own passages in the current tenancies, newest first: each decision with what became of it."""
    do, who, now = services(), caller(), utc_now()
    with do.db.reading() as session:
        tenancies = [m.tenancy_id for m in memberships(session, who.account_id, now=now) if m.counts]
        query = (
            select(AccessRecord, AccessPayload)
            .join(AccessPayload, AccessPayload.record_id == AccessRecord.id)
            .where(
                AccessPayload.account_id == who.account_id,
                AccessPayload.tenancy_id.in_(tenancies),
                AccessPayload.kind == RecordKind.DECISION,
            )
            .order_by(AccessRecord.id.desc())
            .limit(query_data.limit + 1)
        )
        if query_data.cursor:
            query = query.where(AccessRecord.id < query_data.cursor)
        rows = session.execute(query).all()
        page = rows[: query_data.limit]
        items = _records_out(session, [(record, payload) for record, payload in page])
    return RecordsOut(items=items, next_cursor=page[-1][0].id if len(rows) > len(page) else None)


def _records_out(session: Session, rows: list[tuple[AccessRecord, AccessPayload]]) -> list[RecordOut]:
    do, now = services(), utc_now()
    granted = [payload.correlation_id for _, payload in rows if payload.result == "granted"]
    results = {
        payload.correlation_id: payload
        for payload in session.scalars(
            select(AccessPayload)
            .join(AccessRecord, AccessRecord.id == AccessPayload.record_id)
            .where(AccessPayload.correlation_id.in_(granted), AccessPayload.kind == RecordKind.RESULT)
            .order_by(AccessRecord.seq)
        )
    }
    pictures = do.pictures.of_openings(session, granted, now=now)
    items = []
    for record, payload in rows:
        door = session.get_one(Door, payload.door_id)
        outcome = results.get(payload.correlation_id)
        result = "refused" if payload.result == "refused" else (outcome.result if outcome else "commanded")
        items.append(
            RecordOut(
                id=record.id,
                at=record.at,
                kind="opening",
                door=DoorRefOut(id=door.id, name=door.name),
                method=payload.method,
                result=result,
                reason=payload.reason if result == "refused" else (outcome.detail if outcome else None),
                call_id=payload.call_id,
                pictures=pictures_out(pictures.get(payload.correlation_id, [])),
            )
        )
    return items


@blueprint.get("/ice-servers")
@allow(Audience.RESIDENT)
@blueprint.output(IceServersOut)
def list_ice_servers() -> IceServersOut:
    """STUN and TURN servers for this phone, with credentials that are limited in time."""
    do, who = services(), caller()
    servers = ice_servers(do.settings, holder=who.device_id, now=utc_now())
    return IceServersOut(ice_servers=list(servers), expires_in_s=do.settings.turn_lifetime_s)


@blueprint.get("/pictures/<picture_id>")
@allow(Audience.PUBLIC)
@blueprint.input(PictureQuery, location="query")
@blueprint.output({}, content_type="image/jpeg")
def read_picture(picture_id: str, query_data: PictureQuery) -> Any:
    """The picture behind a signed link; the link is the right to see it, for ten minutes."""
    do = services()
    with do.db.reading() as session:
        jpeg = do.pictures.read(
            session,
            picture_id=picture_id,
            expires=query_data.expires,
            signature=query_data.signature,
            now=utc_now(),
        )
    response: Response = make_response(jpeg)
    response.headers["Content-Type"] = "image/jpeg"
    response.headers["Cache-Control"] = "private, max-age=300"
    return response
