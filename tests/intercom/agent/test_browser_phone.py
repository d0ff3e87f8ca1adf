"""A real browser as the phone: hides its addresses behind mDNS names, reads the timecode, hears and is heard."""

import asyncio
import shutil
from pathlib import Path

from playwright.async_api import async_playwright

from intercom.agent.timecode import call_hash
from intercom.station_protocol import CallState, EndReason, ServerEvent, StationEvent
from tests.intercom.agent.door import agent_at, run
from tests.intercom.agent.protocol_server import ContractServer, eventually

# What the resident page does with media, and nothing of its looks.
PAGE = """
window.codes = [];
window.start = async () => {
  const pc = window.pc = new RTCPeerConnection({iceServers: []});
  window.candidates = [];
  pc.onicecandidate = (event) => window.candidate(event.candidate ? event.candidate.toJSON() : null);
  window.audio = pc.addTransceiver("audio", {direction: "sendrecv"});
  pc.addTransceiver("video", {direction: "sendrecv"});
  const canvas = document.createElement("canvas");
  const video = document.createElement("video");
  video.muted = true;
  video.autoplay = true;
  document.body.append(video);
  pc.ontrack = (event) => {
    if (event.track.kind === "video") video.srcObject = new MediaStream([event.track]);
    // Chromium decodes remote sound only when something plays it.
    else {
      window.player = new Audio();
      window.player.srcObject = new MediaStream([event.track]);
      window.player.play();
    }
  };
  const look = () => {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(video, 0, 0);
    window.codes.push(readTimecode(context.getImageData(0, 0, canvas.width, 40).data, canvas.width));
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
};
window.take = (answer) => window.pc.setRemoteDescription(answer);
window.speak = async () => {
  const context = new AudioContext();
  const oscillator = context.createOscillator();
  const out = context.createMediaStreamDestination();
  oscillator.connect(out);
  oscillator.start();
  await window.audio.sender.replaceTrack(out.stream.getAudioTracks()[0]);
};
window.figures = async () => {
  const figures = {state: window.pc.connectionState, codes: window.codes};
  for (const stat of (await window.pc.getStats()).values()) {
    if (stat.type !== "inbound-rtp") continue;
    figures[stat.kind] = {packets: stat.packetsReceived, energy: stat.totalAudioEnergy};
  }
  return figures;
};
"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--autoplay-policy=no-user-gesture-required"]


def test_a_browser_sees_and_hears_this_call_and_nothing_after_it(tmp_path):
    async def scene():
        async with (
            ContractServer().listening() as server,
            agent_at(server, tmp_path / "s") as agent,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), headless=True, args=FLAGS
            )
            page = await browser.new_page()
            call = await agent.press("1201")
            leg = call.legs[0].id

            async def signal(**parts):
                await server.send(ServerEvent.SIGNAL, {"call_id": call.id, "leg_id": leg, **parts})

            await page.expose_function("candidate", lambda candidate: signal(candidate=candidate))
            await page.add_script_tag(content=Path(__file__).with_name("timecode.js").read_text())
            await page.add_script_tag(content=PAGE)
            sdp = await page.evaluate("window.start()")
            await signal(description={"type": "offer", "sdp": sdp})
            answer = await server.hear(StationEvent.SIGNAL, where=lambda m: m.description is not None)
            await page.evaluate("answer => window.take(answer)", answer.description)

            async def figures_where(condition, what):
                end = asyncio.get_running_loop().time() + 30
                while True:
                    figures = await page.evaluate("window.figures()")
                    if condition(figures):
                        return figures
                    assert asyncio.get_running_loop().time() < end, f"{what}: {figures}"
                    await asyncio.sleep(0.05)

            seen = await figures_where(lambda f: sum(code is not None for code in f["codes"]) > 10, "the preview")
            codes = [code for code in seen["codes"] if code is not None]
            assert {code["callHash"] for code in codes} == {call_hash(call.id)}
            assert [code["ms"] for code in codes] == sorted(code["ms"] for code in codes)
            assert seen.get("audio", {"packets": 0})["packets"] == 0
            problems = [m.problem for m in server.heard(StationEvent.SIGNAL) if m.problem is not None]
            assert problems == []

            await server.answered(leg)
            await page.evaluate("window.speak()")
            await figures_where(lambda f: "audio" in f and f["audio"]["energy"] > 0.001, "the door's sound")
            peer = agent.peers.get(leg)
            await eventually(lambda: peer.listening.level > 0.05, "the resident's sound")

            ended = server.next(state=CallState.ENDED, end_reason=EndReason.RESIDENT_HUNG_UP, ended_at=server.now())
            await server.send_call(ended)
            over = await figures_where(lambda f: f["state"] in ("disconnected", "failed", "closed"), "the end")
            await eventually(lambda: peer.pc.connectionState == "closed", "the closed connection")
            last = await figures_where(lambda f: True, "the figures after the end")
            assert last["video"]["packets"] == over["video"]["packets"]
            assert last["audio"]["packets"] == over["audio"]["packets"]
            await browser.close()

    run(scene(), within_s=120)
