"""Floods, malformed signals and oversized messages at the sockets: a clear refusal, and the next good message works."""

import secrets
from collections.abc import Callable

import pytest

from tests.support.service import Service

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


@pytest.fixture
def ringing(service: Service):
    mum = service.phone("mum")
    station = service.station()
    call = station.press()["call"]
    return mum, station, call["id"], call["legs"][0]["id"]


BAD_SIGNALS = [
    {},
    {"description": None},
    {"description": "v=0"},
    {"description": {"type": "offer"}},
    {"description": {"type": "rollback", "sdp": SDP}},
    {"description": {"type": "offer", "sdp": "hello"}},
    {"description": {"type": "offer", "sdp": ""}},
    {"description": {"type": "offer", "sdp": "v=0 but nothing more"}},
    {"description": {"type": "offer", "sdp": ["v=0"]}},
    {"description": {"type": "offer", "sdp": SDP + "a=x\r\n" * 8000}},
    {"candidate": "candidate:1"},
    {"candidate": {"candidate": 5}},
    {"candidate": {"candidate": "x" * 1025}},
    {"candidate": {"candidate": "candidate:1", "sdpMLineIndex": "0"}},
    {"candidate": {"candidate": "candidate:1", "sdpMLineIndex": -1}},
    {"candidate": {"candidate": "candidate:1"}, "description": {"type": "offer", "sdp": SDP}},
]


def test_malformed_signals_of_a_phone_are_refused_and_good_ones_pass(ringing) -> None:
    mum, station, call_id, leg_id = ringing
    for bad in BAD_SIGNALS:
        refused = mum.ask("signal", {"call_id": call_id, **bad})
        assert refused["problem"]["status"] == 422, bad
        assert refused["problem"]["errors"][0]["field"].startswith("signal"), bad
    assert station.inbox.of("signal") == [], "nothing malformed reaches the station"
    assert mum.ask("signal", {"call_id": call_id, "description": {"type": "offer", "sdp": SDP}}) == {"ok": True}
    got = station.inbox.wait("signal")
    assert got == {"call_id": call_id, "leg_id": leg_id, "description": {"type": "offer", "sdp": SDP}}


def test_malformed_signals_of_a_station_are_refused_and_good_ones_pass(ringing) -> None:
    mum, station, call_id, leg_id = ringing
    for bad in BAD_SIGNALS:
        assert station.ask("signal", {"call_id": call_id, "leg_id": leg_id, **bad})["problem"]["status"] == 422, bad
    assert mum.inbox.of("signal") == []
    answer = {"call_id": call_id, "leg_id": leg_id, "description": {"type": "answer", "sdp": SDP}}
    assert station.ask("signal", answer) == {"ok": True}
    assert mum.inbox.wait("signal") == {"call_id": call_id, "description": {"type": "answer", "sdp": SDP}}


def test_signals_reach_only_the_phone_of_the_leg_and_only_while_it_has_a_part(service: Service) -> None:
    mum, son, tenant = service.phone("mum"), service.phone("son"), service.phone("tenant")
    station = service.station()
    call_id = station.press()["call"]["id"]
    offer = {"call_id": call_id, "description": {"type": "offer", "sdp": SDP}}
    assert tenant.ask("signal", offer)["problem"]["status"] == 404, "not this home's call"
    son.ask("signal", offer)
    leg_id = station.inbox.wait("signal")["leg_id"]
    assert station.ask("signal", {**offer, "leg_id": leg_id}) == {"ok": True}
    son.inbox.wait("signal")
    mum.answer(call_id)
    assert son.ask("signal", offer)["problem"]["status"] == 404, "the loser has no part any more"
    assert station.ask("signal", {**offer, "leg_id": leg_id})["problem"]["status"] == 404
    assert mum.inbox.of("signal") == []
    gate = service.station(gate=True)
    assert gate.ask("signal", {**offer, "leg_id": leg_id})["problem"]["status"] == 404, "another station's leg"


@pytest.mark.parametrize("event", ["nonsense", "connect_error", "call.open", "admit", "__init__", "announce_call"])
def test_an_event_that_is_not_in_the_protocol_is_refused(service: Service, event: str) -> None:
    assert service.station().ask(event, {})["problem"]["status"] == 404
    assert service.phone("mum").ask(event, {})["problem"]["status"] == 404


@pytest.mark.parametrize("who", ["phone", "station"])
def test_a_flood_is_refused_and_a_socket_that_goes_on_is_closed(
    start_service: Callable[..., Service], who: str
) -> None:
    service = start_service(rate_limits=True)
    mum, station = service.phone("mum"), service.station()
    flooder = mum if who == "phone" else station
    namespace = "/resident" if who == "phone" else "/station"
    replies: list[dict] = []
    assert flooder.socket is not None
    for _ in range(90):
        flooder.socket.emit("signal", {"call_id": "none"}, namespace=namespace, callback=replies.append)
    for _ in range(600):
        if not flooder.socket.connected:
            break
        flooder.socket.emit("signal", {"call_id": "none"}, namespace=namespace, callback=replies.append)
    flooder.inbox.wait("disconnect")
    slugs = [reply["problem"]["type"] for reply in replies]
    assert "/problems/too-many-requests" in slugs
    assert slugs[0] != "/problems/too-many-requests", "an honest burst passes"
    flooder.inbox.clear()
    flooder.connect()
    assert station.press()["call"]["state"] == "ringing"
    assert mum.inbox.wait("call")["state"] == "ringing"


@pytest.mark.parametrize("who", ["phone", "station"])
def test_an_oversized_message_closes_only_its_own_socket(service: Service, who: str) -> None:
    mum, son, station = service.phone("mum"), service.phone("son"), service.station()
    culprit = son if who == "phone" else station
    namespace = "/resident" if who == "phone" else "/station"
    assert culprit.socket is not None
    culprit.socket.emit("signal", {"call_id": "x" * (301 * 1024)}, namespace=namespace)
    culprit.inbox.wait("disconnect")
    assert mum.socket is not None
    assert mum.socket.connected
    culprit.inbox.clear()
    culprit.connect()
    call_id = station.press()["call"]["id"]
    assert mum.rings(call_id)["id"] == son.rings(call_id)["id"] == call_id


def test_the_largest_allowed_picture_passes(ringing) -> None:
    _, station, call_id, _ = ringing
    jpeg = b"\xff\xd8\xff\xe0" + secrets.token_bytes(256 * 1024 - 6) + b"\xff\xd9"
    assert "picture_id" in station.picture(call_id, jpeg=jpeg)
    assert station.picture(call_id, jpeg=jpeg + b"\x00")["problem"]["status"] == 422
