"""A community of a thousand homes with a phone each, and one home of eight phones, made straight in the database."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.accounts import Account, Role, create_account
from backend.clock import utc_now
from backend.communities import CommunityKind, Household, add_building, add_households, add_unit, create_community
from backend.db import Database, UnitOfWork
from backend.doors import DoorKind, add_door
from backend.households import Relation, add_resident, own_tenancy
from backend.identity.devices import Device
from backend.identity.proofs import DeviceKey, thumbprint_of, token_hash
from backend.identity.sessions import SignedIn
from backend.identity.tokens import TokenService
from backend.ids import new_id
from backend.migrations import upgrade
from backend.vault import Vault
from intercom.station_hello import base64url, public_key_text, sign_hello
from intercom.station_protocol import RelayKind, StationKind
from intercom.stations import Station, add_station, make_pairing_code

SECRET = "only for benchmarks: 0123456789 abcdefghij"
PEOPLE = ("妈妈", "爸爸", "儿子", "奶奶")
PHONES_OF_THE_HOME = 8
ROOM = "1201"
OTHER_ROOM = "1202"
TOKEN_LIFETIME_S = 3 * 3600


@dataclass(kw_only=True)
class Signer:
    """A device's key and token."""

    origin: str
    device_id: str
    token: str
    key: ec.EllipticCurvePrivateKey
    jwk: dict[str, str]

    def proof(self, method: str, path: str) -> str:
        claims = {
            "jti": secrets.token_hex(12),
            "htm": method,
            "htu": self.origin + path,
            "iat": int(utc_now().timestamp()),
            "ath": token_hash(self.token),
        }
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": self.jwk})

    def auth(self) -> dict[str, str]:
        return {"token": self.token, "proof": self.proof("GET", "/socket.io/resident")}

    def headers(self, method: str, path: str) -> dict[str, str]:
        return {"Authorization": f"DPoP {self.token}", "DPoP": self.proof(method, path)}


@dataclass(kw_only=True)
class BigCommunity:
    """What the benchmarks need to know of it."""

    database: Path
    community_id: str
    station_id: str
    door_id: str
    agent_station_id: str
    agent_door_id: str
    station_key: Ed25519PrivateKey
    home: list[Signer]
    others: list[Signer] = field(default_factory=list)

    def hello(self, origin_audience: str = "gatehouse") -> dict[str, Any]:
        issued = int(utc_now().timestamp() * 1000)
        return sign_hello(
            self.station_key, self.station_id, audience=origin_audience, issued_at_ms=issued, software="benchmark 1"
        )

    def pairing_code(self) -> str:
        """A code for the station that the real agent becomes."""
        db = Database(f"sqlite:///{self.database}")
        with db.unit_of_work() as uow:
            code, _ = make_pairing_code(
                uow,
                Vault(SECRET),
                community_id=self.community_id,
                station_id=self.agent_station_id,
                now=utc_now(),
            )
        db.close()
        return code

    def auths_file(self, folder: Path, count: int) -> Path:
        """Fresh proofs for the sockets of the other homes; good for a minute."""
        path = folder / "auths.json"
        path.write_text(json.dumps([signer.auth() for signer in self.others[:count]]), encoding="utf-8")
        return path


