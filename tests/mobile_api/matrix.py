"""The authorization matrix: who may do what, written by hand from what the product promises - never from the code.

The object in a path or a body is the home's of the person it is about:

- `resident` is of that home; `neighbour` of another building of the same community; `foreigner` of another community;
- `past_tenant` asks for what belonged to the home while the lease ran; `landlord` for what belongs to the tenant;
- `pending` is a device of the home that nobody approved yet; `admin` is of this community, `admin_2` of another;
- `station` and `station_2` are door stations of this community, the first at the home's entrance. Over HTTP they show a
  token they signed with their own key.

What a caller may not see is 404. A line is one route (a word after the path names a variant) or one socket event.
"""

ROLES = (
    "anonymous",
    "resident",
    "neighbour",
    "foreigner",
    "past_tenant",
    "landlord",
    "pending",
    "admin",
    "admin_2",
    "station",
    "station_2",
)

HTTP = """
#                                                         anon res  neig fore past land pend adm  adm2 stat sta2
GET /                                                     200  200  200  200  200  200  200  200  200  200  200
GET /station                                              200  200  200  200  200  200  200  200  200  200  200
GET /setup                                                200  200  200  200  200  200  200  200  200  200  200
GET /offline                                              200  200  200  200  200  200  200  200  200  200  200
GET /sw.js                                                200  200  200  200  200  200  200  200  200  200  200
GET /manifest.webmanifest                                 200  200  200  200  200  200  200  200  200  200  200
GET /assets/<path:name>                                   200  200  200  200  200  200  200  200  200  200  200
GET /icons/<path:name>                                    200  200  200  200  200  200  200  200  200  200  200
GET /favicon.ico                                          301  301  301  301  301  301  301  301  301  301  301
GET /healthz                                              200  200  200  200  200  200  200  200  200  200  200
GET /api/docs                                             200  200  200  200  200  200  200  200  200  200  200
GET /api/openapi.json                                     200  200  200  200  200  200  200  200  200  200  200
GET /demo                                                 404  404  404  404  404  404  404  404  404  404  404
POST /api/v1/demo/invitations                             404  404  404  404  404  404  404  404  404  404  404
POST /api/v1/demo/pairing-codes                           404  404  404  404  404  404  404  404  404  404  404
POST /api/v1/demo/reset                                   404  404  404  404  404  404  404  404  404  404  404
GET /api/v1/service                                       200  200  200  200  200  200  200  200  200  200  200
POST /api/v1/setup                                        409  409  409  409  409  409  409  409  409  409  409
POST /api/v1/sign-in/codes                                202  202  202  202  202  202  202  202  202  202  202
POST /api/v1/sign-in/phone wrong_code                     401  401  401  401  401  401  401  401  401  401  401
POST /api/v1/sign-in/invitation                           200  200  200  200  200  200  200  200  200  200  200
POST /api/v1/sign-in/password wrong                       401  401  401  401  401  401  401  401  401  401  401
POST /api/v1/session/refresh own_cookie                   401  200  200  200  200  200  200  200  200  401  401
DELETE /api/v1/session                                    401  204  204  204  204  204  204  204  204  401  401
POST /api/v1/stations/pair                                201  201  201  201  201  201  201  201  201  201  201
GET /api/v1/pictures/<picture_id> signed_link             200  200  200  200  200  200  200  200  200  200  200
GET /api/v1/pictures/<picture_id> forged_link             404  404  404  404  404  404  404  404  404  404  404
GET /api/v1/me                                            401  200  200  200  200  200  200  200  200  401  401
PATCH /api/v1/me                                          401  204  204  204  204  204  204  204  204  401  401
POST /api/v1/me/privacy-consents                          401  204  204  204  204  204  204  204  204  401  401
GET /api/v1/devices                                       401  200  200  200  200  200  403  200  200  401  401
POST /api/v1/devices/<device_id>/approve housemates       401  204  404  404  404  404  403  404  404  401  401
DELETE /api/v1/devices/<device_id> of_the_home            401  204  404  404  404  404  403  404  404  401  401
DELETE /api/v1/devices/<device_id> housemates_approved    401  404  404  404  404  404  403  404  404  401  401
GET /api/v1/invitations                                   401  200  200  200  200  200  403  200  200  401  401
POST /api/v1/invitations                                  401  201  404  404  404  403  403  404  404  401  401
DELETE /api/v1/invitations/<invitation_id>                401  204  404  404  404  404  403  404  404  401  401
GET /api/v1/leases                                        401  200  200  200  200  200  403  200  200  401  401
POST /api/v1/leases                                       401  201  404  404  404  409  403  404  404  401  401
POST /api/v1/leases/<lease_id>/end                        401  204  404  404  404  204  403  404  404  401  401
GET /api/v1/doors                                         401  200  200  200  200  200  403  200  200  401  401
POST /api/v1/doors/<door_id>/openings                     401  201  403  404  403  403  403  403  404  401  401
POST /api/v1/doors/<door_id>/openings from_the_call       401  201  403  404  403  403  403  403  404  401  401
# a past tenant's opening is one the past tenant made, while living there
GET /api/v1/openings/<opening_id>                         401  200  404  404  200  404  403  404  404  401  401
GET /api/v1/records                                       401  200  200  200  200  200  403  200  200  401  401
GET /api/v1/ice-servers                                   401  200  200  200  200  200  403  200  200  401  401
GET /api/v1/calls                                         401  200  200  200  200  200  403  200  200  401  401
GET /api/v1/calls/<call_id>                               401  200  404  404  404  404  403  404  404  401  401
POST /api/v1/calls/<call_id>/answer                       401  200  404  404  404  404  403  404  404  401  401
POST /api/v1/calls/<call_id>/decline                      401  200  404  404  404  404  403  404  404  401  401
POST /api/v1/calls/<call_id>/hang-up                      401  200  404  404  404  404  403  404  404  401  401
GET /api/v1/staff/community                               401  404  404  404  404  404  404  200  200  401  401
PATCH /api/v1/staff/community                             401  404  404  404  404  404  404  200  200  401  401
GET /api/v1/staff/buildings                               401  404  404  404  404  404  404  200  200  401  401
POST /api/v1/staff/buildings                              401  404  404  404  404  404  404  201  201  401  401
POST /api/v1/staff/buildings/<building_id>/units          401  404  404  404  404  404  404  201  404  401  401
GET /api/v1/staff/households                              401  404  404  404  404  404  404  200  200  401  401
POST /api/v1/staff/households                             401  404  404  404  404  404  404  201  404  401  401
GET /api/v1/staff/households/<household_id>/residents     401  404  404  404  404  404  404  200  404  401  401
POST /api/v1/staff/households/<household_id>/residents    401  404  404  404  404  404  404  201  404  401  401
DELETE /api/v1/staff/residents/<resident_id>              401  404  404  404  404  404  404  204  404  401  401
POST /api/v1/staff/residents/<resident_id>/invitations    401  404  404  404  404  404  404  201  404  401  401
GET /api/v1/staff/devices                                 401  404  404  404  404  404  404  200  200  401  401
POST /api/v1/staff/devices/<device_id>/approve            401  404  404  404  404  404  404  204  404  401  401
DELETE /api/v1/staff/devices/<device_id>                  401  404  404  404  404  404  404  204  404  401  401
GET /api/v1/staff/doors                                   401  404  404  404  404  404  404  200  200  401  401
POST /api/v1/staff/doors                                  401  404  404  404  404  404  404  201  404  401  401
GET /api/v1/staff/stations                                401  404  404  404  404  404  404  200  200  401  401
POST /api/v1/staff/stations                               401  404  404  404  404  404  404  201  404  401  401
PATCH /api/v1/staff/stations/<station_id>                 401  404  404  404  404  404  404  200  404  401  401
POST /api/v1/staff/stations/<station_id>/pairing-codes    401  404  404  404  404  404  404  201  404  401  401
"""

