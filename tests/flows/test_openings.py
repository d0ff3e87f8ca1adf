"""An opening: decided, recorded, commanded, recorded again, and the phone told the truth (clauses 8.1 i, 8(1)-(12))."""

import threading
from collections.abc import Callable

import pytest
import requests
from sqlalchemy import select

from backend import access_log
from backend.access import Acknowledgement, Opening, OpeningState
from backend.access_log import AccessPayload, AccessRecord
from backend.clock import utc_now
from backend.communities import CommunityKind
from backend.doors import Door
from backend.errors import NotFoundError
from backend.events import OpeningChanged
from tests.support.service import Service


def rows(service: Service) -> list[AccessPayload]:
    with service.db.reading() as session:
        return list(
            session.scalars(
                select(AccessPayload)
                .join(AccessRecord, AccessRecord.id == AccessPayload.record_id)
                .order_by(AccessRecord.community_id, AccessRecord.seq)
            )
        )


def facts(service: Service) -> list[tuple[str, str, str | None]]:
    return [(row.kind, row.result, row.reason) for row in rows(service)]


def test_a_granted_opening_leaves_decision_and_result_under_one_correlation_id(
    service: Service, kind: CommunityKind
) -> None:
    mum, station = service.phone("mum", kind=kind), service.station(kind=kind)
    (door,) = service.doors(kind=kind)

    opening = mum.open(door).json()

    decision, result = rows(service)
    assert (decision.kind, decision.result, decision.reason) == ("decision", "granted", "resident")
    assert (result.kind, result.result, result.reason) == ("result", "opened", None)
    assert decision.correlation_id == result.correlation_id == opening["id"] == station.relay[0]
    assert result.station_at is not None, "the station's own clock is kept"
    assert decision.device_id == result.device_id == mum.device_id
    assert decision.account_id == mum.session["account"]["id"]
    assert decision.method == "app"


def test_a_refused_opening_is_recorded_and_nothing_is_commanded(service: Service, kind: CommunityKind) -> None:
    landlord, station = service.phone("landlord", kind=kind), service.station(kind=kind)
    refused = landlord.open(service.doors(kind=kind)[0])
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/access-denied")
    assert facts(service) == [("decision", "refused", "household_let")]
    assert station.relay == []
    assert station.inbox.of("open") == []


def test_a_door_that_is_not_on_the_way_home_is_refused_and_another_communitys_does_not_exist(service: Service) -> None:
    tenant_of_open = service.phone("mum", kind=CommunityKind.OPEN)
    (foreign,) = service.doors()
    assert tenant_of_open.open(foreign).status_code == 404
    assert tenant_of_open.open("0" * 32).status_code == 404
    assert rows(service) == []

    mum = service.phone("mum")
    with service.db.reading() as session:
        other = next(
            door.id
            for door in session.scalars(select(Door).where(Door.community_id == service.community().community_id))
            if door.id not in {d["id"] for d in mum.get("/doors")["items"]}
        )
    refused = mum.open(other)
    assert (refused.status_code, refused.json()["reason"]) == (403, "not_your_door")


def test_refusals_in_a_call_name_their_rule(service: Service) -> None:
    mum, son, tenant = service.phone("mum"), service.phone("son"), service.phone("tenant")
    station = service.station()
    (door,) = service.doors()
    gate_door = service.doors(gate=True)[0]
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)
    assert son.open(door, call_id=call_id).json()["reason"] == "answered_by_another"
    assert mum.open(gate_door, call_id=call_id).json()["reason"] == "not_door_of_call"
    assert tenant.open(door, call_id=call_id).json()["reason"] == "call_over", "another home's call looks like none"
    mum.hang_up(call_id)
    assert mum.open(door, call_id=call_id).json()["reason"] == "call_over"
    assert station.relay == []
    assert {row.result for row in rows(service)} == {"refused"}
    assert [row.call_id for row in rows(service)] == [call_id, call_id, None, None], (
        "a call that is over has no part in it"
    )


