"""What the documentation names exists: links, files, code, make targets, commands."""

import re

import pytest

from backend import cli
from intercom.agent.cli import parser as station_parser
from tests.docs.reading import FOLDERS, PACKAGES, ROOT, Page, page, pages, resolve, tree

EVERY_PAGE = pytest.mark.parametrize("each", pages(), ids=lambda each: each.name)


@EVERY_PAGE
def test_every_relative_link_leads_to_a_file_and_a_heading(each: Page) -> None:
    for link in each.links:
        target, _, fragment = link.partition("#")
        path = (each.path.parent / target).resolve() if target else each.path
        assert path.exists(), f"{each.name}: {link} leads nowhere"
        if fragment:
            assert fragment in Page(path=path).anchors, f"{each.name}: {link} has no such heading"


@EVERY_PAGE
def test_every_named_file_exists(each: Page) -> None:
    known = set(tree())
    for span in each.spans:
        if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./\-]*", span) is None:
            continue
        name = span.rstrip("/")
        is_folder = any(file.startswith(f"{name}/") for file in known)
        built = name == "backend/static/app"
        assert name in known or is_folder or built, f"{each.name}: there is no {span}"


@EVERY_PAGE
def test_every_named_module_class_and_function_exists(each: Page) -> None:
    for span in each.spans:
        if re.fullmatch(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+", span):
            try:
                resolve(span)
            except (ImportError, AttributeError) as error:
                raise AssertionError(f"{each.name}: {span}: {error}") from error


@EVERY_PAGE
def test_every_make_target_exists(each: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {
        target
        for text in [each.blocks, *each.spans]
        for target in re.findall(r"^make ([a-z-]+)", text, flags=re.MULTILINE)
    }
    assert named <= targets, f"{each.name}: make {sorted(named - targets)}"


def _commands(page: Page) -> set[str]:
    texts = [page.blocks.replace("\\\n", " "), *page.spans]
    found = set()
    for text in texts:
        for first, second in re.findall(r"(?:^|/bin/|&& |=)gatehouse ([a-z]+)(?: ([a-z]+))?", text, flags=re.MULTILINE):
            found.add(f"{first} {second}".strip() if first in {"db", "log", "station"} else first)
    return found - {"station"}


@EVERY_PAGE
def test_every_command_exists(each: Page) -> None:
    for command in _commands(each):
        words = command.split()
        parser = station_parser() if words[0] == "station" else cli._parser()
        text = parser.format_help()
        if words[0] in {"db", "log"}:
            assert words[1] in {"upgrade", "verify"}, f"{each.name}: gatehouse {command}"
        assert re.search(rf"\b{words[-1] if words[0] == 'station' else words[0]}\b", text), f"{each.name}: {command}"


def test_the_readers_find_what_is_wrong(tmp_path: object) -> None:
    """The checks above can fail: each reader sees its kind of mistake in a bad page."""
    bad = ROOT / "docs" / "architecture.md"
    text = Page(path=bad).text
    assert "architecture.md" in page("docs/index.md").links
    assert "backend/app.py" in Page(path=bad).spans
    assert "the-main-flow-file-by-file" in Page(path=bad).anchors
    assert "db upgrade" in _commands(page("docs/operations.md"))
    assert "station pair" in _commands(page("docs/operations.md"))
    assert "backend.access.AccessDesk.recover" in text
    with pytest.raises(AttributeError):
        resolve("backend.access.AccessDesk.forget_everything")
    with pytest.raises(ImportError):
        resolve("nowhere.at_all")


def test_every_page_is_reached_from_the_index() -> None:
    index = page("docs/index.md")
    reached, waiting = set(), [index.path]
    while waiting:
        path = waiting.pop()
        if path.is_dir():
            waiting += path.glob("*.md")
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        links = (link.partition("#")[0] for link in Page(path=path).links)
        waiting += [(path.parent / link).resolve() for link in links if link]
    lost = {p.name for p in pages() if p.name.startswith("docs/") and p.path not in reached}
    assert not lost, f"no link leads to {sorted(lost)}"
