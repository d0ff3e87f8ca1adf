"""A door station as the tests hold it: speaks the real protocol, its relay is a list."""

import contextlib
import secrets
import time
from typing import Any

import requests
import socketio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.clock import iso, utc_now
from intercom.station_hello import sign_hello, sign_pairing
from tests.support.phones import Inbox, shut

JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 60 + b"\xff\xd9"


class TestStation:
    """One station; `answer_opens` False makes it silent, as a station that hangs."""

    __test__ = False

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.key = Ed25519PrivateKey.generate()
        self.station_id = ""
        self.audience = ""
        self.inbox = Inbox()
        self.answer_opens = True
        self.relay: list[str] = []
        self.seq = 0
        self.socket: socketio.Client | None = None
        self._earlier: list[socketio.Client] = []

    def pair(self, code: str) -> "TestStation":
        wish = sign_pairing(self.key, code, software="test-station 1")
        reply = requests.post(f"{self.origin}/api/v1/stations/pair", json=wish.to_wire(), timeout=10)
        assert reply.status_code == 201, reply.text
        self.station_id, self.audience = reply.json()["station_id"], reply.json()["audience"]
        return self

    def hello(self, **changes: Any) -> dict[str, Any]:
        wanted: dict[str, Any] = {
            "audience": self.audience,
            "issued_at_ms": int(time.time() * 1000),
            "software": "test-station 1",
        }
        return sign_hello(self.key, self.station_id, **{**wanted, **changes})

    def connect(self, hello: dict[str, Any] | None = None) -> "TestStation":
        if self.socket is not None:
            self._earlier.append(self.socket)
        self.socket = socketio.Client(reconnection=False)
        self.socket.on("*", self._heard, namespace="/station")
        self.socket.on("disconnect", lambda *_: self.inbox.put("disconnect", None), namespace="/station")
        self.socket.connect(
            self.origin, namespaces=["/station"], transports=["websocket"], auth=hello or self.hello(), wait_timeout=10
        )
        self.inbox.wait("welcome")
        return self

    def refusal(self, hello: Any) -> dict[str, Any]:
        """Say a hello that is to be refused; returns what the refusal says."""
        heard = Inbox()
        client = socketio.Client(reconnection=False)
        client.on("connect_error", lambda data=None: heard.put("connect_error", data), namespace="/station")
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            client.connect(self.origin, namespaces=["/station"], transports=["websocket"], auth=hello, wait_timeout=10)
        found: dict[str, Any] = heard.wait("connect_error")
        shut(client)
        return found

    def _heard(self, event: str, body: Any = None) -> None:
        self.inbox.put(event, body)
        if event == "open" and self.answer_opens:
            self.relay.append(body["command_id"])
            assert self.socket is not None
            self.socket.emit("open.result", self.result_of(body["command_id"]), namespace="/station")

    def result_of(self, command_id: str, result: str = "opened") -> dict[str, Any]:
        return {"command_id": command_id, "result": result, "detail": None, "at": iso(utc_now())}

    def ask(self, event: str, body: Any) -> Any:
        assert self.socket is not None
        return self.socket.call(event, body, namespace="/station", timeout=10)

    def press(self, dial: str = "1201", request_id: str | None = None) -> Any:
        return self.ask("press", {"request_id": request_id or secrets.token_hex(8), "dial": dial})

    def heartbeat(self, doors: Any = ()) -> Any:
        return self.ask(
            "heartbeat",
            {
                "sent_at_ms": int(time.time() * 1000),
                "software": "test-station 1",
                "config_version": 1,
                "doors": list(doors),
            },
        )

    def event(self, kind: str, door_id: str, event_id: str | None = None) -> Any:
        self.seq += 1
        return self.ask(
            "event",
            {
                "event_id": event_id or secrets.token_hex(16),
                "seq": self.seq,
                "kind": kind,
                "door_id": door_id,
                "at": iso(utc_now()),
                "detail": None,
            },
        )

    def picture(self, call_id: str | None = None, moment: str = "press", **changes: Any) -> Any:
        body = {
            "moment": moment,
            "call_id": call_id,
            "command_id": None,
            "at": iso(utc_now()),
            "jpeg": JPEG,
            **changes,
        }
        return self.ask("picture", {key: value for key, value in body.items() if value is not None})

    def hang_up(self, call_id: str, reason: str = "visitor") -> Any:
        return self.ask("hangup", {"call_id": call_id, "reason": reason})

    def ended(self, call_id: str, *, timeout: float = 10) -> Any:
        """The call as the station is told it at its end."""
        return self.inbox.wait("call", lambda c: c["id"] == call_id and c["state"] == "ended", timeout=timeout)

    def close(self) -> None:
        for client in (*self._earlier, *([self.socket] if self.socket is not None else [])):
            shut(client)
        self._earlier, self.socket = [], None
