"""The service's housekeeping: one thread that ends what nobody ends and closes what may not stay open."""

import logging
import threading
import time
from collections.abc import Callable

from backend.clock import utc_now
from intercom.call_tending import tend
from intercom.station_namespace import StationNamespace
from mobile_api.resident_namespace import ResidentNamespace
from mobile_api.services import Services

logger = logging.getLogger(__name__)

BEAT_S = 0.5
SEEN_EVERY_S = 60.0


class Tender:
    """Ends due calls, drops expired pages and silent stations twice a second."""

    def __init__(self, services: Services, residents: ResidentNamespace, stations: StationNamespace) -> None:
        self._do = services
        self._residents = residents
        self._stations = stations
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tender", daemon=True)
        self._seen_at = self._renewed_at = time.monotonic()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the present beat."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def beat(self) -> None:
        """One round; each duty on its own, so that one that fails does not stop the others."""
        now, moment = utc_now(), time.monotonic()
        grace_s = self._do.settings.phone_grace_s
        self._duty(lambda: tend(self._do.calls, self._do.hub, self._residents.gone, grace_s=grace_s, now=now))
        self._duty(lambda: self._residents.drop_expired(now=now))
        self._duty(self._stations.drop_silent)
        if moment - self._seen_at > SEEN_EVERY_S:
            self._seen_at = moment
            self._duty(self._residents.note_seen)
        if self._do.settings.turn_urls and moment - self._renewed_at > self._do.settings.turn_lifetime_s / 2:
            self._renewed_at = moment
            self._duty(self._stations.renew_configs)

    def _duty(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            # The thread must survive a bug of ours: rings have to end all the same.
            logger.exception("a housekeeping duty failed")

    def _run(self) -> None:
        while not self._stop.wait(BEAT_S):
            self.beat()
