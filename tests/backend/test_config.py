"""Settings: nothing starts with a missing, short or known secret, and every variable stands in the documentation."""

import re
from pathlib import Path

import pytest

from backend.config import DEMO_SECRET, Settings, SettingsError, load_settings

ROOT = Path(__file__).parents[2]
GOOD = "Tz5-an unguessable secret of forty chars"
BASE = {"GATEHOUSE_SECRET": GOOD}


def test_a_good_secret_is_enough() -> None:
    settings = load_settings(BASE)
    assert settings.secret == GOOD
    assert settings.demo is False
    assert settings.rate_limits is True
    assert settings.public_origin == "http://localhost:8080"


@pytest.mark.parametrize(
    "secret", ["", "short", "x" * 31, "a" * 64, "ab" * 32, DEMO_SECRET, "changeme" * 4, "secret" * 6]
)
def test_outside_the_demo_a_missing_short_plain_or_known_secret_is_refused(secret: str) -> None:
    with pytest.raises(SettingsError, match="gatehouse secret"):
        load_settings({"GATEHOUSE_SECRET": secret})


def test_the_demo_may_use_its_own_secret_and_nothing_else_may() -> None:
    assert load_settings({"GATEHOUSE_DEMO": "1"}).secret == DEMO_SECRET
    with pytest.raises(SettingsError):
        load_settings({"GATEHOUSE_DEMO": "0", "GATEHOUSE_SECRET": DEMO_SECRET})


def test_the_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{GOOD}\n")
    assert load_settings({"GATEHOUSE_SECRET_FILE": str(file)}).secret == GOOD
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings({"GATEHOUSE_SECRET_FILE": str(tmp_path / "nowhere")})
    file.write_text("short")
    with pytest.raises(SettingsError):
        load_settings({"GATEHOUSE_SECRET_FILE": str(file)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEHOUSE_PORT", "eighty"),
        ("GATEHOUSE_RING_S", "-1"),
        ("GATEHOUSE_RING_S", "0"),
        ("GATEHOUSE_TALK_S", "nan"),
        ("GATEHOUSE_HEARTBEAT_S", "inf"),
        ("GATEHOUSE_DEMO", "maybe"),
        ("GATEHOUSE_ORIGINS", "gate.example.org"),
        ("GATEHOUSE_ORIGINS", "https://gate.example.org/path"),
        ("GATEHOUSE_ORIGINS", "ftp://gate.example.org"),
        ("GATEHOUSE_TURN_URLS", "turn:turn.example.org"),
        ("GATEHOUSE_SMS_WEBHOOK_URL", "https://sms.example.org"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({**BASE, name: value})


def test_origins_are_matched_exactly() -> None:
    settings = load_settings({**BASE, "GATEHOUSE_ORIGINS": "https://gate.example.org, http://10.0.0.5:8080"})
    assert settings.origin_allowed("https://gate.example.org")
    assert settings.origin_allowed("http://10.0.0.5:8080")
    for foreign in ("http://gate.example.org", "https://gate.example.org:444", "https://gate.example.org.evil", "null"):
        assert not settings.origin_allowed(foreign)


def test_secrets_do_not_show_in_the_settings_representation() -> None:
    secrets = {"GATEHOUSE_TURN_SECRET": "t" * 40, "GATEHOUSE_SMS_WEBHOOK_SECRET": "s" * 40}
    shown = repr(load_settings({**BASE, **secrets}))
    for secret in (GOOD, *secrets.values()):
        assert secret not in shown


NAME = re.compile(r"GATEHOUSE_[A-Z_]+[A-Z]")


def named_in(*patterns: str) -> set[str]:
    """The variables that stand in these files; the station's software makes its names from its options."""
    found = {name for pattern in patterns for path in ROOT.glob(pattern) for name in NAME.findall(path.read_text())}
    return {name for name in found if not name.startswith("GATEHOUSE_STATION")}


def test_every_variable_is_documented_and_none_is_invented() -> None:
    documented = named_in("docs/configuration.md")
    used = named_in(*(f"{folder}/**/*.py" for folder in ("backend", "intercom", "mobile_api", "notifications")))
    assert used - documented == set()
    assert documented - used - named_in("web/vite.config.ts", "Makefile") == set()


def test_pictures_live_outside_everything_the_web_server_hands_out(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, secret=GOOD, database_url="sqlite://")
    assert settings.pictures.is_relative_to(tmp_path)
    assert not settings.pictures.is_relative_to(ROOT / "backend" / "static")
