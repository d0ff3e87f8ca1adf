"""HTTP: the one-time pairing of a door station (docs/station-protocol.md, section 1)."""

from apiflask import APIBlueprint
from pydantic import BaseModel

from backend.clock import utc_now
from backend.errors import MalformedError, PairingCodeUnknownError
from intercom.signalling import invalid
from intercom.station_hello import PairingRequest, verify_pairing
from intercom.station_namespace import AUDIENCE
from intercom.station_wire import WireError
from intercom.stations import pair
from mobile_api.access_control import Audience, allow, client_address
from mobile_api.schemas import Moment
from mobile_api.services import services

blueprint = APIBlueprint("station_pairing", __name__, url_prefix="/api/v1/stations", tag="Stations")

FAILURES = "20/10 minute"


class PairIn(BaseModel):
    """A station's wish to be paired; unknown members are ignored, so that later stations may say more."""

    code: str
    public_key: str
    software: str
    proof: str


class PairOut(BaseModel):
    """Who the station is now."""

    station_id: str
    audience: str
    server_time: Moment


@blueprint.post("/pair")
@allow(Audience.PUBLIC)
@blueprint.input(PairIn)
@blueprint.output(PairOut, status_code=201)
def pair_station(json_data: PairIn) -> PairOut:
    """Pair a station with an administrator's code; the proof shows that the sender holds the key."""
    do, now = services(), utc_now()
    do.limits.check(FAILURES, "pair", client_address())
    try:
        request = PairingRequest.from_wire(json_data.model_dump())
    except WireError as error:
        raise invalid(error) from error
    if not verify_pairing(request):
        raise MalformedError("the proof does not match the public key")
    try:
        with do.db.unit_of_work() as uow:
            station = pair(
                uow,
                do.vault,
                code=request.code,
                public_key=request.public_key,
                software=request.software,
                now=now,
            )
    except PairingCodeUnknownError:
        do.limits.hit(FAILURES, "pair", client_address())
        raise
    return PairOut(station_id=station.id, audience=AUDIENCE, server_time=now)
