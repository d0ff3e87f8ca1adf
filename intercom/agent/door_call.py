"""The call at this door as the station sees it; the server's word is final, the station only follows it.

A call the server has but this station does not know (it restarted in between) is hung up, because the visitor's screen
and the phones' pictures are gone; a call that ended while the line was down is ended here too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import timedelta

from intercom.agent.camera import Camera
from intercom.agent.clock import ServerClock
from intercom.agent.link import Link, NotConnectedError, RefusedError
from intercom.agent.peers import Peers
from intercom.agent.pictures import Pictures
from intercom.station_protocol import Call, CallState, HangUpReason, LegState, Moment, Signal, StationEvent
from intercom.station_reports import HangUp, Press
from intercom.station_wire import new_id

logger = logging.getLogger(__name__)

PRESS_TIMEOUT_S = 12.0
EXPIRY_GRACE = timedelta(seconds=3)
EARLY_SIGNALS = 64
EARLY_SIGNAL_S = 5.0
MEDIA_RETURN_S = 10.0


class DoorCall:
    """At most one call at a time; all methods run in the event loop."""

    def __init__(
        self,
        *,
        link: Link,
        clock: ServerClock,
        camera: Camera,
        pictures: Pictures,
        spawn: Callable[[Awaitable[None]], None],
    ) -> None:
        self._link = link
        self._clock = clock
        self._camera = camera
        self._pictures = pictures
        self._spawn = spawn
        self.peers: Peers
        self.current: Call | None = None
        self._early_signals: list[tuple[float, Signal]] = []
        self._pressing = False
        self._stranger: Call | None = None
        self._camera_hold = ExitStack()
        self._deadline: asyncio.TimerHandle | None = None
        self._over_id: str | None = None
        self._hung_up: tuple[str, HangUpReason] | None = None

    @property
    def active_id(self) -> str | None:
        """The id of the ringing or answered call."""
        call = self.current
        return None if call is None or call.state is CallState.ENDED or call.id == self._over_id else call.id

    def leg_state(self, call_id: str, leg_id: str) -> LegState | None:
        if call_id != self.active_id or self.current is None:
            return None
        return next((leg.state for leg in self.current.legs if leg.id == leg_id), None)

    async def press(self, dial: str) -> Call:
        """Call a home; the same press is repeated until the server has answered it once.

        Raises:
            NotConnectedError: no answer within 12 s.
            RefusedError: no such room, busy, too many presses.
        """
        press = Press(request_id=new_id(), dial=dial)
        self._pressing = True
        try:
            async with asyncio.timeout(PRESS_TIMEOUT_S):
                while True:
                    await self._link.connected.wait()
                    try:
                        answer = await self._link.request(StationEvent.PRESS, press.to_wire())
                        break
                    except NotConnectedError:
                        await asyncio.sleep(0.2)
            call = Call.from_wire(answer.get("call"))
            self.apply(call, placed_here=True)
        except TimeoutError as error:
            raise NotConnectedError("press") from error
        finally:
            self._pressing = False
            self._turn_away_stranger()
        return call

    async def hang_up(self, reason: HangUpReason = HangUpReason.VISITOR) -> None:
        """End the call at this door; media stop at once, whatever the server says.

        Raises:
            NotConnectedError: the server does not know yet (it will end the call by itself).
            RefusedError: the server had ended it already.
        """
        call = self.current
        if call is None or self.active_id is None:
            return
        self._hung_up = (call.id, reason)
        self._over(call)
        answer = await self._link.request(StationEvent.HANGUP, HangUp(call_id=call.id, reason=reason).to_wire())
        self.apply(Call.from_wire(answer.get("call")))

    def apply(self, call: Call, *, placed_here: bool = False) -> None:
        """Follow the server's word on a call; older versions and news of earlier calls are ignored.

        A call placed here may be announced before the acknowledgement of its press comes.
        """
        before = self.current
        if before is None or before.id != call.id:
            if not placed_here and call.state is CallState.ENDED:
                return
            if not placed_here and not self._pressing:
                self._hang_up_stranger(call)
                return
            if before is not None:
                self._over(before)
            self._take(call, None)
        elif call.version > before.version:
            self._take(call, before.state)

    def _take(self, call: Call, was: CallState | None) -> None:
        self.current = call
        if was is None:
            logger.info("call %s placed", call.id)
            self._pictures.take(Moment.PRESS, call_id=call.id)
        if call.state is CallState.ENDED:
            logger.info("call %s ended: %s", call.id, call.end_reason)
            self._over(call)
            return
        if call.id == self._over_id:
            return  # hung up here; the server is about to say so too
        if was is None:
            self._camera_hold.enter_context(self._camera.held())
        if call.state is CallState.ANSWERED and was is not CallState.ANSWERED:
            logger.info("call %s answered", call.id)
            self._pictures.take(Moment.ANSWER, call_id=call.id)
        self._arm(call)
        self.peers.apply({leg.id: leg.state for leg in call.legs})
        self._replay_early_signals()

    def _arm(self, call: Call) -> None:
        """A call past its end by the clock ends here, should the server's word not come."""
        if self._deadline is not None:
            self._deadline.cancel()
        end = call.talk_until if call.state is CallState.ANSWERED else call.expires_at
        if end is not None:
            left = (end + EXPIRY_GRACE - self._clock.now()).total_seconds()
            self._deadline = asyncio.get_running_loop().call_later(max(0.0, left), self._overdue, call.id)

    def _overdue(self, call_id: str) -> None:
        if self.active_id == call_id and self.current is not None:
            logger.warning("call %s is past its end and the server says nothing", call_id)
            self._over(self.current)

    def _over(self, call: Call) -> None:
        """Stop all media of a call now, and for good."""
        self._over_id = call.id
        if self._deadline is not None:
            self._deadline.cancel()
        self.peers.apply({})
        self._camera_hold.close()
        self._early_signals.clear()

    def resync(self, call: Call | None) -> None:
        """The welcome's call: end what differs."""
        self._stranger = None
        active = self.active_id
        if call is None or call.state is CallState.ENDED:
            if active is not None and self.current is not None:
                logger.info("call %s ended while the line was down", active)
                self._over(self.current)
            return
        if active == call.id:
            self.apply(call)
        elif self._pressing:
            self._stranger = call  # perhaps the call of the press whose acknowledgement was lost
        else:
            self._hang_up_stranger(call)

    def _turn_away_stranger(self) -> None:
        stranger, self._stranger = self._stranger, None
        if stranger is not None and stranger.id != self.active_id:
            self._hang_up_stranger(stranger)

    def _hang_up_stranger(self, call: Call) -> None:
        """End a call that is over here, or that was never here, on the server too."""
        reason = HangUpReason.STATION_RESTARTED
        if self._hung_up is not None and self._hung_up[0] == call.id:
            reason = self._hung_up[1]
        logger.warning("call %s is not at this door; hanging it up: %s", call.id, reason.value)

        async def tell() -> None:
            body = HangUp(call_id=call.id, reason=reason).to_wire()
            try:
                await self._link.request(StationEvent.HANGUP, body)
            except (NotConnectedError, RefusedError) as error:
                logger.info("hanging up %s: %s", call.id, error)  # the next welcome asks again

        self._spawn(tell())

    def signal(self, signal: Signal) -> None:
        """Pass a phone's signal to its peer; one that overtook its leg's announcement waits for it a little."""
        if self.leg_state(signal.call_id, signal.leg_id) is not None:
            self._spawn(self.peers.take(signal, lambda: self.leg_state(signal.call_id, signal.leg_id)))
            return
        now = asyncio.get_running_loop().time()
        self._early_signals = [entry for entry in self._early_signals if entry[0] > now - EARLY_SIGNAL_S]
        if len(self._early_signals) < EARLY_SIGNALS:
            self._early_signals.append((now, signal))

    def _replay_early_signals(self) -> None:
        early, self._early_signals = self._early_signals, []
        for _, signal in early:
            self.signal(signal)

    def media_failed(self, leg_id: str) -> None:
        """A peer's connection broke: while it rings the picture is merely gone; a talk has 10 s to come back."""
        call = self.current
        if call is None or self.leg_state(call.id, leg_id) is None:
            return
        broken = self.peers.get(leg_id)
        logger.info("leg %s lost its media", leg_id)

        async def wait_for_return() -> None:
            await self.peers.close(leg_id)
            if self.leg_state(call.id, leg_id) is not LegState.ANSWERED:
                return
            await asyncio.sleep(MEDIA_RETURN_S)
            if self.leg_state(call.id, leg_id) is LegState.ANSWERED and self.peers.get(leg_id) in (None, broken):
                try:
                    await self.hang_up(HangUpReason.MEDIA_FAILED)
                except (NotConnectedError, RefusedError) as error:
                    logger.info("hanging up after lost media: %s", error)

        self._spawn(wait_for_return())

    async def close(self) -> None:
        if self.current is not None:
            self._over(self.current)
        await self.peers.close_all()
