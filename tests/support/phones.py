"""A resident's phone as the tests hold it: a real key, real HTTP, a real socket."""

import base64
import json
import secrets
import threading
import time
from typing import Any

import jwt
import requests
import socketio
from cryptography.hazmat.primitives.asymmetric import ec

from backend.identity.proofs import token_hash


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def shut(client: socketio.Client) -> None:
    """Disconnect and give the TCP socket back, also where the server went first and the client library keeps it."""
    client.disconnect()
    if client.eio.ws is not None:
        client.eio.ws.shutdown()


class Inbox:
    """Messages in the order they came, to be waited for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.messages: list[tuple[float, str, Any]] = []

    def put(self, event: str, body: Any) -> None:
        with self._changed:
            self.messages.append((time.perf_counter(), event, body))
            self._changed.notify_all()

    def of(self, event: str) -> list[Any]:
        with self._changed:
            return [body for _, name, body in self.messages if name == event]

    def wait(self, event: str, matching: Any = lambda _: True, *, timeout: float = 10) -> Any:
        """The first message of this event that matches; fails the test when none comes."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                for _, name, body in self.messages:
                    if name == event and matching(body):
                        return body
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    seen = [(name, body) for _, name, body in self.messages]
                    raise AssertionError(f"no matching '{event}' within {timeout} s; came: {seen!r:.2000}")

    def clear(self) -> None:
        with self._changed:
            self.messages.clear()


class Phone:
    """One device of one person."""

    def __init__(self, origin: str, name: str = "phone") -> None:
        self.origin = origin
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        numbers = self.key.public_key().public_numbers()
        self.jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": b64(numbers.x.to_bytes(32, "big")),
            "y": b64(numbers.y.to_bytes(32, "big")),
        }
        self.http = requests.Session()
        self.http.trust_env = False
        self.token: str | None = None
        self.session: dict[str, Any] = {}
        self.inbox = Inbox()
        self.socket: socketio.Client | None = None

    def proof(self, method: str, path: str, *, token: str | None = None, **changes: Any) -> str:
        claims: dict[str, Any] = {
            "jti": secrets.token_hex(12),
            "htm": method,
            "htu": self.origin + path,
            "iat": int(time.time()),
        }
        if token is not None:
            claims["ath"] = token_hash(token)
        claims.update(changes)
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": self.jwk})

    def headers(self, method: str, path: str) -> dict[str, str]:
        if self.token is None:
            return {"DPoP": self.proof(method, path)}
        return {"Authorization": f"DPoP {self.token}", "DPoP": self.proof(method, path, token=self.token)}

    def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> requests.Response:
        """One API call; `path` begins behind /api/v1."""
        place = f"/api/v1{path.partition('?')[0]}"
        sent = {**self.headers(method, place), **headers}
        if key is not None:
            sent["Idempotency-Key"] = key
        return self.http.request(method, f"{self.origin}/api/v1{path}", json=body, headers=sent, timeout=30)

    def get(self, path: str) -> Any:
        reply = self.call("GET", path)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def accept(self, reply: requests.Response) -> dict[str, Any]:
        """Take over the session a sign-in answered."""
        assert reply.status_code in {200, 201}, reply.text
        self.session = reply.json()
        self.token = self.session["access_token"]
        return self.session

    def refresh(self) -> dict[str, Any]:
        """Exchange the refresh token in the cookie jar for a new session."""
        self.token = None
        return self.accept(self.call("POST", "/session/refresh"))

    @property
    def device_id(self) -> str:
        found: str = self.session["device"]["id"]
        return found

    def join(self, code: str, name: str = "someone") -> dict[str, Any]:
        """Come in with an invitation."""
        return self.accept(
            self.call("POST", "/sign-in/invitation", {"code": code, "name": name, "device": {"name": self.name}})
        )

    def socket_auth(self) -> dict[str, str]:
        assert self.token is not None
        return {"token": self.token, "proof": self.proof("GET", "/socket.io/resident", token=self.token)}

    def connect(self) -> "Phone":
        """Open the page's socket and wait for its state."""
        self.leave()
        self.socket = socketio.Client(reconnection=False)
        self.socket.on("*", lambda event, body=None: self.inbox.put(event, body), namespace="/resident")
        self.socket.on("disconnect", lambda *_: self.inbox.put("disconnect", None), namespace="/resident")
        self.socket.connect(
            self.origin, namespaces=["/resident"], transports=["websocket"], auth=self.socket_auth(), wait_timeout=10
        )
        self.inbox.wait("state")
        return self

    def ask(self, event: str, body: Any) -> Any:
        """Emit and wait for the acknowledgement."""
        assert self.socket is not None
        return self.socket.call(event, body, namespace="/resident", timeout=10)

    def rings(self, call_id: str) -> Any:
        """Wait until this phone is told that the call rings."""
        return self.told(call_id, "ringing")

    def told(self, call_id: str, state: str, *, timeout: float = 10) -> Any:
        """Wait for the call in this state."""
        return self.inbox.wait("call", lambda c: c["id"] == call_id and c["state"] == state, timeout=timeout)

    def answer(self, call_id: str) -> requests.Response:
        return self.call("POST", f"/calls/{call_id}/answer")

    def decline(self, call_id: str) -> requests.Response:
        return self.call("POST", f"/calls/{call_id}/decline")

    def hang_up(self, call_id: str) -> requests.Response:
        return self.call("POST", f"/calls/{call_id}/hang-up")

    def open(self, door_id: str, *, call_id: str | None = None, key: str | None = None) -> requests.Response:
        """Tap a door, with a fresh key unless one is given."""
        body = {} if call_id is None else {"call_id": call_id}
        return self.call("POST", f"/doors/{door_id}/openings", body, key=key or secrets.token_hex(8))

    def leave(self) -> None:
        """Close the page, as a phone that is put away does."""
        if self.socket is not None:
            shut(self.socket)
        self.socket = None

    def close(self) -> None:
        self.leave()
        self.http.close()


def decoded(token: str) -> dict[str, Any]:
    """A token's claims, unverified."""
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found
