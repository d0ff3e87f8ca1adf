"""A running service for tests: real server on a free port, real database in a fresh folder, seeded communities."""

import re
import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from backend.app import Gatehouse, create_app, free_port
from backend.clock import utc_now
from backend.communities import CommunityKind
from backend.config import Settings
from backend.db import Database
from backend.households import Relation, Resident, Tenancy, current_tenancy
from backend.identity import invitations
from backend.migrations import upgrade
from backend.vault import Vault
from intercom.stations import Station, doors_of_station, make_pairing_code
from mobile_api.seed import DEMO_ADMINISTRATOR_PASSWORD, FAMILY, SeededCommunity, seed
from tests.support.phones import Phone
from tests.support.stations import TestStation

SECRET = "a secret of the tests: 0123456789 abcdefghij"
ADMINISTRATORS = {
    CommunityKind.CLOSED: "13800000000",
    CommunityKind.OPEN: "13800001000",
    CommunityKind.SINGLE_BLOCK: "13800002000",
}


class Sms:
    """The text messages that left the service."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.sent: list[tuple[str, str]] = []

    def __call__(self, phone: str, text: str) -> None:
        with self._changed:
            self.sent.append((phone, text))
            self._changed.notify_all()

    def code_to(self, phone: str, *, beyond: int = 0) -> str:
        """The code in the newest message to a number, once more than `beyond` messages went to it."""
        with self._changed:
            came = self._changed.wait_for(lambda: len([1 for to, _ in self.sent if to == phone]) > beyond, timeout=10)
            assert came, f"no text message to {phone}; sent: {self.sent}"
            text = [text for to, text in self.sent if to == phone][-1]
        code = re.search(r"[0-9]{6}", text)
        assert code is not None, text
        return code.group()


class SeededTemplate:
    """An upgraded and seeded database, made once and copied for each service."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "seeded.db"
        url = f"sqlite:///{self.path}"
        upgrade(url)
        db = Database(url)
        self.seeded = seed(db, Vault(SECRET), now=utc_now())
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()


