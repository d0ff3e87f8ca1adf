"""HTTP for the administrator: residents of a household, their invitations, devices that wait."""

from datetime import datetime
from typing import Any

from apiflask import APIBlueprint
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.accounts import Account, Role, accounts_with_phone, create_account, name_of
from backend.clock import utc_now
from backend.communities import Household
from backend.db import UnitOfWork, scoped_get
from backend.errors import ConflictError, ValidationFailedError
from backend.households import (
    Relation,
    Resident,
    Tenancy,
    TenancyKind,
    add_resident,
    current_tenancy,
    own_tenancy,
    people_of,
    remove_resident,
    start_lease,
)
from backend.identity import devices, invitations
from mobile_api.access_control import Audience, allow, caller, idempotent
from mobile_api.invitation_codes import invitation_out
from mobile_api.me import device_out
from mobile_api.schemas import DevicesOut, InvitationOut
from mobile_api.services import Services, services
from mobile_api.staff_schemas import NewResidentOut, ResidentIn, ResidentOut, ResidentsOut

blueprint = APIBlueprint("staff_people", __name__, url_prefix="/api/v1/staff", tag="Property: people")


def masked_phone(number: str) -> str:
    """First three and last four digits: enough to tell a person's numbers apart, too little to call."""
    digits = number.removeprefix("+86")
    return f"{digits[:3]}****{digits[-4:]}"


def _resident_out(do: Services, session: Session, resident: Resident, now: datetime) -> ResidentOut:
    account = session.get_one(Account, resident.account_id)
    current = current_tenancy(session, resident.household_id, now=now)
    phone = None
    if account.phone_sealed is not None:
        phone = masked_phone(do.vault.open(account.phone_sealed, field="account.phone", row=account.id))
    return ResidentOut(
        id=resident.id,
        name=name_of(do.vault, account),
        phone_masked=phone,
        relation=resident.relation,
        ends_at=resident.ends_at,
        devices=len(devices.of_accounts(session, [account.id])),
        counts=current is not None and current.id == resident.tenancy_id,
    )


@blueprint.get("/households/<household_id>/residents")
@allow(Audience.ADMINISTRATOR)
@blueprint.output(ResidentsOut)
def list_residents(household_id: str) -> ResidentsOut:
    """Everyone who stands in this household now: owners, family and tenants; numbers come masked."""
    do, who, now = services(), caller(), utc_now()
    with do.db.reading() as session:
        scoped_get(session, Household, who.community_id, household_id)
        tenancies = session.scalars(select(Tenancy.id).where(Tenancy.household_id == household_id))
        people = people_of(session, tenancies, now=now)
        return ResidentsOut(items=[_resident_out(do, session, person, now) for person in people])


@blueprint.post("/households/<household_id>/residents")
@allow(Audience.ADMINISTRATOR)
@idempotent
@blueprint.input(ResidentIn)
@blueprint.output(NewResidentOut, status_code=201)
def create_resident(household_id: str, json_data: ResidentIn) -> NewResidentOut:
    """Register a person in a household and make the invitation for the first device; a tenant needs the lease's end."""
    do, who, now = services(), caller(), utc_now()
    relation = Relation(json_data.relation)
    with do.db.unit_of_work() as uow:
        tenancy = _tenancy_for(
            uow,
            community_id=who.community_id,
            household_id=household_id,
            relation=relation,
            ends_at=json_data.ends_at,
            now=now,
        )
        account = _account_for(uow, do, who.community_id, json_data, now)
        resident = add_resident(
            uow, tenancy=tenancy, account_id=account.id, relation=relation, ends_at=json_data.ends_at, now=now
        )
        invitation, code = _invite(uow, do, resident, tenancy, now)
        body = _resident_out(do, uow.session, resident, now)
    return NewResidentOut(
        **body.model_dump(exclude={"ends_at"}),
        ends_at=body.ends_at,
        invitation=invitation_out(invitation, code, origin=do.settings.public_origin),
    )


