"""Phones, kiosks and desks as people hold them: each a browser context, worked by what stands on its buttons."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Frame, Locator, Page, expect

HERE = Path(__file__).parent
PEERS_SCRIPT = (HERE / "peers.js").read_text(encoding="utf-8")
PHONE = {"width": 390, "height": 844}
TABLET = {"width": 1024, "height": 768}
DESKTOP = {"width": 1280, "height": 800}
PATIENCE_MS = 30_000


@dataclass(kw_only=True)
class Watch:
    """What a context did that no page may do; looked at when the test is over."""

    origin: str
    allowed: set[str] = field(default_factory=set)
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.allowed.add(self.origin)

    def allow(self, origin: str) -> None:
        """An origin the pages are told to use, such as the relay on the kiosk's own machine."""
        self.allowed.add(origin)

    def follow(self, context: BrowserContext) -> None:
        context.on("request", lambda request: self.requested(request.url))
        context.on("console", self.said)
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        context.on("page", lambda page: page.on("websocket", lambda socket: self.requested(socket.url)))

    def requested(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"blob", "data"}:
            return
        origin = f"{parts.scheme.replace('ws', 'http', 1) if parts.scheme.startswith('ws') else parts.scheme}://{parts.netloc}"
        if origin not in self.allowed:
            self.foreign.append(url)

    def said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def expect(self, pattern: str) -> None:
        """A complaint that belongs to the test's story, such as the answer 409 to a loser."""
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        told = [one for one in self.complaints if not any(re.search(pattern, one) for pattern in self.expected)]
        return [*(f"third-party request: {url}" for url in self.foreign), *told]


class Device:
    """One context with one page."""

    def __init__(self, context: BrowserContext, page: Page, watch: Watch) -> None:
        self.context, self.page, self.watch = context, page, watch
        self.origin = watch.origin

    # --- finding and pressing what people read

    def button(self, name: str, *, exact: bool = True) -> Locator:
        return self.page.get_by_role("button", name=name, exact=exact)

    def click(self, name: str, *, exact: bool = True) -> None:
        self.button(name, exact=exact).click()

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)

    def sees(self, text: str | re.Pattern[str], *, timeout: float = PATIENCE_MS) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=timeout)

    def heading(self, name: str | re.Pattern[str], *, timeout: float = PATIENCE_MS) -> None:
        expect(self.page.get_by_role("heading", name=name).first).to_be_visible(timeout=timeout)

    def told(self, text: str) -> None:
        """A notice, in the area that screen readers announce."""
        expect(self.page.get_by_role("status").filter(has_text=text).first).to_be_visible(timeout=PATIENCE_MS)

    # --- media, as the connections themselves report it

    def peers(self) -> list[dict[str, Any]]:
        return peers_of(self.page)

    def media(self) -> dict[str, Any]:
        """The newest connection that is not closed, or the newest."""
        return newest(self.peers())

    def hears(self) -> None:
        """Packets of sound keep coming, and they are no silence."""
        first = self.media()

        def more() -> bool:
            now = self.media()
            return bool(
                now["audio_packets"] > first["audio_packets"] + 20
                and now["audio_bytes"] > first["audio_bytes"]
                and now["audio_energy"] > first["audio_energy"] + 1e-5
            )

        eventually(self.page, more, "sound", otherwise=lambda: f"{first} then {self.peers()}")

    def eventually(self, look: Callable[[], Any], what: str, *, timeout_s: float = 30) -> Any:
        return eventually(self.page, look, what, timeout_s=timeout_s)

    def shot(self, name: str) -> None:
        """A picture for people to look at, when a folder for them is set."""
        if folder := os.environ.get("GATEHOUSE_SHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")


