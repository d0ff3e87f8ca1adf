"""A page that closes gives the server's thread and connection back at once."""

import socket

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
