"""The shapes that people's pages send and receive; docs/openapi.json is made from them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from backend.clock import iso


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not the name of a time zone, such as Asia/Shanghai")
    return name


def _in_reach(moment: datetime) -> datetime:
    if not 2000 <= moment.year <= 2200:
        raise ValueError("not a time in reach")
    return moment.astimezone(UTC)


When = Annotated[AwareDatetime, AfterValidator(_in_reach)]
"""A time that is sent: with its zone, and near enough that no arithmetic on it overflows."""

Moment = Annotated[datetime, PlainSerializer(iso, return_type=str)]
"""A time, written as ISO 8601 UTC with milliseconds."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
DeviceName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=24)]
Code6 = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Code8 = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}$")]
Timezone = Annotated[str, StringConstraints(max_length=40), AfterValidator(_known_zone)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class In(BaseModel):
    """A request body: unknown members are refused, so that a typing error is not silently lost."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """A response body."""


# sign-in


class DeviceIn(In):
    name: DeviceName


class CodeRequestIn(In):
    phone: Phone


class CodeRequestOut(Out):
    request_id: str
    expires_in_s: int


class PhoneSignInIn(In):
    request_id: Id
    code: Code6
    device: DeviceIn


class InvitationSignInIn(In):
    code: Code8
    name: Name
    device: DeviceIn


class PasswordSignInIn(In):
    phone: Phone
    password: Password
    device: DeviceIn


class AdministratorIn(In):
    name: Name
    phone: Phone
    password: Password


class CommunityIn(In):
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
    kind: Literal["closed", "open", "single_block"]
    address_code: Annotated[str, StringConstraints(max_length=30)] | None = None
    timezone: Timezone = "Asia/Shanghai"


class SetUpIn(In):
    code: Code8
    administrator: AdministratorIn
    community: CommunityIn
    device: DeviceIn


class SessionDeviceOut(Out):
    id: str
    name: str
    state: Literal["approved", "pending"]


class AccountOut(Out):
    id: str
    name: str
    role: Literal["resident", "administrator"]
    privacy_accepted: bool
    language: str


class SessionOut(Out):
    access_token: str
    expires_in_s: int
    server_time: Moment
    device: SessionDeviceOut
    account: AccountOut


class ServiceOut(Out):
    version: str
    setup_required: bool
    demo: bool
    community_name: str | None
    privacy_version: str


# me


class HouseholdOut(Out):
    id: str
    name: str
    building: str
    unit: str | None
    room: str
    community: str
    relation: Literal["owner", "family", "tenant"]
    tenancy_ends_at: Moment | None
    let: bool
    ringing: bool


class MeOut(Out):
    account: AccountOut
    device: SessionDeviceOut
    households: list[HouseholdOut]


class MeIn(In):
    language: Literal["zh", "en"] | None = None


class ConsentIn(In):
    version: Annotated[str, StringConstraints(min_length=1, max_length=16)]


class DeviceOut(Out):
    id: str
    name: str
    state: Literal["approved", "pending"]
    this_device: bool
    account_name: str
    created_at: Moment
    last_seen_at: Moment


class DevicesOut(Out):
    items: list[DeviceOut]


class InvitationIn(In):
    household_id: Id
    relation: Literal["family", "tenant"]
    ends_at: When | None = None


class InvitationOut(Out):
    id: str
    relation: Literal["owner", "family", "tenant"]
    expires_at: Moment
    code: str
    link: str
    qr_svg: str


class OpenInvitationOut(Out):
    id: str
    relation: Literal["owner", "family", "tenant"]
    made_at: Moment
    expires_at: Moment


class InvitationsOut(Out):
    items: list[OpenInvitationOut]


class LeaseIn(In):
    household_id: Id
    ends_at: When


class LeaseOut(Out):
    id: str
    household_id: str
    household_name: str
    starts_at: Moment
    ends_at: Moment
    tenants: list[str]


class NewLeaseOut(LeaseOut):
    invitation: InvitationOut


class LeasesOut(Out):
    items: list[LeaseOut]


# doors, calls, records


class DoorRefOut(Out):
    id: str
    name: str


class DoorOut(DoorRefOut):
    kind: Literal["gate", "unit"]
    station_online: bool
    contact: Literal["open", "closed", "unknown"]


class DoorsOut(Out):
    items: list[DoorOut]


class OpeningIn(In):
    call_id: Id | None = None


class OpeningOut(Out):
    id: str
    door: DoorRefOut
    state: Literal["commanded", "opened", "failed", "expired", "unanswered", "offline"]
    reason: str | None
    at: Moment
    call_id: str | None


class PictureOut(Out):
    moment: Literal["press", "answer", "opening"]
    url: str | None
    missing: str | None


class ByOut(Out):
    device_id: str | None
    name: str | None


class CallOut(Out):
    id: str
    version: int
    state: Literal["ringing", "answered", "ended"]
    station: DoorRefOut
    doors: list[DoorRefOut]
    household: DoorRefOut
    placed_at: Moment
    expires_at: Moment
    talk_until: Moment | None
    answered_at: Moment | None
    answered_by: ByOut | None
    ended_at: Moment | None
    end_reason: str | None
    ended_by: ByOut | None
    missed: bool
    my_leg: Literal["ringing", "answered", "declined", "completed_elsewhere", "ended"] | None = None
    pictures: list[PictureOut]
    server_time: Moment


class CallReplyOut(Out):
    call: CallOut


class CallsOut(Out):
    items: list[CallOut]
    next_cursor: str | None


class PageQuery(In):
    limit: Annotated[int, Field(ge=1, le=100)] = 30
    cursor: Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9a-f]*$")] | None = None


class CallsQuery(PageQuery):
    state: Literal["active", "all"] = "all"


class RecordOut(Out):
    id: str
    at: Moment
    kind: Literal["opening"]
    door: DoorRefOut
    method: Literal["call", "app"]
    result: Literal["refused", "commanded", "opened", "failed", "expired", "unanswered", "offline"]
    reason: str | None
    call_id: str | None
    pictures: list[PictureOut]


class RecordsOut(Out):
    items: list[RecordOut]
    next_cursor: str | None


class IceServersOut(Out):
    ice_servers: list[dict[str, Any]]
    expires_in_s: int


class PictureQuery(In):
    expires: Annotated[int, Field(ge=0, le=2**40)]
    signature: Annotated[str, StringConstraints(max_length=64)]


class ProblemOut(Out):
    """RFC 9457."""

    type: str = "about:blank"
    title: str = ""
    status: int = 400
    detail: str = ""
