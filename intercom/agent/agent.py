"""The station agent: wires its parts together and carries the server's messages to them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from intercom.agent.audio import Sound
from intercom.agent.camera import Camera, source_from
from intercom.agent.clock import ServerClock
from intercom.agent.door_call import DoorCall
from intercom.agent.failpoints import failpoint
from intercom.agent.inputs import Inputs, input_from
from intercom.agent.journal import Journal
from intercom.agent.link import Link, NotConnectedError, RefusedError
from intercom.agent.openings import Openings
from intercom.agent.pairing import software_name
from intercom.agent.peers import Peers
from intercom.agent.pictures import Pictures
from intercom.agent.relay import relay_from
from intercom.agent.state_folder import Pairing, StateFolder
from intercom.agent.video import VideoHub
from intercom.station_config import StationConfig, Welcome
from intercom.station_protocol import HEARTBEAT_S, Call, Moment, OpenCommand, ServerEvent, Signal, StationEvent
from intercom.station_reports import ConfigApplied, Heartbeat
from intercom.station_wire import Fields, Json, WireError

logger = logging.getLogger(__name__)
RETRY_S = 2.0


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """How one station is built; the texts are those of the command line."""

    state: Path
    camera: str = "test"
    audio: str = "test"
    relay: str = "log"
    contact: str = "none"
    exit_button: str = "none"
    ice: str = "all"


class Agent:
    """One running door station; make it inside a running event loop.

    Raises:
        ValueError: a setting names something that does not exist.
        NotPairedError: the state folder belongs to no station yet.
    """

    def __init__(self, settings: AgentSettings, *, clock: ServerClock | None = None) -> None:
        if settings.ice not in ("all", "relay"):
            raise ValueError(f"unknown ice policy {settings.ice!r}: all or relay")
        self.folder = StateFolder(settings.state)
        pairing, _ = self._identity()
        self.folder.hold()
        loop = asyncio.get_running_loop()
        self.clock = clock or ServerClock()
        self.config: StationConfig | None = None
        self._heartbeat_s = HEARTBEAT_S
        self._heartbeat_due = asyncio.Event()
        self._outbox_due = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.journal = Journal(self.folder.journal_path)
        self.relay = relay_from(settings.relay, state=settings.state)
        self.link = Link(
            self._identity,
            clock=self.clock,
            software=software_name(),
            on_message=self._on_message,
            on_lost=self._outbox_due.set,
        )
        source = source_from(settings.camera, call_id=lambda: self.call.active_id, now_ms=self.clock.now_ms)
        self.camera = Camera(source, loop=loop)
        self.hub = VideoHub(self.camera, loop=loop)
        self.pictures = Pictures(camera=self.camera, clock=self.clock, link=self.link, spawn=self.spawn)
        self.call = DoorCall(
            link=self.link, clock=self.clock, camera=self.camera, pictures=self.pictures, spawn=self.spawn
        )
        self.peers = Peers(
            hub=self.hub,
            sound=Sound(settings.audio),
            send=self._send_signal,
            on_failed=self.call.media_failed,
            relay_only=settings.ice == "relay",
        )
        self.call.peers = self.peers
        self.openings = Openings(
            journal=self.journal,
            relay=self.relay,
            clock=self.clock,
            on_result=self._outbox_due.set,
            on_begin=self._photograph_opening,
        )
        self.inputs = Inputs(
            contact=input_from(settings.contact),
            exit_button=input_from(settings.exit_button),
            journal=self.journal,
            clock=self.clock,
            on_event=self._outbox_due.set,
        )
        config = self.folder.load_config()
        if config is not None and config.station_id == pairing.station_id:
            self._adopt(config)

    def _identity(self) -> tuple[Pairing, Ed25519PrivateKey]:
        return self.folder.load_pairing(), self.folder.load_key()

    def spawn(self, work: Awaitable[None]) -> None:
        """Run something in the background; a bug in it is logged and harms nothing else."""

        async def guarded() -> None:
            try:
                await work
            except Exception:
                # The station must go on serving its door.
                logger.exception("a background task failed")

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.link.run())
                group.create_task(self._beat())
                group.create_task(self._empty_outbox())
                group.create_task(self.inputs.watch())
        finally:
            await self.close()

    async def close(self) -> None:
        """Lock the doors and let everything go; no task outlives this."""
        await self.call.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.relay.close()
        await asyncio.to_thread(self.camera.close)
        self.journal.close()
        self.folder.release()

    async def press(self, dial: str) -> Call:
        """Call a home; raises NotConnectedError or RefusedError."""
        return await self.call.press(dial)

    async def hang_up(self) -> Call | None:
        """End the call at this door; raises NotConnectedError or RefusedError."""
        await self.call.hang_up()
        return self.call.current

    async def state(self) -> Json:
        """What the station is doing now, for people and tests on this machine."""
        call = self.call.current
        return {
            "connected": self.link.connected.is_set(),
            "refused": self.link.last_refusal,
            "clock_offset_ms": self.clock.offset_ms,
            "config_version": None if self.config is None else self.config.version,
            "call": None if call is None else call.to_wire(),
            "legs": await self.peers.counts(),
            "camera": {"running": self.camera.running, "failed": self.camera.failed},
            "encoders_made": self.hub.encoders_made,
            "frames_encoded": self.hub.frames_encoded,
            "waiting": self.journal.waiting_count(),
            "doors": [{"door_id": d.door_id, "contact": d.contact.value} for d in self.inputs.contacts()],
        }

    def _on_message(self, event: ServerEvent, body: Any) -> None:
        try:
            if event is ServerEvent.WELCOME:
                self._welcome(Welcome.from_wire(body))
            elif event is ServerEvent.CONFIG:
                self._apply(StationConfig.from_wire(body))
            elif event is ServerEvent.CALL:
                self.call.apply(Call.from_wire(body))
            elif event is ServerEvent.SIGNAL:
                self.call.signal(Signal.from_wire(body))
            elif event is ServerEvent.OPEN:
                self.spawn(self.openings.obey(OpenCommand.from_wire(body), config=self.config))
        except WireError as error:
            logger.warning("the server's %s does not follow the protocol: %s", event.value, error)

    def _welcome(self, welcome: Welcome) -> None:
        self.clock.learn(welcome.server_time, sent_ms=self.link.connect_started_ms)
        self._heartbeat_s = welcome.heartbeat_s
        self._apply(welcome.config)
        self.call.resync(welcome.call)
        self._heartbeat_due.set()
        self._outbox_due.set()

    def _apply(self, config: StationConfig) -> None:
        """The whole configuration replaces the one before, also when the server's version went back (a restore)."""
        self._adopt(config)
        self.folder.save_config(config)
        logger.info("configuration %d applied", config.version)
        self.spawn(self._say_applied(config.version))

    def _adopt(self, config: StationConfig) -> None:
        self.config = config
        self.peers.ice_servers = config.ice_servers
        self.inputs.apply(config)

    async def _say_applied(self, version: int) -> None:
        try:
            await self.link.request(StationEvent.CONFIG_APPLIED, ConfigApplied(version=version).to_wire())
        except (NotConnectedError, RefusedError) as error:
            logger.info("config.applied: %s", error)  # the next heartbeat carries the version too

    async def _send_signal(self, signal: Signal) -> None:
        try:
            await self.link.request(StationEvent.SIGNAL, signal.to_wire())
        except (NotConnectedError, RefusedError) as error:
            logger.info("signal to leg %s: %s", signal.leg_id, error)

    def _photograph_opening(self, command: OpenCommand) -> None:
        self.pictures.take(Moment.OPENING, call_id=command.call_id, command_id=command.command_id)

    async def _beat(self) -> None:
        """A heartbeat at once after a welcome and then regularly; two without an answer end the connection."""
        silent = 0
        while True:
            await self.link.connected.wait()
            self._heartbeat_due.clear()
            sent_ms = self.clock.monotonic_ms()
            beat = Heartbeat(
                sent_at_ms=self.clock.wall_ms(),
                software=software_name(),
                config_version=0 if self.config is None else self.config.version,
                doors=self.inputs.contacts(),
            )
            try:
                answer = await self.link.request(
                    StationEvent.HEARTBEAT, beat.to_wire(), timeout_s=min(5.0, self._heartbeat_s)
                )
                self.clock.learn(Fields(answer, "heartbeat").time("server_time"), sent_ms=sent_ms)
                silent = 0
            except (RefusedError, WireError) as error:
                logger.warning("the server's answer to a heartbeat: %s", error)
            except NotConnectedError as error:
                silent += 1
                logger.info("heartbeat %d without an answer: %s", silent, error)
                if silent >= 2:
                    silent = 0
                    await self.link.drop()
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    await self._heartbeat_due.wait()
            except TimeoutError:
                continue

    async def _empty_outbox(self) -> None:
        """Send what waits, one after another, until each is acknowledged."""
        while True:
            self._outbox_due.clear()
            waiting = self.journal.first_waiting()
            if waiting is None:
                await self._outbox_due.wait()
                continue
            await self.link.connected.wait()
            if waiting.event is StationEvent.OPEN_RESULT:
                failpoint("agent.before_ack")
            try:
                await self.link.request(waiting.event, waiting.body)
            except NotConnectedError:
                await self._pause()
                continue
            except RefusedError as refusal:
                if not refusal.final:
                    await self._pause()
                    continue
                # It would be refused for ever and keep everything behind it from the server.
                logger.warning("the server will not take %s %s: %s", waiting.event.value, waiting.body, refusal)
            self.journal.forget(waiting)

    async def _pause(self) -> None:
        """Wait before repeating; a new connection or a new message ends the wait."""
        try:
            async with asyncio.timeout(RETRY_S):
                await self._outbox_due.wait()
        except TimeoutError:
            return
