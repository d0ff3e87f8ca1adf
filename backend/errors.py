"""Expected failures: one class, one documented problem type (RFC 9457). `docs/problems.md` lists them."""

from typing import Any, ClassVar


class ServiceError(Exception):
    """A failure the caller can understand; `members` become extra members of the problem document.

    `detail` is written for a person and names no secret.
    """

    status: ClassVar[int] = 400
    slug: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "Bad request"

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members

    def document(self) -> dict[str, Any]:
        """The problem document of this failure."""
        return {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }


class MalformedError(ServiceError):
    """The message cannot be read at all."""

    status, slug, title = 400, "malformed", "Malformed message"


class ValidationFailedError(ServiceError):
    """The message can be read but breaks its schema; `errors` lists field and message."""

    status, slug, title = 422, "validation-failed", "Validation failed"


class NotFoundError(ServiceError):
    """There is no such thing, or the caller may not know that there is."""

    status, slug, title = 404, "not-found", "Not found"


class SignInRequiredError(ServiceError):
    """No valid access token came with the request."""

    status, slug, title = 401, "sign-in-required", "Sign-in required"


class TokenExpiredError(ServiceError):
    """The access token was ours and is over; refresh it."""

    status, slug, title = 401, "token-expired", "Access token expired"


class ProofRefusedError(ServiceError):
    """The proof of the device key (RFC 9449) is missing, wrong or was used before."""

    status, slug, title = 401, "proof-refused", "Proof of possession refused"


class ProofExpiredError(ServiceError):
    """The proof's time is too far from the server's; `server_time` tells the client how far."""

    status, slug, title = 401, "proof-expired", "Proof of possession expired"


class SignInFailedError(ServiceError):
    """Wrong, used or expired code, or wrong password: never says which, nor whether the account exists."""

    status, slug, title = 401, "sign-in-failed", "Sign-in failed"


class ForbiddenError(ServiceError):
    """The caller is known and this is not theirs to do."""

    status, slug, title = 403, "forbidden", "Forbidden"


class DevicePendingError(ServiceError):
    """This device waits for approval by a device of the home or by the property."""

    status, slug, title = 403, "device-pending", "Device waits for approval"


class OriginRefusedError(ServiceError):
    """The request comes from a page of another origin."""

    status, slug, title = 403, "origin-refused", "Origin refused"


class AccessDeniedError(ServiceError):
    """The rules of the door refuse this person now; `reason` names the rule."""

    status, slug, title = 403, "access-denied", "Access denied"


class ConflictError(ServiceError):
    """The request contradicts what is already there."""

    status, slug, title = 409, "conflict", "Conflict"


class IdempotencyMismatchError(ServiceError):
    """The idempotency key was used before for a different request."""

    status, slug, title = 422, "idempotency-key-reused", "Idempotency key reused"


class CallAlreadyAnsweredError(ServiceError):
    """Another phone answered first; `answered_by` says who."""

    status, slug, title = 409, "call-already-answered", "Another phone answered first"


class CallEndedError(ServiceError):
    """The call is over; `end_reason` says why."""

    status, slug, title = 410, "call-ended", "The call is over"


class RoomUnknownError(ServiceError):
    """The dialled room cannot be rung from this station."""

    status, slug, title = 404, "room-unknown", "No such room here"


class HouseholdBusyError(ServiceError):
    """The household is in another call."""

    status, slug, title = 409, "household-busy", "The household is busy"


class StationBusyError(ServiceError):
    """The station is in a call already."""

    status, slug, title = 409, "station-busy", "The station is busy"


class PairingCodeUnknownError(ServiceError):
    """The pairing code is unknown, used or expired."""

    status, slug, title = 404, "pairing-code-unknown", "Pairing code unknown"


class StationUnknownError(ServiceError):
    """No paired station proves itself with this hello."""

    status, slug, title = 401, "station-unknown", "Station unknown"


class HelloMalformedError(ServiceError):
    """The hello cannot be read."""

    status, slug, title = 400, "hello-malformed", "Hello malformed"


class HelloExpiredError(ServiceError):
    """The hello's time is more than 60 s from the server's; `server_time` says by how much."""

    status, slug, title = 401, "hello-expired", "Hello expired"


class HelloReplayedError(ServiceError):
    """This hello was used before."""

    status, slug, title = 401, "hello-replayed", "Hello replayed"


class MessageTooLargeError(ServiceError):
    """The message is larger than its limit."""

    status, slug, title = 413, "message-too-large", "Message too large"


class TooManyRequestsError(ServiceError):
    """A limit was passed; `retry_after_s` says when to come back."""

    status, slug, title = 429, "too-many-requests", "Too many requests"
