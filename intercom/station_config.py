"""A door station's configuration and the welcome that carries it (docs/station-protocol.md, 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from intercom.station_protocol import Call, DialKind, RelayKind, StationKind
from intercom.station_wire import Fields, Json, format_time


@dataclass(frozen=True, kw_only=True)
class Door:
    """A door this station can release, and the number of the relay that does it."""

    id: str
    name: str
    relay: int
    hold_s: float
    primary: bool


@dataclass(frozen=True, kw_only=True)
class StationConfig:
    """The whole configuration of a station; a higher `version` replaces a lower one entirely."""

    version: int
    station_id: str
    name: str
    kind: StationKind
    community: str
    language: str
    doors: tuple[Door, ...]
    dial_kind: DialKind
    dial_hint_zh: str
    dial_hint_en: str
    ring_s: int
    talk_s: int
    relay_kind: RelayKind
    relay_url: str | None
    ice_servers: tuple[Json, ...]

    def door_of_relay(self, relay: int) -> Door | None:
        return next((door for door in self.doors if door.relay == relay), None)

    @classmethod
    def from_wire(cls, body: object) -> StationConfig:
        f = Fields(body, "config")
        station, dial, relay = f.object("station"), f.object("dial"), f.object("relay")
        hint = dial.object("hint")
        doors = tuple(
            Door(
                id=d.text("id", limit=64),
                name=d.text("name"),
                relay=d.integer("relay", low=1, high=64),
                hold_s=d.number("hold_s", low=0.1, high=120),
                primary=d.flag("primary"),
            )
            for d in f.objects("doors", limit=64)
        )
        return cls(
            version=f.integer("version"),
            station_id=station.text("id", limit=64),
            name=station.text("name"),
            kind=station.choice("kind", StationKind),
            community=station.text("community"),
            language=station.text("language", limit=16),
            doors=doors,
            dial_kind=dial.choice("kind", DialKind),
            dial_hint_zh=hint.text("zh", empty=True),
            dial_hint_en=hint.text("en", empty=True),
            ring_s=f.integer("ring_s", low=1, high=600),
            talk_s=f.integer("talk_s", low=1, high=3600),
            relay_kind=relay.choice("kind", RelayKind),
            relay_url=relay.optional_text("url", limit=500),
            ice_servers=tuple(dict(x.body) for x in f.objects("ice_servers", limit=16)),
        )

    def to_wire(self) -> Json:
        return {
            "version": self.version,
            "station": {
                "id": self.station_id,
                "name": self.name,
                "kind": self.kind.value,
                "community": self.community,
                "language": self.language,
            },
            "doors": [
                {"id": d.id, "name": d.name, "relay": d.relay, "hold_s": d.hold_s, "primary": d.primary}
                for d in self.doors
            ],
            "dial": {"kind": self.dial_kind.value, "hint": {"zh": self.dial_hint_zh, "en": self.dial_hint_en}},
            "ring_s": self.ring_s,
            "talk_s": self.talk_s,
            "relay": {"kind": self.relay_kind.value, "url": self.relay_url},
            "ice_servers": list(self.ice_servers),
        }


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The first message after each connection: everything a station must know to go on."""

    server_time: datetime
    heartbeat_s: int
    config: StationConfig
    call: Call | None

    @classmethod
    def from_wire(cls, body: object) -> Welcome:
        f = Fields(body, "welcome")
        return cls(
            server_time=f.time("server_time"),
            heartbeat_s=f.integer("heartbeat_s", low=1, high=300),
            config=StationConfig.from_wire(f.body.get("config")),
            call=None if f.body.get("call") is None else Call.from_wire(f.body["call"]),
        )

    def to_wire(self) -> Json:
        return {
            "server_time": format_time(self.server_time),
            "heartbeat_s": self.heartbeat_s,
            "config": self.config.to_wire(),
            "call": None if self.call is None else self.call.to_wire(),
        }
