"""The shapes of the administrator's pages."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from mobile_api.schemas import Id, In, InvitationOut, Moment, Name, Number, Out, Phone, When

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
AddressCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,30}$")]
DeviceNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{20}$")]
RelayUrl = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,120}$")]


class CommunityOut(Out):
    id: str
    name: str
    kind: Literal["closed", "open", "single_block"]
    address_code: str | None
    timezone: str


class CommunityChangeIn(In):
    name: Title | None = None
    address_code: AddressCode | None = None


class BuildingIn(In):
    name: Label
    number: Number
    address_code: AddressCode | None = None


class UnitIn(In):
    name: Label
    number: Number
    address_code: AddressCode | None = None


class UnitOut(Out):
    id: str
    name: str
    number: str
    households: int


class BuildingOut(Out):
    id: str
    name: str
    number: str
    households: int
    units: list[UnitOut]


class BuildingsOut(Out):
    items: list[BuildingOut]


class HouseholdsIn(In):
    building_id: Id
    unit_id: Id | None = None
    rooms: Annotated[list[Number], Field(min_length=1, max_length=2000)]


class StaffHouseholdOut(Out):
    id: str
    room: str
    building_id: str
    unit_id: str | None
    name: str
    residents: int
    let: bool


class StaffHouseholdsOut(Out):
    items: list[StaffHouseholdOut]
    next_cursor: str | None


class HouseholdsQuery(In):
    building_id: Id | None = None
    unit_id: Id | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200
    cursor: Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9a-f]*$")] | None = None


class ResidentIn(In):
    name: Name
    phone: Phone | None = None
    relation: Literal["owner", "family", "tenant"]
    ends_at: When | None = None


class ResidentOut(Out):
    id: str
    name: str
    phone_masked: str | None
    relation: Literal["owner", "family", "tenant"]
    ends_at: Moment | None
    devices: int
    counts: bool


class NewResidentOut(ResidentOut):
    invitation: InvitationOut


class ResidentsOut(Out):
    items: list[ResidentOut]


class DoorIn(In):
    name: Title
    kind: Literal["gate", "unit"]
    building_id: Id | None = None
    unit_id: Id | None = None
    device_id: DeviceNumber | None = None
    hold_s: Annotated[int, Field(ge=1, le=60)] = 5


class StaffDoorOut(Out):
    id: str
    name: str
    kind: Literal["gate", "unit"]
    building_id: str | None
    unit_id: str | None
    device_id: str | None
    hold_s: int
    contact: Literal["open", "closed", "unknown"]
    station_id: str | None


class StaffDoorsOut(Out):
    items: list[StaffDoorOut]


class StationIn(In):
    name: Title
    kind: Literal["unit", "gate"]
    door_ids: Annotated[list[Id], Field(min_length=1, max_length=16)]
    building_ids: Annotated[list[Id], Field(min_length=1, max_length=200)]
    unit_id: Id | None = None
    relay: Literal["agent", "none"] = "none"
    relay_url: RelayUrl | None = None


class StationChangeIn(In):
    name: Title | None = None
    ring_s: Annotated[int, Field(ge=10, le=120)] | None = None
    talk_s: Annotated[int, Field(ge=30, le=600)] | None = None
    language: Literal["zh", "en"] | None = None
    relay: Literal["agent", "none"] | None = None
    relay_url: RelayUrl | None = None
    device_id: DeviceNumber | None = None


class StationDoorOut(Out):
    id: str
    name: str
    relay: int


class StationOut(Out):
    id: str
    name: str
    kind: Literal["unit", "gate"]
    doors: list[StationDoorOut]
    device_id: str | None
    paired: bool
    online: bool
    last_seen_at: Moment | None
    software: str | None
    config_version: int
    applied_config_version: int | None
    clock_offset_ms: int | None
    ring_s: int
    talk_s: int
    language: str
    relay: Literal["agent", "drawn", "none"]
    relay_url: str | None


class StationsOut(Out):
    items: list[StationOut]


class PairingCodeOut(Out):
    code: str
    expires_at: Moment
    link: str
    qr_svg: str
