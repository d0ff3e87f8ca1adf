"""The agent's door for this machine: the kiosk page's relay, and the control port of `gatehouse station press`.

It listens on a loopback address only. The page may use the relay when its origin is the configured one; everything else
needs the token that stands in the state folder. A request whose Host is not a loopback name is refused, so that no
foreign page reaches it by a name that resolves to 127.0.0.1.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from intercom.agent.link import NotConnectedError, RefusedError
from intercom.agent.openings import Openings
from intercom.station_hello import problem_body
from intercom.station_protocol import Call, OpenResult
from intercom.station_wire import Fields, Json, WireError

COMMAND_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control(Protocol):
    """What the control port can do beyond the relay; a relay alone has none of it."""

    async def press(self, dial: str) -> Call:
        """Call a home; raises NotConnectedError or RefusedError."""

    async def hang_up(self) -> Call | None:
        """End the call at this door; raises NotConnectedError or RefusedError."""

    async def state(self) -> Json:
        """What the station is doing now."""


def problem(status: int, slug: str, detail: str) -> web.Response:
    """A problem document as the answer."""
    body = problem_body(slug, slug.replace("-", " ").capitalize(), status=status, detail=detail)
    return web.json_response(body, status=status, content_type="application/problem+json")


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of a loopback address; raises ValueError for any other."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit() or not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"{text!r} is not a loopback address with a port")
    return host, int(port)


class LocalHttp:
    """The web server; `start` it, then `url` says where it is."""

    def __init__(
        self, *, openings: Openings, token: str, allow_origin: str | None = None, control: Control | None = None
    ) -> None:
        self._openings = openings
        self._token = token
        self._allow_origin = allow_origin
        self._control = control
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, host: str, port: int) -> None:
        """Raises OSError when the port is taken."""
        app = web.Application(middlewares=[self._guard], client_max_size=64 * 1024)
        app.router.add_post("/relay/{number:[0-9]{1,2}}/pulse", self._pulse)
        app.router.add_get("/state", self._state)
        app.router.add_post("/press", self._press)
        app.router.add_post("/hangup", self._hang_up)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        address = self._runner.addresses[0]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{address[1]}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request.host.rpartition(":")[0].strip("[]") or request.host
        if name not in ("127.0.0.1", "localhost", "::1"):
            return problem(421, "misdirected-request", "this port answers to this machine only")
        origin = request.headers.get("Origin")
        from_page = origin is not None and origin == self._allow_origin and request.path.startswith("/relay/")
        if request.method == "OPTIONS":
            response: web.StreamResponse = web.Response(status=204 if from_page else 403)
        elif not (from_page or self._has_token(request)):
            response = problem(403, "access-denied", "neither the configured origin nor the token of this station")
        else:
            try:
                response = await handler(request)
            except (WireError, json.JSONDecodeError, UnicodeDecodeError) as error:
                response = problem(400, "malformed", str(error))
            except web.HTTPException as error:
                response = problem(error.status, "not-found" if error.status == 404 else "refused", error.reason)
        if from_page:
            response.headers["Access-Control-Allow-Origin"] = str(origin)
            response.headers["Access-Control-Allow-Methods"] = "POST"
            response.headers["Access-Control-Allow-Headers"] = "content-type"
            response.headers["Access-Control-Allow-Private-Network"] = "true"
            response.headers["Vary"] = "Origin"
        response.headers["Cache-Control"] = "no-store"
        return response

    def _has_token(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), self._token.encode())

    async def _body(self, request: web.Request) -> Fields:
        if request.content_type != "application/json":
            raise WireError("body", "must be application/json")
        return Fields(await request.json(), "body")

    async def _pulse(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        command_id, hold_s = body.text("command_id", limit=64), body.number("hold_s", low=0.1, high=120)
        number = int(request.match_info["number"])
        if COMMAND_ID.fullmatch(command_id) is None or number == 0:
            raise WireError("body.command_id", "must be 8 to 64 letters, digits, - or _")
        report = await self._openings.pulse_locally(command_id, relay=number, hold_s=hold_s)
        status = 200 if report.result is OpenResult.OPENED else 502
        return web.json_response(report.to_wire(), status=status)

    async def _state(self, _request: web.Request) -> web.Response:
        state: Json = {} if self._control is None else await self._control.state()
        return web.json_response(state)

    async def _press(self, request: web.Request) -> web.Response:
        dial = (await self._body(request)).text("dial", limit=64)
        control = self._control
        if control is None:
            return problem(404, "not-found", "this is a relay only")
        return await self._answer(lambda: control.press(dial))

    async def _hang_up(self, _request: web.Request) -> web.Response:
        control = self._control
        if control is None:
            return problem(404, "not-found", "this is a relay only")
        return await self._answer(control.hang_up)

    async def _answer(self, work: Callable[[], Awaitable[Call | None]]) -> web.Response:
        try:
            call = await work()
        except NotConnectedError:
            return problem(503, "server-unreachable", "the server does not answer")
        except RefusedError as refusal:
            body: Any = refusal.problem
            return web.json_response(body, status=refusal.status, content_type="application/problem+json")
        return web.json_response({"call": None if call is None else call.to_wire()})
