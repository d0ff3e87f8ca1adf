"""Calls between networks: a real coturn in the middle, only relay candidates on both sides, old credentials refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from backend.clock import utc_now
from intercom.ice import ice_servers
from tests.browser.devices import Device, Devices, Phone
from tests.browser.processes import Station, coturn, until
from tests.support.service import FAMILY, Service

TURN_SECRET = "a secret that coturn and the service share"


@dataclass(frozen=True)
class Relayed:
    """A service whose phones and stations are told of a coturn that runs."""

    service: Service
    port: int


@pytest.fixture
def relayed(start_service: Callable[..., Service], tmp_path: Path) -> Iterator[Relayed]:
    with coturn(tmp_path / "turn", secret=TURN_SECRET) as port:
        yield Relayed(start_service(turn_urls=(f"turn:127.0.0.1:{port}?transport=udp",), turn_secret=TURN_SECRET), port)


def relay_phone(devices: Devices, service: Service, persona: str = "mum") -> Phone:
    phone = devices.phone(service.origin, policy="relay")
    return phone.join(service.invitation(persona), FAMILY[persona][0])


def is_relayed(device: Device) -> None:
    """The chosen path goes through the relay at both ends."""
    media = device.media()
    assert (media["local"], media["remote"]) == ("relay", "relay")


def test_kiosk_and_phone_talk_through_the_relay_alone(devices: Devices, relayed: Relayed) -> None:
    service = relayed.service
    mum = relay_phone(devices, service)
    kiosk = devices.kiosk(service.origin, policy="relay")
    kiosk.pair(service.pairing_code(service.community().unit_station_id))
    kiosk.press("1201")
    mum.rings()
    mum.shows_door()
    mum.click("接听")
    mum.hears()
    kiosk.hears()
    is_relayed(mum)
    is_relayed(kiosk)
    mum.click("挂断")
    mum.is_quiet()


def test_the_agent_and_a_phone_talk_through_the_relay_alone(devices: Devices, relayed: Relayed, tmp_path: Path) -> None:
    service = relayed.service
    mum = relay_phone(devices, service)
    station = Station(tmp_path / "station")
    station.pair(service.origin, service.pairing_code(service.community().unit_station_id))
    with station.running("run", "--camera", "test", "--audio", "test", "--ice", "relay") as agent:
        agent.connected()
        agent.ask("/press", {"dial": "1201"})
        mum.rings()
        mum.shows_door()
        mum.click("接听")
        mum.hears()
        is_relayed(mum)
        until(
            lambda: [leg for leg in agent.ask("/state")["legs"].values() if leg["heard_level"] > 0.005],
            lambda: "the door does not hear the resident",
        )
        mum.click("挂断")
        mum.is_quiet()


GATHER = """async (servers) => {
  const peer = new RTCPeerConnection({ iceServers: servers, iceTransportPolicy: "relay" })
  const seen = { candidates: 0, errors: [] }
  peer.onicecandidateerror = (event) => seen.errors.push(event.errorCode)
  const done = new Promise((over) => {
    peer.onicecandidate = ({ candidate }) => (candidate ? (seen.candidates += candidate.candidate ? 1 : 0) : over())
  })
  peer.createDataChannel("x")
  await peer.setLocalDescription()
  await done
  peer.close()
  return seen
}"""


def test_coturn_takes_the_credentials_of_the_service_and_refuses_expired_and_foreign_ones(
    devices: Devices, relayed: Relayed
) -> None:
    service = relayed.service
    page = devices.phone(service.origin).page
    page.goto(service.origin)
    now = utc_now()
    settings = service.settings
    good = ice_servers(settings, holder="d" * 32, now=now)
    expired = ice_servers(settings, holder="d" * 32, now=now - timedelta(seconds=settings.turn_lifetime_s + 5))
    foreign = tuple({**server, "credential": "d3Jvbmc="} for server in good)
    assert page.evaluate(GATHER, list(good))["candidates"] > 0
    for refused in (expired, foreign):
        found = page.evaluate(GATHER, list(refused))
        assert found["candidates"] == 0, "an allocation with such credentials"
        assert 401 in found["errors"], "refused by coturn, not merely unreachable"