def _tenancy_for(
    uow: UnitOfWork,
    *,
    community_id: str,
    household_id: str,
    relation: Relation,
    ends_at: datetime | None,
    now: datetime,
) -> Tenancy:
    if relation != Relation.TENANT:
        running = current_tenancy(uow.session, household_id, now=now)
        if relation == Relation.FAMILY and running is not None and running.community_id == community_id:
            return running
        return own_tenancy(uow, community_id=community_id, household_id=household_id, now=now)
    if ends_at is None:
        raise ValidationFailedError(
            "a tenant is registered with the end of the lease",
            errors=[{"field": "ends_at", "message": "required for a tenant"}],
        )
    scoped_get(uow.session, Household, community_id, household_id)
    running = current_tenancy(uow.session, household_id, now=now)
    if running is not None and running.kind == TenancyKind.LEASE:
        if running.ends_at is not None and ends_at > running.ends_at:
            raise ConflictError("the lease that runs ends earlier; end it first or give its end")
        return running
    own_tenancy(uow, community_id=community_id, household_id=household_id, now=now)
    return start_lease(
        uow, community_id=community_id, household_id=household_id, starts_at=now, ends_at=ends_at, now=now
    )


def _account_for(uow: UnitOfWork, do: Services, community_id: str, data: ResidentIn, now: datetime) -> Account:
    """The person with this number, if the community knows one; else somebody new."""
    if data.phone:
        known = [a for a in accounts_with_phone(uow.session, do.vault, data.phone) if a.community_id == community_id]
        if known:
            return known[0]
    return create_account(
        uow, do.vault, community_id=community_id, role=Role.RESIDENT, name=data.name, phone=data.phone, now=now
    )


def _invite(
    uow: UnitOfWork, do: Services, resident: Resident, tenancy: Tenancy, now: datetime
) -> tuple[invitations.Invitation, str]:
    return invitations.invite(
        uow,
        do.vault,
        tenancy=tenancy,
        relation=Relation(resident.relation),
        ends_at=resident.ends_at,
        account_id=resident.account_id,
        made_by=caller().account_id,
        now=now,
    )


@blueprint.post("/residents/<resident_id>/invitations")
@allow(Audience.ADMINISTRATOR)
@idempotent
@blueprint.output(InvitationOut, status_code=201)
def create_resident_invitation(resident_id: str) -> InvitationOut:
    """A fresh invitation for another device of a registered resident."""
    do, who, now = services(), caller(), utc_now()
    with do.db.unit_of_work() as uow:
        resident = uow.get(Resident, who.community_id, resident_id)
        tenancy = uow.get(Tenancy, who.community_id, resident.tenancy_id)
        invitation, code = _invite(uow, do, resident, tenancy, now)
    return invitation_out(invitation, code, origin=do.settings.public_origin)


@blueprint.delete("/residents/<resident_id>")
@allow(Audience.ADMINISTRATOR)
@blueprint.output({}, status_code=204)
def delete_resident(resident_id: str) -> Any:
    """Take a resident out of the household at once."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        remove_resident(uow, community_id=who.community_id, resident_id=resident_id, now=utc_now())
    return ""


@blueprint.get("/devices")
@allow(Audience.ADMINISTRATOR)
@blueprint.output(DevicesOut)
def list_waiting_devices() -> DevicesOut:
    """Devices that signed in by phone number and wait for approval."""
    do, who = services(), caller()
    with do.db.reading() as session:
        views = devices.waiting(session, who.community_id)
        return DevicesOut(items=[device_out(do, view, this_device=who.device_id) for view in views])


@blueprint.post("/devices/<device_id>/approve")
@allow(Audience.ADMINISTRATOR)
@blueprint.output({}, status_code=204)
def approve_waiting_device(device_id: str) -> Any:
    """Approve a device for the property."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        devices.approve(uow, community_id=who.community_id, device_id=device_id, by_account=None, now=utc_now())
    return ""


@blueprint.delete("/devices/<device_id>")
@allow(Audience.ADMINISTRATOR)
@blueprint.output({}, status_code=204)
def delete_device(device_id: str) -> Any:
    """Take everything from a device: lost phones, refused requests."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        devices.remove(uow, community_id=who.community_id, device_id=device_id, by_account=None, now=utc_now())
    return ""
