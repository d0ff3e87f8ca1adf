"""HTTP: the account, its homes, devices, invitations and leases."""

from typing import Any

from apiflask import APIBlueprint

from backend.accounts import PRIVACY_VERSION, Account, name_of
from backend.clock import utc_now
from backend.communities import Community, address_of
from backend.errors import ForbiddenError, NotFoundError, ValidationFailedError
from backend.households import (
    Relation,
    Tenancy,
    TenancyKind,
    current_tenancy,
    end_lease,
    membership_in,
    memberships,
    people_of,
    start_lease,
)
from backend.identity import devices, invitations
from backend.identity.devices import Device
from mobile_api.access_control import Audience, allow, caller, idempotent
from mobile_api.invitation_codes import invitation_out
from mobile_api.rendering import account_out
from mobile_api.schemas import (
    ConsentIn,
    DeviceOut,
    DevicesOut,
    HouseholdOut,
    InvitationIn,
    InvitationOut,
    InvitationsOut,
    LeaseIn,
    LeaseOut,
    LeasesOut,
    MeIn,
    MeOut,
    NewLeaseOut,
    OpenInvitationOut,
    SessionDeviceOut,
)
from mobile_api.services import Services, services

blueprint = APIBlueprint("me", __name__, url_prefix="/api/v1", tag="Me and my home")


@blueprint.get("/me")
@allow(Audience.SIGNED_IN)
@blueprint.output(MeOut)
def read_me() -> MeOut:
    """The account, this device and the homes it stands in; a device that waits for approval sees no homes."""
    do, who, now = services(), caller(), utc_now()
    with do.db.reading() as session:
        account = session.get_one(Account, who.account_id)
        device = session.get_one(Device, who.device_id)
        community = session.get_one(Community, who.community_id)
        homes = []
        for standing in memberships(session, who.account_id, now=now) if who.approved else []:
            address = address_of(session, who.community_id, standing.household_id)
            current = current_tenancy(session, standing.household_id, now=now)
            homes.append(
                HouseholdOut(
                    id=address.id,
                    name=address.name,
                    building=address.building,
                    unit=address.unit,
                    room=address.room,
                    community=community.name,
                    relation=standing.relation.value,
                    tenancy_ends_at=standing.ends_at,
                    let=current is not None and current.kind == TenancyKind.LEASE,
                    ringing=standing.counts,
                )
            )
        return MeOut(
            account=account_out(do.vault, account, PRIVACY_VERSION),
            device=SessionDeviceOut(id=device.id, name=device.name, state=device.state),
            households=homes,
        )


@blueprint.patch("/me")
@allow(Audience.SIGNED_IN)
@blueprint.input(MeIn)
@blueprint.output({}, status_code=204)
def change_me(json_data: MeIn) -> Any:
    """Change the language of messages to this account."""
    do, who = services(), caller()
    if json_data.language is not None:
        with do.db.unit_of_work() as uow:
            uow.session.get_one(Account, who.account_id).language = json_data.language
    return ""


@blueprint.post("/me/privacy-consents")
@allow(Audience.SIGNED_IN)
@blueprint.input(ConsentIn)
@blueprint.output({}, status_code=204)
def accept_privacy_notice(json_data: ConsentIn) -> Any:
    """Keep that the privacy notice of this version was read and accepted."""
    do, who, now = services(), caller(), utc_now()
    if json_data.version != PRIVACY_VERSION:
        raise ValidationFailedError(
            "this is not the notice in force", errors=[{"field": "version", "message": f"in force: {PRIVACY_VERSION}"}]
        )
    with do.db.unit_of_work() as uow:
        account = uow.session.get_one(Account, who.account_id)
        account.privacy_version, account.privacy_accepted_at = json_data.version, now
    return ""


@blueprint.get("/devices")
@allow(Audience.RESIDENT)
@blueprint.output(DevicesOut)
def list_devices() -> DevicesOut:
    """The caller's devices, and those of the home that wait for approval."""
    do, who = services(), caller()
    with do.db.reading() as session:
        views = devices.visible_to(session, who.account_id, now=utc_now())
        return DevicesOut(items=[device_out(do, view, this_device=who.device_id) for view in views])


def device_out(do: Services, view: devices.DeviceView, *, this_device: str | None) -> DeviceOut:
    """A device and whose it is."""
    device = view.device
    return DeviceOut(
        id=device.id,
        name=device.name,
        state=device.state,
        this_device=device.id == this_device,
        account_name=name_of(do.vault, view.account),
        created_at=device.created_at,
        last_seen_at=device.last_seen_at,
    )


@blueprint.post("/devices/<device_id>/approve")
@allow(Audience.RESIDENT)
@blueprint.output({}, status_code=204)
def approve_device(device_id: str) -> Any:
    """Let a device of the home that waits ring and open doors."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        devices.approve(
            uow, community_id=who.community_id, device_id=device_id, by_account=who.account_id, now=utc_now()
        )
    return ""


@blueprint.delete("/devices/<device_id>")
@allow(Audience.RESIDENT)
@blueprint.output({}, status_code=204)
def remove_device(device_id: str) -> Any:
    """Take everything from one of the caller's devices, or refuse one that waits; its sockets close."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        devices.remove(
            uow, community_id=who.community_id, device_id=device_id, by_account=who.account_id, now=utc_now()
        )
    return ""


