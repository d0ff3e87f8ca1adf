"""No page, in no state, has a serious fault for people who use it with a screen reader, a keyboard or weak eyes."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from backend.communities import CommunityKind
from mobile_api.seed import DEMO_ADMINISTRATOR_PASSWORD
from tests.browser.accessibility import Inspection
from tests.browser.devices import PATIENCE_MS, TABLET, Device, Devices, Kiosk, Phone
from tests.browser.processes import until
from tests.support.service import ADMINISTRATORS, FAMILY, Service

LOCALES = {"zh": "zh-CN", "en": "en-GB"}


@pytest.fixture(params=LOCALES)
def seen(request: pytest.FixtureRequest) -> Inspection:
    """One walk through the pages in one language."""
    return Inspection(request.param)


def shown(device: Device, role: Any, name: str) -> None:
    """Visible by its role, and its name or (alerts have none) its words."""
    found = device.page.get_by_role(role)
    found = found.filter(has_text=name) if role == "alert" else device.page.get_by_role(role, name=name)
    expect(found.first).to_be_visible(timeout=PATIENCE_MS)


def waits_for_approval(phone: Phone, service: Service) -> None:
    """Dad's phone, come in by number and code alone."""
    phone.page.goto(service.origin)
    phone.click("手机号")
    phone.fill("手机号码", "13800000002")
    phone.click("获取验证码")
    until(lambda: service.sms.sent, lambda: "no text message")
    phone.fill("6 位验证码", "".join(c for c in service.sms.sent[0][1] if c.isdigit())[:6])
    phone.click("登录")
    phone.heading("等待批准")


def to(phone: Device, path: str, heading: str) -> None:
    phone.page.evaluate(f"location.hash = '#{path}'")
    phone.heading(heading)


def test_residents_pages_before_they_are_in(seen: Inspection, devices: Devices, service: Service) -> None:
    say, phone = seen.say, devices.phone(service.origin, locale=LOCALES[seen.language])
    phone.watch.expect("401")
    phone.page.goto(service.origin)
    shown(phone, "heading", say("欢迎回家", "Welcome home"))
    seen.look(phone, "sign-in")
    phone.click(say("加入", "Join"))
    shown(phone, "alert", say("邀请码是 8 位数字", "The invitation code has 8 digits"))
    seen.look(phone, "sign-in error")
    phone.click(say("手机号", "Phone number"))
    phone.page.get_by_role("textbox").fill("13800000002")
    seen.look(phone, "sign-in by phone")
    phone.click(say("获取验证码", "Get a code"))
    shown(phone, "button", say("登录", "Sign in"))
    seen.look(phone, "sign-in by code")
    until(lambda: service.sms.sent, lambda: "no text message")
    phone.page.get_by_role("textbox").fill("".join(c for c in service.sms.sent[0][1] if c.isdigit())[:6])
    phone.click(say("登录", "Sign in"))
    phone.heading(say("等待批准", "Waiting for approval"))
    seen.look(phone, "pending")

    new = devices.phone(service.origin, locale=LOCALES[seen.language])
    new.page.goto(f"{service.origin}/#/join/{service.invitation('mum')}?name=妈妈")
    new.click(say("加入", "Join"))
    new.heading(say("隐私说明", "Privacy notice"))
    seen.look(new, "privacy notice")

    away = devices.phone(service.origin, locale=LOCALES[seen.language])
    away.page.goto(f"{service.origin}/offline")
    away.heading("现在没有网络")
    seen.look(away, "offline page")
    away.watch.expect("ERR_FAILED")
    away.page.evaluate("localStorage.setItem('main:signed-in', '1')")
    away.page.route("**/api/v1/session/refresh", lambda route: route.abort())
    away.page.goto(service.origin)
    away.heading(say("暂时连不上门房", "Gatehouse cannot be reached"))
    seen.look(away, "unreachable")
    seen.assert_clean()


def in_language(devices: Devices, service: Service, seen: Inspection, persona: str = "mum") -> Phone:
    phone = devices.phone(service.origin, locale=LOCALES[seen.language])
    name = FAMILY[persona][0] if persona in FAMILY else persona
    phone.page.goto(f"{service.origin}/#/join/{service.invitation(persona)}?name={name}")
    phone.click(seen.say("加入", "Join"))
    phone.click(seen.say("同意并继续", "Agree and continue"))
    shown(phone, "navigation", seen.say("主要页面", "Main pages"))
    return phone


