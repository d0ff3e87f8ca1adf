"""Fixtures: one Chromium for all browser tests, and the devices of one test."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.devices import Devices, Kiosk, Phone, devices_in
from tests.support.service import FAMILY, Service

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Chromium with a camera and a microphone that are not there: a moving picture and a beep each second."""
    # Playwright's loop stays in this thread while it is open; the package's end gives the thread back to other tests.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def devices(chromium: Browser, start_service: Callable[..., Service]) -> Iterator[Devices]:
    """Phones, kiosks and desks; closed before the service, and no page may have complained or gone elsewhere."""
    with devices_in(chromium) as made:
        yield made


@pytest.fixture
def phone_of(devices: Devices, service: Service) -> Callable[..., Phone]:
    """A family member's phone, come in by an invitation's link."""

    def make(persona: str = "mum", *, new_here: bool = True, **options: Any) -> Phone:
        phone = devices.phone(service.origin, **options)
        return phone.join(service.invitation(persona), FAMILY[persona][0], new_here=new_here)

    return make


@pytest.fixture
def kiosk(devices: Devices, service: Service) -> Kiosk:
    """The family's entrance with the kiosk page as its station."""
    return devices.kiosk(service.origin).pair(service.pairing_code(service.community().unit_station_id))
