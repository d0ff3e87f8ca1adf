"""Pictures of a press, an answer and an opening: taken beside the call, never in its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from intercom.agent.camera import Camera
from intercom.agent.clock import ServerClock
from intercom.agent.link import Link, NotConnectedError, RefusedError
from intercom.agent.video import jpeg_of
from intercom.station_protocol import Moment, StationEvent
from intercom.station_reports import Picture

logger = logging.getLogger(__name__)
CAMERA_TIMEOUT_S = 3.0
KEEP_S = 120.0
MAX_WAITING = 16


class Pictures:
    """Takes and delivers; a picture that nobody acknowledged within two minutes is given up."""

    def __init__(
        self, *, camera: Camera, clock: ServerClock, link: Link, spawn: Callable[[Awaitable[None]], None]
    ) -> None:
        self._camera = camera
        self._clock = clock
        self._link = link
        self._spawn = spawn
        self._waiting = 0

    def take(self, moment: Moment, *, call_id: str | None = None, command_id: str | None = None) -> None:
        """Photograph now and send in the background."""
        if self._waiting >= MAX_WAITING:
            logger.warning("too many pictures wait for the server; none of this %s", moment.value)
            return
        self._waiting += 1
        self._spawn(self._take(moment, call_id, command_id))

    async def _take(self, moment: Moment, call_id: str | None, command_id: str | None) -> None:
        try:
            at = self._clock.now()
            with self._camera.held():
                frame = await self._camera.next_frame(timeout_s=CAMERA_TIMEOUT_S)
            jpeg = None if frame is None else await asyncio.to_thread(jpeg_of, frame)
            picture = Picture(
                moment=moment,
                at=at,
                call_id=call_id,
                command_id=command_id,
                jpeg=jpeg,
                missing="camera_failed" if jpeg is None else None,
            )
            await self._deliver(picture)
        finally:
            self._waiting -= 1

    async def _deliver(self, picture: Picture) -> None:
        try:
            async with asyncio.timeout(KEEP_S):
                while True:
                    await self._link.connected.wait()
                    try:
                        await self._link.request(StationEvent.PICTURE, picture.to_wire(), timeout_s=15)
                    except NotConnectedError:
                        await asyncio.sleep(0.5)
                    except RefusedError as refusal:
                        if refusal.final:
                            logger.warning("the server does not take this picture: %s", refusal)
                            return
                        await asyncio.sleep(2)
                    else:
                        return
        except TimeoutError:
            logger.warning("the picture of this %s did not reach the server", picture.moment.value)
