"""The people, stations and homes of the authorization matrix, and fresh objects for every question it asks."""

import base64
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from backend.access import Opening, OpeningState
from backend.accounts import Account, Role, create_account
from backend.clock import utc_now
from backend.communities import Building, CommunityKind, Household
from backend.doors import DoorKind, add_door
from backend.households import Relation, Resident, Tenancy, add_resident, end_lease, own_tenancy, start_lease
from backend.identity import devices, invitations, sessions
from backend.identity.proofs import DeviceKey, thumbprint_of
from backend.ids import new_digits, new_id
from intercom.call_records import Call, CallLeg
from intercom.call_state import Act, CallState, LegState
from intercom.station_protocol import StationKind
from intercom.stations import Station, StationDoor, add_station
from tests.mobile_api.matrix import ROLES
from tests.support.phones import Phone
from tests.support.service import Service
from tests.support.stations import JPEG, TestStation

DAY = timedelta(days=1)
MUMS_NUMBER = "13800000001"


@dataclass(frozen=True, kw_only=True)
class Home:
    """A home whose things are asked for: a member, whose own things they are, and a housemate."""

    community_id: str
    household_id: str
    tenancy_id: str
    station_id: str
    door_id: str
    member_id: str
    housemate_id: str
    resident_id: str


class World:
    """One running service with a phone for every role; whatever a question uses up is made anew for it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.db, self.vault = service.db, service.vault
        self.community_id = service.community().community_id
        self._phones: dict[str, Phone] = {}
        self._find_places()
        self._find_homes()
        self.stations = {"station": service.station(connect=False), "station_2": self._second_station()}
        self.pictures = service.made.services.pictures
        self.picture_link = self._keep_picture()

    # places and homes

    def _find_places(self) -> None:
        with self.db.reading() as session:
            home = session.get_one(Household, self.service.community().family_household_id)
            self.building_id = home.building_id
            self.unit_id = home.unit_id
            rest = session.scalars(
                select(Household).where(
                    Household.community_id == self.community_id,
                    Household.unit_id == home.unit_id,
                    Household.room.in_(["101", "102"]),
                )
            ).all()
            self.other_building = session.scalars(
                select(Building).where(Building.community_id == self.community_id, Building.id != home.building_id)
            ).first()
            far = session.scalars(
                select(Household).where(Household.building_id == self.other_building.id).order_by(Household.id)
            ).all()
            self.mums_second, self.past_household = (household.id for household in rest)
            # Of another building, so that no way leads from it through the door of the let home.
            self.landlords_second, self.neighbours_household = far[0].id, far[1].id
            self.far_station = session.scalars(
                select(Station).where(Station.building_id == self.other_building.id).order_by(Station.id)
            ).first()

    def _find_homes(self) -> None:
        seeded, now = self.service.community(), utc_now()
        with self.db.unit_of_work() as uow:
            people = {
                self.service.name_of(uow.session, r.account_id): r
                for r in uow.session.query(Resident).where(
                    Resident.household_id.in_([seeded.family_household_id, seeded.let_household_id])
                )
            }
            mum, dad, tenant, landlord = (people[name] for name in ("妈妈", "爸爸", "租客", "房东"))
            second = own_tenancy(uow, community_id=self.community_id, household_id=self.mums_second, now=now)
            self._join(uow, second, mum.account_id, Relation.OWNER)
            second = own_tenancy(uow, community_id=self.community_id, household_id=self.landlords_second, now=now)
            self._join(uow, second, landlord.account_id, Relation.OWNER)
            lease = uow.session.get_one(Tenancy, tenant.tenancy_id)
            flatmate = self._person(uow, "同屋")
            self._join(uow, lease, flatmate, Relation.FAMILY)
            past = start_lease(
                uow,
                community_id=self.community_id,
                household_id=self.past_household,
                starts_at=now - 2 * DAY,
                ends_at=now + DAY,
                now=now,
            )
            self.past_account = self._person(uow, "前租客")
            past_resident = self._join(uow, past, self.past_account, Relation.TENANT, now + DAY)
            past_mate = self._person(uow, "前同屋")
            self._join(uow, past, past_mate, Relation.FAMILY)
            _, self._past_code = invitations.invite(
                uow,
                self.vault,
                tenancy=past,
                relation=Relation.TENANT,
                ends_at=now + DAY,
                account_id=self.past_account,
                made_by=None,
                now=now,
            )
            door = uow.session.scalars(
                select(StationDoor.door_id).where(StationDoor.station_id == seeded.unit_station_id)
            ).one()

            def home(resident: Resident, housemate: str) -> Home:
                return Home(
                    community_id=self.community_id,
                    household_id=resident.household_id,
                    tenancy_id=resident.tenancy_id,
                    station_id=seeded.unit_station_id,
                    door_id=door,
                    member_id=resident.account_id,
                    housemate_id=housemate,
                    resident_id=resident.id,
                )

            self.family = home(mum, dad.account_id)
            self.let = home(tenant, flatmate)
            self.past = home(past_resident, past_mate)
            self.past_lease = past.id
            self.landlord_account = landlord.account_id

    def _person(self, uow: Any, name: str) -> str:
        account = create_account(
            uow,
            self.vault,
            community_id=self.community_id,
            role=Role.RESIDENT,
            name=name,
            phone=None,
            now=utc_now(),
        )
        return account.id

    def _join(self, uow: Any, tenancy: Tenancy, account_id: str, relation: Relation, ends_at: Any = None) -> Resident:
        return add_resident(
            uow, tenancy=tenancy, account_id=account_id, relation=relation, ends_at=ends_at, now=utc_now()
        )

    def _second_station(self) -> TestStation:
        code = self.service.pairing_code(self.far_station.id)
        station = TestStation(self.service.origin).pair(code)
        self.service._closing.append(station)
        return station

    def home_of(self, role: str) -> Home:
        """The home whose things this role asks for."""
        return {"past_tenant": self.past, "landlord": self.let}.get(role, self.family)

    # callers

    def caller(self, role: str) -> Phone:
        """The role's phone, signed in once."""
        if role not in self._phones:
            self._phones[role] = self.another(role)
        return self._phones[role]

    def sign_everybody_in(self) -> None:
        """Every role comes in; then the past tenant's lease ends."""
        for role in ROLES:
            self.caller(role)
        with self.db.unit_of_work() as uow:
            end_lease(uow, community_id=self.community_id, tenancy_id=self.past_lease, now=utc_now())

    def another(self, role: str) -> Phone:
        """One more phone of this role."""
        match role:
            case "resident":
                return self.service.phone("mum", connect=False)
            case "foreigner":
                return self.service.phone("mum", kind=CommunityKind.OPEN, connect=False)
            case "landlord":
                return self.service.phone("landlord", connect=False)
            case "admin":
                return self.service.administrator()
            case "admin_2":
                return self.service.administrator(CommunityKind.OPEN)
        phone = Phone(self.service.origin, role)
        self.service._closing.append(phone)
        match role:
            case "neighbour":
                phone.join(self.service.new_person_code(self.neighbours_household), "邻居")
            case "past_tenant":
                self._come_in_as_past_tenant(phone)
            case "pending":
                self._come_in_by_number(phone)
            case "station" | "station_2":
                phone.token = token_of_a_station(self.stations[role])
        return phone

    def _come_in_as_past_tenant(self, phone: Phone) -> None:
        if self._past_code:
            phone.join(self._past_code, "前租客")
            self._past_code = ""
            return
        # The lease is over, so no invitation leads in; the account itself still signs in by its number.
        self._come_in_by_account(phone, self.past_account)

    def _come_in_by_number(self, phone: Phone) -> None:
        sent = len(self.service.sms.sent)
        asked = phone.call("POST", "/sign-in/codes", {"phone": MUMS_NUMBER})
        code = self.service.sms.code_to(f"+86{MUMS_NUMBER}", beyond=sent)
        phone.accept(
            phone.call(
                "POST",
                "/sign-in/phone",
                {"request_id": asked.json()["request_id"], "code": code, "device": {"name": "new"}},
            )
        )
        assert phone.session["device"]["state"] == "pending"

    def come_back(self, role: str) -> None:
        """The role's phone, signed out, signs in again."""
        phone = self.caller(role)
        with self.db.reading() as session:
            account_id = session.get_one(devices.Device, phone.device_id).account_id
        self._come_in_by_account(phone, account_id, approved=role != "pending")

    def _come_in_by_account(self, phone: Phone, account_id: str, *, approved: bool = True) -> None:
        now = utc_now()
        key = DeviceKey(jwk=phone.jwk, thumbprint=thumbprint_of(phone.jwk))
        with self.db.unit_of_work() as uow:
            account = uow.session.get_one(Account, account_id)
            device = devices.enrol(uow, account=account, key=key, name="again", approved=approved, now=now)
            session = sessions.begin(uow, self.vault, account=account, device=device, now=now)
        phone.token = self.service.made.services.tokens.issue(
            account=account, device=device, session_id=session.session_id, now=now
        )
        phone.session = {"device": {"id": device.id}}
        phone.http.cookies.set("gh-main", session.refresh_token, path="/api/v1/session")

    # fresh things

    def device(self, account_id: str, *, approved: bool) -> str:
        """A device of this account."""
        with self.db.unit_of_work() as uow:
            key = DeviceKey(jwk={"kty": "EC"}, thumbprint=secrets.token_urlsafe(32)[:43])
            account = uow.session.get_one(Account, account_id)
            self._make_room(uow, account_id)
            made = devices.enrol(uow, account=account, key=key, name="spare", approved=approved, now=utc_now())
        return made.id

    def _make_room(self, uow: Any, account_id: str) -> None:
        spares = [d for d in devices.of_accounts(uow.session, [account_id]) if d.name == "spare"]
        for spare in spares[: max(0, len(spares) - 5)]:
            spare.removed_at = utc_now()

    def invitation(self, home: Home) -> str:
        """An open invitation made by the home's member."""
        with self.db.unit_of_work() as uow:
            made, _ = invitations.invite(
                uow,
                self.vault,
                tenancy=uow.session.get_one(Tenancy, home.tenancy_id),
                relation=Relation.FAMILY,
                ends_at=None,
                account_id=None,
                made_by=home.housemate_id if home is self.past else home.member_id,
                now=utc_now(),
            )
        return made.id

    def lease(self, role: str) -> str:
        """A running lease of the second home the role's person owns; the past tenant's own lease, which is over."""
        if role == "past_tenant":
            return self.past_lease
        household = self.landlords_second if role == "landlord" else self.mums_second
        self.end_leases(household)
        now = utc_now()
        with self.db.unit_of_work() as uow:
            made = start_lease(
                uow,
                community_id=self.community_id,
                household_id=household,
                starts_at=now,
                ends_at=now + DAY,
                now=now,
            )
        return made.id

    def end_leases(self, household_id: str) -> None:
        """The home is its owner's again."""
        with self.db.unit_of_work() as uow:
            for lease in uow.session.query(Tenancy).where(
                Tenancy.household_id == household_id, Tenancy.kind == "lease", Tenancy.ended_at.is_(None)
            ):
                end_lease(uow, community_id=self.community_id, tenancy_id=lease.id, now=utc_now())

    def call(self, home: Home, *, legs_of: tuple[str, ...] = (), ringing: bool = True) -> str:
        """A call to this home from its entrance; an earlier one of the entrance is over."""
        now = utc_now()
        with self.db.reading() as session:
            running = list(
                session.scalars(select(Call.id).where(Call.station_id == home.station_id, Call.state != "ended"))
            )
        for call_id in running:
            self.service.made.services.calls.end(call_id, Act.WITHDRAWN, now=now)
        with self.db.unit_of_work() as uow:
            call = Call(
                id=new_id(),
                community_id=home.community_id,
                station_id=home.station_id,
                household_id=home.household_id,
                tenancy_id=home.tenancy_id,
                request_id=secrets.token_hex(8),
                dial="1201",
                state=CallState.RINGING if ringing else CallState.ENDED,
                version=1,
                placed_at=now,
                expires_at=now + timedelta(seconds=60),
            )
            uow.session.add(call)
            uow.session.flush()
            for device_id in legs_of:
                account_id = uow.session.get_one(devices.Device, device_id).account_id
                uow.session.add(
                    CallLeg(
                        id=new_id(),
                        community_id=home.community_id,
                        call_id=call.id,
                        device_id=device_id,
                        account_id=account_id,
                        state=LegState.RINGING,
                    )
                )
        return call.id

    def leg_of(self, call_id: str) -> str:
        """The call's first leg."""
        with self.db.reading() as session:
            return session.scalars(select(CallLeg.id).where(CallLeg.call_id == call_id)).first()

    def opening(self, home: Home) -> str:
        """An opening of the home's entrance by its member."""
        device_id, now = self.device(home.member_id, approved=True), utc_now()
        with self.db.unit_of_work() as uow:
            opening = Opening(
                id=new_id(),
                community_id=home.community_id,
                device_id=device_id,
                account_id=home.member_id,
                idempotency_key=secrets.token_hex(8),
                door_id=home.door_id,
                station_id=home.station_id,
                household_id=home.household_id,
                tenancy_id=home.tenancy_id,
                state=OpeningState.COMMANDED,
                commanded_at=now,
                expires_at=now + timedelta(seconds=5),
            )
            uow.session.add(opening)
        return opening.id

    def door(self) -> str:
        """A door of the home's building that no station moves."""
        with self.db.unit_of_work() as uow:
            made = add_door(
                uow,
                community_id=self.community_id,
                name="边门",
                kind=DoorKind.UNIT,
                building_id=self.building_id,
                unit_id=self.unit_id,
            )
        return made.id

    def station(self) -> str:
        """An unpaired station of the home's building."""
        door_id = self.door()
        with self.db.unit_of_work() as uow:
            made = add_station(
                uow,
                community_id=self.community_id,
                name="边门口",
                kind=StationKind.UNIT,
                door_ids=[door_id],
                building_ids=[self.building_id],
                unit_id=self.unit_id,
            )
        return made.id

    def resident(self) -> str:
        """Somebody in the family's home."""
        with self.db.unit_of_work() as uow:
            account_id = self._person(uow, "客人")
            tenancy = uow.session.get_one(Tenancy, self.family.tenancy_id)
            return self._join(uow, tenancy, account_id, Relation.FAMILY).id

    def _keep_picture(self) -> str:
        call_id, now = self.call(self.family, ringing=False), utc_now()
        with self.db.unit_of_work() as uow:
            picture_id = self.pictures.keep(
                uow,
                community_id=self.community_id,
                station_id=self.family.station_id,
                call_id=call_id,
                opening_id=None,
                moment="press",
                jpeg=JPEG,
                missing=None,
                taken_at=now,
                now=now,
            )
        return self.pictures.link(picture_id, now=now)

    def secrets_of(self, home: Home) -> list[str]:
        """Identifiers that nobody outside the home may see."""
        with self.db.reading() as session:
            calls = session.scalars(select(Call.id).where(Call.tenancy_id == home.tenancy_id))
            openings = session.scalars(select(Opening.id).where(Opening.tenancy_id == home.tenancy_id))
            found = session.scalars(
                select(devices.Device.id).where(devices.Device.account_id.in_([home.housemate_id, home.member_id]))
            )
            return [*calls, *openings, *found]


def token_of_a_station(station: TestStation) -> str:
    """What a station could try over HTTP: a token of its own making, signed with the key it is paired by."""
    now = int(time.time())
    key: Ed25519PrivateKey = station.key
    return jwt.encode(
        {
            "iss": "gatehouse",
            "aud": "gatehouse-app",
            "sub": station.station_id,
            "iat": now,
            "exp": now + 600,
            "did": station.station_id,
            "sid": station.station_id,
            "cid": station.station_id,
            "cnf": {"jkt": base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("=")},
        },
        key,
        algorithm="EdDSA",
        headers={"typ": "at+jwt"},
    )


def number() -> str:
    """A number of a building, unit or room that is most likely free."""
    return str(int(new_digits(6)) + 1)[:6]
