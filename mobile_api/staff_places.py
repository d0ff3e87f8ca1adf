"""HTTP for the administrator: community, buildings, units and households."""

from apiflask import APIBlueprint
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.clock import utc_now
from backend.communities import (
    Building,
    Community,
    Household,
    Unit,
    add_building,
    add_households,
    add_unit,
    address_of,
)
from backend.households import TenancyKind, current_tenancy, people_of
from mobile_api.access_control import Audience, allow, caller, idempotent
from mobile_api.services import services
from mobile_api.staff_schemas import (
    BuildingIn,
    BuildingOut,
    BuildingsOut,
    CommunityChangeIn,
    CommunityOut,
    HouseholdsIn,
    HouseholdsQuery,
    StaffHouseholdOut,
    StaffHouseholdsOut,
    UnitIn,
    UnitOut,
)

blueprint = APIBlueprint("staff_places", __name__, url_prefix="/api/v1/staff", tag="Property: places")


def _community_out(community: Community) -> CommunityOut:
    return CommunityOut(
        id=community.id,
        name=community.name,
        kind=community.kind,
        address_code=community.address_code,
        timezone=community.timezone,
    )


@blueprint.get("/community")
@allow(Audience.ADMINISTRATOR)
@blueprint.output(CommunityOut)
def read_community() -> CommunityOut:
    """The administrator's community."""
    with services().db.reading() as session:
        return _community_out(session.get_one(Community, caller().community_id))


@blueprint.patch("/community")
@allow(Audience.ADMINISTRATOR)
@blueprint.input(CommunityChangeIn)
@blueprint.output(CommunityOut)
def change_community(json_data: CommunityChangeIn) -> CommunityOut:
    """Change its name or standard address code."""
    with services().db.unit_of_work() as uow:
        community = uow.session.get_one(Community, caller().community_id)
        community.name = json_data.name or community.name
        community.address_code = json_data.address_code or community.address_code
        return _community_out(community)


@blueprint.get("/buildings")
@allow(Audience.ADMINISTRATOR)
@blueprint.output(BuildingsOut)
def list_buildings() -> BuildingsOut:
    """Buildings with their units and how many households each has."""
    with services().db.reading() as session:
        return BuildingsOut(items=_buildings(session, caller().community_id))


def _buildings(session: Session, community_id: str) -> list[BuildingOut]:
    rows = session.execute(
        select(Household.place_id, func.count())
        .where(Household.community_id == community_id)
        .group_by(Household.place_id)
    )
    counts: dict[str, int] = {row[0]: row[1] for row in rows}
    units = list(session.scalars(select(Unit).where(Unit.community_id == community_id).order_by(Unit.id)))
    items = []
    for building in session.scalars(
        select(Building).where(Building.community_id == community_id).order_by(Building.id)
    ):
        own = [
            UnitOut(id=unit.id, name=unit.name, number=unit.number, households=counts.get(unit.id, 0))
            for unit in units
            if unit.building_id == building.id
        ]
        total = counts.get(building.id, 0) + sum(unit.households for unit in own)
        items.append(
            BuildingOut(id=building.id, name=building.name, number=building.number, households=total, units=own)
        )
    return items


@blueprint.post("/buildings")
@allow(Audience.ADMINISTRATOR)
@idempotent
@blueprint.input(BuildingIn)
@blueprint.output(BuildingOut, status_code=201)
def create_building(json_data: BuildingIn) -> BuildingOut:
    """Add a building."""
    with services().db.unit_of_work() as uow:
        building = add_building(
            uow,
            community_id=caller().community_id,
            name=json_data.name,
            number=json_data.number,
            address_code=json_data.address_code,
        )
    return BuildingOut(id=building.id, name=building.name, number=building.number, households=0, units=[])


@blueprint.post("/buildings/<building_id>/units")
@allow(Audience.ADMINISTRATOR)
@idempotent
@blueprint.input(UnitIn)
@blueprint.output(UnitOut, status_code=201)
def create_unit(building_id: str, json_data: UnitIn) -> UnitOut:
    """Add a unit to a building."""
    with services().db.unit_of_work() as uow:
        unit = add_unit(
            uow,
            community_id=caller().community_id,
            building_id=building_id,
            name=json_data.name,
            number=json_data.number,
            address_code=json_data.address_code,
        )
    return UnitOut(id=unit.id, name=unit.name, number=unit.number, households=0)


@blueprint.get("/households")
@allow(Audience.ADMINISTRATOR)
@blueprint.input(HouseholdsQuery, location="query")
@blueprint.output(StaffHouseholdsOut)
def list_households(query_data: HouseholdsQuery) -> StaffHouseholdsOut:
    """Households of the community, a building or a unit, in the order they were made."""
    query = select(Household).where(Household.community_id == caller().community_id).order_by(Household.id)
    if query_data.building_id:
        query = query.where(Household.building_id == query_data.building_id)
    if query_data.unit_id:
        query = query.where(Household.unit_id == query_data.unit_id)
    if query_data.cursor:
        query = query.where(Household.id > query_data.cursor)
    with services().db.reading() as session:
        rows = list(session.scalars(query.limit(query_data.limit + 1)))
        page = rows[: query_data.limit]
        items = [_household_out(session, household) for household in page]
    return StaffHouseholdsOut(items=items, next_cursor=page[-1].id if len(rows) > len(page) else None)


def _household_out(session: Session, household: Household) -> StaffHouseholdOut:
    now = utc_now()
    tenancy = current_tenancy(session, household.id, now=now)
    return StaffHouseholdOut(
        id=household.id,
        room=household.room,
        building_id=household.building_id,
        unit_id=household.unit_id,
        name=address_of(session, household.community_id, household.id).name,
        residents=len(people_of(session, [tenancy.id], now=now)) if tenancy else 0,
        let=tenancy is not None and tenancy.kind == TenancyKind.LEASE,
    )


@blueprint.post("/households")
@allow(Audience.ADMINISTRATOR)
@idempotent
@blueprint.input(HouseholdsIn)
@blueprint.output(StaffHouseholdsOut, status_code=201)
def create_households(json_data: HouseholdsIn) -> StaffHouseholdsOut:
    """Add households by room number, all or none."""
    with services().db.unit_of_work() as uow:
        made = add_households(
            uow,
            community_id=caller().community_id,
            building_id=json_data.building_id,
            unit_id=json_data.unit_id,
            rooms=json_data.rooms,
        )
        items = [_household_out(uow.session, household) for household in made]
    return StaffHouseholdsOut(items=items, next_cursor=None)
