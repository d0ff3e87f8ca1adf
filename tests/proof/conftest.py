"""A seeded service in a process of its own, with signed-in phones that outlive it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from backend.app import free_port
from backend.clock import utc_now
from backend.communities import CommunityKind
from backend.db import Database
from backend.households import Relation, Resident, Tenancy, current_tenancy
from backend.identity import invitations
from backend.vault import Vault
from intercom.stations import make_pairing_code
from mobile_api.seed import SeededCommunity
from tests.proof.processes import ServerProcess
from tests.support.phones import Phone
from tests.support.service import SECRET, SeededTemplate
from tests.support.stations import TestStation


@dataclass
class World:
    """A service process, two phones of the seeded family and their station."""

    server: ServerProcess
    seeded: SeededCommunity
    phones: list[Phone] = field(default_factory=list)
    station: TestStation | None = None

    def join(self, count: int) -> None:
        """Sign phones of `count` people of the family in (the service must run)."""
        db, vault = Database(self.server.url), Vault(SECRET)
        codes = []
        with db.unit_of_work() as uow:
            people = (
                uow.session.query(Resident)
                .where(Resident.household_id == self.seeded.family_household_id)
                .order_by(Resident.id)
                .limit(count)
                .all()
            )
            for person in people:
                _, code = invitations.invite(
                    uow,
                    vault,
                    tenancy=uow.session.get_one(Tenancy, person.tenancy_id),
                    relation=Relation(person.relation),
                    ends_at=None,
                    account_id=person.account_id,
                    made_by=None,
                    now=utc_now() - timedelta(seconds=1),
                )
                codes.append(code)
        db.close()
        for code in codes:
            phone = Phone(self.server.origin)
            phone.join(code)
            self.phones.append(phone)

    def join_new(self, names: list[str]) -> None:
        """Sign a phone of each of these new people in; their pages are not opened."""
        db, vault, now = Database(self.server.url), Vault(SECRET), utc_now()
        with db.unit_of_work() as uow:
            tenancy = current_tenancy(uow.session, self.seeded.family_household_id, now=now)
            assert tenancy is not None
            codes = [
                invitations.invite(
                    uow,
                    vault,
                    tenancy=tenancy,
                    relation=Relation.FAMILY,
                    ends_at=now + timedelta(days=1),
                    account_id=None,
                    made_by=None,
                    now=now,
                )[1]
                for _ in names
            ]
        db.close()
        for name, code in zip(names, codes, strict=True):
            phone = Phone(self.server.origin, name)
            phone.join(code, name)
            self.phones.append(phone)

    def pairing_code(self) -> str:
        db, vault = Database(self.server.url), Vault(SECRET)
        with db.unit_of_work() as uow:
            code, _ = make_pairing_code(
                uow,
                vault,
                community_id=self.seeded.community_id,
                station_id=self.seeded.unit_station_id,
                now=utc_now(),
            )
        db.close()
        return code

    def renew(self) -> None:
        """Fresh tokens and sockets for every phone, as pages do after a restart."""
        for phone in self.phones:
            phone.inbox.clear()
            phone.close()
            phone.refresh()
            phone.connect()

    def close(self) -> None:
        for phone in self.phones:
            phone.close()
        if self.station is not None:
            self.station.close()
        self.server.kill()


@pytest.fixture
def world(tmp_path: Path, seeded_template: SeededTemplate) -> Iterator[World]:
    folder = tmp_path / "service"
    folder.mkdir()
    shutil.copy(seeded_template.path, folder / "gatehouse.db")
    made = World(server=ServerProcess(folder, free_port()), seeded=seeded_template.seeded[CommunityKind.CLOSED])
    yield made
    made.close()
