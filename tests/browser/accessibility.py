"""Looks at a page's state with axe-core in several sizes and colour schemes, and for sideways scrolling on a phone."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.devices import DESKTOP, PHONE, Device

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  // A colour on its way from light to dark is neither.
  for (;;) {
    await new Promise(requestAnimationFrame)
    const moving = document.getAnimations().filter((one) => Number.isFinite(one.effect?.getComputedTiming().endTime))
    if (moving.every((one) => one.playState === "finished")) break
    await Promise.allSettled(moving.map((one) => one.finished))
  }
  const { violations } = await axe.run(document, { iframes: false, resultTypes: ["violations"] })
  return violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map(({ id, nodes }) => ({
      rule: id,
      where: nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} | ${failureSummary}`),
    }))
}"""
SIDEWAYS = """() => {
  const root = document.scrollingElement
  if (root.scrollWidth <= root.clientWidth) return null
  const sticksOut = (one) => one.getBoundingClientRect().right > root.clientWidth + 1
  const wide = [...document.querySelectorAll("body *")].filter(sticksOut)
  return `${root.scrollWidth} px wide: ${wide.slice(0, 3).map((one) => one.outerHTML.slice(0, 120)).join(" | ")}`
}"""


@dataclass
class Inspection:
    """Findings of one walk. Each language sees two of the four pairs of size and scheme; both together see all four."""

    language: str
    findings: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        chinese = self.language == "zh"
        self.looks = (
            [("phone", PHONE, "light"), ("desktop", DESKTOP, "dark")]
            if chinese
            else [("phone", PHONE, "dark"), ("desktop", DESKTOP, "light")]
        )

    def say(self, chinese: str, english: str) -> str:
        return chinese if self.language == "zh" else english

    def look(self, device: Device, state: str) -> None:
        """Inspect what the page shows now."""
        page = device.page
        self.states.append(state)
        for size_name, size, scheme in self.looks:
            page.set_viewport_size({"width": size["width"], "height": size["height"]})
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
            where = f"{state} ({self.language}, {size_name}, {scheme})"
            self._axe(page, where)
            if size_name == "phone" and (wide := page.evaluate(SIDEWAYS)):
                self.findings.append(f"{where}: scrolls sideways, {wide}")
            device.shot(f"axe-{self.language}-{state.replace(' ', '-')}-{size_name}-{scheme}")

    def _axe(self, page: Page, where: str) -> None:
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE.read_text(encoding="utf-8"))
        for one in page.evaluate(RUN):
            self.findings.append(f"{where}: {one['rule']} {json.dumps(one['where'][:3], ensure_ascii=False)}")

    def assert_clean(self) -> None:
        assert not self.findings, f"{len(self.findings)} serious findings:\n" + "\n".join(self.findings)
