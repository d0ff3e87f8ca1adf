"""Socket edges: every event of a namespace is limited, shaped and answered; refusals are problem documents."""

import logging
from collections.abc import Callable
from typing import Any, ClassVar

import socketio
from socketio.exceptions import ConnectionRefusedError as SocketRefusedError

from backend.errors import MalformedError, NotFoundError, ServiceError, TooManyRequestsError
from backend.rate_limits import SocketLimits

logger = logging.getLogger(__name__)

_INTERNAL = {
    "type": "/problems/internal-server-error",
    "title": "Internal Server Error",
    "status": 500,
    "detail": "something went wrong here; it was logged",
}

Body = dict[str, Any]
Handler = Callable[[str, Body], Body]


class GuardedNamespace(socketio.Namespace):  # type: ignore[misc]
    """A namespace whose subclasses name their events in `EVENTS` and implement `admit` and `left`.

    Handlers take (sid, body) and return the acknowledgement; a ServiceError becomes `{"problem": ...}`.
    """

    EVENTS: ClassVar[dict[str, str]] = {}

    def __init__(self, namespace: str, limits: SocketLimits) -> None:
        super().__init__(namespace)
        self._limits = limits

    def admit(self, sid: str, environ: dict[str, Any], auth: object) -> None:
        """Let the connection in; raises ServiceError to refuse it."""
        raise NotImplementedError

    def left(self, sid: str) -> None:
        """The connection is gone."""
        raise NotImplementedError

    def send(self, event: str, body: Body, *, to: str) -> None:
        """Send one event to a socket or a room of this namespace."""
        self.server.emit(event, body, to=to, namespace=self.namespace)

    def close(self, sid: str) -> None:
        """Disconnect one socket."""
        self.server.disconnect(sid, namespace=self.namespace)

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Called by the socket server for every event of this namespace."""
        if event == "connect":
            return self._connect(*args)
        sid = args[0]
        if event == "disconnect":
            self._limits.forget(sid)
            self.left(sid)
            return None
        try:
            return self._handle(event, sid, args[1:])
        except ServiceError as error:
            return {"problem": error.document()}
        except Exception:
            # The socket's reader thread must survive a bug of ours; the caller hears that it was one.
            logger.exception("event %s failed", event)
            return {"problem": _INTERNAL}

    def _connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        try:
            self.admit(sid, environ, auth)
        except ServiceError as error:
            raise SocketRefusedError(error.slug, error.document()) from error

    def _handle(self, event: str, sid: str, data: tuple[Any, ...]) -> Body:
        allowed = self._limits.allow(sid)
        if allowed is None:
            self.close(sid)
        if not allowed:
            raise TooManyRequestsError("too many messages; slow down", retry_after_s=1)
        name = self.EVENTS.get(event)
        if name is None:
            raise NotFoundError("there is no such event")
        if len(data) != 1 or not isinstance(data[0], dict):
            raise MalformedError("an event carries one object")
        handler: Handler = getattr(self, name)
        return handler(sid, data[0])
