"""The heart of the product by clicks: a kiosk, five phones of one home, one answer, an opened door."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.devices import Kiosk, Phone
from tests.support.service import FAMILY

OTHERS = ("mum", "son", "daughter", "grandma")


def test_five_phones_ring_with_the_door_in_sight_one_answers_talks_and_opens(
    phone_of: Callable[..., Phone], kiosk: Kiosk
) -> None:
    phones = {persona: phone_of(persona) for persona in FAMILY if persona != "son"}
    # This one never closes a connection by itself: what stops coming there was stopped at the door.
    phones["son"] = phone_of("son", keep_open=True)
    dad = phones["dad"]
    kiosk.shot("kiosk-idle")
    dad.shot("phone-home")

    kiosk.press("1201")
    for phone in phones.values():
        phone.rings()
    for phone in phones.values():
        assert phone.shows_door() > 0
    for phone in phones.values():
        screen = phone.page.locator(".call").bounding_box()
        assert screen == {"x": 0, "y": 0, "width": 390, "height": 844}, "the call takes the whole screen"
        media = phone.media()
        assert (media["audio_packets"], media["audio_sent"]) == (0, 0), "no sound before the answer"
        assert phone.silent()
    assert [one["audio_packets"] for one in kiosk.peers()] == [0] * 5
    kiosk.heading("正在呼叫 1201")
    kiosk.shot("kiosk-ringing")
    dad.shot("phone-ringing")

    dad.click("接听")
    for persona in OTHERS:
        phones[persona].told("爸爸已接听")
    phones["mum"].shot("phone-completed-elsewhere")
    for persona in OTHERS:
        phones[persona].is_quiet()
    expect(dad.button("挂断")).to_be_visible()
    kiosk.heading("正在与 1201 通话")

    hear_each_other(dad, kiosk)
    assert not dad.silent()
    assert sorted(one["state"] for one in kiosk.peers()) == ["closed"] * 4 + ["connected"]
    nothing_follows_to(phones["son"], while_talking=dad)
    kiosk.shot("kiosk-talking")
    dad.shot("phone-talking")

    dad.click("开门")
    dad.told("已开门")
    kiosk.heading("门已开，请进")
    expect(kiosk.page.get_by_role("img", name="门开着", exact=False)).to_be_visible()
    kiosk.shot("kiosk-opened")
    dad.shot("phone-opened")
    expect(dad.button("挂断")).to_be_visible()  # an opening does not end a talk

    dad.click("挂断")
    dad.is_quiet()
    kiosk.heading("通话结束")
    kiosk.shot("kiosk-ended")
    kiosk.back()

    dad.go("记录")
    dad.page.get_by_role("link", name="通行").click()
    expect(dad.page.get_by_role("main").get_by_text("已开门")).to_be_visible()
    expect(dad.page.get_by_text("来访时开门")).to_be_visible()
    dad.shot("phone-records")
    dad.page.get_by_role("link", name="来访", exact=True).click()
    expect(dad.page.get_by_role("main").get_by_role("link", name="爸爸接听")).to_be_visible()


def hear_each_other(phone: Phone, kiosk: Kiosk) -> None:
    """Sound arrives on both sides and is no silence."""
    for device in (phone, kiosk):
        device.hears()


def nothing_follows_to(loser: Phone, *, while_talking: Phone) -> None:
    """Once the door has let go of a loser, no packet comes, however much goes on between the two who talk."""
    before = loser.media()
    frames = while_talking.media()["frames"]
    while_talking.eventually(lambda: while_talking.media()["frames"] >= frames + 15, "the talk's picture")
    after = loser.media()
    assert before["video_packets"] > 0
    assert (after["video_packets"], after["audio_packets"]) == (before["video_packets"], 0)


def test_a_decline_is_personal_and_an_unanswered_visit_stays_with_its_picture(
    phone_of: Callable[..., Phone], kiosk: Kiosk
) -> None:
    mum, dad = phone_of("mum"), phone_of("dad")
    kiosk.press("1201")
    mum.rings()
    dad.rings()

    mum.click("拒绝")
    mum.told("已拒绝，只停了这部手机")
    mum.is_quiet()
    dad.shows_door()
    dad.rings()

    kiosk.click("挂断")
    kiosk.heading("呼叫已取消")
    dad.told("访客已挂断")
    dad.is_quiet()

    dad.go("记录")
    visit = dad.page.get_by_role("main").get_by_role("link", name="未接")
    expect(visit).to_be_visible()
    picture = visit.get_by_role("img", name="访客按呼叫时的画面")
    expect(picture).to_be_visible()
    dad.eventually(lambda: picture.evaluate("(img) => img.complete && img.naturalWidth"), "the visitor's picture")
    dad.shot("phone-missed")
    visit.click()
    dad.heading("来访详情")
    expect(dad.page.get_by_role("img", name="访客按呼叫时的画面")).to_be_visible()
    dad.shot("phone-call-page")


def test_when_all_decline_the_visitor_is_told_politely(phone_of: Callable[..., Phone], kiosk: Kiosk) -> None:
    mum, dad = phone_of("mum"), phone_of("dad")
    kiosk.press("1201")
    for phone in (mum, dad):
        phone.rings()
        phone.click("拒绝")
    kiosk.heading("住户现在不方便接听")
    kiosk.back()
    kiosk.press("9999")
    kiosk.heading("没有这个房号")
