"""The command line: gatehouse serve, run, demo, db, seed, station, log, secret, openapi."""

import argparse
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.config import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["station"]:
        # The station's own software: runs without Flask and SQLAlchemy, so nothing else may be imported before.
        from intercom.agent.cli import main as station

        return station(arguments[1:])
    parsed = _parser().parse_args(arguments)
    from backend.config import SettingsError

    try:
        status: int = parsed.run(parsed)
    except SettingsError as error:
        print(f"gatehouse: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gatehouse", description="Resident and visitor service for communities.")
    commands = parser.add_subparsers(required=True, metavar="command")
    serve = commands.add_parser("serve", help="run the service with the settings of the environment")
    serve.set_defaults(run=_serve)
    for name, run, text in (
        ("run", _run, "run an empty service from one folder; makes its secret, prints a one-time set-up code"),
        ("demo", _demo, "run the seeded demo community"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--port", type=int, default=8080)
        command.add_argument("--data", type=Path, default=Path("var") / name)
        command.set_defaults(run=run)
    database = commands.add_parser("db", help="the database's schema").add_subparsers(required=True, metavar="action")
    database.add_parser("upgrade", help="bring the schema up to date").set_defaults(run=_upgrade)
    commands.add_parser("seed", help="fill an empty database with the example communities").set_defaults(run=_seed)
    log = commands.add_parser("log", help="the access log").add_subparsers(required=True, metavar="action")
    log.add_parser("verify", help="check every community's chain; names the first bad row").set_defaults(run=_verify)
    commands.add_parser("secret", help="print a fresh secret for GATEHOUSE_SECRET").set_defaults(run=_secret)
    openapi = commands.add_parser("openapi", help="print the OpenAPI document")
    openapi.set_defaults(run=_openapi)
    commands.add_parser("station", help="the door station's own software (gatehouse station --help)")
    return parser


def _settings() -> "Settings":
    from backend.config import load_settings

    return load_settings()


def _upgrade(_arguments: argparse.Namespace) -> int:
    from backend.migrations import upgrade

    settings = _settings()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    upgrade(settings.database_url)
    return 0


def _seed(_arguments: argparse.Namespace) -> int:
    from backend.clock import utc_now
    from backend.db import Database
    from backend.vault import Vault
    from mobile_api.seed import seed

    settings = _settings()
    db = Database(settings.database_url)
    made = seed(db, Vault(settings.secret), now=utc_now())
    db.close()
    print(f"{len(made)} communities made" if made else "the database has a community already; nothing changed")
    return 0


def _verify(_arguments: argparse.Namespace) -> int:
    from sqlalchemy import select

    from backend import access_log
    from backend.communities import Community
    from backend.db import Database
    from backend.vault import Vault

    settings = _settings()
    db, vault = Database(settings.database_url), Vault(settings.secret)
    whole = True
    with db.reading() as session:
        for community_id, name in session.execute(select(Community.id, Community.name).order_by(Community.id)).all():
            found = access_log.verify(session, vault, community_id)
            whole = whole and found.whole
            state = "whole" if found.whole else f"BROKEN at row {found.bad_seq}: {found.problem}"
            print(f"{name}: {found.rows} rows, {state}")
    db.close()
    return 0 if whole else 1


def _secret(_arguments: argparse.Namespace) -> int:
    print(secrets.token_urlsafe(48))
    return 0


def _openapi(_arguments: argparse.Namespace) -> int:
    import tempfile

    from backend.app import create_app
    from backend.config import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data=Path(folder),
            secret=secrets.token_urlsafe(48),
            database_url=f"sqlite:///{folder}/empty.db",
            origins=("http://localhost:8080",),
            demo=True,
        )
        from backend.migrations import upgrade

        upgrade(settings.database_url)
        made = create_app(settings)
        with made.app.app_context():
            print(json.dumps(made.app.spec, indent=1, ensure_ascii=False, sort_keys=True))
        made.close()
    return 0


def _run(arguments: argparse.Namespace) -> int:
    data: Path = arguments.data.resolve()
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret_file = data / "secret"
    if not os.environ.get("GATEHOUSE_SECRET") and not secret_file.exists():
        descriptor = os.open(secret_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    os.environ.setdefault("GATEHOUSE_SECRET_FILE", str(secret_file))
    return _serve_folder(arguments)


def _demo(arguments: argparse.Namespace) -> int:
    os.environ["GATEHOUSE_DEMO"] = "1"
    return _serve_folder(arguments)


def _serve_folder(arguments: argparse.Namespace) -> int:
    os.environ["GATEHOUSE_DATA"] = str(arguments.data.resolve())
    os.environ["GATEHOUSE_PORT"] = str(arguments.port)
    _upgrade(arguments)
    if os.environ.get("GATEHOUSE_DEMO") == "1":
        _seed(arguments)
    return _serve(arguments)


def _serve(_arguments: argparse.Namespace) -> int:
    import logging

    from backend.app import create_app

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = _settings()
    made = create_app(settings)
    server = made.server(settings.host, settings.port)
    made.tender.start()

    def stop(_number: int, _frame: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    origin = settings.public_origin
    if made.services.set_up.required(made.services.db):
        print(
            f"\n  Set up this service: {origin}/setup\n  One-time set-up code: {made.services.set_up.code}\n",
            flush=True,
        )
    elif settings.demo:
        print(f"\n  The demo is ready: {origin}/demo\n", flush=True)
    else:
        print(f"\n  Gatehouse is ready: {origin}\n", flush=True)
    server.serve_forever(poll_interval=0.1)
    made.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