def test_residents_pages_inside(seen: Inspection, devices: Devices, service: Service) -> None:
    say = seen.say
    phone = in_language(devices, service, seen)
    to(phone, "/", say("我的门", "My doors"))
    seen.look(phone, "home")
    to(phone, "/activity", say("记录", "Activity"))
    phone.sees(say("还没有来访", "No visitors yet"))
    seen.look(phone, "visits empty")
    to(phone, "/activity/passages", say("记录", "Activity"))
    phone.sees(say("还没有通行记录", "No openings yet"))
    seen.look(phone, "records empty")
    phone.watch.expect("ERR_FAILED")
    phone.page.route("**/api/v1/calls?*", lambda route: route.abort())
    to(phone, "/activity", say("记录", "Activity"))
    shown(phone, "alert", say("连不上服务", "cannot be reached"))
    seen.look(phone, "visits error")
    phone.page.unroute_all()
    to(phone, "/me", "妈妈")
    seen.look(phone, "me")
    phone.click(say("退出登录", "Sign out"))
    shown(phone, "dialog", say("退出这部手机？", "Sign out on this phone?"))
    seen.look(phone, "sign-out dialog")
    phone.click(say("取消", "Cancel"))
    phone.button(say("隐私说明", "Privacy notice")).click()
    shown(phone, "dialog", say("隐私说明", "Privacy notice"))
    seen.look(phone, "privacy dialog")
    phone.click(say("关闭", "Close"))

    waits_for_approval(devices.phone(service.origin), service)
    to(phone, "/me/devices", say("登录的设备", "Devices"))
    shown(phone, "button", say("批准", "Approve"))
    seen.look(phone, "devices")
    to(phone, "/me/family", say("邀请家人", "Invite family"))
    seen.look(phone, "invite")
    phone.click(say("生成邀请码", "Make an invitation"))
    shown(phone, "img", say("邀请二维码", "QR code of the invitation"))
    seen.look(phone, "invitation made")
    to(phone, "/me/leases", say("出租与租客", "Lease and tenants"))
    phone.click(say("登记并生成邀请码", "Record it and make an invitation"))
    seen.look(phone, "lease error")
    landlord = in_language(devices, service, seen, "landlord")
    to(landlord, "/", "房东")
    seen.look(landlord, "landlord home")
    seen.assert_clean()


def test_a_call_from_ringing_to_its_record(seen: Inspection, devices: Devices, service: Service) -> None:
    say = seen.say
    phone = in_language(devices, service, seen)
    kiosk = kiosk_in(devices, service, seen)
    kiosk.press_in(seen)
    shown(phone, "button", say("接听", "Answer"))
    phone.eventually(lambda: phone.media()["frames"], "the door's picture")
    seen.look(phone, "ringing")
    seen.look(kiosk, "kiosk ringing")
    phone.click(say("接听", "Answer"))
    shown(phone, "button", say("静音", "Mute"))
    shown(kiosk, "heading", say("正在与 1201 通话", "Talking"))
    seen.look(phone, "talking")
    seen.look(kiosk, "kiosk talking")
    phone.click(say("开门", "Open door"))
    phone.told(say("已开门", "Opened"))
    seen.look(phone, "talking and opened")
    seen.look(kiosk, "kiosk opened")
    phone.click(say("挂断", "Hang up"))
    shown(kiosk, "button", say("返回", "Back"))
    seen.look(phone, "call ended")
    seen.look(kiosk, "kiosk ended")
    to(phone, "/activity", say("记录", "Activity"))
    shown(phone, "link", say("妈妈接听", "妈妈"))
    seen.look(phone, "visits")
    phone.page.get_by_role("main").get_by_role("listitem").get_by_role("link").first.click()
    phone.heading(say("来访详情", "Visit"))
    seen.look(phone, "visit")
    to(phone, "/activity/passages", say("记录", "Activity"))
    phone.sees(say("来访时开门", "Opened in a call"))
    seen.look(phone, "records")
    phone.watch.expect("ERR_INTERNET_DISCONNECTED|WebSocket|ERR_")
    phone.context.set_offline(True)
    phone.sees(say("网络断开了", "You are offline"))
    seen.look(phone, "line lost")
    seen.assert_clean()


