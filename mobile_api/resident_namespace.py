"""Socket.IO /resident: the edge to residents' phones - state on arrival, rings and their ends, signalling, doors."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import update

from backend.access import OpeningView
from backend.clock import iso, utc_now
from backend.errors import DevicePendingError, SignInRequiredError, ValidationFailedError
from backend.events import (
    CallChanged,
    DeviceApproved,
    DeviceAsked,
    DeviceRemoved,
    DoorContactChanged,
    HouseholdChanged,
    OpeningChanged,
    SignedOut,
)
from backend.households import Membership, memberships
from backend.identity.devices import Device
from backend.identity.tokens import Caller
from backend.rate_limits import SocketLimits
from backend.sockets import Body, GuardedNamespace
from intercom import signalling
from intercom.call_records import CallView, calls_of
from intercom.station_protocol import ServerEvent
from mobile_api.rendering import CallPlaces, call_out, calls_out, opening_out, view_out
from mobile_api.services import Services

NAMESPACE = "/resident"
PROOF_PATH = "/socket.io/resident"
_FOREVER = datetime.max.replace(tzinfo=utc_now().tzinfo)


@dataclass(frozen=True, kw_only=True)
class PhoneLink:
    """One open page of one device. `valid_until` is when what it may see can change: token, lease or tenancy."""

    sid: str
    caller: Caller
    tenancies: tuple[str, ...]
    households: tuple[str, ...]
    token_until: datetime
    standing_until: datetime

    @property
    def valid_until(self) -> datetime:
        """The earlier of both ends."""
        return min(self.token_until, self.standing_until)


class ResidentNamespace(GuardedNamespace):
    """Every resident's page, and who of them is here."""

    EVENTS: ClassVar[dict[str, str]] = {
        "authenticate": "authenticate",
        "call.received": "call_received",
        "call.answer": "call_answer",
        "call.decline": "call_decline",
        "call.hangup": "call_hang_up",
        "signal": "signal",
    }

    def __init__(self, services: Services, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(NAMESPACE, SocketLimits(per_s=30, burst=90, enabled=services.settings.rate_limits))
        self._do = services
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._links: dict[str, PhoneLink] = {}
        self._by_device: dict[str, set[str]] = {}
        self._left_at: dict[str, float] = {}
        self._started = monotonic()
        self._places = CallPlaces()

    # who is here

    def connected(self, device_ids: Collection[str]) -> set[str]:
        """Of these devices, the ones with an open page."""
        with self._lock:
            return {device_id for device_id in device_ids if self._by_device.get(device_id)}

    def gone(self, device_id: str) -> bool:
        """Whether the device has been away longer than the grace for a reconnect."""
        with self._lock:
            if self._by_device.get(device_id):
                return False
            left = self._left_at.get(device_id, self._started)
            return self._monotonic() - left > self._do.settings.phone_grace_s

    def admit(self, sid: str, environ: dict[str, Any], auth: object) -> None:
        """Let a proved, approved device in: rooms first, then the state, so that nothing falls between."""
        if not isinstance(auth, dict):
            raise SignInRequiredError("sign in first")
        who, now = self._proved(auth), utc_now()
        if not who.approved:
            raise DevicePendingError("this device waits for approval")
        with self._do.db.reading() as session:
            standing = memberships(session, who.account_id, now=now)
        link = _link_of(sid, who, standing)
        with self._lock:
            self._links[sid] = link
            self._by_device.setdefault(who.device_id, set()).add(sid)
        for room in self._rooms(link):
            self.enter_room(sid, room)
        with self._do.db.reading() as session:
            calls = calls_of(session, link.tenancies, active_only=True, before=None, limit=20)
            bodies = calls_out(self._do, session, calls, device_id=who.device_id, now=now)
        self.send(
            "state", {"calls": [body.model_dump(mode="json") for body in bodies], "server_time": iso(now)}, to=sid
        )

    def _rooms(self, link: PhoneLink) -> list[str]:
        return [
            f"device:{link.caller.device_id}",
            f"community:{link.caller.community_id}",
            *(f"tenancy:{tenancy_id}" for tenancy_id in link.tenancies),
        ]

    def _proved(self, auth: Body) -> Caller:
        token, proof = auth.get("token"), auth.get("proof")
        if not isinstance(token, str) or not isinstance(proof, str):
            raise SignInRequiredError("sign in first")
        return self._do.gatekeeper.admit(token, proof, method="GET", path=PROOF_PATH, now=utc_now())

    def left(self, sid: str) -> None:
        """The page is closed or lost."""
        with self._lock:
            link = self._links.pop(sid, None)
            if link is None:
                return
            device_id = link.caller.device_id
            sids = self._by_device.get(device_id, set())
            sids.discard(sid)
            if not sids:
                self._by_device.pop(device_id, None)
                self._left_at[device_id] = self._monotonic()
                if len(self._left_at) > 50_000:
                    self._left_at.clear()

    def _link(self, sid: str) -> PhoneLink:
        with self._lock:
            link = self._links.get(sid)
        if link is None or link.valid_until <= utc_now():
            raise SignInRequiredError("connect again")
        return link

    # what phones say

    def authenticate(self, sid: str, body: Body) -> Body:
        """A fresh token for a page that stays open."""
        link, who = self._link(sid), self._proved(body)
        if who.device_id != link.caller.device_id or who.account_id != link.caller.account_id:
            raise SignInRequiredError("the token belongs to another device")
        with self._lock:
            if sid in self._links:
                self._links[sid] = replace(link, caller=who, token_until=who.token_ends_at)
        return {"ok": True, "expires_in_s": int((who.token_ends_at - utc_now()).total_seconds())}

    def call_received(self, sid: str, body: Body) -> Body:
        """This phone rings now."""
        self._do.calls.received(self._link(sid).caller, call_id=_call_id(body), now=utc_now())
        return {"ok": True}

    def call_answer(self, sid: str, body: Body) -> Body:
        """Answer, as POST /calls/{id}/answer."""
        return self._act(self._do.calls.answer, sid, body)

    def call_decline(self, sid: str, body: Body) -> Body:
        """Decline, as POST /calls/{id}/decline."""
        return self._act(self._do.calls.decline, sid, body)

    def call_hang_up(self, sid: str, body: Body) -> Body:
        """Hang up, as POST /calls/{id}/hang-up."""
        return self._act(self._do.calls.hang_up, sid, body)

    def _act(self, operation: Callable[..., CallView], sid: str, body: Body) -> Body:
        who, now = self._link(sid).caller, utc_now()
        seen = operation(who, call_id=_call_id(body), now=now)
        return {"call": view_out(self._do, seen, device_id=who.device_id, now=now).model_dump(mode="json")}

    def signal(self, sid: str, body: Body) -> Body:
        """SDP or ICE for the station of this phone's call."""
        device_id = self._link(sid).caller.device_id
        parsed = signalling.parse({**body, "leg_id": "own"})
        with self._do.db.reading() as session:
            leg_id, station_id = signalling.route_from_phone(session, call_id=parsed.call_id, device_id=device_id)
        delivered = self._do.hub.tell(station_id, ServerEvent.SIGNAL, replace(parsed, leg_id=leg_id).to_wire())
        return {"ok": delivered}

    # what phones are told

    def signal_device(self, device_id: str, body: Body) -> None:
        """Hand the station's signal to the device's open pages."""
        self.send("signal", body, to=f"device:{device_id}")

    def announce_call(self, fact: CallChanged) -> None:
        """One message to every phone of the home; each sees by its device id what it means for itself."""
        if fact.tenancy_id is None:
            return
        seen = fact.snapshot
        assert isinstance(seen, CallView), "a call's fact carries the call"
        with self._do.db.reading() as session:
            place = self._places.of(session, seen.call)
        body = call_out(seen, place, pictures=[], device_id=None, now=utc_now()).model_dump(mode="json")
        # Pictures are still on their way; a phone that shows the call later reads it with them.
        del body["my_leg"], body["pictures"]
        body["legs"] = [{"device_id": leg.device_id, "state": leg.state} for leg in seen.legs]
        self.send("call", body, to=f"tenancy:{fact.tenancy_id}")

    def announce_opening(self, fact: OpeningChanged) -> None:
        """What became of an opening, also when the word came late."""
        assert isinstance(fact.snapshot, OpeningView), "an opening's fact carries the opening"
        body = opening_out(fact.snapshot)
        self.send("opening", body.model_dump(mode="json"), to=f"device:{fact.device_id}")

    def announce_door(self, fact: DoorContactChanged) -> None:
        """A door's contact, to the phones of the community (doors are no secret, who passed is)."""
        body = {
            "door_id": fact.door_id,
            "contact": fact.change,
            "station_online": self._do.hub.online(fact.station_id),
        }
        self.send("door", body, to=f"community:{fact.community_id}")

    def announce_devices(self, fact: DeviceAsked | DeviceApproved) -> None:
        """The list of devices changed for the person and the people of the home."""
        now = utc_now()
        with self._do.db.reading() as session:
            tenancies = {m.tenancy_id for m in memberships(session, fact.account_id, now=now) if m.counts}
        for tenancy_id in tenancies:
            self.send("devices", {}, to=f"tenancy:{tenancy_id}")

    # who has to go

    def drop_removed(self, fact: DeviceRemoved | SignedOut) -> None:
        """The device lost everything, or its session."""
        self.drop_device(fact.device_id)

    def drop_device(self, device_id: str) -> None:
        """Close every page of a device."""
        with self._lock:
            sids = list(self._by_device.get(device_id, ()))
        for sid in sids:
            self.close(sid)

    def drop_household(self, fact: HouseholdChanged) -> None:
        """Who stands where changed: pages of this household's people connect again and get what is theirs now."""
        now = utc_now()
        with self._lock:
            links = [link for link in self._links.values() if fact.household_id in link.households]
        with self._do.db.reading() as session:
            stale = []
            for link in links:
                fresh = _link_of(link.sid, link.caller, memberships(session, link.caller.account_id, now=now))
                if fresh.tenancies != link.tenancies:
                    stale.append(link.sid)
        for sid in stale:
            self.close(sid)

    def drop_expired(self, *, now: datetime) -> None:
        """Close pages whose token, lease or standing is over."""
        with self._lock:
            over = [link.sid for link in self._links.values() if link.valid_until <= now]
        for sid in over:
            self.close(sid)

    def note_seen(self) -> None:
        """Keep when the devices that are here were last seen, for the list of devices."""
        with self._lock:
            here = list(self._by_device)
        if here:
            with self._do.db.unit_of_work() as uow:
                uow.session.execute(update(Device).where(Device.id.in_(here)).values(last_seen_at=utc_now()))


def _link_of(sid: str, who: Caller, standing: list[Membership]) -> PhoneLink:
    changes = [m.changes_at for m in standing if m.changes_at is not None]
    return PhoneLink(
        sid=sid,
        caller=who,
        tenancies=tuple(sorted(m.tenancy_id for m in standing if m.counts)),
        households=tuple(sorted(m.household_id for m in standing)),
        token_until=who.token_ends_at,
        standing_until=min(changes, default=_FOREVER),
    )


def _call_id(body: Body) -> str:
    call_id = body.get("call_id")
    if not isinstance(call_id, str) or not 1 <= len(call_id) <= 64:
        raise ValidationFailedError("a call_id is needed", errors=[{"field": "call_id", "message": "missing"}])
    return call_id
