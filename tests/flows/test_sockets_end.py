"""A page that closes gives the server's thread and connection back at once."""

import socket
import threading

import websocket

from tests.support.service import Service


def test_a_websocket_that_says_goodbye_is_closed_by_the_server(service: Service) -> None:
    page = websocket.create_connection(
        f"ws://127.0.0.1:{service.port}/socket.io/?EIO=4&transport=websocket", timeout=10, origin=service.origin
    )
    assert page.recv().startswith("0")
    assert isinstance(page.sock, socket.socket)
    page.send_close()
    page.sock.settimeout(2)
    while page.sock.recv(4096):
        pass
    page.shutdown()


def test_threads_of_pages_that_left_do_not_pile_up(service: Service) -> None:
    mum = service.phone("mum", connect=False)
    mum.connect().leave()
    before = threading.active_count()
    for _ in range(15):
        mum.inbox.clear()
        mum.connect().leave()
    finished = threading.Event()
    for _ in range(200):
        if threading.active_count() <= before + 3:
            break
        finished.wait(0.01)
    assert threading.active_count() <= before + 3
