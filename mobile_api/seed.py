"""The seeded communities: a closed one for the demo, an open one, and a single block without units (clause 1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from backend.accounts import Role, create_account
from backend.communities import (
    Building,
    Community,
    CommunityKind,
    Household,
    Unit,
    add_building,
    add_households,
    add_unit,
    create_community,
)
from backend.db import Database, UnitOfWork
from backend.doors import DoorKind, add_door
from backend.households import Relation, add_resident, own_tenancy, start_lease
from backend.identity.sign_in import hash_password
from backend.vault import Vault
from intercom.station_protocol import RelayKind, StationKind
from intercom.stations import Station, StationSettings, add_station, configure

DEMO_COMMUNITY = "幸福里小区"
DEMO_ROOM = "1201"
DEMO_ADMINISTRATOR_PHONE = "13800000000"
DEMO_ADMINISTRATOR_PASSWORD = "gatehouse-demo"
TIMEZONE = "Asia/Shanghai"

FAMILY = {
    "mum": ("妈妈", Relation.OWNER),
    "dad": ("爸爸", Relation.FAMILY),
    "son": ("儿子", Relation.FAMILY),
    "daughter": ("女儿", Relation.FAMILY),
    "grandma": ("奶奶", Relation.FAMILY),
}
"""The home with five phones: persona -> name and relation."""


@dataclass(frozen=True, kw_only=True)
class SeededCommunity:
    """What tests and the demo need to find again."""

    community_id: str
    unit_station_id: str
    gate_station_id: str | None
    family_household_id: str
    let_household_id: str


@dataclass(frozen=True, kw_only=True)
class _Seeder:
    uow: UnitOfWork
    vault: Vault
    now: datetime

    def person(self, community_id: str, name: str, phone: str | None = None) -> str:
        account = create_account(
            self.uow,
            self.vault,
            community_id=community_id,
            role=Role.RESIDENT,
            name=name,
            phone=phone,
            now=self.now,
        )
        return account.id

    def family(self, household: Household, phone_prefix: str) -> None:
        tenancy = own_tenancy(self.uow, community_id=household.community_id, household_id=household.id, now=self.now)
        for number, (name, relation) in enumerate(FAMILY.values(), start=1):
            account_id = self.person(household.community_id, name, f"{phone_prefix}{number:04d}")
            add_resident(
                self.uow, tenancy=tenancy, account_id=account_id, relation=relation, ends_at=None, now=self.now
            )

    def let_home(self, household: Household, phone_prefix: str) -> None:
        tenancy = own_tenancy(self.uow, community_id=household.community_id, household_id=household.id, now=self.now)
        owner = self.person(household.community_id, "房东", f"{phone_prefix}0101")
        add_resident(self.uow, tenancy=tenancy, account_id=owner, relation=Relation.OWNER, ends_at=None, now=self.now)
        ends_at = self.now + timedelta(days=365)
        lease = start_lease(
            self.uow,
            community_id=household.community_id,
            household_id=household.id,
            starts_at=self.now,
            ends_at=ends_at,
            now=self.now,
        )
        tenant = self.person(household.community_id, "租客", f"{phone_prefix}0102")
        add_resident(
            self.uow, tenancy=lease, account_id=tenant, relation=Relation.TENANT, ends_at=ends_at, now=self.now
        )

    def unit_station(
        self, building: Building, unit: Unit | None, *, name: str, relay: RelayKind = RelayKind.DRAWN
    ) -> Station:
        door = add_door(
            self.uow,
            community_id=building.community_id,
            name=name,
            kind=DoorKind.UNIT,
            building_id=building.id,
            unit_id=unit.id if unit else None,
        )
        station = add_station(
            self.uow,
            community_id=building.community_id,
            name=name,
            kind=StationKind.UNIT,
            door_ids=[door.id],
            building_ids=[building.id],
            unit_id=unit.id if unit else None,
        )
        self._set_relay(station, relay)
        return station

    def gate_station(self, community_id: str, buildings: list[Building], *, name: str, doors: list[str]) -> Station:
        made = [
            add_door(self.uow, community_id=community_id, name=door, kind=DoorKind.GATE, hold_s=8) for door in doors
        ]
        station = add_station(
            self.uow,
            community_id=community_id,
            name=name,
            kind=StationKind.GATE,
            door_ids=[door.id for door in made],
            building_ids=[building.id for building in buildings],
        )
        self._set_relay(station, RelayKind.DRAWN)
        return station

    def _set_relay(self, station: Station, relay: RelayKind) -> None:
        configure(
            self.uow,
            community_id=station.community_id,
            station_id=station.id,
            settings=StationSettings(relay_kind=relay),
        )

    def administrator(self, community_id: str, phone: str, password_hash: str) -> None:
        create_account(
            self.uow,
            self.vault,
            community_id=community_id,
            role=Role.ADMINISTRATOR,
            name="管理员",
            phone=phone,
            now=self.now,
            password_hash=password_hash,
        )


def seed(db: Database, vault: Vault, *, now: datetime) -> dict[CommunityKind, SeededCommunity]:
    """Fill an empty database; on one that has a community it changes nothing and returns nothing."""
    password_hash = hash_password(DEMO_ADMINISTRATOR_PASSWORD)
    with db.unit_of_work() as uow:
        if uow.session.scalar(select(Community.id).limit(1)) is not None:
            return {}
        seeder = _Seeder(uow=uow, vault=vault, now=now)
        return {
            CommunityKind.CLOSED: _closed(seeder, password_hash),
            CommunityKind.OPEN: _open(seeder, password_hash),
            CommunityKind.SINGLE_BLOCK: _single_block(seeder, password_hash),
        }


def _with_units(
    seeder: _Seeder, community: Community, numbers: tuple[str, ...], rooms: list[str]
) -> tuple[list[Building], list[Unit], dict[str, list[Household]]]:
    buildings, units, homes = [], [], {}
    for number in numbers:
        building = add_building(seeder.uow, community_id=community.id, name=f"{number}栋", number=number)
        buildings.append(building)
        for unit_number in ("1", "2"):
            unit = add_unit(
                seeder.uow,
                community_id=community.id,
                building_id=building.id,
                name=f"{unit_number}单元",
                number=unit_number,
            )
            units.append(unit)
            homes[unit.id] = add_households(
                seeder.uow, community_id=community.id, building_id=building.id, unit_id=unit.id, rooms=rooms
            )
    return buildings, units, homes


def _community(seeder: _Seeder, name: str, kind: CommunityKind) -> Community:
    return create_community(seeder.uow, name=name, kind=kind, now=seeder.now, timezone=TIMEZONE)


def _closed(seeder: _Seeder, password_hash: str) -> SeededCommunity:
    """幸福里小区: two buildings, four units, forty-eight homes, a gate with two doors."""
    community = _community(seeder, DEMO_COMMUNITY, CommunityKind.CLOSED)
    seeder.administrator(community.id, DEMO_ADMINISTRATOR_PHONE, password_hash)
    rooms = [f"{floor}{door:02d}" for floor in (1, 2, 3, 11, 12, 13) for door in (1, 2)]
    buildings, units, homes = _with_units(seeder, community, ("2", "3"), rooms)
    home_unit = units[3]
    family = next(home for home in homes[home_unit.id] if home.room == DEMO_ROOM)
    let = next(home for home in homes[home_unit.id] if home.room == "1102")
    seeder.family(family, "1380000")
    seeder.let_home(let, "1390000")
    stations = {
        unit.id: seeder.unit_station(building, unit, name=f"{building.name}{unit.name}门口")
        for unit in units
        for building in buildings
        if unit.building_id == building.id
    }
    gate = seeder.gate_station(community.id, buildings, name="南大门", doors=["南大门人行门", "南大门车行门"])
    return SeededCommunity(
        community_id=community.id,
        unit_station_id=stations[home_unit.id].id,
        gate_station_id=gate.id,
        family_household_id=family.id,
        let_household_id=let.id,
    )


def _open(seeder: _Seeder, password_hash: str) -> SeededCommunity:
    """向阳街区: an open community without a gate."""
    community = _community(seeder, "向阳街区", CommunityKind.OPEN)
    seeder.administrator(community.id, "13800001000", password_hash)
    buildings, units, homes = _with_units(seeder, community, ("5",), ["101", "102", "201", "202", DEMO_ROOM])
    family, let = homes[units[0].id][4], homes[units[0].id][1]
    seeder.family(family, "1380001")
    seeder.let_home(let, "1390001")
    station = seeder.unit_station(buildings[0], units[0], name="5栋1单元门口")
    return SeededCommunity(
        community_id=community.id,
        unit_station_id=station.id,
        gate_station_id=None,
        family_household_id=family.id,
        let_household_id=let.id,
    )


def _single_block(seeder: _Seeder, password_hash: str) -> SeededCommunity:
    """临江公寓: one block, no units."""
    community = _community(seeder, "临江公寓", CommunityKind.SINGLE_BLOCK)
    seeder.administrator(community.id, "13800002000", password_hash)
    building = add_building(seeder.uow, community_id=community.id, name="主楼", number="1")
    homes = add_households(
        seeder.uow,
        community_id=community.id,
        building_id=building.id,
        unit_id=None,
        rooms=["301", "302", "401", DEMO_ROOM],
    )
    seeder.family(homes[3], "1380002")
    seeder.let_home(homes[1], "1390002")
    station = seeder.unit_station(building, None, name="主楼门口")
    return SeededCommunity(
        community_id=community.id,
        unit_station_id=station.id,
        gate_station_id=None,
        family_household_id=homes[3].id,
        let_household_id=homes[1].id,
    )