def test_a_retried_tap_opens_once_and_gets_the_same_answer(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    (door,) = service.doors()
    first, second = mum.open(door, key="tap"), mum.open(door, key="tap")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(station.relay) == 1
    assert len(rows(service)) == 2


def test_eight_equal_taps_at_once_send_one_command(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    (door,) = service.doors()
    barrier = threading.Barrier(8)
    replies: list[tuple[int, dict]] = []

    def tap(headers: dict[str, str]) -> None:
        barrier.wait(10)
        reply = requests.post(
            f"{service.origin}/api/v1/doors/{door}/openings",
            json={},
            headers={**headers, "Idempotency-Key": "tap"},
            timeout=30,
        )
        replies.append((reply.status_code, reply.json()))

    threads = [
        threading.Thread(target=tap, args=(mum.headers("POST", f"/api/v1/doors/{door}/openings"),)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [status for status, _ in replies] == [201] * 8
    assert {body["id"] for _, body in replies} == set(station.relay)
    assert len(station.relay) == 1
    assert {body["state"] for _, body in replies} == {"opened"}
    assert [row.kind for row in rows(service)] == ["decision", "result"]


def test_a_key_used_for_another_door_is_refused(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    service.station(gate=True)
    (door,), other = service.doors(), service.doors(gate=True)[0]
    mum.open(door, key="tap")
    refused = mum.open(other, key="tap")
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert len(station.relay) == 1


def test_two_phones_may_use_the_same_key(service: Service) -> None:
    mum, dad, station = service.phone("mum"), service.phone("dad"), service.station()
    (door,) = service.doors()
    assert mum.open(door, key="1").json()["id"] != dad.open(door, key="1").json()["id"]
    assert len(station.relay) == 2


@pytest.mark.parametrize("key", ["", "x" * 81])
def test_an_opening_needs_a_sane_idempotency_key(service: Service, key: str) -> None:
    mum, station = service.phone("mum"), service.station()
    (door,) = service.doors()
    reply = mum.call("POST", f"/doors/{door}/openings", {}, **{"Idempotency-Key": key} if key else {})
    assert reply.status_code == 422
    assert station.relay == []


def test_with_its_station_offline_the_phone_is_told_so_and_the_decision_stays(service: Service) -> None:
    mum = service.phone("mum")
    opening = mum.open(service.doors()[0])
    assert (opening.status_code, opening.json()["state"]) == (201, "offline")
    assert facts(service) == [("decision", "granted", "resident"), ("result", "offline", None)]
    assert mum.get("/records")["items"][0]["result"] == "offline"


def test_a_silent_station_is_unanswered_and_its_late_word_corrects_record_and_phone(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(open_wait_s=0.2)
    mum, station = service.phone("mum"), service.station()
    station.answer_opens = False
    opening = mum.open(service.doors()[0]).json()
    assert opening["state"] == "unanswered"
    command = station.inbox.wait("open")
    assert command["command_id"] == opening["id"]
    assert command["expires_at"] > command["issued_at"]

    assert station.ask("open.result", station.result_of(opening["id"])) == {"ok": True}

    told = mum.inbox.wait("opening", lambda o: o["state"] == "opened")
    assert told["id"] == opening["id"]
    assert mum.get(f"/openings/{opening['id']}")["state"] == "opened"
    assert mum.get("/records")["items"][0]["result"] == "opened"
    assert facts(service) == [
        ("decision", "granted", "resident"),
        ("result", "unanswered", None),
        ("result", "opened", "late"),
    ]


@pytest.mark.parametrize("result", ["failed", "expired"])
def test_a_station_that_could_not_open_is_believed(start_service: Callable[..., Service], result: str) -> None:
    service = start_service(open_wait_s=10)
    mum, station = service.phone("mum"), service.station()
    station.answer_opens = False
    replies: list[dict] = []
    tap = threading.Thread(target=lambda: replies.append(mum.open(service.doors()[0]).json()))
    tap.start()
    command_id = station.inbox.wait("open")["command_id"]
    report = {**station.result_of(command_id, result), "detail": "relay stuck"}
    assert station.ask("open.result", report) == {"ok": True}
    tap.join(20)
    assert (replies[0]["state"], replies[0]["reason"]) == (result, "relay stuck")
    assert facts(service)[-1] == ("result", result, None)


def test_a_result_that_is_repeated_is_recorded_once_and_a_later_contrary_word_changes_nothing(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    opening = mum.open(service.doors()[0]).json()
    for result in ("opened", "opened", "failed"):
        assert station.ask("open.result", station.result_of(opening["id"], result)) == {"ok": True}
    assert mum.get(f"/openings/{opening['id']}")["state"] == "opened"
    assert len(rows(service)) == 2


def test_a_command_of_another_station_does_not_exist(service: Service) -> None:
    mum = service.phone("mum")
    station, gate = service.station(), service.station(gate=True)
    station.answer_opens = False
    opening = mum.open(service.doors()[0]).json()
    for command_id in (opening["id"], "0" * 32, "nonsense"):
        assert gate.ask("open.result", gate.result_of(command_id))["problem"]["status"] == 404
    assert mum.get(f"/openings/{opening['id']}")["state"] == "unanswered"


def test_settling_is_decided_once_however_many_do_it_at_once(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    station.answer_opens = False
    opening = mum.open(service.doors()[0]).json()
    heard: list[OpeningChanged] = []
    service.db.listen(OpeningChanged, heard.append)
    word = Acknowledgement(state=OpeningState.OPENED)
    changed: list[bool] = []
    settle = service.made.services.access.settle
    threads = [
        threading.Thread(target=lambda: changed.append(settle(opening["id"], word, now=utc_now()))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(changed) == [False] * 5 + [True]
    assert len(heard) == 1
    assert len(rows(service)) == 3


def test_settling_an_unknown_command_is_refused(service: Service) -> None:
    word = Acknowledgement(state=OpeningState.OPENED)
    with pytest.raises(NotFoundError):
        service.made.services.access.settle("0" * 32, word, now=utc_now())
    assert rows(service) == []


def test_after_a_restart_openings_under_way_are_unanswered_and_never_sent_again(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    opening = mum.open(service.doors()[0], key="tap").json()
    with service.db.unit_of_work() as uow:
        uow.session.get_one(Opening, opening["id"]).state = OpeningState.COMMANDED
    service.restart()
    station.inbox.wait("disconnect")
    station.inbox.clear()
    station.connect()
    again = mum.open(service.doors()[0], key="tap")
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (201, opening["id"], "unanswered")
    assert again.json()["reason"] == "the service restarted"
    assert station.inbox.of("open") == []
    with service.db.reading() as session:
        assert access_log.verify(session, service.vault, service.community().community_id).whole


def test_records_page_through_everything_once(service: Service) -> None:
    mum = service.phone("mum")
    service.station()
    made = [mum.open(service.doors()[0]).json()["id"] for _ in range(5)]
    assert len(made) == 5
    seen, cursor = [], ""
    while cursor is not None:
        page = mum.get(f"/records?limit=2&cursor={cursor}")
        seen += [record["id"] for record in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)
