"""ICE as a station needs it: explicit servers, candidates it can resolve, addresses even without a network."""

from __future__ import annotations

import logging
import re

import aioice.ice
from aiortc import RTCConfiguration, RTCIceServer, RTCSessionDescription
from aiortc.rtcconfiguration import RTCBundlePolicy, RTCIceTransportPolicy
from aiortc.rtcicetransport import parse_stun_turn_uri

from intercom.station_wire import Json

logger = logging.getLogger(__name__)
LOCAL_CANDIDATE = re.compile(r"^a=candidate:(?:\S+ ){4}\S+\.local .*\r?\n?", re.MULTILINE)

_host_addresses = aioice.ice.get_host_addresses


def host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    """The machine's addresses; 127.0.0.1 when it has no other, which aioice would leave without any candidate."""
    return _host_addresses(use_ipv4, use_ipv6) or (["127.0.0.1"] if use_ipv4 else [])


aioice.ice.get_host_addresses = host_addresses


class MalformedSignalError(ValueError):
    """A phone's description or candidate that cannot be used."""


def ice_configuration(ice_servers: tuple[Json, ...], *, relay_only: bool = False) -> RTCConfiguration:
    """The connection's settings; entries that cannot be used are left out.

    The list is always explicit, because aiortc's default asks a public STUN server; balanced bundling is the only
    policy with which it keeps a bundled offer's candidates.
    """
    servers = []
    for entry in ice_servers:
        try:
            urls = [entry["urls"]] if isinstance(entry["urls"], str) else list(entry["urls"])
            for url in urls:
                parse_stun_turn_uri(url)
            servers.append(RTCIceServer(urls=urls, username=entry.get("username"), credential=entry.get("credential")))
        except (AttributeError, KeyError, TypeError, ValueError):
            logger.warning("an ICE server of the configuration cannot be used")
    policy = RTCIceTransportPolicy.RELAY if relay_only else RTCIceTransportPolicy.ALL
    return RTCConfiguration(iceServers=servers, iceTransportPolicy=policy, bundlePolicy=RTCBundlePolicy.BALANCED)


def usable_offer(description: Json) -> RTCSessionDescription:
    """The offer without its mDNS candidates, which would cost a second each.

    Raises:
        MalformedSignalError: not an offer of one audio and one video section.
    """
    sdp = description["sdp"]
    kinds = re.findall(r"^m=(\S+)", sdp, re.MULTILINE)
    if description["type"] != "offer" or not sdp.startswith("v=0") or sorted(kinds) != ["audio", "video"]:
        raise MalformedSignalError("an offer with one audio and one video section is expected")
    return RTCSessionDescription(sdp=LOCAL_CANDIDATE.sub("", sdp), type="offer")
