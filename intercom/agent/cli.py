"""`gatehouse station`: pair this machine, run it as a door station, press a room, serve a relay to a kiosk page."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from intercom.agent.state_folder import FolderInUseError, NotPairedError, StateFolder

if TYPE_CHECKING:
    from intercom.agent.agent import AgentSettings

OPTIONS = {
    "server": "the address of the Gatehouse server, such as https://door.example",
    "code": "the 8-digit pairing code from the set-up page",
    "state": "the folder for the station's key and journal",
    "camera": "test, file:PATH, device:PATH or rtsp://...",
    "audio": "none, test, file:PATH or device:NAME (ALSA)",
    "relay": "log, http:URL or gpio:FILE ({relay} in it is the relay's number)",
    "contact": "none or gpio:FILE, which reads 1 while the door is open (gpio:!FILE the other way round)",
    "exit-button": "none or gpio:FILE, which reads 1 while pressed",
    "ice": "all, or relay: send media through TURN only",
    "http": "the loopback address of the local port, such as 127.0.0.1:8790 (port 0: any free one)",
    "allow-origin": "the origin whose kiosk page may use this relay, such as https://door.example",
    "log-level": "debug, info or warning",
}
DEFAULTS = {
    "state": "./var/station",
    "camera": "test",
    "audio": "test",
    "relay": "log",
    "contact": "none",
    "exit-button": "none",
    "ice": "all",
    "http": "127.0.0.1:0",
    "log-level": "info",
}


def _add(parser: argparse.ArgumentParser, *names: str, required: tuple[str, ...] = ()) -> None:
    for name in names:
        variable = f"GATEHOUSE_STATION_{name.upper().replace('-', '_')}"
        default = os.environ.get(variable, DEFAULTS.get(name))
        note = f" (default {DEFAULTS[name]})" if name in DEFAULTS else ""
        parser.add_argument(
            f"--{name}",
            default=default,
            required=name in required and default is None,
            help=f"{OPTIONS[name]}{note} [{variable}]".replace("%", "%%"),
        )


def parser() -> argparse.ArgumentParser:
    """The commands and their options; every option has an environment variable."""
    top = argparse.ArgumentParser(prog="gatehouse station", description="A door station of Gatehouse.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    pair = commands.add_parser("pair", help="make this machine a station, once")
    _add(pair, "server", "code", "state", required=("server", "code"))
    run = commands.add_parser("run", help="be the station")
    _add(run, "state", "camera", "audio", "relay", "contact", "exit-button", "ice", "http", "allow-origin", "log-level")
    press = commands.add_parser("press", help="call a home from the station that runs here")
    press.add_argument("room")
    _add(press, "state")
    hang_up = commands.add_parser("hangup", help="end the call of the station that runs here")
    _add(hang_up, "state")
    relay = commands.add_parser("relay", help="serve a relay to the kiosk page on this machine, nothing else")
    _add(relay, "state", "relay", "http", "allow-origin", "log-level", required=("allow-origin",))
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 for a refusal or failure, 2 for wrong use."""
    arguments = parser().parse_args(argv)
    if arguments.command in ("run", "relay"):
        logging.basicConfig(
            level=arguments.log_level.upper(),
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
            stream=sys.stderr,
        )
        logging.getLogger("aioice").setLevel(logging.WARNING)
    try:
        if arguments.command == "pair":
            return _pair(arguments)
        if arguments.command in ("press", "hangup"):
            return _control(arguments)
        return asyncio.run(_run(arguments) if arguments.command == "run" else _relay(arguments))
    except (NotPairedError, FolderInUseError) as error:
        return _fail(f"{error}" if isinstance(error, FolderInUseError) else _unpaired(error))
    except (ValueError, OSError) as error:
        return _fail(str(error))


def _unpaired(error: NotPairedError) -> str:
    return f"not paired yet ({error}): gatehouse station pair --server URL --code 12345678"


def _fail(text: str) -> int:
    sys.stderr.write(f"gatehouse station: {text}\n")
    return 1


def _pair(arguments: argparse.Namespace) -> int:
    from intercom.agent.pairing import PairingError, pair  # noqa: PLC0415  (press and hangup need none of it)

    try:
        pairing = asyncio.run(pair(StateFolder(Path(arguments.state)), server=arguments.server, code=arguments.code))
    except PairingError as error:
        return _fail(str(error))
    sys.stdout.write(f"paired with {pairing.server} as station {pairing.station_id}\n")
    return 0


def _control(arguments: argparse.Namespace) -> int:
    url, token = StateFolder(Path(arguments.state)).load_control()
    body = {"dial": arguments.room} if arguments.command == "press" else {}
    request = urllib.request.Request(  # noqa: S310  (the address of our own agent, from our own folder)
        f"{url}/{arguments.command}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            sys.stdout.write(response.read().decode() + "\n")
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            text = json.loads(text)["detail"]
        return _fail(text)
    except urllib.error.URLError as error:
        return _fail(f"no station agent answers at {url}: {error.reason}")
    return 0


def settings_from(arguments: argparse.Namespace) -> AgentSettings:
    """The settings of `run`."""
    from intercom.agent.agent import AgentSettings  # noqa: PLC0415

    return AgentSettings(
        state=Path(arguments.state),
        camera=arguments.camera,
        audio=arguments.audio,
        relay=arguments.relay,
        contact=arguments.contact,
        exit_button=arguments.exit_button,
        ice=arguments.ice,
    )


def _until_told() -> asyncio.Event:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


async def _run(arguments: argparse.Namespace) -> int:
    from intercom.agent.agent import Agent  # noqa: PLC0415
    from intercom.agent.local_http import LocalHttp, parse_address  # noqa: PLC0415

    address = parse_address(arguments.http)
    told = _until_told()
    agent = Agent(settings_from(arguments))
    running = asyncio.create_task(agent.run())
    token = secrets.token_urlsafe(24)
    local = LocalHttp(openings=agent.openings, token=token, allow_origin=arguments.allow_origin, control=agent)
    try:
        await local.start(*address)
        agent.folder.save_control(local.url, token)
        stopped = asyncio.create_task(told.wait())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if running.done():
            running.result()
    finally:
        agent.folder.forget_control()
        await local.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return 0


async def _relay(arguments: argparse.Namespace) -> int:
    from intercom.agent.clock import ServerClock  # noqa: PLC0415
    from intercom.agent.journal import Journal  # noqa: PLC0415
    from intercom.agent.local_http import LocalHttp, parse_address  # noqa: PLC0415
    from intercom.agent.openings import Openings  # noqa: PLC0415
    from intercom.agent.relay import relay_from  # noqa: PLC0415

    address = parse_address(arguments.http)
    told = _until_told()
    folder = StateFolder(Path(arguments.state))
    folder.hold()
    journal = Journal(folder.journal_path)
    relay = relay_from(arguments.relay, state=folder.path)
    openings = Openings(journal=journal, relay=relay, clock=ServerClock(), on_result=lambda: None)
    token = secrets.token_urlsafe(24)
    local = LocalHttp(openings=openings, token=token, allow_origin=arguments.allow_origin)
    try:
        await local.start(*address)
        folder.save_control(local.url, token)
        logging.getLogger(__name__).info("the relay listens at %s for %s", local.url, arguments.allow_origin)
        await told.wait()
    finally:
        folder.forget_control()
        await local.close()
        await relay.close()
        journal.close()
        folder.release()
    return 0
