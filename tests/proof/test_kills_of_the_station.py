"""kill -9 of the station's software around the pulse: nothing opens unrecorded, nothing twice, nobody hears a lie."""

import asyncio
import os

import pytest

from backend import access_log
from backend.access_log import AccessPayload, RecordKind
from intercom.agent.pairing import pair
from intercom.agent.state_folder import StateFolder
from tests.intercom.agent.door import agent_process, run, state_where
from tests.support.service import Service

KILLS = 40 if os.environ.get("FULL") == "1" else 10


@pytest.mark.timeout(60 + 60 * KILLS)
@pytest.mark.parametrize(
    ("failpoint", "pulses", "state"),
    [("agent.before_pulse", 0, "failed"), ("agent.after_pulse", 1, "failed"), ("agent.before_ack", 1, "opened")],
)
def test_a_station_killed_around_the_pulse_opens_once_at_most_and_tells_the_truth_later(
    service: Service, tmp_path, failpoint, pulses, state
):
    folder = tmp_path / "station"
    commands: list[str] = []

    async def scene() -> int:
        mum = await asyncio.to_thread(service.phone, "mum")
        code = service.pairing_code(service.community().unit_station_id)
        await pair(StateFolder(folder), server=service.origin, code=code)
        door_id = (await asyncio.to_thread(mum.get, "/doors"))["items"][0]["id"]
        relayed = 0
        for number in range(KILLS):
            async with agent_process(folder, failpoint=failpoint) as agent:
                await agent.connected()
                asking = asyncio.create_task(
                    asyncio.to_thread(mum.call, "POST", f"/doors/{door_id}/openings", {}, key=f"tap {number}")
                )
                await agent.wait_killed()
            opening = (await asking).json()
            commands.append(opening["id"])
            async with agent_process(folder) as agent:
                corrected = await asyncio.to_thread(
                    mum.inbox.wait,
                    "opening",
                    lambda o, wanted=opening["id"]: o["id"] == wanted and o["state"] == state,
                    timeout=30,
                )
                assert corrected["door"]["id"] == door_id
                # Otherwise the next life would begin with this result and be killed before its tap.
                await state_where(agent, lambda s: s["waiting"] == 0, "the end of the reports")
                relayed = len(agent.pulses())
                assert relayed == (number + 1) * pulses
        return relayed

    pulsed = 0

    async def all_of_it() -> None:
        nonlocal pulsed
        pulsed = await scene()

    run(all_of_it(), within_s=60 + 40 * KILLS)
    with service.db.reading() as session:
        granted = {
            payload.correlation_id
            for payload in session.query(AccessPayload)
            if (payload.kind, payload.result) == (RecordKind.DECISION, "granted")
        }
        found = access_log.verify(session, service.vault, service.community().community_id)
    assert set(commands) <= granted
    assert found.whole, found
    print(f"{failpoint}: {KILLS} kills, {pulsed} pulses, {found.rows} rows in a whole chain")
