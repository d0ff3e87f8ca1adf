"""What the tests of identity do again and again: threads that start at once, sign-in by number, raw requests."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import requests

from tests.support.phones import Phone
from tests.support.service import Service

T = TypeVar("T")
MUM = "13800000001"


def at_once(works: Iterable[Callable[[], T]]) -> list[T]:
    """Run every work in a thread of its own, all let go at the same moment."""
    jobs = list(works)
    start = threading.Barrier(len(jobs))

    def run(work: Callable[[], T]) -> T:
        start.wait(timeout=30)
        return work()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def slug(reply: requests.Response) -> str:
    """The problem type of a refusal."""
    assert reply.headers["Content-Type"] == "application/problem+json", reply.text
    body = reply.json()
    assert body["status"] == reply.status_code
    return body["type"].removeprefix("/problems/")


def ask_code(service: Service, number: str = MUM, phone: Phone | None = None) -> tuple[str, str]:
    """(request id, code) of a code that was sent to this number."""
    phone = phone or Phone(service.origin)
    sent = len([1 for to, _ in service.sms.sent if to == f"+86{number}"])
    asked = phone.call("POST", "/sign-in/codes", {"phone": number})
    assert asked.status_code == 202, asked.text
    return asked.json()["request_id"], service.sms.code_to(f"+86{number}", beyond=sent)


def enter_code(phone: Phone, request_id: str, code: str) -> requests.Response:
    return phone.call(
        "POST", "/sign-in/phone", {"request_id": request_id, "code": code, "device": {"name": phone.name}}
    )


def pending_phone(service: Service, number: str = MUM) -> Phone:
    """A phone that came in by number and waits for approval."""
    phone = Phone(service.origin, "new phone")
    phone.accept(enter_code(phone, *ask_code(service, number, phone)))
    assert phone.session["device"]["state"] == "pending"
    return phone


def join(phone: Phone, code: str, name: str = "新人") -> requests.Response:
    return phone.call("POST", "/sign-in/invitation", {"code": code, "name": name, "device": {"name": phone.name}})


def other(code: str) -> str:
    """A code of the same length that is not this one."""
    return str((int(code) + 1) % 10 ** len(code)).zfill(len(code))


def refused(error: type[Exception], work: Callable[[], Any]) -> Exception:
    """The refusal that this work must end in."""
    try:
        work()
    except error as refusal:
        return refusal
    raise AssertionError(f"not refused with {error.__name__}")
