"""The page `make demo` opens: three frames that come alive by themselves, and the story by clicks inside them."""

import re
from collections.abc import Callable

from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.devices import DESKTOP, PATIENCE_MS, Devices, eventually, newest, peers_of
from tests.support.service import Service


def frame(page: Page, name: str) -> FrameLocator:
    return page.frame_locator(f"iframe[name='{name}']")


def test_three_frames_sign_in_and_the_story_goes_by_clicks(
    devices: Devices, start_service: Callable[..., Service]
) -> None:
    service = start_service(demo=True)
    desk = devices.desk(service.origin)
    page = desk.page
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"{service.origin}/demo")
    station, mum, son = (frame(page, f"gh-demo-{name}") for name in ("station", "mum", "son"))
    expect(station.get_by_role("button", name="1", exact=True)).to_be_enabled(timeout=PATIENCE_MS)
    expect(mum.get_by_text("已连接，可以接听来访")).to_be_attached(timeout=PATIENCE_MS)
    online = son.get_by_text(re.compile("^Connected|online|ready", re.IGNORECASE)).first
    expect(online).to_be_attached(timeout=PATIENCE_MS)
    expect(station.get_by_text("试试呼叫 1201")).to_be_visible()
    desk.shot("demo-idle")

    for digit in "1201":
        station.get_by_role("button", name=digit, exact=True).click()
    station.get_by_role("button", name="呼叫").click()
    expect(mum.get_by_role("button", name="接听")).to_be_visible(timeout=PATIENCE_MS)
    expect(son.get_by_role("button", name="Answer")).to_be_visible(timeout=PATIENCE_MS)
    for name in ("gh-demo-mum", "gh-demo-son"):
        window = page.frame(name)
        assert window is not None
        eventually(page, lambda window=window: newest(peers_of(window))["frames"] > 3, "the preview")
    desk.shot("demo-ringing")

    son.get_by_role("button", name="Answer").click()
    expect(mum.get_by_role("status").filter(has_text="儿子已接听").first).to_be_visible(timeout=PATIENCE_MS)
    expect(mum.get_by_role("button", name="接听")).to_have_count(0)
    expect(station.get_by_role("heading", name="正在与 1201 通话")).to_be_visible(timeout=PATIENCE_MS)
    talking = page.frame("gh-demo-son")
    assert talking is not None
    eventually(page, lambda: newest(peers_of(talking))["audio_packets"] > 10, "the visitor's voice")
    son.get_by_role("button", name="Open door").click()
    expect(station.get_by_role("heading", name="门已开，请进")).to_be_visible(timeout=PATIENCE_MS)
    expect(son.get_by_role("status").filter(has_text="Opened").first).to_be_visible(timeout=PATIENCE_MS)
    desk.shot("demo-opened")

    # Start over in the middle of a talk: the call ends and every frame comes back by itself.
    desk.watch.expect("401")
    page.get_by_role("button", name="重新开始").click()
    expect(page.get_by_text("已重置：通话已结束，手机重新登录")).to_be_visible(timeout=PATIENCE_MS)
    expect(mum.get_by_text("已连接，可以接听来访")).to_be_attached(timeout=PATIENCE_MS)
    expect(online).to_be_attached(timeout=PATIENCE_MS)
    expect(son.get_by_role("button", name="Hang up")).to_have_count(0)
    expect(station.get_by_role("button", name="1", exact=True)).to_be_enabled(timeout=PATIENCE_MS)
    page.set_viewport_size(DESKTOP)


def test_a_real_community_has_no_demo_page(devices: Devices, service: Service) -> None:
    desk = devices.desk(service.origin)
    desk.watch.expect("404")
    reply = desk.page.goto(f"{service.origin}/demo")
    assert reply is not None
    assert reply.status == 404
