"""P5: tap on "answer" until the talk shows a frame, real page in Chromium and real station agent; beside bare aiortc.

The page prepares its connection while it rings, so the picture is there before the tap. Two moments are taken: the
first frame after the tap, whatever the call's state, and the first frame after the page has heard that it won. The
floor connects when it is asked to, as a page must that prepared nothing.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Page, expect, sync_playwright

from backend.app import free_port
from tests.benchmarks.figures import Report, Samples
from tests.benchmarks.processes import ROOT, Worker
from tests.browser.conftest import FLAGS

PATIENCE_MS = 30_000
WATCH = """() => {
  const video = document.querySelector('video')
  const buttons = () => [...document.querySelectorAll('button')].map((one) => one.innerText)
  const seen = { tapped: 0, next: 0, talk: 0 }
  document.addEventListener('click', () => { seen.tapped ||= performance.now() }, { capture: true, once: true })
  window.__answered = new Promise((done) => {
    const look = () => {
      const now = performance.now()
      if (seen.tapped) {
        seen.next ||= now - seen.tapped
        const texts = buttons()
        if (texts.some((one) => one.includes('挂断')) && !texts.some((one) => one.includes('接听'))) {
          seen.talk = now - seen.tapped
          return done(seen)
        }
      }
      video.requestVideoFrameCallback(look)
    }
    video.requestVideoFrameCallback(look)
  })
}"""


class Home:
    """A demo service with the real agent at its entrance."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = str(folder / "door")
        port = free_port()
        self.origin = f"http://127.0.0.1:{port}"
        self.workers = [
            Worker(
                [*self._command(), "demo", "--port", str(port), "--data", str(folder / "demo")],
                folder / "demo.log",
                GATEHOUSE_NO_RATE_LIMITS="1",
            )
        ]
        self.workers[0].said("The demo is ready", timeout=90)
        made = self._post("/api/v1/demo/pairing-codes", {"station": "unit"})
        self.room = made["room"]
        pairing = ("pair", "--server", self.origin, "--code", made["code"], "--state", self._state)
        subprocess.run([*self._command(), "station", *pairing], cwd=ROOT, check=True, timeout=60, capture_output=True)
        run = ("run", "--state", self._state, "--camera", "test", "--relay", "log")
        self.workers.append(Worker([*self._command(), "station", *run], folder / "door.log"))

    @staticmethod
    def _command() -> list[str]:
        return [sys.executable, "-m", "backend.cli"]

    def _post(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        reply = requests.post(f"{self.origin}{path}", json=body, timeout=20)
        reply.raise_for_status()
        found: dict[str, Any] = reply.json()
        return found

    def invitation(self) -> str:
        code: str = self._post("/api/v1/demo/invitations", {"persona": "mum"})["code"]
        return code

    def press(self) -> None:
        """Press the room at the agent; asks again while it is still starting."""
        end = time.monotonic() + 40
        command = [*self._command(), "station", "press", self.room, "--state", self._state]
        while subprocess.run(command, cwd=ROOT, check=False, timeout=30, capture_output=True).returncode != 0:
            if time.monotonic() > end:
                raise RuntimeError("the agent would not press")
            time.sleep(0.5)

    def close(self) -> None:
        for worker in reversed(self.workers):
            worker.stop()


def _join(page: Page, home: Home) -> None:
    page.goto(f"{home.origin}/#/join/{home.invitation()}")
    page.get_by_label("怎么称呼你", exact=True).fill("妈妈")
    page.get_by_role("button", name="加入", exact=True).click()
    page.get_by_role("button", name="同意并继续", exact=True).click()
    expect(page.get_by_text("已连接，可以接听来访")).to_be_attached(timeout=PATIENCE_MS)


def _answer(page: Page, home: Home) -> dict[str, float]:
    """One call: ring, see the door, tap, talk, hang up."""
    home.press()
    answer = page.get_by_role("button", name="接听", exact=True)
    expect(answer).to_be_visible(timeout=PATIENCE_MS)
    page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0", timeout=PATIENCE_MS)
    page.wait_for_timeout(400)
    page.evaluate(WATCH)
    answer.click()
    seen: dict[str, float] = page.evaluate("() => window.__answered")
    page.wait_for_timeout(200)
    page.get_by_role("button", name="挂断", exact=True).click()
    expect(page.get_by_role("button", name="挂断", exact=True)).to_have_count(0, timeout=PATIENCE_MS)
    return seen


def run(folder: Path, chromium: str, *, rounds: int) -> Report:
    """Floor and product in turn, each page in a context of its own."""
    report = Report("P5: answer -> first frame, Chromium")
    floor = Samples("floor: bare aiortc <-> Chromium, trickle: start -> first frame")
    after_tap = Samples("Gatehouse: tap -> next frame of the door (prepared while ringing)")
    in_talk = Samples("Gatehouse: tap -> first frame after the page knows that it won")
    bare = Worker.python("tests.benchmarks.bare_media", log=folder / "bare.log")
    home = None
    try:
        bare_origin = f"http://127.0.0.1:{bare.answer()['port']}"
        home = Home(folder)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            bare_page = browser.new_context().new_page()
            bare_page.goto(bare_origin)
            page = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN").new_page()
            _join(page, home)
            for number in range(rounds + 2):
                started = bare_page.evaluate("() => window.firstFrame()")
                seen = _answer(page, home)
                if number >= 2:
                    floor.ms.append(started)
                    after_tap.ms.append(seen["next"])
                    in_talk.ms.append(seen["talk"])
            browser.close()
    finally:
        if home is not None:
            home.close()
        bare.stop()
    report.samples += [floor, after_tap, in_talk]
    report.judge("P5 first frame after the tap", after_tap, floor, "bare aiortc", must=2, goal=1)
    report.judge("P5 first frame of the talk", in_talk, floor, "bare aiortc", must=2, goal=1)
    return report
