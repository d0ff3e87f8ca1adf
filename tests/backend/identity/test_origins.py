"""Pages of other origins change nothing here and open no socket."""

import pytest
import requests
import socketio
from socketio.exceptions import ConnectionError as RefusedError

from tests.backend.identity.ways_in import refused, slug
from tests.support.phones import Phone
from tests.support.service import Service

FOREIGN = ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example", "file://", "x"]


@pytest.fixture(scope="module")
def mum(house: Service) -> Phone:
    return house.phone("mum", connect=False)


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/me", {"language": "zh"}),
        ("POST", "/sign-in/codes", {"phone": "13800000001"}),
        ("POST", "/session/refresh", None),
        ("DELETE", "/session", None),
        ("POST", "/no-such-route", None),
    ],
)
def test_a_foreign_page_changes_nothing(mum: Phone, origin: str, method: str, path: str, body: object) -> None:
    assert slug(mum.call(method, path, body, Origin=origin)) == "origin-refused"
    assert mum.get("/me")["account"]["name"] == "妈妈"


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_page_is_not_told_that_it_may_read(mum: Phone, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        reply = mum.call(method, "/me", Origin=origin)
        assert not [name for name in reply.headers if name.lower().startswith("access-control-")]


def test_the_own_pages_and_clients_without_an_origin_are_let_in(house: Service, mum: Phone) -> None:
    for origin in (house.origin, f"http://localhost:{house.port}"):
        assert mum.call("PATCH", "/me", {"language": "zh"}, Origin=origin).status_code == 204
    assert mum.call("PATCH", "/me", {"language": "zh"}).status_code == 204


@pytest.mark.parametrize("origin", FOREIGN[:4])
@pytest.mark.parametrize("namespace", ["/resident", "/station"])
def test_the_socket_upgrade_of_a_foreign_page_is_refused(
    house: Service, mum: Phone, origin: str, namespace: str
) -> None:
    client = socketio.Client(reconnection=False, websocket_extra_options={"origin": origin})
    auth = mum.socket_auth()
    refused(
        RefusedError,
        lambda: client.connect(
            house.origin,
            namespaces=[namespace],
            transports=["websocket"],
            auth=auth,
            wait_timeout=5,
        ),
    )


def test_the_socket_of_the_own_page_opens(house: Service, mum: Phone) -> None:
    client = socketio.Client(reconnection=False, websocket_extra_options={"origin": house.origin})
    client.connect(
        house.origin,
        namespaces=["/resident"],
        transports=["websocket"],
        auth=mum.socket_auth(),
        wait_timeout=10,
    )
    client.disconnect()


def test_there_is_no_long_polling_way_around_it(house: Service) -> None:
    reply = requests.get(f"{house.origin}/socket.io/?EIO=4&transport=polling", timeout=10)
    assert reply.status_code == 400
