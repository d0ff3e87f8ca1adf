"""WebSockets under the socket server: what is sent leaves at once, in the sender's thread, and waits for no slow phone.

The socket server's own way wakes a writer thread for each phone and message; with the interpreter's lock each of them
waits for its turn, which was a large part of the time between a press and the last ring (docs/benchmarks.md). Here a
frame is written by whoever sends it as long as the system's buffer takes it; only the rest of a full buffer goes
through the queue and the writer. Reading needs no thread of its own either, and a message that is too long ends the
connection before it is in memory.

Messages are not compressed: each is about one kilobyte, and compression would need some 300 kB for each phone.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from typing import Any

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import ProtocolError

_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_NORMAL, _PROTOCOL_ERROR, _TOO_BIG = 1000, 1002, 1009
_TEXT, _BINARY, _CLOSE, _PONG = 0x81, 0x82, 0x88, 0x8A
_READ_BYTES = 16 * 1024
_SILENCE_S = 60.0
"""Nothing heard or nothing taken for so long ends a connection; the server's pings come far more often."""
MOST_WAITING = 256
"""Messages that may wait for a phone that takes none; one more ends its connection."""


def frame(kind: int, body: bytes) -> bytes:
    """One unmasked frame, as servers send them."""
    size = len(body)
    if size < 126:
        return struct.pack("!BB", kind, size) + body
    if size < 1 << 16:
        return struct.pack("!BBH", kind, 126, size) + body
    return struct.pack("!BBQ", kind, 127, size) + body


def _frame_of(packet: Any) -> bytes:
    """The packet's frame, made once however many phones get it."""
    made: bytes | None = getattr(packet, "frame", None)
    if made is None:
        encoded = packet.encode()
        made = frame(_TEXT, encoded.encode()) if isinstance(encoded, str) else frame(_BINARY, encoded)
        packet.frame = made
    return made


class _Waiting:
    """What is left of a frame, or one that has to wait; the socket server's writer passes it on."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def encode(self) -> bytes:
        """As a packet's, but ready to be written."""
        return self._data


class Outbox(queue.Queue[Any]):
    """One connection's way out: the socket server puts packets in, its writer takes what could not leave at once."""

    def __init__(self) -> None:
        super().__init__()
        self._order = threading.Lock()
        self._line: WebSocket | None = None
        self._backlog = 0

    def attach(self, line: "WebSocket") -> None:
        """From now on packets leave at once, after those that wait."""
        with self._order:
            self._line = line

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Send a packet; None ends the writer."""
        if item is None:
            super().put(None)
        else:
            self.put_frame(_frame_of(item))

    def put_frame(self, data: bytes) -> None:
        """Send a frame after everything that was sent before it."""
        with self._order:
            line = self._line
            if self._backlog == 0 and line is not None:
                data = data[line.write_some(data) :]
                if not data:
                    return
            self._backlog += 1
            if self._backlog <= MOST_WAITING:
                super().put(_Waiting(data))
            elif line is not None:
                line.abort()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The next that waits. An empty queue is a good sign here, so a timeout means: as long as it takes."""
        return super().get(block)

    def written(self) -> None:
        """The writer has passed one on."""
        with self._order:
            self._backlog -= 1


class WebSocket:
    """One connection, as the socket server wants it: called with the request, then `wait`, `send`, `close`."""

    def __init__(self, handler: Callable[["WebSocket"], Iterable[bytes]], server: Any) -> None:
        self._handler = handler
        self._outbox: Outbox = handler.__self__.queue  # type: ignore[attr-defined]  # a method of the server's socket
        self._most_bytes: int = server.max_http_buffer_size
        self._protocol = Connection(ConnectionType.SERVER)
        self._messages: list[str | bytes] = []
        self._parts: list[str | bytes] = []
        self._size = 0
        self._open = True

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Shake hands and serve until the connection ends."""
        accept = _accept_of(environ)
        if accept is None:
            start_response("400 Bad Request", [("Content-Type", "text/plain"), ("Sec-WebSocket-Version", "13")])
            return [b"this is not a WebSocket handshake of version 13"]
        self._socket: socket.socket = environ["werkzeug.socket"]
        self._socket.settimeout(_SILENCE_S)
        self._socket.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._outbox.attach(self)
        try:
            self._handler(self)
        finally:
            self.abort()
        raise ConnectionError("the connection was a WebSocket and is over")

    def write_some(self, data: bytes) -> int:
        """Hand over what the system takes now; never waits. The caller sees to it that nobody else writes."""
        try:
            return os.write(self._socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError:
            # Lost; whoever reads finds out and ends the connection.
            return len(data)

    def send(self, data: bytes) -> None:
        """The writer thread's way: take as long as the other side needs."""
        self._socket.sendall(data)
        self._outbox.written()

    def wait(self) -> str | bytes | None:
        """The next message; None when the connection is over."""
        while not self._messages and self._open:
            try:
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    break
                self._protocol.receive_data(data)
                for event in self._protocol.events():
                    self._hear(event)
            except ProtocolError:
                self._end(_PROTOCOL_ERROR)
            except OSError:
                break
        if self._messages:
            return self._messages.pop(0)
        self.abort()
        return None

    def _hear(self, event: Any) -> None:
        if isinstance(event, TextMessage | BytesMessage):
            self._size += len(event.data)
            if self._size > self._most_bytes:
                self._end(_TOO_BIG)
                return
            self._parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
            if event.message_finished:
                self._messages.append(self._parts[0][:0].join(self._parts))  # type: ignore[arg-type]  # all of one kind
                self._parts, self._size = [], 0
        elif isinstance(event, Ping):
            self._outbox.put_frame(frame(_PONG, bytes(event.payload)))
        elif isinstance(event, CloseConnection):
            self._end(_NORMAL)

    def _end(self, code: int) -> None:
        if self._open:
            self._open = False
            self._outbox.put_frame(frame(_CLOSE, struct.pack("!H", code)))

    def close(self) -> None:
        """Say goodbye, and end the connection."""
        self._end(_NORMAL)
        self.abort()

    def abort(self) -> None:
        """End the connection at once; whoever reads it goes on."""
        self._open = False
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _accept_of(environ: dict[str, Any]) -> bytes | None:
    key = str(environ.get("HTTP_SEC_WEBSOCKET_KEY", "")).strip()
    try:
        good = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        good = False
    if not good or environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13" or "werkzeug.socket" not in environ:
        return None
    return base64.b64encode(hashlib.sha1(key.encode() + _ACCEPT, usedforsecurity=False).digest())


def send_at_once(engine: Any) -> None:
    """Let an Engine.IO server in threading mode use these connections."""
    engine._async = {**engine._async, "queue": Outbox, "websocket": WebSocket}
