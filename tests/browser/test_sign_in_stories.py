"""How people come in and go out: invitation, phone number with a code, approval, removal, and what a page remembers."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.devices import Devices, Phone
from tests.browser.processes import until
from tests.support.service import FAMILY, Service


def text_message(service: Service) -> str:
    """The code of the only text message that has been sent."""
    until(lambda: service.sms.sent, lambda: "no text message")
    found = re.search(r"\d{6}", service.sms.sent[-1][1])
    assert found is not None
    return found[0]


def test_a_phone_number_and_its_code_wait_until_the_family_approves(
    devices: Devices, phone_of: Callable[..., Phone], service: Service
) -> None:
    mum = phone_of("mum")
    dad = devices.phone(service.origin)
    dad.page.goto(service.origin)
    dad.click("手机号")
    dad.fill("手机号码", "138 0000 0002")
    dad.click("获取验证码")
    dad.sees("如果这个号码已登记，验证码会发到手机，5 分钟内有效。")
    code = text_message(service)
    dad.watch.expect("401")
    dad.fill("6 位验证码", f"{(int(code) + 1) % 1_000_000:06d}")
    dad.click("登录")
    expect(dad.page.get_by_role("alert").filter(has_text="验证码不正确或已过期")).to_be_visible()
    dad.fill("6 位验证码", code)
    dad.click("登录")
    dad.heading("等待批准")
    dad.shot("phone-pending")

    mum.go("我的")
    mum.page.get_by_role("link", name="登录的设备").click()
    waiting = mum.page.get_by_role("region", name="等待批准的设备")
    expect(waiting.get_by_text("爸爸")).to_be_visible()
    mum.shot("phone-devices-pending")
    waiting.get_by_role("button", name="批准").click()

    dad.agree()  # by itself, without a touch on dad's phone
    dad.heading(re.compile("爸爸"))
    expect(
        dad.page.get_by_role("listitem").filter(has_text="3栋2单元门口").get_by_role("button", name="开门")
    ).to_be_enabled()


def test_an_unknown_number_hears_the_same_answer(devices: Devices, service: Service) -> None:
    stranger = devices.phone(service.origin)
    stranger.page.goto(service.origin)
    stranger.click("手机号")
    stranger.fill("手机号码", "13712345678")
    stranger.click("获取验证码")
    stranger.sees("如果这个号码已登记，验证码会发到手机，5 分钟内有效。")
    assert service.sms.sent == []


def test_a_removed_device_is_signed_out_and_a_used_invitation_brings_nobody_in(
    devices: Devices, phone_of: Callable[..., Phone], service: Service
) -> None:
    code = service.invitation("mum")
    old = devices.phone(service.origin, user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) Safari/605").join(
        code, "妈妈"
    )
    mum = phone_of("mum", new_here=False)
    mum.go("我的")
    mum.page.get_by_role("link", name="登录的设备").click()
    mum.click("移除 Safari · iPhone")
    mum.page.get_by_role("dialog").get_by_role("button", name="移除").click()
    old.watch.expect("401")
    old.sees("这部手机的登录已结束，可能已被移除或租期已到")
    old.heading("欢迎回家")

    old.page.goto(f"{service.origin}/#/join/{code}")
    old.fill("怎么称呼你", "妈妈")
    old.click("加入")
    expect(old.page.get_by_role("alert").filter(has_text="邀请码不正确、已使用或已过期")).to_be_visible()


def test_an_invitation_made_on_a_phone_brings_a_new_member_in(
    devices: Devices, phone_of: Callable[..., Phone], service: Service
) -> None:
    mum = phone_of("mum")
    mum.go("我的")
    mum.page.get_by_role("link", name="邀请家人").click()
    mum.click("生成邀请码")
    expect(mum.page.get_by_role("img", name="邀请二维码")).to_be_visible()
    mum.shot("phone-invitation")
    code = mum.page.get_by_text(re.compile(r"^\d{4} \d{4}$")).inner_text().replace(" ", "")
    aunt = devices.phone(service.origin).join(code, "小姨")
    aunt.heading(re.compile("小姨"))
    aunt.sees("3栋2单元 1201")


def test_language_and_appearance_are_remembered_and_a_reload_keeps_the_session(phone_of: Callable[..., Phone]) -> None:
    mum = phone_of("mum")
    mum.go("我的")
    mum.click("English")
    mum.button("Dark").click()
    expect(mum.page.get_by_role("heading", name="My homes")).to_be_visible()
    expect(mum.page.locator("html")).to_have_attribute("lang", "en")
    dark = mum.page.evaluate("getComputedStyle(document.body).backgroundColor")
    mum.page.reload()
    expect(mum.page.get_by_role("heading", name="My homes")).to_be_visible()
    expect(mum.button("Dark")).to_have_attribute("aria-pressed", "true")
    assert mum.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    mum.shot("phone-me-dark-en")
    mum.click("Sign out")
    mum.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(mum.page.get_by_role("heading", name="Welcome home")).to_be_visible()
    assert FAMILY["mum"][0] not in mum.page.content()
