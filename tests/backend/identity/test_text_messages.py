"""The text-message webhook: signed, so that a gateway can refuse forged and old messages; a slow one delays nobody."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from notifications.sms import BackgroundSender, webhook_sender
from tests.backend.identity.ways_in import MUM, enter_code
from tests.support.phones import Phone
from tests.support.service import Service

SECRET = "a webhook secret of more than thirty-two characters"


class Gateway:
    """A text-message gateway that checks signatures as the documentation says, over real HTTP."""

    def __init__(self) -> None:
        self.accepted: list[dict[str, str]] = []
        self.refused = 0
        self.status = 200
        self.slow = threading.Event()
        self.slow.set()
        self.came = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                good = genuine(self.headers["Gatehouse-Signature"], body)
                outer.slow.wait(20)
                with outer.came:
                    if good and self.headers["Content-Type"] == "application/json":
                        outer.accepted.append(json.loads(body))
                    else:
                        outer.refused += 1
                    outer.came.notify_all()
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/sms"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def wait(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.accepted) + self.refused >= count, timeout=10)

    def close(self) -> None:
        self.slow.set()
        self.server.shutdown()
        self.server.server_close()


def genuine(header: str, body: bytes) -> bool:
    """What a receiver does: the time within five minutes, and the HMAC over `<t>.<body>`."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    expected = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return abs(time.time() - int(parts["t"])) < 300 and hmac.compare_digest(expected, parts["v1"])


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.close()


def test_the_gateway_gets_a_message_whose_signature_is_right(gateway: Gateway) -> None:
    webhook_sender(gateway.url, SECRET)("+8613800000001", "验证码 123456")
    assert gateway.accepted == [{"to": "+8613800000001", "text": "验证码 123456"}]


def test_a_message_signed_with_another_secret_is_seen_to_be_forged(gateway: Gateway) -> None:
    webhook_sender(gateway.url, "another secret")("+8613800000001", "验证码 123456")
    assert (gateway.accepted, gateway.refused) == ([], 1)


def test_a_gateway_that_refuses_is_an_error_for_the_sender_and_nothing_for_the_caller(gateway: Gateway, caplog) -> None:
    gateway.status = 503
    with pytest.raises(OSError):
        webhook_sender(gateway.url, SECRET)("+8613800000001", "code 123456")
    queue = BackgroundSender(webhook_sender(gateway.url, SECRET))
    queue("+8613800000001", "code 123456")
    queue.close()
    assert "could not be handed over" in caplog.text
    assert "138" not in caplog.text
    assert "123456" not in caplog.text


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "", "gateway.example"])
def test_only_web_addresses_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        webhook_sender(url, SECRET)


def test_a_resident_signs_in_through_the_gateway_and_a_slow_one_betrays_nobody(
    gateway: Gateway, start_service: Callable[..., Service]
) -> None:
    """While the gateway hangs, known and unknown numbers are answered at once; the message arrives when it can."""
    service = start_service(sms_webhook_url=gateway.url, sms_webhook_secret=SECRET, own_sms=True)
    gateway.slow.clear()
    phone = Phone(service.origin)
    asked = {number: phone.call("POST", "/sign-in/codes", {"phone": number}) for number in (MUM, "13712345678")}
    assert {reply.status_code for reply in asked.values()} == {202}
    assert gateway.accepted == []
    gateway.slow.set()
    gateway.wait(1)
    assert [message["to"] for message in gateway.accepted] == [f"+86{MUM}"]
    code = "".join(c for c in gateway.accepted[0]["text"].split("有效")[0] if c.isdigit())[:6]
    assert phone.accept(enter_code(phone, asked[MUM].json()["request_id"], code))["account"]["name"] == "妈妈"
