"""Text messages: one port, two adapters; the signed webhook leads to whatever gateway the property has."""

import hashlib
import hmac
import json
import logging
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)

Sender = Callable[[str, str], None]
"""Called with an E.164 number and a text; returns when the message was handed over, raises OSError when it was not."""

WEBHOOK_TIMEOUT_S = 10
SIGNATURE_HEADER = "Gatehouse-Signature"


def log_sender(phone: str, text: str) -> None:
    """For development: the message appears in the log with a masked number; nothing leaves the machine."""
    logger.warning("text message to %s***%s: %s", phone[:4], phone[-2:], text)


def webhook_sender(url: str, secret: str) -> Sender:
    """Post messages as JSON `{"to", "text"}` to `url`.

    `Gatehouse-Signature: t=<unix seconds>,v1=<hex>` is HMAC-SHA256 over `<t>.<body>`, so that a receiver can refuse
    forged and old messages.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError("a webhook address starts with https:// or http://")

    def send(phone: str, text: str) -> None:
        body = json.dumps({"to": phone, "text": text}, ensure_ascii=False).encode()
        moment = str(int(time.time()))
        signature = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            url,
            data=body,
            headers={"Content-Type": "application/json", SIGNATURE_HEADER: f"t={moment},v1={signature}"},
        )
        with urllib.request.urlopen(request, timeout=WEBHOOK_TIMEOUT_S) as reply:  # noqa: S310 - the scheme is checked above
            reply.read(1024)

    return send


class BackgroundSender:
    """Hands messages over outside the request, so that a slow gateway neither delays nor betrays who has an account."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sms")

    def __call__(self, phone: str, text: str) -> None:
        """Queue one message; failures are logged without the number or the text."""
        self._pool.submit(self._send, phone, text)

    def _send(self, phone: str, text: str) -> None:
        try:
            self._sender(phone, text)
        except OSError as error:
            # A traceback could carry the number or the code.
            logger.warning("a text message could not be handed over: %s", type(error).__name__)

    def close(self) -> None:
        """Finish what is queued."""
        self._pool.shutdown(wait=True)
