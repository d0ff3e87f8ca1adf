"""Pictures: one for each press, answer and opening, kept outside the web root, shown by short-lived links."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ForeignKey, String, UniqueConstraint, false, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.db import ID_LENGTH, Base, UnitOfWork
from backend.errors import NotFoundError
from backend.ids import new_id
from backend.vault import Vault

LINK_LIFETIME = timedelta(minutes=10)
MAX_PICTURES_OF_CALL = 8
NOT_RECEIVED = "not_received"


class Picture(Base):
    """A picture, or why there is none (`missing`)."""

    __tablename__ = "picture"
    __table_args__ = (UniqueConstraint("community_id", "id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    station_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    call_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), index=True)
    opening_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), index=True)
    moment: Mapped[str] = mapped_column(String(10))
    taken_at: Mapped[datetime]
    received_at: Mapped[datetime]
    missing: Mapped[str | None] = mapped_column(String(40))
    sha256: Mapped[str | None] = mapped_column(String(64))


@dataclass(frozen=True, kw_only=True)
class PictureView:
    """A picture as a record shows it: a link, or the reason there is none."""

    moment: str
    url: str | None
    missing: str | None


class PictureStore:
    """The files behind the rows, and the links to them."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self._folder = folder
        self._key = vault.key("picture-links")

    def keep(
        self,
        uow: UnitOfWork,
        *,
        community_id: str,
        station_id: str,
        call_id: str | None,
        opening_id: str | None,
        moment: str,
        jpeg: bytes | None,
        missing: str | None,
        taken_at: datetime,
        now: datetime,
    ) -> str:
        """Store a picture (or the reason for none) and its row; the file is on disk before the row is."""
        picture = Picture(
            id=new_id(),
            community_id=community_id,
            station_id=station_id,
            call_id=call_id,
            opening_id=opening_id,
            moment=moment,
            taken_at=taken_at,
            received_at=now,
            missing=missing,
            sha256=hashlib.sha256(jpeg).hexdigest() if jpeg is not None else None,
        )
        if jpeg is not None:
            path = self._path(picture.id)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(jpeg)
        uow.session.add(picture)
        uow.session.flush()
        return picture.id

    def count(self, session: Session, call_id: str | None, opening_id: str | None) -> int:
        """How many pictures this call and opening have."""
        mine = or_(
            Picture.call_id == call_id if call_id else false(),
            Picture.opening_id == opening_id if opening_id else false(),
        )
        return session.scalar(select(func.count()).select_from(Picture).where(mine)) or 0

    def read(self, session: Session, *, picture_id: str, expires: int, signature: str, now: datetime) -> bytes:
        """The JPEG behind a signed link.

        Raises:
            NotFoundError: the link is wrong or over, or the picture is gone.
        """
        good = hmac.compare_digest(self._sign(picture_id, expires).encode(), signature.encode())
        picture = session.get(Picture, picture_id) if good and expires >= now.timestamp() else None
        if picture is None or picture.missing is not None:
            raise NotFoundError("there is no such picture")
        try:
            return self._path(picture.id).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError("there is no such picture") from error

    def link(self, picture_id: str, *, now: datetime) -> str:
        """An address that shows this picture for ten minutes to whoever has it."""
        expires = int((now + LINK_LIFETIME).timestamp())
        return f"/api/v1/pictures/{picture_id}?expires={expires}&signature={self._sign(picture_id, expires)}"

    def of_calls(self, session: Session, call_ids: list[str], *, now: datetime) -> dict[str, list[PictureView]]:
        """The pictures of these calls; a call without a picture of the press says that none was received."""
        rows = session.scalars(select(Picture).where(Picture.call_id.in_(call_ids)).order_by(Picture.id))
        found: dict[str, list[PictureView]] = {call_id: [] for call_id in call_ids}
        for row in rows:
            if row.call_id is not None:
                found[row.call_id].append(self._view(row, now))
        for views in found.values():
            if not any(view.moment == "press" for view in views):
                views.insert(0, PictureView(moment="press", url=None, missing=NOT_RECEIVED))
        return found

    def of_openings(self, session: Session, opening_ids: list[str], *, now: datetime) -> dict[str, list[PictureView]]:
        """The pictures of these openings."""
        rows = session.scalars(select(Picture).where(Picture.opening_id.in_(opening_ids)).order_by(Picture.id))
        found: dict[str, list[PictureView]] = {opening_id: [] for opening_id in opening_ids}
        for row in rows:
            if row.opening_id is not None:
                found[row.opening_id].append(self._view(row, now))
        for views in found.values():
            if not views:
                views.append(PictureView(moment="opening", url=None, missing=NOT_RECEIVED))
        return found

    def _view(self, row: Picture, now: datetime) -> PictureView:
        return PictureView(
            moment=row.moment, url=None if row.missing else self.link(row.id, now=now), missing=row.missing
        )

    def _path(self, picture_id: str) -> Path:
        return self._folder / picture_id[-2:] / f"{picture_id}.jpg"

    def _sign(self, picture_id: str, expires: int) -> str:
        return hmac.new(self._key, f"{picture_id}/{expires}".encode(), hashlib.sha256).hexdigest()
