"""The built pages, the service worker and what every response carries for safety."""

import mimetypes
from pathlib import Path

from flask import Blueprint, Response, jsonify, redirect, request, send_from_directory
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse

from backend import __version__
from backend.errors import NotFoundError
from intercom.station_protocol import RelayKind
from intercom.stations import Station
from mobile_api.access_control import Audience, allow
from mobile_api.services import services

blueprint = Blueprint("pages", __name__)

FOLDER = Path(__file__).parent.parent / "backend" / "static" / "app"
_PAGES = {
    "/": "resident.html",
    "/station": "station.html",
    "/setup": "setup.html",
    "/demo": "demo.html",
    "/api/docs": "docs.html",
    "/offline": "offline.html",
}
_FILES = ("sw.js", "manifest.webmanifest")
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'{connect}; worker-src 'self'; manifest-src 'self'; frame-src 'self'; frame-ancestors 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'"
)


def _file(folder: Path, name: str) -> Response:
    """A built file; in its compressed form, made by the build, where the browser takes it."""
    small = f"{name}.gz"
    if request.accept_encodings.quality("gzip") > 0 and (folder / small).is_file():
        response = send_from_directory(folder, small, mimetype=mimetypes.guess_type(name)[0])
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = send_from_directory(folder, name)
    response.vary.add("Accept-Encoding")
    return response


def _page(name: str) -> Response:
    if not (FOLDER / name).is_file():
        raise NotFoundError("the pages are not built; 'make build' makes them")
    response = _file(FOLDER, name)
    response.headers["Cache-Control"] = "no-cache"
    return response


def _add_page(path: str, name: str) -> None:
    @allow(Audience.PUBLIC)
    def show() -> Response:
        if path == "/demo" and not services().settings.demo:
            raise NotFoundError("there is no such page")
        return _page(name)

    blueprint.add_url_rule(path, endpoint=name.partition(".")[0], view_func=show)


for _path, _name in _PAGES.items():
    _add_page(_path, _name)
for _name in _FILES:
    _add_page(f"/{_name}", _name)


@blueprint.get("/assets/<path:name>")
@allow(Audience.PUBLIC)
def asset(name: str) -> Response:
    """A file whose name carries its hash."""
    response = _file(FOLDER / "assets", name)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@blueprint.get("/icons/<path:name>")
@allow(Audience.PUBLIC)
def icon(name: str) -> Response:
    """An icon of the installed app."""
    return send_from_directory(FOLDER / "icons", name)


@blueprint.get("/favicon.ico")
@allow(Audience.PUBLIC)
def favicon() -> BaseResponse:
    """Browsers ask for it whatever the page says."""
    return redirect("/icons/icon.svg", 301)


@blueprint.get("/healthz")
@allow(Audience.PUBLIC)
def health() -> Response:
    """Alive, and the database answers."""
    with services().db.reading() as session:
        session.scalar(select(1))
    return jsonify(status="ok", version=__version__)


def add_safety_headers(response: Response) -> Response:
    """After every request: a strict content policy and what else keeps pages apart."""
    connect = f" {relays}" if request.path == "/station" and (relays := _relay_origins()) else ""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", _POLICY.format(connect=connect))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("X-Frame-Options", "SAMEORIGIN")
    headers.setdefault("Permissions-Policy", "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()")
    if request.path.startswith("/api/"):
        headers.setdefault("Cache-Control", "no-store")
    if services().settings.public_origin.startswith("https://"):
        headers.setdefault("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
    return response


def _relay_origins() -> str:
    """The kiosk page talks to the relay of the agent on its machine."""
    with services().db.reading() as session:
        urls = session.scalars(
            select(Station.relay_url).where(Station.relay_kind == RelayKind.AGENT, Station.relay_url.is_not(None))
        )
        return " ".join(sorted({url for url in urls if url}))
