"""What is sent to sockets leaves at once, whole and in order, and a phone that takes nothing holds nobody up."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
import websocket

from backend.socket_transport import MOST_WAITING
from tests.support.phones import Phone
from tests.support.service import Service

BIG = "x" * 100_000


class SlowPhone:
    """A page that is connected and reads only when it is told to, behind a small buffer."""

    def __init__(self, phone: Phone) -> None:
        self.device_id = phone.device_id
        self._line = websocket.create_connection(
            f"{phone.origin.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket",
            sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)],
            timeout=20,
        )
        assert self._line.recv().startswith("0")
        self._line.send(f"40/resident,{json.dumps(phone.socket_auth())}")
        while not self._line.recv().startswith('42/resident,["state"'):
            pass

    def events(self, event: str) -> Iterator[int]:
        """The numbers of this event's messages as they come, until the connection ends."""
        start = f'42/resident,["{event}"'
        while True:
            try:
                text = self._line.recv()
            except (OSError, websocket.WebSocketException):
                return
            if text == "2":
                self._line.send("3")
            elif text.startswith(start):
                yield json.loads(text.partition(",")[2])[1]["number"]
            elif not text:
                return

    def close(self) -> None:
        self._line.close()


def test_messages_that_fill_the_buffer_arrive_whole_and_in_order(service: Service) -> None:
    slow = SlowPhone(service.phone("dad", connect=False))
    for number in range(60):
        service.made.residents.send("big", {"number": number, "text": BIG}, to=f"device:{slow.device_id}")
    coming = slow.events("big")
    assert [next(coming) for _ in range(60)] == list(range(60))
    service.made.residents.send("big", {"number": 60, "text": "small again"}, to=f"device:{slow.device_id}")
    assert next(coming) == 60
    slow.close()


def test_a_phone_that_takes_nothing_holds_nobody_up_and_is_let_go_in_the_end(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    stuck = SlowPhone(service.phone("dad", connect=False))
    for number in range(MOST_WAITING // 2):
        service.made.residents.send("big", {"number": number, "text": BIG}, to=f"device:{stuck.device_id}")
    call = station.press("1201")["call"]
    assert mum.inbox.wait("call", lambda c: c["state"] == "ringing")["id"] == call["id"]

    for number in range(MOST_WAITING * 2):
        service.made.residents.send("big", {"number": number, "text": BIG}, to=f"device:{stuck.device_id}")
    received = list(stuck.events("big"))
    assert len(received) < MOST_WAITING * 2, "its connection ended before everything had been kept for it"
    assert mum.ask("call.answer", {"call_id": call["id"]})["call"]["state"] == "answered"
    stuck.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"Sec-WebSocket-Version": "8"},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": "not base64 at all, is it?"},
    ],
)
def test_a_handshake_that_is_none_is_refused(service: Service, changes: dict[str, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **changes,
    }
    connection.request("GET", "/socket.io/?EIO=4&transport=websocket", headers=headers)
    assert connection.getresponse().status == 400
    connection.close()