class Service:
    """One running service; everything it hands out is closed with it."""

    def __init__(self, folder: Path, template: SeededTemplate | None, **settings: Any) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        database = folder / "gatehouse.db"
        self.seeded: dict[CommunityKind, SeededCommunity] = {}
        if template is not None:
            shutil.copy(template.path, database)
            self.seeded = template.seeded
        else:
            upgrade(f"sqlite:///{database}")
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.sms = Sms()
        self._sms_port = None if settings.pop("own_sms", False) else self.sms
        claim = settings.pop("claim", None)
        values: dict[str, Any] = {
            "data": folder,
            "secret": SECRET,
            "database_url": f"sqlite:///{database}",
            "port": self.port,
            "origins": (self.origin, f"http://localhost:{self.port}"),
            "rate_limits": False,
            **settings,
        }
        self.settings = Settings(**values)
        self._claim = {"claim": claim} if claim is not None else {}
        self._closing: list[Any] = []
        self._start()

    def _start(self) -> None:
        self.made: Gatehouse = create_app(self.settings, sms=self._sms_port, **self._claim)
        self._server = self.made.server("127.0.0.1", self.port)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.made.tender.start()

    @property
    def db(self) -> Database:
        return self.made.services.db

    @property
    def vault(self) -> Vault:
        return self.made.services.vault

    def community(self, kind: CommunityKind = CommunityKind.CLOSED) -> SeededCommunity:
        return self.seeded[kind]

    def invitation(
        self, persona: str = "mum", *, kind: CommunityKind = CommunityKind.CLOSED, household_id: str | None = None
    ) -> str:
        """A code for one of the seeded people; persona 'landlord' or 'tenant' stand in the let home."""
        now, seeded = utc_now(), self.community(kind)
        let = persona in {"landlord", "tenant"}
        household = household_id or (seeded.let_household_id if let else seeded.family_household_id)
        name = {"landlord": "房东", "tenant": "租客"}.get(persona) or FAMILY[persona][0]
        with self.db.unit_of_work() as uow:
            resident = next(
                r
                for r in uow.session.query(Resident).where(Resident.household_id == household)
                if self.name_of(uow.session, r.account_id) == name
            )
            tenancy = uow.session.get_one(Tenancy, resident.tenancy_id)
            _, code = invitations.invite(
                uow,
                self.vault,
                tenancy=tenancy,
                relation=Relation(resident.relation),
                ends_at=resident.ends_at,
                account_id=resident.account_id,
                made_by=None,
                now=now,
            )
        return code

    def phone_code(self, phone: str) -> dict[str, str]:
        """Ask for a text message and read the code in it: what POST /sign-in/phone wants."""
        asking = Phone(self.origin)
        asked = asking.call("POST", "/sign-in/codes", {"phone": phone})
        asking.close()
        assert asked.status_code == 202, asked.text
        return {"request_id": asked.json()["request_id"], "code": self.sms.code_to(f"+86{phone}")}

    def new_person_code(self, household_id: str) -> str:
        """An invitation for somebody new into a household's current tenancy (its owner's, if it has none)."""
        from backend.communities import Household
        from backend.households import own_tenancy

        now = utc_now()
        with self.db.unit_of_work() as uow:
            household = uow.session.get_one(Household, household_id)
            tenancy = current_tenancy(uow.session, household_id, now=now) or own_tenancy(
                uow, community_id=household.community_id, household_id=household_id, now=now
            )
            _, code = invitations.invite(
                uow,
                self.vault,
                tenancy=tenancy,
                relation=Relation.FAMILY,
                ends_at=now + timedelta(days=30),
                account_id=None,
                made_by=None,
                now=now,
            )
        return code

    def set_times(
        self,
        *,
        ring_s: int | None = None,
        talk_s: int | None = None,
        kind: CommunityKind = CommunityKind.CLOSED,
        gate: bool = False,
    ) -> None:
        """Give the station of the seeded family shorter times than an administrator may."""
        station_id = self.community(kind).gate_station_id if gate else self.community(kind).unit_station_id
        with self.db.unit_of_work() as uow:
            station = uow.session.get_one(Station, station_id)
            station.ring_s, station.talk_s = ring_s or station.ring_s, talk_s or station.talk_s

    def doors(self, *, kind: CommunityKind = CommunityKind.CLOSED, gate: bool = False) -> list[str]:
        """The doors of the seeded family's entrance station, or of the gate's."""
        station_id = self.community(kind).gate_station_id if gate else self.community(kind).unit_station_id
        assert station_id is not None
        with self.db.reading() as session:
            return [door.id for door, _ in doors_of_station(session, station_id)]

    def name_of(self, session: Any, account_id: str) -> str:
        from backend.accounts import Account, name_of

        return name_of(self.vault, session.get_one(Account, account_id))

    def phone(self, persona: str = "mum", *, kind: CommunityKind = CommunityKind.CLOSED, connect: bool = True) -> Phone:
        """A signed-in phone of one of the seeded people, its page open."""
        phone = Phone(self.origin, persona)
        phone.join(self.invitation(persona, kind=kind), FAMILY.get(persona, (persona, None))[0])
        self._closing.append(phone)
        return phone.connect() if connect else phone

    def new_phone(self, household_id: str, name: str, *, connect: bool = True) -> Phone:
        """A phone of somebody new in a household."""
        phone = Phone(self.origin, name)
        phone.join(self.new_person_code(household_id), name)
        self._closing.append(phone)
        return phone.connect() if connect else phone

    def administrator(self, kind: CommunityKind = CommunityKind.CLOSED) -> Phone:
        phone = Phone(self.origin, "desk")
        phone.accept(
            phone.call(
                "POST",
                "/sign-in/password",
                {
                    "phone": ADMINISTRATORS[kind],
                    "password": DEMO_ADMINISTRATOR_PASSWORD,
                    "device": {"name": "desk"},
                },
            )
        )
        self._closing.append(phone)
        return phone

    def pairing_code(self, station_id: str, kind: CommunityKind = CommunityKind.CLOSED) -> str:
        with self.db.unit_of_work() as uow:
            code, _ = make_pairing_code(
                uow,
                self.vault,
                community_id=self.community(kind).community_id,
                station_id=station_id,
                now=utc_now(),
            )
        return code

    def station(
        self, *, kind: CommunityKind = CommunityKind.CLOSED, gate: bool = False, connect: bool = True
    ) -> TestStation:
        """The paired station of the seeded family's entrance, or the gate's."""
        seeded = self.community(kind)
        station_id = seeded.gate_station_id if gate else seeded.unit_station_id
        assert station_id is not None
        station = TestStation(self.origin).pair(self.pairing_code(station_id, kind))
        self._closing.append(station)
        return station.connect() if connect else station

    def restart(self) -> None:
        """Stop the service, as a power switch does for its clients, and start it again on the same data and port."""
        self.stop()
        self._start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        # What the end of a process does by itself: every open socket is cut.
        for connection in list(self.made.socketio.server.eio.sockets.values()):
            connection.close(wait=False)
        self.made.close()

    def close(self) -> None:
        for thing in self._closing:
            thing.close()
        self.stop()
