"""The floor: a bare websocket hub (`websockets`) in a process of its own, with a durable SQLite commit before it passes
a message on when it is asked for one. No authentication, no rules, no state.

First message of a client: {"join": room}. Afterwards {"to": room, "commit": bool, "body": ...} goes to everyone in it.
"""

import argparse
import asyncio
import json
import sqlite3
from collections import defaultdict
from pathlib import Path

from websockets.asyncio.server import ServerConnection, broadcast, serve


class Hub:
    """Rooms, and one table that every message asked to be durable is committed to (WAL, synchronous=FULL)."""

    def __init__(self, database: Path) -> None:
        self._rooms: dict[str, set[ServerConnection]] = defaultdict(set)
        self._table = sqlite3.connect(database, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._table.execute(f"PRAGMA {pragma}")
        self._table.execute("CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")

    async def client(self, connection: ServerConnection) -> None:
        room = json.loads(await connection.recv())["join"]
        self._rooms[room].add(connection)
        await connection.send("joined")
        try:
            async for text in connection:
                message = json.loads(text)
                passed_on = json.dumps(message["body"])
                if message["commit"]:
                    self._table.execute("BEGIN IMMEDIATE")
                    self._table.execute("INSERT INTO message (body) VALUES (?)", (passed_on,))
                    self._table.execute("COMMIT")
                broadcast(self._rooms[message["to"]], passed_on)
        finally:
            self._rooms[room].discard(connection)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", type=Path, required=True)
    hub = Hub(parser.parse_args().database)
    async with serve(hub.client, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
