"""The OpenAPI 3.1 document: what APIFlask makes of the views, with problem documents as the errors they really are."""

from typing import Any

from apiflask import APIFlask
from flask import current_app

from mobile_api.access_control import AUDIENCE_ATTRIBUTE, SECURITY_SCHEMES, Audience
from mobile_api.problems import MEDIA_TYPE
from mobile_api.schemas import ProblemOut

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_WHO = {
    Audience.PUBLIC: "Anybody.",
    Audience.SIGNED_IN: "A signed-in device, also one that waits for approval.",
    Audience.RESIDENT: "An approved device.",
    Audience.ADMINISTRATOR: "An administrator's device.",
}
_ALWAYS = {"429": "A limit was passed"}
_SIGNED_IN = {"401": "Sign-in or proof refused", "403": "Not allowed, or the device waits for approval"}
_KEYED = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 80},
    "description": "Repeating a create with the same key does it once and answers the same.",
}


def describe(spec: dict[Any, Any] | str) -> dict[Any, Any] | str:
    """Finish the document: errors, keys and who may call."""
    assert isinstance(spec, dict), "the document is asked for as JSON"
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = {**ProblemOut.model_json_schema(), "additionalProperties": True}
    for unused in ("HTTPError", "ValidationError"):
        schemas.pop(unused, None)
    for operation_id, path, method, operation in _operations(spec):
        view = current_app.view_functions[operation_id]
        audience: Audience = getattr(view, AUDIENCE_ATTRIBUTE)
        operation["operationId"] = operation_id.split(".", 1)[1]
        operation["x-audience"] = audience.value
        operation["description"] = f"{operation.get('description') or ''}\n\nWho may call: {_WHO[audience]}".strip()
        _describe_errors(operation, audience, path, method)
        if method == "post" and "openings" in path:
            operation.setdefault("parameters", []).append({**_KEYED, "required": True})
        elif method == "post" and hasattr(view, "keyed"):
            operation.setdefault("parameters", []).append(_KEYED)
    return spec


def _operations(spec: dict[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    by_place = {}
    for rule in current_app.url_map.iter_rules():
        for method in rule.methods or ():
            place = rule.rule.replace("<", "{").replace(">", "}")
            by_place[place, method.lower()] = rule.endpoint
    return [
        (by_place[path, method], path, method, operation)
        for path, item in spec["paths"].items()
        for method, operation in item.items()
        if (path, method) in by_place
    ]


def _describe_errors(operation: dict[str, Any], audience: Audience, path: str, method: str) -> None:
    responses = operation["responses"]
    wanted = dict(_ALWAYS)
    if audience != Audience.PUBLIC or method in {"post", "patch", "delete"}:
        wanted.update(_SIGNED_IN)
    if method in {"post", "patch"}:
        wanted.update({"400": "The body cannot be read", "409": "Contradicts what is there", "413": "Too large"})
        wanted["415"] = "Not JSON"
    if method in {"post", "patch"} or path.endswith("/session"):
        wanted["422"] = "Some members cannot be used"
    if "{" in path or audience == Audience.ADMINISTRATOR or "/demo/" in path or "household" in path or method == "post":
        wanted["404"] = "There is no such thing, or the caller may not know"
    if "/calls/" in path:
        wanted["410"] = "The call is over"
    for status in list(responses):
        if status.startswith(("4", "5")):
            wanted.setdefault(status, responses[status].get("description", ""))
    for status, description in wanted.items():
        responses[status] = {"description": description, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}


def init_openapi(app: APIFlask) -> None:
    """Set what the document says of the service as a whole."""
    app.config.update(
        AUTO_OPERATION_ID=True,
        AUTO_404_RESPONSE=False,
        AUTO_SERVERS=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        LOCAL_SPEC_JSON_INDENT=1,
    )
    app.description = (
        "The API of Gatehouse for residents, visitors and property. Errors are RFC 9457 problem documents; tokens are "
        "bound to the device's key by DPoP (RFC 9449); stations speak their own protocol (docs/station-protocol.md)."
    )
    app.security_schemes = SECURITY_SCHEMES
    app.spec_processor(describe)
