"""RFC 9457: every error of the HTTP edge, also those of the framework, is a problem document."""

import logging
from http import HTTPStatus
from typing import Any

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, jsonify
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from backend.errors import MessageTooLargeError, ServiceError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_TITLES = {413: MessageTooLargeError.title, 416: "Range not satisfiable"}
"""Statuses whose phrase is not the same in every version of Python, while a problem type is for ever."""


def problem(document: dict[str, Any]) -> Response:
    """A response that carries a problem document."""
    response = jsonify(document)
    response.status_code = document["status"]
    response.content_type = MEDIA_TYPE
    if "retry_after_s" in document:
        response.headers["Retry-After"] = str(document["retry_after_s"])
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'DPoP algs="ES256"'
    return response


def _plain(status: int, detail: str, **members: Any) -> dict[str, Any]:
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    slug = title.lower().replace(" ", "-").replace("'", "")
    return {"type": f"/problems/{slug}", "title": title, "status": status, "detail": detail, **members}


def _validation(error: HTTPError) -> dict[str, Any]:
    detail: Any = error.detail
    errors = [
        {"field": field if location == "json" else f"{location}.{field}", "message": message}
        for location, fields in detail.items()
        for field, messages in fields.items()
        for message in messages
    ]
    return {
        "type": "/problems/validation-failed",
        "title": "Validation failed",
        "status": 422,
        "detail": "some members of the request cannot be used",
        "errors": errors,
    }


def init_problems(app: APIFlask) -> None:
    """Render every error of `app` as a problem document."""

    @app.errorhandler(ServiceError)
    def service_error(error: ServiceError) -> Response:
        return problem(error.document())

    @app.errorhandler(HTTPError)
    def api_error(error: HTTPError) -> Response:
        if error.status_code == HTTPStatus.UNPROCESSABLE_ENTITY and error.detail:
            return problem(_validation(error))
        return problem(_plain(error.status_code, str(error.message)))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> BaseResponse:
        status = error.code or 500
        if status < HTTPStatus.BAD_REQUEST:
            return error.get_response()
        response = problem(_plain(status, error.description or HTTPStatus(status).phrase))
        if status == HTTPStatus.METHOD_NOT_ALLOWED and getattr(error, "valid_methods", None):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
        return response

    @app.errorhandler(Exception)
    def bug(error: Exception) -> Response:
        logger.error("an unexpected error", exc_info=error)
        return problem(_plain(500, "something went wrong here; it was logged"))
