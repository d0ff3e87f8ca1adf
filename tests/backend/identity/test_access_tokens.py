"""Access tokens: only ours, only whole, only in time, only from the key they were made for."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from socketio.exceptions import ConnectionError as RefusedError

from backend.accounts import Account
from backend.clock import utc_now
from backend.identity.devices import Device
from backend.vault import Vault
from tests.backend.identity.ways_in import slug
from tests.support.phones import Phone, b64, decoded
from tests.support.service import Service


@pytest.fixture(scope="module")
def mum(house: Service) -> Phone:
    return house.phone("mum", connect=False)


def resigned(house: Service, mum: Phone, *, typ: str = "at+jwt", drop: str | None = None, **changes: Any) -> str:
    """Mum's token with other claims, signed with the service's own key: only the claims are wrong."""
    claims = {**decoded(mum.token or ""), **changes}
    if drop is not None:
        del claims[drop]
    return jwt.encode(claims, house.vault.token_key, algorithm="EdDSA", headers={"typ": typ})


def with_public_key_as_secret(house: Service, mum: Phone) -> str:
    public = house.vault.token_key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = b64(b'{"alg":"HS256","typ":"at+jwt"}')
    signing = f"{header}.{b64(json.dumps(decoded(mum.token or '')).encode())}"
    return f"{signing}.{b64(hmac.digest(pem, signing.encode(), 'sha256'))}"


def signed_by(key: Any, algorithm: str) -> Callable[[Service, Phone], str]:
    return lambda house, mum: jwt.encode(decoded(mum.token or ""), key, algorithm=algorithm, headers={"typ": "at+jwt"})


def cut(token: str, **claims: Any) -> str:
    """The claims changed and the signature left."""
    head, _, signature = token.split(".")
    return f"{head}.{b64(json.dumps({**decoded(token), **claims}).encode())}.{signature}"


FAULTS: dict[str, Callable[[Service, Phone], str]] = {
    "signed by another service": signed_by(Ed25519PrivateKey.generate(), "EdDSA"),
    "signed by a service with another secret": signed_by(Vault("another secret" * 4).token_key, "EdDSA"),
    "signed with another algorithm": signed_by(ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "signed with nothing": signed_by(None, "none"),
    "signed with the public key as a shared secret": with_public_key_as_secret,
    "another person's claims under this signature": lambda house, mum: cut(mum.token or "", sub="0" * 32),
    "a later end under this signature": lambda house, mum: cut(mum.token or "", exp=int(time.time()) + 10**6),
    "another type": lambda house, mum: resigned(house, mum, typ="dpop+jwt"),
    "no type": lambda house, mum: resigned(house, mum, typ="JWT"),
    "another audience": lambda house, mum: resigned(house, mum, aud="gatehouse-station"),
    "another issuer": lambda house, mum: resigned(house, mum, iss="somebody"),
    "no end": lambda house, mum: resigned(house, mum, drop="exp"),
    "no beginning": lambda house, mum: resigned(house, mum, drop="iat"),
    "no key binding": lambda house, mum: resigned(house, mum, drop="cnf"),
    "an empty key binding": lambda house, mum: resigned(house, mum, cnf={}),
    "a key binding of another type": lambda house, mum: resigned(house, mum, cnf="x"),
    "no device": lambda house, mum: resigned(house, mum, drop="did"),
    "an unknown device": lambda house, mum: resigned(house, mum, did="0" * 32),
    "an unknown session": lambda house, mum: resigned(house, mum, sid="0" * 32),
    "an unknown account": lambda house, mum: resigned(house, mum, sub="0" * 32),
    "cut short": lambda house, mum: (mum.token or "")[:-3],
    "two parts": lambda house, mum: (mum.token or "").rpartition(".")[0],
    "five parts": lambda house, mum: "a.b.c.d.e",
    "the proof in its place": lambda house, mum: mum.proof("GET", "/api/v1/me"),
    "too long": lambda house, mum: resigned(house, mum, more="x" * 3000),
}


def ask(mum: Phone, token: str) -> requests.Response:
    headers = {"Authorization": f"DPoP {token}", "DPoP": mum.proof("GET", "/api/v1/me", token=token)}
    return requests.get(mum.origin + "/api/v1/me", headers=headers, timeout=10)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_token_is_refused_and_the_next_good_one_works(house: Service, mum: Phone, fault: str) -> None:
    reply = ask(mum, FAULTS[fault](house, mum))
    assert slug(reply) == "sign-in-required"
    assert ask(mum, mum.token or "").status_code == 200


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_token_opens_no_socket(house: Service, mum: Phone, fault: str) -> None:
    token = FAULTS[fault](house, mum)
    thief = Phone(house.origin)
    thief.key, thief.jwk, thief.token = mum.key, mum.jwk, token
    with pytest.raises(RefusedError):
        thief.connect()


def test_every_bit_of_a_token_counts(house: Service, mum: Phone) -> None:
    """Each of the signed bytes, and of the signature, with one bit turned: never accepted, never more than refused."""
    head, body, signature = (mum.token or "").split(".")
    for part in range(3):
        data = [base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in (head, body, signature)]
        for place in range(0, len(data[part]), 7):
            turned = list(data)
            turned[part] = bytes(b ^ (1 << place % 8 if n == place else 0) for n, b in enumerate(data[part]))
            assert ask(mum, ".".join(b64(text) for text in turned)).status_code == 401, (part, place)


def test_a_token_that_is_over_says_so_and_one_at_its_end_still_works(house: Service, mum: Phone) -> None:
    tokens, now = house.made.services.tokens, utc_now()
    claims = decoded(mum.token or "")
    with house.db.reading() as session:
        account = session.get_one(Account, claims["sub"])
        device = session.get_one(Device, claims["did"])
    assert tokens.lifetime_s == 600
    for age, expected in ((601, "token-expired"), (660, "token-expired"), (590, None)):
        token = tokens.issue(account=account, device=device, session_id=claims["sid"], now=now - timedelta(seconds=age))
        reply = ask(mum, token)
        assert (slug(reply) if expected else reply.status_code) == (expected or 200), age


def test_a_token_holds_no_name_and_no_number(mum: Phone) -> None:
    claims = decoded(mum.token or "")
    assert set(claims) == {"iss", "aud", "sub", "iat", "exp", "did", "sid", "cid", "cnf"}
    text = json.dumps(claims, ensure_ascii=False)
    assert "妈妈" not in text
    assert "138000" not in text
