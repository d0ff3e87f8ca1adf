"""The floor of P5: bare aiortc and a page of twenty lines, signalling over one websocket with trickled candidates.

The page makes its connection when it is told to, as a phone would that prepared nothing while it rang. Everything else
(ringing, rights, records) is left out. Prints {"port": ...} and serves until it is ended.
"""

import asyncio
import json
from typing import Any

import av
from aiohttp import WSMsgType, web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.sdp import candidate_from_sdp

WIDTH, HEIGHT = 640, 480

PAGE = """<!doctype html><meta charset="utf-8"><title>floor</title><video autoplay muted playsinline></video><script>
const socket = new WebSocket(`ws://${location.host}/signal`)
const ready = new Promise((open) => { socket.onopen = open })
let peer
socket.onmessage = ({ data }) => peer.setRemoteDescription(JSON.parse(data))
window.firstFrame = async () => {
  await ready
  const video = document.querySelector('video')
  const began = performance.now()
  peer?.close()
  peer = new RTCPeerConnection()
  const seen = new Promise((done) => { peer.ontrack = ({ track }) => {
    video.srcObject = new MediaStream([track])
    video.requestVideoFrameCallback(() => done(performance.now() - began))
  } })
  peer.onicecandidate = ({ candidate }) => candidate?.candidate && socket.send(JSON.stringify({ candidate }))
  peer.addTransceiver('video', { direction: 'recvonly' })
  await peer.setLocalDescription()
  socket.send(JSON.stringify({ description: peer.localDescription }))
  const ms = await seen
  socket.send(JSON.stringify({ over: true }))
  return ms
}
</script>"""


class Picture(VideoStreamTrack):
    """A plain picture at the pace of the station's camera."""

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for number, plane in enumerate(frame.planes):
            plane.update(bytes([(pts // 900) % 200 if number == 0 else 128]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


async def page(_request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


class Line:
    """One page's connections, one after another."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._peer: RTCPeerConnection | None = None

    async def hear(self, message: dict[str, Any]) -> None:
        if "description" in message:
            self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            self._peer.addTrack(Picture())
            await self._peer.setRemoteDescription(RTCSessionDescription(**message["description"]))
            await self._peer.setLocalDescription(await self._peer.createAnswer())
            answer = self._peer.localDescription
            await self._socket.send_json({"type": answer.type, "sdp": answer.sdp})
        elif "candidate" in message and self._peer is not None:
            line = message["candidate"]["candidate"]
            if ".local" not in line:
                found = candidate_from_sdp(line.partition(":")[2])
                found.sdpMid = message["candidate"]["sdpMid"]
                found.sdpMLineIndex = message["candidate"]["sdpMLineIndex"]
                await self._peer.addIceCandidate(found)
        elif "over" in message:
            await self.close()

    async def close(self) -> None:
        if self._peer is not None:
            await self._peer.close()
            self._peer = None


async def signal(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    line = Line(socket)
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await line.hear(json.loads(message.data))
    await line.close()
    return socket


async def main() -> None:
    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/signal", signal)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
