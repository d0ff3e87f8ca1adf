"""What every page keeps: its weight, its manifest, its service worker, and what it says when nothing can be reached."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, Response, expect

from backend.app import free_port
from tests.browser.devices import PATIENCE_MS, Devices
from tests.browser.processes import ROOT, until
from tests.support.service import Service

RESIDENT_FIRST_LOAD_KB = 80
SERVE = "import sys; from backend.cli import main; sys.exit(main(sys.argv[1:]))"


def weight_kb(page: Page, url: str) -> float:
    """What a first visit fetches of scripts and styles until the page is quiet, compressed, in kB."""
    fetched: list[Response] = []
    page.on("response", lambda response: fetched.append(response) if response.url.endswith((".js", ".css")) else None)
    page.goto(url)
    page.wait_for_load_state("networkidle")
    assert fetched
    return sum(len(gzip.compress(response.body(), 9)) for response in fetched) / 1000


@pytest.mark.parametrize(
    ("path", "most_kb"),
    [("/", RESIDENT_FIRST_LOAD_KB), ("/station", 120), ("/setup", 120), ("/api/docs", 120), ("/offline", 20)],
)
def test_a_first_visit_stays_light(
    devices: Devices, service: Service, record_property: Callable[[str, object], None], path: str, most_kb: int
) -> None:
    device = devices.phone(service.origin, service_workers="block")
    device.watch.expect("Service Worker registration blocked")
    weight = weight_kb(device.page, f"{service.origin}{path}")
    record_property("compressed_kB", round(weight, 1))
    sys.stdout.write(f"first load of {path}: {weight:.1f} kB of scripts and styles, compressed\n")
    assert weight <= most_kb


def test_the_app_can_be_installed(devices: Devices, service: Service) -> None:
    phone = devices.phone(service.origin)
    phone.page.goto(service.origin)
    session = phone.context.new_cdp_session(phone.page)
    found = session.send("Page.getAppManifest")
    assert found["errors"] == []
    manifest = json.loads(found["data"])
    assert manifest["name"]
    assert manifest["display"] == "standalone"
    assert manifest["start_url"].startswith(manifest["scope"])
    sizes = {icon["sizes"] for icon in manifest["icons"] if icon.get("type") == "image/png"}
    assert sizes >= {"192x192", "512x512"}
    assert any(icon.get("purpose") == "maskable" for icon in manifest["icons"])
    for icon in manifest["icons"]:
        reply = requests.get(f"{service.origin}{icon['src']}", timeout=10)
        assert reply.status_code == 200
        assert reply.headers["Content-Type"].startswith("image/")
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [one["errorId"] for one in errors] == ["in-incognito"], (
        "a test's context is the only thing that is in the way"
    )


@contextmanager
def demo_process(folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """`gatehouse demo` as a process that can lose its power."""
    with (folder / "demo.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, "demo", "--port", str(port), "--data", str(folder / "data")],
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until(lambda: alive(port, process), lambda: (folder / "demo.log").read_text()[-3000:], timeout_s=90)
        yield process
    finally:
        process.kill()
        process.wait(20)


def alive(port: int, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_without_its_server_every_page_says_so_and_comes_back_by_itself(devices: Devices, tmp_path: Path) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    phone, kiosk = devices.phone(origin), devices.kiosk(origin)
    for device in (phone, kiosk):
        device.watch.expect("WebSocket|ERR_|503|offline")
    with demo_process(tmp_path, port) as server:
        code = requests.post(f"{origin}/api/v1/demo/invitations", json={"persona": "mum"}, timeout=20).json()["code"]
        phone.join(code, "妈妈")
        pairing = requests.post(f"{origin}/api/v1/demo/pairing-codes", json={"station": "unit"}, timeout=20).json()
        kiosk.pair(pairing["code"])
        phone.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        phone.eventually(
            lambda: phone.page.evaluate("caches.match('/offline').then((one) => one !== undefined)"), "the offline page"
        )

        os.kill(server.pid, signal.SIGKILL)
        phone.sees("网络断开了：现在收不到来访呼叫，也不能开门。正在重新连接…")
        phone.shot("phone-line-lost")
        expect(kiosk.page.get_by_role("alert").filter(has_text="网络中断")).to_be_visible(timeout=PATIENCE_MS)
        expect(kiosk.button("1")).to_be_disabled()
        kiosk.shot("kiosk-offline")
        phone.page.reload()
        phone.heading("现在没有网络")
        phone.sees("家里其他连着网的手机照常响铃、接听、开门。")
        phone.sees("你的登录还在，不用重新登录。")
        phone.shot("phone-offline-page")
    with demo_process(tmp_path, port):
        phone.on_the_line()
        kiosk.ready()
        phone.shot("phone-back")
