"""HTTP: the calls of the home - answer, decline, hang up, and the list with pictures."""

from apiflask import APIBlueprint

from backend.clock import utc_now
from backend.households import memberships
from intercom.call_records import calls_of, view_of, visible_call
from mobile_api.access_control import Audience, allow, caller
from mobile_api.rendering import calls_out, view_out
from mobile_api.schemas import CallOut, CallReplyOut, CallsOut, CallsQuery
from mobile_api.services import services

blueprint = APIBlueprint("calls", __name__, url_prefix="/api/v1/calls", tag="Calls")


@blueprint.get("")
@allow(Audience.RESIDENT)
@blueprint.input(CallsQuery, location="query")
@blueprint.output(CallsOut)
def list_calls(query_data: CallsQuery) -> CallsOut:
    """Calls of the caller's own tenancies, newest first."""
    do, who, now = services(), caller(), utc_now()
    with do.db.reading() as session:
        mine = [m.tenancy_id for m in memberships(session, who.account_id, now=now) if m.counts]
        calls = calls_of(
            session,
            mine,
            active_only=query_data.state == "active",
            before=query_data.cursor or None,
            limit=query_data.limit + 1,
        )
        page = calls[: query_data.limit]
        items = calls_out(do, session, page, device_id=who.device_id, now=now)
    return CallsOut(items=items, next_cursor=page[-1].id if len(calls) > len(page) else None)


@blueprint.get("/<call_id>")
@allow(Audience.RESIDENT)
@blueprint.output(CallOut)
def read_call(call_id: str) -> CallOut:
    """One call as it stands now; a phone that was woken asks this before it makes a sound."""
    do, who, now = services(), caller(), utc_now()
    with do.db.reading() as session:
        view = view_of(session, do.vault, visible_call(session, who, call_id, now=now))
    return view_out(do, view, device_id=who.device_id, now=now)


@blueprint.post("/<call_id>/answer")
@allow(Audience.RESIDENT)
@blueprint.output(CallReplyOut)
def answer(call_id: str) -> CallReplyOut:
    """Answer on this phone; 409 when another phone was first, 410 when the call is over."""
    do, who, now = services(), caller(), utc_now()
    view = do.calls.answer(who, call_id=call_id, now=now)
    return CallReplyOut(call=view_out(do, view, device_id=who.device_id, now=now))


@blueprint.post("/<call_id>/decline")
@allow(Audience.RESIDENT)
@blueprint.output(CallReplyOut)
def decline(call_id: str) -> CallReplyOut:
    """Stop ringing on this phone only."""
    do, who, now = services(), caller(), utc_now()
    view = do.calls.decline(who, call_id=call_id, now=now)
    return CallReplyOut(call=view_out(do, view, device_id=who.device_id, now=now))


@blueprint.post("/<call_id>/hang-up")
@allow(Audience.RESIDENT)
@blueprint.output(CallReplyOut)
def hang_up(call_id: str) -> CallReplyOut:
    """End the talk on the phone that has it."""
    do, who, now = services(), caller(), utc_now()
    view = do.calls.hang_up(who, call_id=call_id, now=now)
    return CallReplyOut(call=view_out(do, view, device_id=who.device_id, now=now))
