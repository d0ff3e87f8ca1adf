"""What the documentation says, in a form that tests can compare with the code."""

import functools
import importlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("backend", "intercom", "mobile_api", "notifications")
FOLDERS = (*PACKAGES, "docs", "tests", "web", "scripts")


@dataclass(frozen=True, kw_only=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without blocks of code."""
        return re.sub(r"^```.*?^```", "", self.text, flags=re.MULTILINE | re.DOTALL)

    @property
    def blocks(self) -> str:
        """The blocks of code, without their language."""
        return "\n".join(re.findall(r"^```[^\n]*\n(.*?)^```", self.text, flags=re.MULTILINE | re.DOTALL))

    @property
    def spans(self) -> list[str]:
        """What stands between backticks."""
        return re.findall(r"`([^`\n]+)`", self.prose)

    @property
    def links(self) -> list[str]:
        """Targets of links and pictures that are not addresses."""
        targets = re.findall(r"\]\(([^)\s]+)\)", self.prose) + re.findall(r'(?:src|href|srcset)="([^"]+)"', self.prose)
        return [target for target in targets if not re.match(r"[a-z]+:", target)]

    @property
    def anchors(self) -> set[str]:
        """The fragments that its headings can be reached by."""
        headings = re.findall(r"^#+ (.+)$", self.prose, flags=re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def pages() -> list[Page]:
    """README, changelog and everything in docs/."""
    return [
        Page(path=path) for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
    ]


def page(name: str) -> Page:
    return Page(path=ROOT / name)


def tables(text: str) -> list[dict[str, str]]:
    """Every row of every table of a page, by column."""
    rows: list[dict[str, str]] = []
    header: list[str] | None = None
    for line in text.splitlines():
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if header is None:
            header = cells
        elif not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            assert len(cells) == len(header), f"a row with another number of cells: {line}"
            rows.append(dict(zip(header, cells, strict=True)))
    return rows


@functools.cache
def tree() -> tuple[str, ...]:
    """The files that git has or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return tuple(sorted({name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()}))


def resolve(dotted: str) -> object:
    """The module, class, function or member behind a dotted name; AttributeError or ImportError when there is none."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        try:
            found: object = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name + ".").startswith(error.name + "."):
                raise
            continue
        for part in parts[length:]:
            if part in getattr(found, "__dataclass_fields__", {}):
                return found
            found = getattr(found, part)
        return found
    raise ImportError(f"no module of {dotted}")
