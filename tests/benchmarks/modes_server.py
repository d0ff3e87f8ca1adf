"""A bare Socket.IO server in one of the modes that async_modes.py compares: modes_server.py MODE PORT ROOT.

Runs in an environment that has only the packages named there; `threading-direct` takes the service's own transport from
ROOT.
"""

import socket
import sys
from typing import Any

MODE, PORT, ROOT = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PINGS: dict[str, Any] = {"ping_interval": 20, "ping_timeout": 60, "transports": ["websocket"], "async_handlers": False}


def with_handlers(server: Any) -> None:
    """The three events, for the servers that are not asyncio."""

    @server.on("join")
    def join(sid: str, body: dict[str, str]) -> dict[str, bool]:
        server.enter_room(sid, body["room"])
        return {"ok": True}

    @server.on("ring")
    def ring(sid: str, body: dict[str, str]) -> None:
        server.emit("ring", body, to="home")

    @server.on("notice")
    def notice(sid: str, body: dict[str, str]) -> None:
        server.emit("notice", body)


def flask_app(async_mode: str) -> tuple[Any, Any]:
    """As the service makes it: a Flask application with the socket server in front."""
    from flask import Flask
    from flask_socketio import SocketIO

    app = Flask("modes")
    socketio = SocketIO(app, async_mode=async_mode, cors_allowed_origins="*", manage_session=False, **PINGS)
    with_handlers(socketio.server)
    return app, socketio


def threading_mode(*, direct: bool) -> None:
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 90

    app, socketio = flask_app("threading")
    if direct:
        sys.path.insert(0, ROOT)
        from backend.socket_transport import send_at_once

        send_at_once(socketio.server.eio)
    make_server("127.0.0.1", PORT, app, threaded=True, request_handler=Handler).serve_forever()


def gthread_mode() -> None:
    from gunicorn.app.base import BaseApplication

    app, _ = flask_app("threading")

    class Application(BaseApplication):
        def load_config(self) -> None:
            self.cfg.set("bind", f"127.0.0.1:{PORT}")
            self.cfg.set("worker_class", "gthread")
            self.cfg.set("workers", 1)
            self.cfg.set("threads", 1200)  # a websocket keeps its thread
            self.cfg.set("worker_connections", 2000)
            self.cfg.set("loglevel", "warning")

        def load(self) -> Any:
            return app

    Application().run()


def gevent_mode() -> None:
    from gevent import monkey

    monkey.patch_all()
    from gevent import pywsgi

    class Handler(pywsgi.WSGIHandler):
        def __init__(self, sock: Any, address: Any, server: Any, rfile: Any = None) -> None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            super().__init__(sock, address, server, rfile)

    app, _ = flask_app("gevent")
    pywsgi.WSGIServer(("127.0.0.1", PORT), app, handler_class=Handler, log=None, backlog=2048).serve_forever()


def asgi_mode() -> None:
    import socketio
    import uvicorn

    server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*", **PINGS)

    @server.on("join")
    async def join(sid: str, body: dict[str, str]) -> dict[str, bool]:
        await server.enter_room(sid, body["room"])
        return {"ok": True}

    @server.on("ring")
    async def ring(sid: str, body: dict[str, str]) -> None:
        await server.emit("ring", body, to="home")

    @server.on("notice")
    async def notice(sid: str, body: dict[str, str]) -> None:
        await server.emit("notice", body)

    uvicorn.run(socketio.ASGIApp(server), host="127.0.0.1", port=PORT, log_level="warning", ws_ping_interval=None)


RUN = {
    "threading": lambda: threading_mode(direct=False),
    "threading-direct": lambda: threading_mode(direct=True),
    "gthread": gthread_mode,
    "gevent": gevent_mode,
    "asgi": asgi_mode,
}

if __name__ == "__main__":
    RUN[MODE]()
