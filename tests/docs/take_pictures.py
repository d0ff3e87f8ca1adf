"""Takes the pictures of README from the real pages of a fresh demo: `python -m tests.docs.take_pictures`."""

import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import Browser, Frame, Page, expect, sync_playwright

from backend.app import free_port
from mobile_api.seed import DEMO_ADMINISTRATOR_PASSWORD, DEMO_ADMINISTRATOR_PHONE
from tests.docs.reading import ROOT

PICTURES = ROOT / "docs" / "pictures"
PHONE, TABLET, DESKTOP = (390, 844), (1024, 720), (1280, 800)
PATIENCE_MS = 20_000
HEAVY_BYTES = 190_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
"""No camera is faked: without one the demo's station draws a visitor."""


@contextmanager
def demo() -> Iterator[str]:
    """A demo of its own on a free port; gives its origin."""
    port = free_port()
    origin = f"http://localhost:{port}"
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("gatehouse")), "demo", "--port", str(port), "--data", folder]
        process = subprocess.Popen(command)
        try:
            deadline = time.monotonic() + 90
            while not _alive(origin):
                assert time.monotonic() < deadline, "the demo did not start"
                time.sleep(0.3)
            yield origin
        finally:
            process.terminate()
            process.wait(timeout=20)


def _alive(origin: str) -> bool:
    try:
        return requests.get(f"{origin}/healthz", timeout=2).ok
    except requests.ConnectionError:
        return False


def keep(page: Page, name: str) -> None:
    """Write what the page shows, with few enough colours to be light."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for colours in (256, 128, 64):
        data = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(data, "PNG", optimize=True)
        if data.tell() <= HEAVY_BYTES:
            break
    (PICTURES / f"{name}.png").write_bytes(data.getvalue())
    sys.stdout.write(f"{name}.png: {image.width}x{image.height}, {data.tell()} bytes, {colours} colours\n")


def open_page(
    browser: Browser, url: str, size: tuple[int, int], *, client: str = "", dark: bool = False, scale: float = 1
) -> Page:
    """A page in a context of its own; `client` is the name of the frame it stands in for."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
        color_scheme="dark" if dark else "light",
        device_scale_factor=scale,
    )
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(f"if (window === window.top) window.name = {client!r}")
    page = context.new_page()
    page.goto(url)
    return page


def dial(station: Page | Frame) -> None:
    expect(station.get_by_role("button", name="1", exact=True)).to_be_enabled(timeout=PATIENCE_MS)
    for digit in "1201":
        station.get_by_role("button", name=digit, exact=True).click()
    station.get_by_role("button", name="呼叫", exact=True).click()


def sees_the_door(phone: Page | Frame, video: str = "video") -> None:
    phone.locator(video).first.evaluate(
        """(video) => new Promise((done) => {
             let seen = 0
             const next = () => (++seen >= 20 ? done() : video.requestVideoFrameCallback(next))
             video.requestVideoFrameCallback(next)
           })"""
    )


def on_the_line(phone: Page | Frame, *, words: str) -> None:
    expect(phone.get_by_text(words)).to_be_attached(timeout=PATIENCE_MS)


def _frame(page: Page, name: str) -> Frame:
    found = page.locator(f"iframe[name='gh-demo-{name}']").element_handle().content_frame()
    assert found is not None
    return found


def take_demo(browser: Browser, origin: str) -> None:
    page = open_page(browser, f"{origin}/demo", (1280, 856))
    station, mum, son = (_frame(page, name) for name in ("station", "mum", "son"))
    on_the_line(mum, words="已连接，可以接听来访")
    on_the_line(son, words="Connected")
    dial(station)
    expect(mum.get_by_role("button", name="接听")).to_be_visible(timeout=PATIENCE_MS)
    for phone in (mum, son):
        sees_the_door(phone)
    page.mouse.move(5, 5)
    keep(page, "demo")
    page.context.close()


def take_phones(browser: Browser, origin: str) -> None:
    light = open_page(browser, f"{origin}/#/demo/mum?lang=zh&theme=light", PHONE, client="gh-demo-mum", scale=1.5)
    dark = open_page(browser, f"{origin}/#/demo/son?lang=en&theme=dark", PHONE, client="gh-demo-son", scale=1.5)
    station = open_page(browser, f"{origin}/station#demo=unit", TABLET, client="gh-demo-station")
    on_the_line(light, words="已连接，可以接听来访")
    on_the_line(dark, words="Connected")
    expect(station.get_by_role("button", name="1", exact=True)).to_be_enabled(timeout=PATIENCE_MS)
    keep(station, "station")
    dial(station)
    expect(light.get_by_role("button", name="接听")).to_be_visible(timeout=PATIENCE_MS)
    sees_the_door(light)
    keep(light, "phone-ringing")
    light.get_by_role("button", name="接听").click()
    light.get_by_role("button", name="开门").click()
    expect(station.get_by_role("heading", name="门已开")).to_be_visible(timeout=PATIENCE_MS)
    sees_the_door(station, ".self video")
    keep(station, "station-opened")
    light.get_by_role("button", name="挂断").click()
    expect(light.get_by_role("button", name="挂断")).to_have_count(0, timeout=PATIENCE_MS)
    light.wait_for_timeout(5_000)  # notices fade
    keep(light, "phone-home")
    keep(dark, "phone-home-dark")
    for page in (light, dark):
        page.context.close()
    take_set_up(browser, origin)
    station.context.close()


def take_set_up(browser: Browser, origin: str) -> None:
    desk = open_page(browser, f"{origin}/setup", DESKTOP)
    desk.get_by_label("手机号", exact=True).fill(DEMO_ADMINISTRATOR_PHONE)
    desk.get_by_label("密码", exact=True).fill(DEMO_ADMINISTRATOR_PASSWORD)
    desk.keyboard.press("Enter")
    expect(desk.get_by_text("未配对")).to_have_count(4, timeout=PATIENCE_MS)
    expect(desk.get_by_text("在线", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    keep(desk, "setup")
    desk.context.close()


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with demo() as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        take_phones(browser, origin)
        take_demo(browser, origin)
        browser.close()


if __name__ == "__main__":
    main()