class KioskIn(Kiosk):
    """A kiosk that may stand in English."""

    def press_in(self, seen: Inspection, room: str = "1201") -> None:
        self.dial(room)
        self.click(seen.say("呼叫", "Call"))


def kiosk_in(devices: Devices, service: Service, seen: Inspection) -> KioskIn:
    kiosk = devices.open(KioskIn, service.origin, TABLET)
    kiosk.pair(service.pairing_code(service.community().unit_station_id))
    if seen.language == "en":
        kiosk.click("Switch to English")
    return kiosk


def test_the_kiosk_from_pairing_to_offline(seen: Inspection, devices: Devices, service: Service) -> None:
    say = seen.say
    kiosk = devices.open(KioskIn, service.origin, TABLET, locale=LOCALES[seen.language])
    kiosk.page.goto(f"{service.origin}/station")
    shown(kiosk, "heading", say("配对这台门口机", "Pair this door station"))
    seen.look(kiosk, "kiosk pairing")
    kiosk.watch.expect("404")
    kiosk.page.get_by_role("textbox").fill("00000000")
    kiosk.click(say("配对", "Pair"))
    shown(kiosk, "alert", say("配对码不对", "This code is wrong"))
    seen.look(kiosk, "kiosk pairing refused")
    kiosk.page.get_by_role("textbox").fill(service.pairing_code(service.community().unit_station_id))
    kiosk.click(say("配对", "Pair"))
    shown(kiosk, "heading", say("还差一步", "One more step"))
    seen.look(kiosk, "kiosk asks for camera")
    kiosk.click(say("暂不", "Not now"))
    kiosk.ready()
    if seen.language == "en":
        kiosk.click("Switch to English")
    seen.look(kiosk, "kiosk idle")
    kiosk.dial("12")
    seen.look(kiosk, "kiosk typed")
    kiosk.click(say("切换到浅色", "Switch to light"))
    seen.look(kiosk, "kiosk light")
    kiosk.dial("99")
    kiosk.click(say("呼叫", "Call"))
    shown(kiosk, "heading", say("没有这个房号", "There is no such room"))
    seen.look(kiosk, "kiosk refused")
    kiosk.click(say("返回", "Back"))
    kiosk.watch.expect("WebSocket|ERR_")
    kiosk.context.set_offline(True)
    shown(kiosk, "alert", say("网络中断", "Network interrupted"))
    seen.look(kiosk, "kiosk offline")
    seen.assert_clean()


def test_the_first_run_of_an_empty_service(
    seen: Inspection, devices: Devices, start_service: Callable[..., Service]
) -> None:
    service, say = start_service(seeded=False), seen.say
    desk = devices.desk(service.origin, locale=LOCALES[seen.language])
    desk.page.goto(f"{service.origin}/setup")
    desk.heading(say("欢迎使用门房", "Welcome to Gatehouse"))
    seen.look(desk, "first run")
    following = say("下一步", "Next")
    desk.click(following)
    shown(desk, "alert", say("设置码不对", "This code is wrong"))
    seen.look(desk, "first run error")
    desk.page.get_by_role("textbox").fill(service.made.services.set_up.code)
    desk.click(following)
    desk.fill(say("姓名", "Name"), "王物业")
    desk.fill(say("手机号", "Phone number"), "13900000001")
    desk.fill(say("密码", "Password"), "北门外有三棵老槐树 2026")
    seen.look(desk, "first run administrator")
    desk.click(following)
    desk.fill(say("小区名称", "Name of the community"), "幸福里小区")
    seen.look(desk, "first run community")
    desk.click(say("完成设置", "Finish set-up"))
    desk.heading(say("总览", "Overview"))
    seen.look(desk, "console overview empty")
    for path, heading in CONSOLE:
        to(desk, path, say(*heading))
        seen.look(desk, f"console {path[1:]} empty")
    to(desk, "/homes", say(*CONSOLE[0][1]))
    desk.click(say("添加楼栋", "Add building"))
    shown(desk, "dialog", say("添加楼栋", "Add building"))
    seen.look(desk, "console add building")
    seen.assert_clean()


