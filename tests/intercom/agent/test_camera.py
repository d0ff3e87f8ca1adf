"""Cameras: the generated picture and its timecode, files, dead cameras; snapshots never hold a call up."""

import asyncio
import json
import math
import shutil
import subprocess
import threading
from fractions import Fraction
from pathlib import Path

import av
import pytest

from intercom.agent.audio import Sound
from intercom.agent.camera import AvSource, Camera, CameraError, source_from
from intercom.agent.generated_picture import GeneratedPicture
from intercom.agent.timecode import Timecode, call_hash, read_strip
from intercom.agent.video import VideoHub, Vp8Encoder, jpeg_of
from intercom.station_protocol import MAX_PICTURE_BYTES, Moment, StationEvent
from tests.intercom.agent.door import agent_at, run
from tests.intercom.agent.phone import phone, strip_of
from tests.intercom.agent.protocol_server import ContractServer, eventually

CALL, NOW_MS = "0123456789abcdef" * 2, 1_795_334_400_123


def picture(now_ms=NOW_MS, call_id=CALL):
    return GeneratedPicture(call_id=lambda: call_id, now_ms=lambda: now_ms).draw()


@pytest.fixture
def film(tmp_path):
    """Half a second of real video in a file."""
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as box:
        stream = box.add_stream("libvpx", rate=20)
        stream.width, stream.height, stream.pix_fmt = 800, 600, "yuv420p"
        for number in range(10):
            frame = picture().reformat(width=800, height=600)
            frame.pts, frame.time_base = number, Fraction(1, 20)
            box.mux(stream.encode(frame))
        box.mux(stream.encode())
    return path


def test_the_timecode_survives_the_codec_and_halving_and_names_its_call():
    encoder, decoder = Vp8Encoder(640, 480), av.CodecContext.create("libvpx", "r")
    read = []
    for number in range(30):
        frame = picture(NOW_MS + 50 * number)
        for packet in encoder.encode(frame, pts=4500 * number, keyframe=False):
            for shown in decoder.decode(packet):
                read += [strip_of(shown), strip_of(shown.reformat(width=320, height=240))]
    expected = [Timecode(call_hash(CALL), (NOW_MS + 50 * number) % 2**40) for number in range(30)]
    assert read[0::2] == expected
    assert read[1::2] == expected


def test_a_picture_without_a_strip_or_with_a_damaged_one_has_no_timecode():
    assert read_strip(lambda _x, _y: 90, 640) is None
    luma = bytearray(bytes(picture().planes[0]))
    for y in range(16):
        luma[y * 640 + 160 : y * 640 + 176] = bytes(255 - value for value in luma[y * 640 + 160 : y * 640 + 176])
    assert read_strip(lambda x, y: luma[y * 640 + x], 640) is None
    assert strip_of(picture(call_id=None)).call_hash == 0


