"""The story with the station software at the door: its frames carry this call's timecode, its relay pulses once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from intercom.agent.timecode import call_hash
from tests.browser.devices import Phone
from tests.browser.processes import ROOT, Station, until
from tests.support.service import FAMILY, Service

READ_TIMECODE = (ROOT / "tests" / "intercom" / "agent" / "timecode.js").read_text(encoding="utf-8")


@pytest.fixture
def agent(service: Service, tmp_path: Path) -> Iterator[Station]:
    """The agent as the station of the family's entrance, welcomed by the service."""
    station = Station(tmp_path / "station")
    station.pair(service.origin, service.pairing_code(service.community().unit_station_id))
    with station.running("run", "--camera", "test", "--audio", "test") as running:
        running.connected()
        yield running


def frame_of(phone: Phone) -> dict[str, int] | None:
    """The timecode of the frame the page shows now, read from its pixels."""
    found: dict[str, int] | None = phone.video.evaluate(
        f"""(video) => {{
          {READ_TIMECODE}
          const canvas = document.createElement("canvas")
          canvas.width = video.videoWidth
          canvas.height = video.videoHeight
          if (!canvas.width) return null
          const brush = canvas.getContext("2d")
          brush.drawImage(video, 0, 0)
          return readTimecode(brush.getImageData(0, 0, canvas.width, canvas.height).data, canvas.width)
        }}"""
    )
    return found


def shows_call(phone: Phone, call_id: str, *, after_ms: int = 0) -> int:
    """Wait for a frame of this call that was made later than `after_ms`; when it was made, by the server's clock."""

    def look() -> int | None:
        code = frame_of(phone)
        if code is None or code["callHash"] != call_hash(call_id) or code["ms"] <= after_ms:
            return None
        return code["ms"]

    return int(phone.eventually(look, f"a frame of call {call_id}"))


def test_five_phones_see_this_call_before_the_answer_and_one_talks_and_opens(
    phone_of: Callable[..., Phone], agent: Station
) -> None:
    phones = {persona: phone_of(persona) for persona in FAMILY}
    call_id = agent.ask("/press", {"dial": "1201"})["call"]["id"]
    for phone in phones.values():
        phone.rings()
    seen = {persona: shows_call(phone, call_id) for persona, phone in phones.items()}
    assert agent.ask("/state")["call"]["state"] == "ringing", "every phone saw the door before anybody answered"
    for phone in phones.values():
        assert phone.media()["audio_packets"] == 0
        assert phone.silent()
    assert {leg["heard_frames"] for leg in agent.ask("/state")["legs"].values()} == {0}
    phones["mum"].shot("agent-ringing")

    grandma = phones["grandma"]
    grandma.click("接听")
    for persona in ("mum", "dad", "son", "daughter"):
        phones[persona].told("奶奶已接听")
    expect(grandma.button("挂断")).to_be_visible()
    shows_call(grandma, call_id, after_ms=seen["grandma"])
    grandma.hears()
    until(
        lambda: [leg for leg in agent.ask("/state")["legs"].values() if leg["heard_level"] > 0.005],
        lambda: f"the door does not hear the resident: {agent.ask('/state')['legs']}",
    )
    until(lambda: len(agent.ask("/state")["legs"]) == 1, lambda: "the losers' connections are still open")

    assert agent.pulses() == []
    grandma.click("开门")
    grandma.told("已开门")
    assert len(agent.pulses()) == 1
    grandma.shot("agent-opened")
    grandma.click("挂断")
    grandma.is_quiet()
    assert agent.ask("/state")["call"]["end_reason"] == "resident_hung_up"
    assert len(agent.pulses()) == 1


def test_a_door_without_a_picture_is_still_heard(
    phone_of: Callable[..., Phone], service: Service, tmp_path: Path
) -> None:
    station = Station(tmp_path / "blind")
    station.pair(service.origin, service.pairing_code(service.community().unit_station_id))
    mum = phone_of("mum")
    with station.running("run", "--camera", f"file:{tmp_path / 'no-such-film.mp4'}", "--audio", "test") as blind:
        blind.connected()
        blind.ask("/press", {"dial": "1201"})
        mum.rings()
        mum.click("接听")
        mum.hears()
        mum.shot("agent-no-picture")
        mum.click("挂断")
        mum.is_quiet()
