"""From an empty service to an opened door, by clicks: administrator, homes, door, station, resident, visitor."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from backend.app import free_port
from tests.browser.devices import Device, Devices
from tests.browser.processes import Station
from tests.support.service import Service

PASSWORD = "北门外有三棵老槐树 2026"


def test_an_empty_service_becomes_a_community_whose_door_opens(
    devices: Devices, start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service(seeded=False)
    desk = devices.desk(service.origin)
    set_up(desk, service)
    build(desk)
    relay_port = free_port()
    with Station(tmp_path / "relay").running(
        "relay", "--http", f"127.0.0.1:{relay_port}", "--allow-origin", service.origin
    ) as relay:
        link = add_station(desk, relay_url=f"http://127.0.0.1:{relay_port}")
        kiosk = devices.kiosk(service.origin)
        kiosk.watch.allow(f"http://127.0.0.1:{relay_port}")
        kiosk.watch.expect("/relay/0/pulse")  # the kiosk knocks at its relay before a visitor comes
        kiosk.pair("", link=link)
        desk.sees("配对成功，门口机已上线")
        desk.shot("setup-paired")
        desk.click("完成")

        invitation = invite(desk)
        phone = devices.phone(service.origin)
        phone.page.goto(invitation)
        phone.fill("怎么称呼你", "陈阿姨")
        phone.click("加入")
        phone.agree()

        kiosk.press("1201")
        phone.rings()
        phone.shows_door()
        phone.click("接听")
        kiosk.heading("正在与 1201 通话")
        assert relay.pulses() == []
        phone.click("开门")
        phone.told("已开门")
        kiosk.heading("门已开，请进")
        assert len(relay.pulses()) == 1, "the relay itself answered, once"
        phone.click("挂断")
        phone.is_quiet()

    desk.page.get_by_role("link", name="总览").click()
    desk.heading("一切就绪")
    desk.shot("setup-ready")


def set_up(desk: Device, service: Service) -> None:
    desk.page.goto(f"{service.origin}/")
    desk.sees("这里还没有设置小区")
    desk.page.get_by_role("link", name="开始设置").click()
    desk.heading("欢迎使用门房")
    desk.watch.expect("401")  # a wrong code is a refusal
    desk.fill("一次性设置码", "0" * 8 if service.made.services.set_up.code != "0" * 8 else "1" * 8)
    desk.click("下一步")
    desk.fill("姓名", "王物业")
    desk.fill("手机号", "13900000001")
    desk.fill("密码", PASSWORD)
    desk.click("下一步")
    desk.fill("小区名称", "幸福里小区")
    expect(desk.page.get_by_role("radio", name="封闭小区")).to_be_checked()
    desk.click("完成设置")
    desk.sees("设置码不对，请对照终端再输入一次。错五次后要重启服务换新码。")
    desk.fill("一次性设置码", service.made.services.set_up.code)
    for name in ("下一步", "下一步", "完成设置"):
        desk.click(name)
    desk.heading("总览")
    desk.shot("setup-overview-empty")


def build(desk: Device) -> None:
    """Building 3, unit 2, four homes, and the unit's door."""
    desk.page.get_by_role("link", name="建楼栋和单元").click()
    dialog = desk.page.get_by_role("dialog")
    desk.click("添加楼栋")
    desk.fill("楼栋号", "3")
    dialog.get_by_role("button", name="添加", exact=True).click()
    desk.click("添加单元")
    desk.fill("单元号", "2")
    dialog.get_by_role("button", name="添加", exact=True).click()
    expect(dialog).to_be_hidden()
    desk.button("生成房号").first.click()
    desk.fill("楼层", "12-13")
    desk.fill("每层房号", "01-02")
    desk.click("生成 4 户")
    expect(desk.button("1302")).to_be_visible()
    desk.shot("setup-homes")

    desk.page.get_by_role("link", name="门与门口机").click()
    desk.click("添加门")
    dialog.get_by_role("button", name="添加", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(desk.page.get_by_role("main").get_by_text("3栋2单元门").first).to_be_visible()


def add_station(desk: Device, *, relay_url: str) -> str:
    """The station of that door, opening through an agent's relay; the link that pairs it."""
    desk.click("添加门口机")
    desk.page.get_by_label("怎样开锁").select_option(label="本机的门口机程序（继电器）")
    desk.fill("门口机程序的地址", relay_url)
    desk.page.get_by_role("dialog").get_by_role("button", name="添加", exact=True).click()
    desk.page.get_by_role("button", name=re.compile("^配对")).click()
    desk.sees("等待设备输入配对码…")
    desk.shot("setup-pairing-code")
    return link_in(desk)


def invite(desk: Device) -> str:
    desk.page.get_by_role("link", name="楼栋与住户").click()
    desk.click("1201")
    desk.click("添加住户")
    desk.fill("姓名", "陈阿姨")
    expect(desk.page.get_by_role("radio", name="业主")).to_be_checked()
    desk.page.get_by_role("dialog").get_by_role("button", name="添加", exact=True).click()
    desk.heading("陈阿姨 的邀请")
    desk.shot("setup-invitation")
    link = link_in(desk)
    desk.click("完成")
    desk.click("关闭")
    return link


def link_in(desk: Device) -> str:
    found = desk.page.get_by_role("dialog").get_by_role("link").get_attribute("href")
    assert found is not None
    return found
