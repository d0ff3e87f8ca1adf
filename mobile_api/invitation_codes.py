"""How a code is shown: digits, a link that fills them in, and a QR code of the link (the only user of qrcode)."""

import io

import qrcode
import qrcode.image.svg

from backend.identity.invitations import Invitation
from mobile_api.schemas import InvitationOut


def qr_svg(text: str) -> str:
    """A QR code as an SVG document of one path, level M."""
    image = qrcode.make(text, image_factory=qrcode.image.svg.SvgPathImage, error_correction=qrcode.ERROR_CORRECT_M)
    out = io.BytesIO()
    image.save(out)
    return out.getvalue().decode()


def invitation_out(invitation: Invitation, code: str, *, origin: str) -> InvitationOut:
    """A fresh invitation; its code is shown this once."""
    link = f"{origin}/#/join/{code}"
    return InvitationOut(
        id=invitation.id,
        relation=invitation.relation,
        expires_at=invitation.expires_at,
        code=code,
        link=link,
        qr_svg=qr_svg(link),
    )