def peers_of(frame: Page | Frame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = frame.evaluate("window.__media()")
    return found


def newest(peers: list[dict[str, Any]]) -> dict[str, Any]:
    alive = [one for one in peers if one["state"] != "closed"]
    return (alive or peers or [{"state": "none", "frames": 0}])[-1]


def eventually(
    page: Page,
    look: Callable[[], Any],
    what: str,
    *,
    timeout_s: float = 30,
    otherwise: Callable[[], Any] = lambda: "",
) -> Any:
    """Ask until it is so, while the browser goes on; fails with what was last seen."""
    end = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not come within {timeout_s} s {otherwise()}"
        page.wait_for_timeout(40)


D = TypeVar("D", bound=Device)


class Phone(Device):
    """A resident's phone."""

    def join(self, code: str, name: str, *, new_here: bool = True) -> "Phone":
        """Follow an invitation's link, as from a message; who is new here reads the privacy notice."""
        self.page.goto(f"{self.origin}/#/join/{code}")
        self.fill("怎么称呼你", name)
        self.click("加入")
        if new_here:
            self.click("同意并继续")
        self.on_the_line()
        return self

    def agree(self) -> None:
        """Read the notice, go in and be on the line."""
        self.click("同意并继续")
        self.on_the_line()

    def on_the_line(self) -> None:
        expect(self.page.get_by_text("已连接，可以接听来访")).to_be_attached(timeout=PATIENCE_MS)

    @property
    def video(self) -> Locator:
        return self.page.locator("video").and_(self.page.get_by_label("门口的画面"))

    def rings(self) -> None:
        expect(self.button("接听")).to_be_visible(timeout=PATIENCE_MS)
        expect(self.button("拒绝")).to_be_visible()

    def is_quiet(self) -> None:
        for name in ("接听", "拒绝", "挂断"):
            expect(self.button(name)).to_have_count(0, timeout=PATIENCE_MS)

    def shows_door(self) -> int:
        """Wait until frames of the door are drawn in the page; how many the connection decoded by then."""
        self.video.evaluate(
            """(video) => new Promise((done) => {
                 let seen = 0
                 const enough = () => ++seen >= 3 && video.videoWidth > 0
                 const next = () => (enough() ? done() : video.requestVideoFrameCallback(next))
                 video.requestVideoFrameCallback(next)
               })"""
        )
        first = self.media()["frames"]
        self.eventually(lambda: self.media()["frames"] > first, "another decoded frame")
        return int(self.media()["frames"])

    def silent(self) -> bool:
        """Nothing on the page may be heard."""
        players = "[...document.querySelectorAll('audio, video')]"
        return bool(self.page.evaluate(f"{players}.every((one) => one.muted || one.paused || !one.srcObject)"))

    def go(self, name: str) -> None:
        """One of the pages at the bottom."""
        self.page.get_by_role("navigation", name="主要页面").get_by_role("link", name=name).click()


class Kiosk(Device):
    """A door station that is a page."""

    def pair(self, code: str, *, link: str | None = None) -> "Kiosk":
        """First run as an installer does it: the code, then camera and microphone."""
        self.page.goto(link or f"{self.origin}/station")
        if link is None:
            self.fill("8 位配对码", code)
        self.click("配对")
        self.click("允许使用摄像头和麦克风")
        self.ready()
        return self

    def ready(self) -> None:
        expect(self.button("1")).to_be_enabled(timeout=PATIENCE_MS)

    def dial(self, room: str) -> None:
        for digit in room:
            self.click({"-": "短横"}.get(digit, digit))

    def press(self, room: str = "1201") -> None:
        self.dial(room)
        self.click("呼叫")

    def back(self) -> None:
        """From how a call ended to the keypad."""
        self.click("返回")
        self.ready()


class Devices:
    """Makes contexts and closes them; the clean-up looks at what each watch saw."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.made: list[Device] = []

    def open(self, kind: type[D], origin: str, size: dict[str, int], **options: Any) -> D:
        """A device of its own; `policy` relay and `keep_open` change its connections, the rest its browser context."""
        peers = {"policy": options.pop("policy", None), "keepOpen": options.pop("keep_open", False)}
        context = self.browser.new_context(viewport=size, timezone_id="Asia/Shanghai", **{"locale": "zh-CN", **options})
        context.set_default_timeout(PATIENCE_MS)
        watch = Watch(origin=origin)
        watch.follow(context)
        context.add_init_script(f"window.__peerOptions = {json.dumps(peers)};\n{PEERS_SCRIPT}")
        device = kind(context, context.new_page(), watch)
        self.made.append(device)
        return device

    def phone(self, origin: str, **options: Any) -> Phone:
        return self.open(Phone, origin, PHONE, **options)

    def kiosk(self, origin: str, **options: Any) -> Kiosk:
        return self.open(Kiosk, origin, TABLET, **options)

    def desk(self, origin: str, **options: Any) -> Device:
        return self.open(Device, origin, DESKTOP, **options)

    def close(self) -> list[str]:
        """Close every context; what any of them did that no page may."""
        found = [one for device in self.made for one in device.watch.unexpected()]
        for device in self.made:
            device.context.close()
        return found


@contextmanager
def devices_in(browser: Browser) -> Iterator[Devices]:
    devices = Devices(browser)
    try:
        yield devices
    except BaseException:
        for number, device in enumerate(devices.made):
            device.shot(f"failed-{number}")
        devices.close()
        raise
    found = devices.close()
    assert not found, "the pages did what no page may:\n" + "\n".join(found)