def test_a_browser_reads_the_same_timecode(tmp_path):
    pixels = tmp_path / "pixels.rgba"
    pixels.write_bytes(bytes(picture().reformat(format="rgba").planes[0]))
    script = Path(__file__).with_name("timecode.js").read_text()
    script += ";console.log(JSON.stringify(readTimecode(require('fs').readFileSync(process.argv[1]), 640)))"
    node = shutil.which("node") or str(Path(__file__).parents[3] / ".venv/bin/node")
    said = subprocess.run([node, "-e", script, str(pixels)], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(said.stdout) == {"callHash": call_hash(CALL), "ms": NOW_MS % 2**40}


def test_the_visitor_moves():
    first, second = bytes(picture(0).planes[0]), bytes(picture(1500).planes[0])
    changed = sum(a != b for a, b in zip(first[640 * 40 :], second[640 * 40 :], strict=True))
    assert changed > 2000


def test_a_file_is_shown_again_and_again_and_made_to_fit(film):
    stop = threading.Event()
    shown = []
    for frame in AvSource(str(film), kind="file").frames(stop):
        shown.append((frame.width, frame.height, frame.format.name))
        if len(shown) == 25:
            stop.set()
    assert set(shown) == {(640, 480, "yuv420p")}


def test_a_file_camera_reaches_a_phone(tmp_path, film):
    async def scene():
        async with (
            ContractServer().listening() as server,
            agent_at(server, tmp_path / "s", camera=f"file:{film}") as agent,
        ):
            await agent.press("1201")
            async with phone(server) as one:
                await one.connect()
                await eventually(lambda: len(one.timecodes) + one.unreadable > 15, "pictures of the film")

    run(scene())


@pytest.mark.parametrize("text", ["file:{folder}/none.mp4", "device:{folder}/video9", "rtsp://127.0.0.1:{port}/x"])
def test_a_dead_camera_is_reported_and_the_call_goes_on(tmp_path, text, unused_port):
    async def scene():
        camera = text.format(folder=tmp_path, port=unused_port)
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s", camera=camera) as agent:
            started = asyncio.get_running_loop().time()
            call = await agent.press("1201")
            assert asyncio.get_running_loop().time() - started < 2
            missing = await server.hear(StationEvent.PICTURE)
            assert (missing.moment, missing.missing, missing.call_id) == (Moment.PRESS, "camera_failed", call.id)
            await server.answered(call.legs[0].id)
            async with phone(server) as one:
                await one.connect()
                await eventually(lambda: len(one.heard) > 9600, "sound without a picture")
            await server.open(call_id=call.id)
            await server.hear(StationEvent.OPEN_RESULT)

    run(scene())


def test_a_camera_that_comes_back_is_used_again(tmp_path, film):
    async def scene():
        later = tmp_path / "later.mkv"
        camera = Camera(AvSource(str(later), kind="file"), loop=asyncio.get_running_loop())
        with camera.held():
            assert await camera.next_frame(timeout_s=5) is None
            assert camera.failed
            film.rename(later)
            frame = None
            while frame is None:
                frame = await camera.next_frame(timeout_s=5)
            assert not camera.failed
        await asyncio.to_thread(camera.close)

    run(scene())


def test_a_source_with_a_bug_does_not_end_the_camera():
    class Buggy:
        opened = 0

        def frames(self, stop):
            self.opened += 1
            if self.opened == 1:
                raise ZeroDivisionError
            yield picture()
            stop.wait()

    async def scene():
        camera = Camera(Buggy(), loop=asyncio.get_running_loop())
        with camera.held():
            assert await camera.next_frame(timeout_s=5) is None
            assert await camera.next_frame(timeout_s=5) is not None
        await asyncio.to_thread(camera.close)

    run(scene())


def test_nothing_is_encoded_while_nobody_looks():
    async def scene():
        loop = asyncio.get_running_loop()
        camera = Camera(GeneratedPicture(call_id=lambda: None, now_ms=lambda: NOW_MS), loop=loop)
        hub = VideoHub(camera, loop=loop)
        with camera.held():
            for _ in range(3):
                assert await camera.next_frame(timeout_s=5) is not None
            assert (hub.frames_encoded, hub.encoder) == (0, None)
            track = hub.track()
            first = await track.recv()
            assert first.is_keyframe
            late = hub.track()
            before = hub.frames_encoded
            assert (await late.recv()).is_keyframe
            # A join asks for one; the rhythm of one in 40 pictures is not waited for.
            assert hub.frames_encoded - before < 25
            track.stop()
            late.stop()
            await eventually(lambda: hub.encoder is None, "the encoder's rest")
            encoded = hub.frames_encoded
            assert await camera.next_frame(timeout_s=5) is not None
            assert hub.frames_encoded == encoded
        await asyncio.to_thread(camera.close)

    run(scene())


def test_a_slow_phone_begins_again_with_a_complete_picture():
    """When a phone's queue is full its packets are dropped up to the next keyframe, never a part of a picture chain."""

    class Box:
        def __init__(self, *, is_keyframe):
            self.is_keyframe = is_keyframe

    async def scene():
        hub = VideoHub(Camera(AvSource("none", kind="file"), loop=asyncio.get_running_loop()), loop=None)
        track = hub.track()
        track.offer(Box(is_keyframe=False))
        assert track._packets.empty()
        track.offer(Box(is_keyframe=True))
        for _ in range(200):
            track.offer(Box(is_keyframe=False))
        assert track._packets.empty()
        assert hub._keyframe_wanted.is_set()
        complete = Box(is_keyframe=True)
        track.offer(complete)
        assert await track.recv() is complete
        track.stop()

    run(scene())


def test_pictures_stay_within_the_protocols_limit():
    noise = av.VideoFrame(640, 480, "yuv420p")
    state = 1
    for plane in noise.planes:
        data = bytearray()
        while len(data) < plane.buffer_size:
            state = state * 6364136223846793005 + 1442695040888963407 & 2**64 - 1
            data += state.to_bytes(8, "little")
        plane.update(bytes(data[: plane.buffer_size]))
    for frame in (picture(), noise):
        jpeg = jpeg_of(frame)
        assert jpeg[:3] == b"\xff\xd8\xff"
        assert len(jpeg) <= MAX_PICTURE_BYTES
    decoded = next(av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg_of(picture()))).__iter__())
    assert (decoded.width, decoded.height) == (640, 480)


@pytest.mark.parametrize("text", ["", "file:", "device:", "webcam", "http://camera"])
def test_an_unknown_camera_is_refused_at_the_start(text):
    with pytest.raises(ValueError, match="unknown camera"):
        source_from(text, call_id=lambda: None, now_ms=lambda: 0)


@pytest.mark.parametrize("text", ["", "file:", "device", "loud", "test:1"])
def test_an_unknown_sound_is_refused_at_the_start(text):
    with pytest.raises(ValueError, match="unknown sound"):
        Sound(text)


def test_a_missing_microphone_makes_a_silent_talk():
    async def scene():
        assert Sound("none").microphone() is None
        assert Sound("file:/does/not/exist.wav").microphone() is None
        assert Sound("device:no-such-card").microphone() is None

    run(scene())


def test_a_source_that_has_no_video_is_no_camera(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as box:
        stream = box.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate = 8000
        frame.planes[0].update(
            b"".join(int(9000 * math.sin(n / 3)).to_bytes(2, "little", signed=True) for n in range(800))
        )
        box.mux(stream.encode(frame))
        box.mux(stream.encode())
    with pytest.raises(CameraError, match="no video"):
        next(AvSource(str(path), kind="file").frames(threading.Event()))
