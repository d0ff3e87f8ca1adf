"""Time: aware UTC, in whole milliseconds, and its one text form."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present moment, aware, cut to whole milliseconds so that it survives storage and JSON unchanged."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def iso(moment: datetime) -> str:
    """The form every message and record uses: `2026-11-22T08:00:00.123Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def iso_or_none(moment: datetime | None) -> str | None:
    """`iso`, or None for a moment that has not come."""
    return None if moment is None else iso(moment)
