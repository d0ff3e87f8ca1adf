"""Nothing of the machine it was written on is in the tree."""

import re

from tests.docs.reading import ROOT, tree

# Put together here, so that this file does not name them itself.
REGISTRIES = [
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))
]
MACHINE_PATHS = [
    "/" + "/".join(parts) + "/" for parts in (("work", "main"), ("work", "shared"), ("root",), ("home", "user"))
]
PRIVATE_KEY = "-----BEGIN " + r"(?:EC |RSA |OPENSSH )?PRIVATE KEY-----"
FORBIDDEN = re.compile("|".join([*map(re.escape, REGISTRIES), *map(re.escape, MACHINE_PATHS), PRIVATE_KEY]))
PICTURES = {".png", ".jpg", ".ico", ".woff2", ".y4m", ".webm", ".wav"}


def _found(text: str) -> str | None:
    match = FORBIDDEN.search(text)
    return match.group() if match else None


def test_no_machine_path_registry_or_private_key_is_in_the_tree() -> None:
    bad = {}
    for name in tree():
        path = ROOT / name
        if path.suffix not in PICTURES and (found := _found(path.read_text(encoding="utf-8", errors="replace"))):
            bad[name] = found
    assert not bad


def test_the_search_finds_each_kind() -> None:
    for text in (*REGISTRIES, *MACHINE_PATHS, "-----BEGIN PRIVATE" + " KEY-----"):
        assert _found(f"something {text} something") is not None
    assert _found("https://gate.example.org/setup") is None


def test_pictures_in_the_documentation_are_small() -> None:
    heavy = {name: (ROOT / name).stat().st_size for name in tree() if name.startswith("docs/pictures/")}
    assert all(size <= 200_000 for size in heavy.values()), heavy
