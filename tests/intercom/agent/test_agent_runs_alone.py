"""The agent runs where only the [station] extra is installed: no Flask, no SQLAlchemy, no pydantic, no Alembic."""

import asyncio
import json
import sys
from pathlib import Path

from intercom.agent.pairing import pair
from intercom.agent.state_folder import StateFolder
from intercom.station_protocol import OpenResult, StationEvent
from tests.intercom.agent.door import run
from tests.intercom.agent.protocol_server import ContractServer

# What a machine without the server's packages does, and a word about every module at the end.
STATION_MACHINE = """
import atexit, json, sys
POISON = ("flask", "flask_socketio", "apiflask", "sqlalchemy", "pydantic", "alembic", "werkzeug", "jwt", "backend.app")
class Poison:
    def find_spec(self, name, path=None, target=None):
        if name in POISON or name.startswith(tuple(p + "." for p in POISON)):
            raise ModuleNotFoundError(f"{name} is not on a station", name=name)
sys.meta_path.insert(0, Poison())
atexit.register(lambda: open(sys.argv[1], "w").write(json.dumps(sorted(sys.modules))))
from intercom.agent.cli import main
sys.exit(main(sys.argv[2:]))
"""
FORBIDDEN = {"flask", "flask_socketio", "apiflask", "sqlalchemy", "pydantic", "alembic", "werkzeug", "mobile_api"}
EXPECTED = {"aiortc", "socketio", "aiohttp", "cryptography", "av"}


def test_the_agent_serves_its_door_without_the_servers_packages(tmp_path):
    async def scene():
        folder, modules = tmp_path / "s", tmp_path / "modules.json"
        async with ContractServer().listening() as server:
            await pair(StateFolder(folder), server=server.base, code=server.code)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", STATION_MACHINE, str(modules), "run", "--state", str(folder),
                cwd=Path(__file__).parents[3], stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                await server.hear(StationEvent.HEARTBEAT)
                await server.open()
                assert (await server.hear(StationEvent.OPEN_RESULT)).result is OpenResult.OPENED
            finally:
                process.terminate()
                _, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()
        loaded = {name.partition(".")[0] for name in json.loads(modules.read_text())}
        assert loaded & FORBIDDEN == set()
        assert loaded >= EXPECTED

    run(scene())