class _Maker:
    def __init__(self, uow: UnitOfWork, vault: Vault, origin: str, now: datetime) -> None:
        self._uow, self._vault, self._origin, self._now = uow, vault, origin, now
        self._tokens = TokenService(vault, lifetime_s=TOKEN_LIFETIME_S)

    def account(self, community_id: str, name: str) -> Account:
        return create_account(
            self._uow, self._vault, community_id=community_id, role=Role.RESIDENT, name=name, phone=None, now=self._now
        )

    def move_in(self, household: Household, accounts: list[Account]) -> None:
        tenancy = own_tenancy(self._uow, community_id=household.community_id, household_id=household.id, now=self._now)
        for account in accounts:
            add_resident(
                self._uow,
                tenancy=tenancy,
                account_id=account.id,
                relation=Relation.FAMILY,
                ends_at=None,
                now=self._now,
            )

    def phone(self, account: Account) -> Signer:
        key = ec.generate_private_key(ec.SECP256R1())
        numbers = key.public_key().public_numbers()
        jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": base64url(numbers.x.to_bytes(32, "big")),
            "y": base64url(numbers.y.to_bytes(32, "big")),
        }
        proved = DeviceKey(jwk=jwk, thumbprint=thumbprint_of(jwk))
        device = Device(
            id=new_id(),
            community_id=account.community_id,
            account_id=account.id,
            name="phone",
            public_key=proved.jwk,
            thumbprint=proved.thumbprint,
            created_at=self._now,
            last_seen_at=self._now,
            approved_at=self._now,
        )
        signed_in = SignedIn(
            id=new_id(),
            community_id=account.community_id,
            device_id=device.id,
            started_at=self._now,
            expires_at=self._now + timedelta(days=1),
        )
        self._uow.session.add(device)
        self._uow.session.flush()
        self._uow.session.add(signed_in)
        token = self._tokens.issue(account=account, device=device, session_id=signed_in.id, now=self._now)
        return Signer(origin=self._origin, device_id=device.id, token=token, key=key, jwk=jwk)

    def station(self, community_id: str, building_id: str, unit_id: str, name: str) -> tuple[Station, str]:
        door = add_door(
            self._uow,
            community_id=community_id,
            name=name,
            kind=DoorKind.UNIT,
            building_id=building_id,
            unit_id=unit_id,
        )
        station = add_station(
            self._uow,
            community_id=community_id,
            name=name,
            kind=StationKind.UNIT,
            door_ids=[door.id],
            building_ids=[building_id],
            unit_id=unit_id,
        )
        station.relay_kind = RelayKind.DRAWN
        return station, door.id


def make_community(folder: Path, *, origin: str, others: int) -> BigCommunity:
    """The database with everybody in it; the first station is paired with a key of ours."""
    database = folder / "gatehouse.db"
    url = f"sqlite:///{database}"
    upgrade(url)
    db, vault, now = Database(url), Vault(SECRET), utc_now()
    key = Ed25519PrivateKey.generate()
    with db.unit_of_work() as uow:
        maker = _Maker(uow, vault, origin, now)
        community = create_community(uow, name="大社区", kind=CommunityKind.CLOSED, now=now, timezone="Asia/Shanghai")
        building = add_building(uow, community_id=community.id, name="3栋", number="3")
        unit = add_unit(uow, community_id=community.id, building_id=building.id, name="2单元", number="2")
        station, door_id = maker.station(community.id, building.id, unit.id, "3栋2单元门口")
        station.public_key, station.paired_at = public_key_text(key), now
        # The real agent stands beside it, with a door of its own in the same unit.
        agent, agent_door_id = maker.station(community.id, building.id, unit.id, "3栋2单元后门")
        rooms = [ROOM, OTHER_ROOM, *(str(20000 + number) for number in range(others))]
        households = add_households(
            uow, community_id=community.id, building_id=building.id, unit_id=unit.id, rooms=rooms
        )
        people = [maker.account(community.id, name) for name in PEOPLE]
        maker.move_in(households[0], people)
        home = [maker.phone(people[number % len(people)]) for number in range(PHONES_OF_THE_HOME)]
        crowd = []
        for household in households[2:]:
            account = maker.account(community.id, "邻居")
            maker.move_in(household, [account])
            crowd.append(maker.phone(account))
        found = BigCommunity(
            database=database,
            community_id=community.id,
            station_id=station.id,
            door_id=door_id,
            agent_station_id=agent.id,
            agent_door_id=agent_door_id,
            station_key=key,
            home=home,
            others=crowd,
        )
    db.close()
    return found
