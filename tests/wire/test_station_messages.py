"""The golden messages of the station protocol: what stands in tests/wire/station/ is what goes over the wire.

A change of any message changes a file here, which is how a station written by a stranger learns of it.
"""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from intercom.station_config import StationConfig, Welcome
from intercom.station_hello import (
    Hello,
    HelloError,
    PairingRequest,
    ReplayGuard,
    public_key_text,
    sign_hello,
    sign_pairing,
    verify_hello,
    verify_pairing,
)
from intercom.station_protocol import Call, EndReason, LegState, OpenCommand, Signal, valid_dial
from intercom.station_reports import ConfigApplied, DoorEvent, HangUp, Heartbeat, OpenReport, Picture, Press
from intercom.station_wire import WireError, clock_sample, format_time, new_id, parse_time

FOLDER = Path(__file__).parent / "station"
KINDS = {
    "call": Call,
    "config": StationConfig,
    "config.applied": ConfigApplied,
    "event": DoorEvent,
    "hangup": HangUp,
    "heartbeat": Heartbeat,
    "open": OpenCommand,
    "open.result": OpenReport,
    "picture": Picture,
    "press": Press,
    "signal": Signal,
    "welcome": Welcome,
}
# The key of the golden hello and pairing request; it pairs nothing.
GOLDEN_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def golden(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def messages():
    return sorted(path.name.removesuffix(".json") for path in FOLDER.glob("*.json"))


def kind_of(name):
    return KINDS.get(name.partition("-")[0])


def unwrapped(body):
    """JSON has no binary: a picture's bytes stand as base64 in the golden file."""
    return {**body, "jpeg": base64.b64decode(body["jpeg"])} if "jpeg" in body else body


MESSAGES = [name for name in messages() if kind_of(name)]


def test_every_message_of_the_protocol_has_a_golden_file():
    assert {name.partition("-")[0] for name in MESSAGES} == set(KINDS)
    assert set(messages()) - set(MESSAGES) == {"hello", "pairing"}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_golden_message_is_read_and_written_unchanged(name):
    body = unwrapped(golden(name))
    assert kind_of(name).from_wire(body).to_wire() == body


@pytest.mark.parametrize("name", MESSAGES)
def test_members_of_later_versions_are_ignored(name):
    body = unwrapped(golden(name))
    assert kind_of(name).from_wire({**body, "later": {"than": "this"}}).to_wire() == body


def broken(body):
    """The message with each member, at any depth, replaced by values of other types, and left out."""
    for key, value in body.items():
        wrong = [[], {"a": 1}, 1.5, -1, True, "", "x" * 40_000, None]
        for other in wrong:
            if other != value:
                yield key, {**body, key: other}
        yield key, {k: v for k, v in body.items() if k != key}
        if isinstance(value, dict):
            for inner, smaller in broken(value):
                yield f"{key}.{inner}", {**body, key: smaller}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for inner, smaller in broken(value[0]):
                yield f"{key}.{inner}", {**body, key: [smaller, *value[1:]]}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_broken_message_is_refused_by_name_or_read_as_something_well_formed(name):
    """No message, however broken, raises anything but a WireError; what is read can be written and read again."""
    kind, refused = kind_of(name), 0
    for key, body in broken(unwrapped(golden(name))):
        try:
            message = kind.from_wire(body)
        except WireError:
            refused += 1
        else:
            assert kind.from_wire(message.to_wire()) == message, key
    assert refused >= 5
    for rubbish in (None, 1, "x", [], [1], True):
        with pytest.raises(WireError):
            kind.from_wire(rubbish)


def test_the_golden_hello_is_signed_as_the_page_says():
    hello = golden("hello")
    members = {key: hello[key] for key in ("audience", "issued_at_ms", "software", "nonce")}
    assert sign_hello(GOLDEN_KEY, hello["station_id"], **members) == hello
    read = Hello.from_wire(hello)
    verify_hello(read, public_key_text(GOLDEN_KEY), audience=hello["audience"], now_ms=hello["issued_at_ms"])


@pytest.mark.parametrize(
    ("changes", "now_ms", "slug"),
    [
        ({}, 60_001, "hello-expired"),
        ({}, -60_001, "hello-expired"),
        ({"station_id": "f" * 32}, 0, "station-unknown"),
        ({"audience": "elsewhere"}, 0, "station-unknown"),
        ({"issued_at_ms": 1_795_334_400_124}, 0, "station-unknown"),
        ({"nonce": "AAAAAAAAAAAAAAAAAAAAAA"}, 0, "station-unknown"),
        ({"signature": "A" * 86}, 0, "station-unknown"),
        ({"signature": "A" * 85}, 0, "hello-malformed"),
        ({"nonce": "AAAAAAAAAAAAAAAAAAAAAB"}, 0, "hello-malformed"),  # not the canonical text of its bytes
        ({"nonce": "AAAA+AAAAAAAAAAAAAAAAA"}, 0, "hello-malformed"),
        ({"protocol": 2}, 0, "hello-malformed"),
        ({"issued_at_ms": "now"}, 0, "hello-malformed"),
    ],
)
def test_a_hello_that_is_not_the_stations_own_is_refused(changes, now_ms, slug):
    hello = golden("hello")
    with pytest.raises(HelloError) as refusal:
        verify_hello(
            Hello.from_wire({**hello, **changes}),
            public_key_text(GOLDEN_KEY),
            audience=hello["audience"],
            now_ms=hello["issued_at_ms"] + now_ms,
        )
    assert refusal.value.slug == slug


def test_a_stranger_with_an_old_hello_does_not_learn_the_clock():
    """A foreign signature is `station-unknown`, however old; only the station itself hears `hello-expired`."""
    hello = Hello.from_wire({**golden("hello"), "signature": "A" * 86})
    with pytest.raises(HelloError) as refusal:
        verify_hello(hello, public_key_text(GOLDEN_KEY), audience=hello.audience, now_ms=0)
    assert refusal.value.slug == "station-unknown"


def test_a_hello_is_good_once():
    guard, hello = ReplayGuard(), Hello.from_wire(golden("hello"))
    guard.spend(hello, now_ms=hello.issued_at_ms)
    for later in (0, 59_000, 119_000):
        with pytest.raises(HelloError) as refusal:
            guard.spend(hello, now_ms=hello.issued_at_ms + later)
        assert refusal.value.slug == "hello-replayed"


def test_the_golden_pairing_request_is_signed_as_the_page_says():
    request = golden("pairing")
    assert sign_pairing(GOLDEN_KEY, request["code"], software=request["software"]).to_wire() == request
    assert verify_pairing(PairingRequest.from_wire(request))


@pytest.mark.parametrize(
    "changes",
    [{"code": "12345679"}, {"proof": "A" * 86}, {"public_key": public_key_text(Ed25519PrivateKey.generate())}],
)
def test_a_pairing_request_with_a_foreign_proof_is_not_believed(changes):
    assert not verify_pairing(PairingRequest.from_wire({**golden("pairing"), **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "1234567"},
        {"code": "１２３４５６７８"},
        {"code": 12345678},
        {"public_key": "A" * 42},
        {"proof": "!" * 86},
    ],
)
def test_a_malformed_pairing_request_is_refused(changes):
    with pytest.raises(WireError):
        PairingRequest.from_wire({**golden("pairing"), **changes})


def test_the_golden_calls_show_every_state_of_a_leg_and_a_good_part_of_the_ends():
    calls = [Call.from_wire(golden(name)) for name in MESSAGES if name.startswith("call-")]
    assert {leg.state for call in calls for leg in call.legs} == set(LegState)
    assert {call.end_reason for call in calls} >= {None, EndReason.RESIDENT_HUNG_UP}


@pytest.mark.parametrize("text", ["", "12a", "1" * 17, "12 01", "１２０１", "1201\n", "*#"])
def test_what_is_no_room_number_is_not_looked_up(text):
    assert not valid_dial(text)


@pytest.mark.parametrize("text", ["1201", "3-2-1201", "1" * 16])
def test_room_numbers_are_digits_and_hyphens(text):
    assert valid_dial(text)


def test_times_keep_their_milliseconds_and_need_a_zone():
    assert format_time(parse_time("2026-11-22T16:00:00.123+08:00")) == "2026-11-22T08:00:00.123Z"
    for text in ("2026-11-22T08:00:00", "yesterday", "2026-13-01T00:00:00Z"):
        with pytest.raises(ValueError):
            parse_time(text)


def test_the_clock_offset_is_right_to_half_the_round_trip():
    """The server is 5 s ahead; the request took 80 ms there and 20 ms back."""
    sample = clock_sample(1000, 1100, server_ms=1080 + 5000)
    assert sample.round_trip_ms == 100
    assert abs(sample.offset_ms - 5000) <= 50


def test_identifiers_have_32_characters_and_sort_by_time():
    ids = [new_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert {len(one) for one in ids} == {32}
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)
