"""The other phones: a process that holds many sockets, answers pings, and says when the last of them has an event.

Commands on standard input, one JSON object a line: {"watch": text} begins to count the sockets that get a message with
this text; answered {"watching": text}, and {"done": text, "last": moment} when every socket had it. {"count": true}
tells how many sockets are open and how many had the watched text.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.light_socket import LightSocket, SocketIo

AT_ONCE = 8


class Crowd:
    """Sockets of one kind: `gatehouse`, `socketio` (a peer without authentication) or `raw` (the hub)."""

    def __init__(self, kind: str, port: int) -> None:
        self._kind, self._port = kind, port
        self._watched: str | None = None
        self._had = 0
        self.sockets: list[Any] = []
        self.size = 0

    def _heard(self, text: str, at: float) -> None:
        if self._watched is not None and self._watched in text:
            self._had += 1
            if self._had == self.size:
                say({"done": self._watched, "last": at})
                self._watched = None

    async def join(self, auth: Any) -> None:
        if self._kind == "raw":
            made = await LightSocket.connect(self._port, "/", self._heard)
            made.send(json.dumps({"join": "others"}))
            self.sockets.append(made)
            return
        namespace = "/resident" if self._kind == "gatehouse" else "/"
        phone = SocketIo(namespace, lambda text, _, at: self._heard(text, at), raw=True)
        self.sockets.append(await phone.connect(self._port, auth))

    def obey(self, command: dict[str, Any]) -> None:
        if "watch" in command:
            self._watched, self._had = command["watch"], 0
            say({"watching": self._watched})
        else:
            opened = sum(1 for s in self.sockets if not (s if isinstance(s, LightSocket) else s.socket).closed)
            say({"open": opened, "had": self._had})


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=("gatehouse", "socketio", "raw"), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--auths", type=Path)
    chosen = parser.parse_args()
    crowd = Crowd(chosen.kind, chosen.port)
    auths = json.loads(chosen.auths.read_text(encoding="utf-8")) if chosen.auths else [None] * chosen.count
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(auth: Any) -> None:
        async with gate:
            await crowd.join(auth)

    await asyncio.gather(*(one(auth) for auth in auths[: chosen.count]))
    crowd.size = len(crowd.sockets)
    say({"ready": crowd.size})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        crowd.obey(json.loads(line))


if __name__ == "__main__":
    asyncio.run(main())