@blueprint.get("/invitations")
@allow(Audience.RESIDENT)
@blueprint.output(InvitationsOut)
def list_invitations() -> InvitationsOut:
    """The caller's invitations that nobody has used; codes are shown only when they are made."""
    do, who = services(), caller()
    with do.db.reading() as session:
        found = invitations.open_invitations(session, made_by=who.account_id, now=utc_now())
        items = [
            OpenInvitationOut(id=i.id, relation=i.relation, made_at=i.made_at, expires_at=i.expires_at) for i in found
        ]
    return InvitationsOut(items=items)


@blueprint.post("/invitations")
@allow(Audience.RESIDENT)
@idempotent
@blueprint.input(InvitationIn)
@blueprint.output(InvitationOut, status_code=201)
def create_invitation(json_data: InvitationIn) -> InvitationOut:
    """Invite one person's phone into the home."""
    do, who, now = services(), caller(), utc_now()
    do.limits.hit("30/hour", "invite", who.account_id)
    with do.db.unit_of_work() as uow:
        invitation, code = invitations.invite_as_resident(
            uow,
            do.vault,
            account_id=who.account_id,
            membership=membership_in(uow.session, who.account_id, json_data.household_id, now=now),
            relation=Relation(json_data.relation),
            ends_at=json_data.ends_at,
            now=now,
        )
    return invitation_out(invitation, code, origin=do.settings.public_origin)


@blueprint.delete("/invitations/<invitation_id>")
@allow(Audience.RESIDENT)
@blueprint.output({}, status_code=204)
def withdraw_invitation(invitation_id: str) -> Any:
    """Take an unused invitation back."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        invitations.withdraw(
            uow, community_id=who.community_id, invitation_id=invitation_id, made_by=who.account_id, now=utc_now()
        )
    return ""


@blueprint.get("/leases")
@allow(Audience.RESIDENT)
@blueprint.output(LeasesOut)
def list_leases() -> LeasesOut:
    """The running and coming leases of the homes the caller owns, with the tenants' names."""
    do, who, now = services(), caller(), utc_now()
    with do.db.reading() as session:
        owned = [m.household_id for m in memberships(session, who.account_id, now=now) if m.relation == Relation.OWNER]
        leases = (
            session.query(Tenancy)
            .where(
                Tenancy.household_id.in_(owned),
                Tenancy.kind == TenancyKind.LEASE,
                Tenancy.ended_at.is_(None),
                Tenancy.ends_at > now,
            )
            .order_by(Tenancy.starts_at)
        )
        return LeasesOut(items=[_lease_out(do, session, lease) for lease in leases])


def _lease_out(do: Services, session: Any, lease: Tenancy) -> LeaseOut:
    people = people_of(session, [lease.id], now=utc_now())
    assert lease.ends_at is not None, "a lease has an end"
    return LeaseOut(
        id=lease.id,
        household_id=lease.household_id,
        household_name=address_of(session, lease.community_id, lease.household_id).name,
        starts_at=lease.starts_at,
        ends_at=lease.ends_at,
        tenants=[name_of(do.vault, session.get_one(Account, person.account_id)) for person in people],
    )


@blueprint.post("/leases")
@allow(Audience.RESIDENT)
@idempotent
@blueprint.input(LeaseIn)
@blueprint.output(NewLeaseOut, status_code=201)
def create_lease(json_data: LeaseIn) -> NewLeaseOut:
    """Let a home from now until `ends_at`: the tenant comes in by the invitation, the owner is no longer rung."""
    do, who, now = services(), caller(), utc_now()
    with do.db.unit_of_work() as uow:
        standing = membership_in(uow.session, who.account_id, json_data.household_id, now=now)
        if standing.relation != Relation.OWNER:
            raise ForbiddenError("only the owner lets the home")
        lease = start_lease(
            uow,
            community_id=who.community_id,
            household_id=json_data.household_id,
            starts_at=now,
            ends_at=json_data.ends_at,
            now=now,
        )
        invitation, code = invitations.invite(
            uow,
            do.vault,
            tenancy=lease,
            relation=Relation.TENANT,
            ends_at=json_data.ends_at,
            account_id=None,
            made_by=who.account_id,
            now=now,
        )
        body = _lease_out(do, uow.session, lease)
    return NewLeaseOut(
        **body.model_dump(exclude={"starts_at", "ends_at"}),
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        invitation=invitation_out(invitation, code, origin=do.settings.public_origin),
    )


@blueprint.post("/leases/<lease_id>/end")
@allow(Audience.RESIDENT)
@blueprint.output({}, status_code=204)
def finish_lease(lease_id: str) -> Any:
    """End a lease of one's own home now; the tenants lose everything at once."""
    do, who, now = services(), caller(), utc_now()
    with do.db.unit_of_work() as uow:
        lease = uow.session.get(Tenancy, lease_id)
        owned = [
            m.household_id for m in memberships(uow.session, who.account_id, now=now) if m.relation == Relation.OWNER
        ]
        if lease is None or lease.household_id not in owned:
            raise NotFoundError("there is no such lease")
        end_lease(uow, community_id=who.community_id, tenancy_id=lease.id, now=now)
    return ""