# On sockets: `ok`, or the slug of the problem; `-` where the connection itself is refused.
SOCKETS = """
#                             anonymous          resident         neighbour        foreigner        past_tenant      landlord         pending        admin            admin_2          station          station_2
/resident connect             sign-in-required   ok               ok               ok               ok               ok               device-pending ok               ok               sign-in-required sign-in-required
/resident authenticate        -                  ok               ok               ok               ok               ok               -              ok               ok               -                -
/resident authenticate:others -                  sign-in-required sign-in-required sign-in-required sign-in-required sign-in-required -              sign-in-required sign-in-required -                -
/resident call.received       -                  ok               not-found        not-found        not-found        not-found        -              not-found        not-found        -                -
/resident call.answer         -                  ok               not-found        not-found        not-found        not-found        -              not-found        not-found        -                -
/resident call.decline        -                  ok               not-found        not-found        not-found        not-found        -              not-found        not-found        -                -
/resident call.hangup         -                  ok               not-found        not-found        not-found        not-found        -              not-found        not-found        -                -
/resident signal              -                  ok               not-found        not-found        not-found        not-found        -              not-found        not-found        -                -
/resident no.such.event       -                  not-found        not-found        not-found        not-found        not-found        -              not-found        not-found        -                -
/station connect              hello-malformed    hello-malformed  hello-malformed  hello-malformed  hello-malformed  hello-malformed  hello-malformed hello-malformed hello-malformed  ok               ok
/station connect:unpaired     station-unknown    station-unknown  station-unknown  station-unknown  station-unknown  station-unknown  station-unknown station-unknown station-unknown  station-unknown  station-unknown
/station heartbeat            -                  -                -                -                -                -                -              -                -                ok               not-found
/station press                -                  -                -                -                -                -                -              -                -                ok               ok
/station hangup               -                  -                -                -                -                -                -              -                -                ok               not-found
/station signal               -                  -                -                -                -                -                -              -                -                ok               not-found
/station open.result          -                  -                -                -                -                -                -              -                -                ok               not-found
/station event                -                  -                -                -                -                -                -              -                -                ok               not-found
/station picture              -                  -                -                -                -                -                -              -                -                ok               not-found
/station config.applied       -                  -                -                -                -                -                -              -                -                ok               ok
/station no.such.event        -                  -                -                -                -                -                -              -                -                not-found        not-found
"""  # noqa: E501 - a table reads best with one line for each event


def rows(table: str, *, words: int) -> dict[str, dict[str, str]]:
    """The table as name -> role -> expected outcome; `words` bounds the words of a name."""
    found: dict[str, dict[str, str]] = {}
    for line in table.strip().splitlines():
        if line.startswith("#"):
            continue
        parts = line.split()
        name, outcomes = " ".join(parts[: -len(ROLES)]), parts[-len(ROLES) :]
        assert 2 <= len(parts) - len(ROLES) <= words, f"a cell is missing or too many: {line}"
        assert name not in found, f"twice in the table: {name}"
        found[name] = dict(zip(ROLES, outcomes, strict=True))
    return found


HTTP_ROWS = rows(HTTP, words=3)
SOCKET_ROWS = rows(SOCKETS, words=2)
