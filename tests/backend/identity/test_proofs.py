"""DPoP proofs (RFC 9449): every way a proof can be wrong is refused, and the refusal says of which kind it is."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from backend.clock import utc_now
from tests.backend.identity.ways_in import at_once, slug
from tests.support.phones import Phone, b64
from tests.support.service import Service

PLACE = "/api/v1/me"
SIGN_IN = "/api/v1/sign-in/invitation"
"""Where a phone without a token proves its key."""


@pytest.fixture(scope="module")
def mum(house: Service) -> Phone:
    return house.phone("mum", connect=False)


def claims(phone: Phone, **changes: Any) -> dict[str, Any]:
    method, place = ("GET", PLACE) if phone.token else ("POST", SIGN_IN)
    body = {
        "jti": secrets.token_hex(12),
        "htm": method,
        "htu": phone.origin + place,
        "iat": int(time.time()),
        "ath": b64(hashlib.sha256((phone.token or "").encode()).digest()),
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def signed(phone: Phone, body: dict[str, Any], **header: Any) -> str:
    """A proof made by hand, so that nothing helpful stands in the way of a fault."""
    return raw(phone, {"typ": "dpop+jwt", "alg": "ES256", "jwk": phone.jwk, **header}, json.dumps(body))


def raw(phone: Phone, header: dict[str, Any] | str, body: str) -> str:
    text = header if isinstance(header, str) else json.dumps(header)
    signing = f"{b64(text.encode())}.{b64(body.encode())}"
    signature = phone.key.sign(signing.encode(), ec.ECDSA(SHA256()))
    r, s = decode_dss_signature(signature)
    return f"{signing}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def unsigned(phone: Phone) -> str:
    return jwt.encode(claims(phone), None, algorithm="none", headers={"typ": "dpop+jwt", "jwk": phone.jwk})


def with_shared_secret(phone: Phone) -> str:
    """HS256 keyed by the public key: the classic confusion."""
    header = b64(json.dumps({"typ": "dpop+jwt", "alg": "HS256", "jwk": phone.jwk}).encode())
    signing = f"{header}.{b64(json.dumps(claims(phone)).encode())}"
    key = json.dumps(phone.jwk, sort_keys=True).encode()
    return f"{signing}.{b64(hmac.digest(key, signing.encode(), 'sha256'))}"


def with_private_key(phone: Phone) -> str:
    secret = phone.key.private_numbers().private_value.to_bytes(32, "big")
    return signed(phone, claims(phone), jwk={**phone.jwk, "d": b64(secret)})


def with_other_curve(phone: Phone) -> str:
    key = ec.generate_private_key(ec.SECP384R1())
    numbers = key.public_key().public_numbers()
    jwk = {
        "kty": "EC",
        "crv": "P-384",
        "x": b64(numbers.x.to_bytes(48, "big")),
        "y": b64(numbers.y.to_bytes(48, "big")),
    }
    return jwt.encode(claims(phone), key, algorithm="ES384", headers={"typ": "dpop+jwt", "jwk": jwk})


def with_edwards_key(phone: Phone) -> str:
    key = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw())}
    return jwt.encode(claims(phone), key, algorithm="EdDSA", headers={"typ": "dpop+jwt", "jwk": jwk})


def with_another_key(phone: Phone) -> str:
    """A whole and good proof - of a device that the token does not belong to."""
    thief = Phone(phone.origin)
    return signed(thief, claims(phone))


def with_anothers_signature(phone: Phone) -> str:
    good, bad = signed(phone, claims(phone)), signed(Phone(phone.origin), claims(phone))
    return good.rpartition(".")[0] + "." + bad.rpartition(".")[2]


FAULTS: dict[str, tuple[Callable[[Phone], str | None], str]] = {
    "no proof": (lambda p: None, "proof-refused"),
    "not a token": (lambda p: "rubbish", "proof-refused"),
    "too long": (lambda p: signed(p, claims(p, more="x" * 3000)), "proof-refused"),
    "another device's key": (with_another_key, "sign-in-required"),
    "another device's signature": (with_anothers_signature, "proof-refused"),
    "another method": (lambda p: signed(p, claims(p, htm="PUT")), "proof-refused"),
    "no method": (lambda p: signed(p, claims(p, htm=None)), "proof-refused"),
    "another path": (lambda p: signed(p, claims(p, htu=p.origin + "/api/v1/devices")), "proof-refused"),
    "another origin": (lambda p: signed(p, claims(p, htu="https://evil.example" + PLACE)), "proof-refused"),
    "a broken address": (lambda p: signed(p, claims(p, htu="http://[::1" + PLACE)), "proof-refused"),
    "an address of another type": (lambda p: signed(p, claims(p, htu=[p.origin + PLACE])), "proof-refused"),
    "no address": (lambda p: signed(p, claims(p, htu=None)), "proof-refused"),
    "no token hash": (lambda p: signed(p, claims(p, ath=None)), "proof-refused"),
    "another token's hash": (lambda p: signed(p, claims(p, ath=b64(b"x" * 32))), "proof-refused"),
    "no identifier": (lambda p: signed(p, claims(p, jti=None)), "proof-refused"),
    "a short identifier": (lambda p: signed(p, claims(p, jti="1234567")), "proof-refused"),
    "an identifier of another type": (lambda p: signed(p, claims(p, jti=12345678)), "proof-refused"),
    "no time": (lambda p: signed(p, claims(p, iat=None)), "proof-refused"),
    "a time as text": (lambda p: signed(p, claims(p, iat="now")), "proof-refused"),
    "a time that is true": (lambda p: signed(p, claims(p, iat=True)), "proof-refused"),
    "a time that is no number": (lambda p: signed(p, claims(p, iat=float("nan"))), "proof-refused"),
    "a time without end": (lambda p: signed(p, claims(p, iat=float("inf"))), "proof-refused"),
    "a time of 200 digits": (lambda p: signed(p, claims(p, iat=10**200)), "proof-refused"),
    "a time of 400 digits": (lambda p: signed(p, claims(p, iat=10**400)), "proof-refused"),
    "an old time": (lambda p: signed(p, claims(p, iat=int(time.time()) - 90)), "proof-expired"),
    "a time to come": (lambda p: signed(p, claims(p, iat=int(time.time()) + 90)), "proof-expired"),
    "another type of token": (lambda p: signed(p, claims(p), typ="at+jwt"), "proof-refused"),
    "no signature": (unsigned, "proof-refused"),
    "a shared secret": (with_shared_secret, "proof-refused"),
    "the private key inside": (with_private_key, "proof-refused"),
    "another curve": (with_other_curve, "proof-refused"),
    "an Edwards key": (with_edwards_key, "proof-refused"),
    "no key": (lambda p: signed(p, claims(p), jwk=None), "proof-refused"),
    "a key of numbers": (lambda p: signed(p, claims(p), jwk={**p.jwk, "x": 1}), "proof-refused"),
    "a key off the curve": (lambda p: signed(p, claims(p), jwk={**p.jwk, "x": b64(b"\1" * 32)}), "proof-refused"),
    "a critical header": (lambda p: signed(p, claims(p), crit=["x"], x=1), "proof-refused"),
    "a header that is a list": (lambda p: raw(p, "[]", json.dumps(claims(p))), "proof-refused"),
    "claims that are a list": (
        lambda p: raw(p, {"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk}, "[]"),
        "proof-refused",
    ),
    "a very deep header": (lambda p: raw(p, "[" * 1200, "{}"), "proof-refused"),
    "very deep claims": (
        lambda p: raw(p, {"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk}, "[" * 1000),
        "proof-refused",
    ),
}


def ask(phone: Phone, proof: str | None) -> requests.Response:
    headers = {"Authorization": f"DPoP {phone.token}"}
    if proof is not None:
        headers["DPoP"] = proof
    return requests.get(phone.origin + PLACE, headers=headers, timeout=10)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_proof_is_refused_and_the_next_good_one_works(mum: Phone, fault: str) -> None:
    make, expected = FAULTS[fault]
    reply = ask(mum, make(mum))
    assert reply.status_code == 401
    assert slug(reply) == expected
    assert reply.headers["WWW-Authenticate"].startswith("DPoP")
    assert ask(mum, signed(mum, claims(mum))).status_code == 200


OF_TOKENS = {"another device's key", "no token hash", "another token's hash"}
"""Faults that do not exist where there is no token yet: any key is a new device there."""


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in OF_TOKENS])
def test_no_session_begins_with_a_wrong_proof(house: Service, fault: str) -> None:
    make, expected = FAULTS[fault]
    phone = Phone(house.origin)
    code = house.new_person_code(house.community().family_household_id)
    body = {"code": code, "name": "新人", "device": {"name": "x"}}
    proof = make(phone)
    reply = requests.post(house.origin + SIGN_IN, json=body, headers={"DPoP": proof} if proof else {}, timeout=10)
    assert slug(reply) == expected
    assert "Set-Cookie" not in reply.headers
    assert phone.join(code)["device"]["state"] == "approved", "the refused try did not use the invitation up"


def test_a_proof_works_once(mum: Phone) -> None:
    proof = signed(mum, claims(mum))
    assert ask(mum, proof).status_code == 200
    assert slug(ask(mum, proof)) == "proof-refused"


def test_of_eight_uses_of_one_proof_at_once_one_counts(mum: Phone) -> None:
    proof = signed(mum, claims(mum))
    replies = at_once([lambda: ask(mum, proof) for _ in range(8)])
    assert sorted(reply.status_code for reply in replies) == [200] + [401] * 7


def test_an_expired_proof_tells_the_servers_time_and_a_corrected_one_works(mum: Phone) -> None:
    """A phone whose clock is an hour wrong corrects itself from the refusal."""
    reply = ask(mum, signed(mum, claims(mum, iat=int(time.time()) - 3600)))
    assert slug(reply) == "proof-expired"
    told = datetime.fromisoformat(reply.json()["server_time"])
    assert abs((utc_now() - told).total_seconds()) < 30
    assert ask(mum, signed(mum, claims(mum, iat=int(told.timestamp())))).status_code == 200


def test_a_proof_for_the_address_without_its_query_is_good(mum: Phone) -> None:
    place = "/api/v1/calls"
    proof = signed(mum, claims(mum, htu=mum.origin + place))
    headers = {"Authorization": f"DPoP {mum.token}", "DPoP": proof}
    assert requests.get(f"{mum.origin}{place}?limit=3", headers=headers, timeout=10).status_code == 200


def test_another_devices_token_with_ones_own_proof_is_refused(house: Service, mum: Phone) -> None:
    dad = house.phone("dad", connect=False)
    stolen = Phone(house.origin)
    stolen.key, stolen.jwk, stolen.token = dad.key, dad.jwk, mum.token
    assert slug(ask(stolen, signed(stolen, claims(stolen)))) == "sign-in-required"


def test_bearer_is_not_enough(mum: Phone) -> None:
    headers = {"Authorization": f"Bearer {mum.token}", "DPoP": signed(mum, claims(mum))}
    assert slug(requests.get(mum.origin + PLACE, headers=headers, timeout=10)) == "sign-in-required"


def test_rubbish_in_the_header_is_refused(house: Service) -> None:
    for text in ("DPoP", "DPoP ", "DPoP a b c", "DPoP " + "x" * 5000, "", "Basic YTpi", "DPoP é"):
        reply = requests.get(house.origin + PLACE, headers={"Authorization": text.encode()}, timeout=10)
        assert slug(reply) == "sign-in-required", text


def test_base64_with_padding_or_spaces_is_no_second_spelling_of_a_used_proof(mum: Phone) -> None:
    proof = signed(mum, claims(mum))
    assert ask(mum, proof).status_code == 200
    for other in (proof + "=", proof + "==", proof.replace(".", ".\t")):
        assert ask(mum, other).status_code == 401
    assert base64.urlsafe_b64decode(proof.split(".")[1] + "==")
