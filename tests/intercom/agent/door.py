"""A paired door station for tests: the real agent in this event loop, or as a process that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from intercom.agent.agent import Agent, AgentSettings
from intercom.agent.clock import ServerClock
from intercom.agent.pairing import pair
from intercom.agent.state_folder import StateFolder
from tests.intercom.agent.protocol_server import ContractServer, eventually


def run(scene: Coroutine[Any, Any, None], *, within_s: float = 60) -> None:
    """Play a scene to its end; one that hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(within_s):
            await scene

    asyncio.run(bounded())


@contextlib.asynccontextmanager
async def agent_at(
    server: ContractServer, folder: Path, *, clock: ServerClock | None = None, connected: bool = True, **settings: Any
) -> AsyncIterator[Agent]:
    """The agent in this loop, paired with the server and welcomed by it."""
    if server.public_key is None:
        await pair(StateFolder(folder), server=server.base, code=server.code)
    agent = Agent(AgentSettings(state=folder, **settings), clock=clock)
    running = asyncio.create_task(agent.run())
    try:
        if connected:
            await eventually(lambda: agent.link.connected.is_set() and agent.config, "the welcome")
        yield agent
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not [task for task in agent._tasks if not task.done()]


class AgentProcess:
    """`gatehouse station run` as a process of its own."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, log: Path) -> None:
        self.folder, self.process, self.log = folder, process, log

    async def wait_killed(self) -> None:
        """Wait until a failpoint has killed it."""
        async with asyncio.timeout(30):
            code = await self.process.wait()
        assert code == -signal.SIGKILL, f"ended with {code}: {self.log.read_text()[-3000:]}"

    async def connected(self) -> None:
        """Wait until it has been welcomed by its server."""

        def control() -> bool:
            assert self.process.returncode is None, self.log.read_text()[-3000:]
            return (self.folder / "control.json").exists()

        await eventually(control, "the control port")
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    _, state = await told(self, "/state")
                    if state["connected"] and state["config_version"] is not None:
                        return
                await asyncio.sleep(0.02)

    def pulses(self) -> list[dict[str, Any]]:
        path = self.folder / "relay.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def told(agent: AgentProcess, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask the agent's control port; with a body it is a POST."""
    url, token = StateFolder(agent.folder).load_control()
    method = "GET" if body is None else "POST"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.request(method, url + path, json=body) as response,
    ):
        return response.status, await response.json()


async def state_where(agent: AgentProcess, condition: Callable[[Any], Any], what: str) -> Any:
    """The agent's state once the condition holds for it."""
    end = asyncio.get_running_loop().time() + 40
    while True:
        _, state = await told(agent, "/state")
        if condition(state):
            return state
        assert asyncio.get_running_loop().time() < end, f"{what} did not come: {state}"
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def agent_process(folder: Path, *arguments: str, failpoint: str | None = None) -> AsyncIterator[AgentProcess]:
    """Start the agent with this folder; it is ended at the end of the block if it still runs."""
    environment = {**os.environ, **({"GATEHOUSE_FAILPOINT": failpoint} if failpoint else {})}
    log = folder.with_suffix(".log")
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys; from intercom.agent.cli import main; sys.exit(main(sys.argv[1:]))",
            "run",
            "--state",
            str(folder),
            *arguments,
            env=environment,
            cwd=Path(__file__).parents[3],
            stdout=output,
            stderr=output,
        )
    try:
        yield AgentProcess(folder, process, log)
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(20):
                await process.wait()
