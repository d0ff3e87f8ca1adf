"""One service for each module here: its tests use people and codes of their own."""

from collections.abc import Iterator

import pytest

from tests.conftest import SeededTemplate
from tests.support.service import Service


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, seeded_template: SeededTemplate) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("house"), seeded_template)
    yield service
    service.close()