CONSOLE = (
    ("/homes", ("楼栋与住户", "Buildings")),
    ("/doors", ("门与门口机", "Doors")),
    ("/devices", ("设备", "Devices")),
)


def test_the_console_of_a_living_community(seen: Inspection, devices: Devices, service: Service) -> None:
    say = seen.say
    waiting = devices.phone(service.origin)
    waits_for_approval(waiting, service)
    station = service.station()
    desk = devices.desk(service.origin, locale=LOCALES[seen.language])
    desk.page.goto(f"{service.origin}/setup")
    desk.heading(say("管理员登录", "Administrator sign-in"))
    seen.look(desk, "console sign-in")
    desk.watch.expect("401")
    desk.fill(say("手机号", "Phone number"), ADMINISTRATORS[CommunityKind.CLOSED])
    desk.fill(say("密码", "Password"), "wrong password")
    desk.click(say("登录", "Sign in"))
    shown(desk, "alert", say("手机号或密码不对", "Wrong phone number or password"))
    seen.look(desk, "console sign-in refused")
    desk.fill(say("密码", "Password"), DEMO_ADMINISTRATOR_PASSWORD)
    desk.click(say("登录", "Sign in"))
    desk.sees(say("门口机状态", "Door stations now"))
    seen.look(desk, "console overview")

    to(desk, "/homes", say(*CONSOLE[0][1]))
    seen.look(desk, "console homes")
    desk.page.get_by_role("button", name="3栋").click()
    desk.click(say("生成房号", "Generate homes"))
    seen.look(desk, "console generate homes")
    desk.click(say("取消", "Cancel"))
    desk.page.get_by_role("button", name="1201").last.click()
    desk.sees("奶奶")
    seen.look(desk, "console residents")
    desk.click(say("添加住户", "Add resident"))
    desk.page.get_by_role("dialog").get_by_role("button", name=say("添加", "Add"), exact=True).click()
    seen.look(desk, "console add resident error")
    desk.fill(say("姓名", "Name"), "舅舅")
    desk.page.get_by_role("dialog").get_by_role("button", name=say("添加", "Add"), exact=True).click()
    shown(desk, "img", say("二维码", "QR code"))
    seen.look(desk, "console invitation")
    desk.click(say("完成", "Done"))
    desk.click(say("关闭", "Close"))

    to(desk, "/doors", say(*CONSOLE[1][1]))
    seen.look(desk, "console doors")
    desk.click(say("添加门", "Add door"))
    seen.look(desk, "console add door")
    desk.click(say("取消", "Cancel"))
    desk.page.get_by_role("button", name=re.compile(say("^设置", "^Settings"))).first.click()
    seen.look(desk, "console station settings")
    desk.click(say("取消", "Cancel"))
    desk.page.get_by_role("button", name=re.compile(say("^配对", "^Pair(?! again)"))).first.click()
    shown(desk, "img", say("二维码", "QR code"))
    seen.look(desk, "console pairing code")
    desk.click(say("关闭", "Close"))

    to(desk, "/devices", say(*CONSOLE[2][1]))
    shown(desk, "button", say("批准", "Approve"))
    seen.look(desk, "console devices")
    station.close()
    seen.assert_clean()


def test_demo_and_documentation(seen: Inspection, devices: Devices, start_service: Callable[..., Service]) -> None:
    say, service = seen.say, start_service(demo=True)
    desk = devices.desk(service.origin, locale=LOCALES[seen.language])
    desk.page.goto(f"{service.origin}/demo")
    desk.heading(say("两分钟演示", "The two-minute demo"))
    for name in ("mum", "son"):
        frame = desk.page.frame_locator(f"iframe[name='gh-demo-{name}']")
        expect(frame.get_by_role("heading", level=1).first).to_be_visible(timeout=PATIENCE_MS)
    seen.look(desk, "demo")
    reading = devices.desk(service.origin, locale=LOCALES[seen.language])
    reading.page.goto(f"{service.origin}/api/docs")
    reading.page.get_by_text("POST", exact=True).first.click()
    shown(reading, "region", "")
    seen.look(reading, "documentation")
    reading.page.get_by_role("searchbox").fill("no such operation")
    seen.look(reading, "documentation nothing found")
    seen.assert_clean()
