"""Tenancies and residents: who has the home now, and what cannot be registered (clause 3.1-6(3)c)."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from backend.accounts import Role, create_account
from backend.clock import utc_now
from backend.communities import CommunityKind, Household, Unit, add_building, add_households, add_unit
from backend.db import Database
from backend.doors import Door, DoorKind, add_door
from backend.errors import ConflictError, NotFoundError, ValidationFailedError
from backend.households import (
    MAX_LEASE,
    Relation,
    Resident,
    Tenancy,
    TenancyKind,
    add_resident,
    current_tenancy,
    end_lease,
    memberships,
    own_tenancy,
    remove_resident,
    start_lease,
)
from backend.ids import new_id
from backend.vault import Vault
from tests.support.service import SECRET, SeededTemplate

NOW = utc_now() + timedelta(hours=1)
"""Later than the seed."""
DAY = timedelta(days=1)
VAULT = Vault(SECRET)


class Place:
    def __init__(self, db: Database, template: SeededTemplate) -> None:
        self.db = db
        self.closed = template.seeded[CommunityKind.CLOSED]
        self.open = template.seeded[CommunityKind.OPEN]
        self.home = self.closed.family_household_id

    def lease(self, start: datetime, end: datetime, *, now: datetime = NOW) -> Tenancy:
        with self.db.unit_of_work() as uow:
            return start_lease(
                uow,
                community_id=self.closed.community_id,
                household_id=self.home,
                starts_at=start,
                ends_at=end,
                now=now,
            )

    def account(self) -> str:
        with self.db.unit_of_work() as uow:
            return create_account(
                uow,
                VAULT,
                community_id=self.closed.community_id,
                role=Role.RESIDENT,
                name="新人",
                phone=None,
                now=NOW,
            ).id

    def add(self, tenancy: Tenancy, account_id: str, relation: Relation, ends_at: datetime | None = None) -> Resident:
        with self.db.unit_of_work() as uow:
            return add_resident(
                uow, tenancy=tenancy, account_id=account_id, relation=relation, ends_at=ends_at, now=NOW
            )

    def own(self) -> Tenancy:
        with self.db.unit_of_work() as uow:
            return own_tenancy(uow, community_id=self.closed.community_id, household_id=self.home, now=NOW)

    def standing(self, account_id: str, moment: datetime):
        with self.db.reading() as session:
            return memberships(session, account_id, now=moment)

    def current(self, moment: datetime) -> Tenancy | None:
        with self.db.reading() as session:
            return current_tenancy(session, self.home, now=moment)


@pytest.fixture
def place(tmp_path, seeded_template: SeededTemplate):
    import shutil

    shutil.copy(seeded_template.path, tmp_path / "gatehouse.db")
    db = Database(f"sqlite:///{tmp_path / 'gatehouse.db'}")
    yield Place(db, seeded_template)
    db.close()


def test_a_running_lease_has_the_home_and_the_owner_has_it_before_and_after(place: Place) -> None:
    own = place.own()
    lease = place.lease(NOW + DAY, NOW + 10 * DAY)
    assert place.current(NOW).id == own.id
    assert place.current(NOW + DAY).id == lease.id, "from its first moment"
    assert place.current(NOW + 10 * DAY - timedelta(milliseconds=1)).id == lease.id
    assert place.current(NOW + 10 * DAY).id == own.id, "not at its end any more"


@pytest.mark.parametrize(
    ("start", "end", "possible"),
    [(0, 5, False), (5, 15, False), (9, 10, False), (0, 30, False), (6, 7, False), (-5, 5, True), (10, 20, True)],
)
def test_leases_of_a_home_do_not_overlap(place: Place, start: int, end: int, possible: bool) -> None:
    begins, past = NOW + 5 * DAY, NOW - 30 * DAY
    place.lease(begins, NOW + 10 * DAY)
    wish = (NOW + start * DAY, NOW + end * DAY)
    if possible:
        assert place.lease(*wish, now=past).kind == TenancyKind.LEASE
    elif start == 0 and end == 5:
        assert place.lease(*wish, now=past) is not None, "one may begin where another ends"
    else:
        with pytest.raises(ConflictError):
            place.lease(*wish, now=past)


def test_after_a_lease_is_ended_the_time_is_free_again(place: Place) -> None:
    lease = place.lease(NOW - DAY, NOW + 10 * DAY, now=NOW - DAY)
    with place.db.unit_of_work() as uow:
        end_lease(uow, community_id=place.closed.community_id, tenancy_id=lease.id, now=NOW)
    assert place.current(NOW).kind == TenancyKind.OWNER_OCCUPIED
    assert place.lease(NOW, NOW + 5 * DAY) is not None
    with pytest.raises(NotFoundError), place.db.unit_of_work() as uow:
        end_lease(uow, community_id=place.closed.community_id, tenancy_id=lease.id, now=NOW)


@pytest.mark.parametrize(
    ("start", "end"),
    [(NOW, NOW), (NOW, NOW - DAY), (NOW - 5 * DAY, NOW - DAY), (NOW, NOW + MAX_LEASE + DAY)],
)
def test_a_lease_has_a_possible_end(place: Place, start: datetime, end: datetime) -> None:
    with pytest.raises(ValidationFailedError):
        place.lease(start, end)


def test_a_tenant_without_an_end_is_refused_by_the_rule_and_by_the_database(place: Place) -> None:
    lease, account = place.lease(NOW, NOW + DAY), place.account()
    with pytest.raises(ValidationFailedError):
        place.add(lease, account, Relation.TENANT)
    with pytest.raises(IntegrityError), place.db.unit_of_work() as uow:
        uow.session.add(
            Resident(
                id=new_id(),
                community_id=place.closed.community_id,
                household_id=place.home,
                tenancy_id=lease.id,
                account_id=account,
                relation="tenant",
                added_at=NOW,
            )
        )
    with pytest.raises(IntegrityError), place.db.unit_of_work() as uow:
        uow.session.add(
            Tenancy(
                id=new_id(),
                community_id=place.closed.community_id,
                household_id=place.home,
                kind="lease",
                starts_at=NOW,
            )
        )


def test_an_owner_is_not_part_of_a_lease(place: Place) -> None:
    with pytest.raises(ValidationFailedError):
        place.add(place.lease(NOW, NOW + DAY), place.account(), Relation.OWNER)


def test_a_persons_standing_ends_with_the_earlier_of_both_ends_and_with_removal(place: Place) -> None:
    account = place.account()
    resident = place.add(place.lease(NOW, NOW + 10 * DAY), account, Relation.TENANT, NOW + 5 * DAY)
    (membership,) = place.standing(account, NOW)
    assert (membership.counts, membership.ends_at, membership.changes_at) == (True, NOW + 5 * DAY, NOW + 5 * DAY)
    assert place.standing(account, NOW + 5 * DAY) == []
    with place.db.unit_of_work() as uow:
        remove_resident(uow, community_id=place.closed.community_id, resident_id=resident.id, now=NOW)
    assert place.standing(account, NOW) == []
    place.add(place.current(NOW), account, Relation.FAMILY)
    assert [m.relation for m in place.standing(account, NOW)] == ["family"], "who was removed may come back"


def test_an_owner_whose_home_is_let_stands_there_without_counting_and_knows_when_that_changes(place: Place) -> None:
    account = place.account()
    place.add(place.own(), account, Relation.OWNER)
    assert [(m.counts, m.changes_at) for m in place.standing(account, NOW)] == [(True, None)]
    place.lease(NOW + DAY, NOW + 3 * DAY)
    assert [(m.counts, m.changes_at) for m in place.standing(account, NOW)] == [(True, NOW + DAY)]
    assert [(m.counts, m.changes_at) for m in place.standing(account, NOW + DAY)] == [(False, NOW + 3 * DAY)]
    assert [m.counts for m in place.standing(account, NOW + 3 * DAY)] == [True]


spans = st.lists(st.tuples(st.integers(min_value=0, max_value=40), st.integers(min_value=1, max_value=15)), max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans, st.integers(min_value=0, max_value=60))
def test_however_leases_are_asked_for_at_most_one_tenancy_has_the_home(place: Place, wished, day: int) -> None:
    with place.db.unit_of_work() as uow:
        uow.session.query(Tenancy).where(Tenancy.household_id == place.home, Tenancy.kind == TenancyKind.LEASE).delete()
    made = []
    for start, length in wished:
        try:
            made.append(place.lease(NOW + start * DAY, NOW + (start + length) * DAY))
        except ConflictError:
            assert any(
                other.starts_at < NOW + (start + length) * DAY and other.ends_at > NOW + start * DAY for other in made
            )
    moment = NOW + day * DAY
    running = [lease for lease in made if lease.starts_at <= moment < lease.ends_at]
    assert len(running) <= 1
    current = place.current(moment)
    assert current is not None
    assert (current.id == running[0].id) if running else current.kind == TenancyKind.OWNER_OCCUPIED


def test_a_row_cannot_point_into_another_community(place: Place) -> None:
    closed, other = place.closed.community_id, place.open.community_id
    own, account = place.own(), place.account()
    with place.db.unit_of_work() as uow:
        building = add_building(uow, community_id=other, name="9栋", number="9")
    crossing = [
        Tenancy(id=new_id(), community_id=other, household_id=place.home, kind="owner_occupied", starts_at=NOW),
        Resident(
            id=new_id(),
            community_id=other,
            household_id=place.home,
            tenancy_id=own.id,
            account_id=account,
            relation="family",
            added_at=NOW,
        ),
        Unit(id=new_id(), community_id=closed, building_id=building.id, name="x", number="7"),
        Household(id=new_id(), community_id=closed, building_id=building.id, place_id=building.id, room="1"),
        Door(
            id=new_id(),
            community_id=closed,
            name="x",
            kind="unit",
            building_id=building.id,
            hold_s=5,
            contact="unknown",
        ),
    ]
    for row in crossing:
        with pytest.raises(IntegrityError), place.db.unit_of_work() as uow:
            uow.session.add(row)
    with pytest.raises(NotFoundError), place.db.unit_of_work() as uow:
        own_tenancy(uow, community_id=other, household_id=place.home, now=NOW)
    with pytest.raises(NotFoundError), place.db.unit_of_work() as uow:
        add_door(uow, community_id=closed, name="x", kind=DoorKind.UNIT, building_id=building.id)


def test_a_single_block_has_no_units_and_numbers_are_used_once(place: Place, seeded_template: SeededTemplate) -> None:
    block = seeded_template.seeded[CommunityKind.SINGLE_BLOCK]
    with place.db.unit_of_work() as uow:
        building = uow.session.get_one(Household, block.family_household_id).building_id
    with pytest.raises(ConflictError), place.db.unit_of_work() as uow:
        add_unit(uow, community_id=block.community_id, building_id=building, name="1单元", number="1")
    with pytest.raises(ConflictError), place.db.unit_of_work() as uow:
        add_building(uow, community_id=block.community_id, name="another", number="1")
    for rooms, refusal in ((["501", "501"], ConflictError), (["301"], ConflictError), (["5O1"], ValidationFailedError)):
        with pytest.raises(refusal), place.db.unit_of_work() as uow:
            add_households(
                uow, community_id=block.community_id, building_id=building, unit_id=None, rooms=["601", *rooms]
            )
    with place.db.reading() as session:
        rooms = {h.room for h in session.query(Household).where(Household.community_id == block.community_id)}
    assert "601" not in rooms, "all or none"
