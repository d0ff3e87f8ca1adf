"""Fixtures: a running service on real parts, and the people and stations of its seeded communities."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import SeededTemplate, Service


@pytest.fixture(scope="session")
def seeded_template(tmp_path_factory: pytest.TempPathFactory) -> SeededTemplate:
    return SeededTemplate(tmp_path_factory.mktemp("seeded"))


@pytest.fixture
def start_service(tmp_path: Path, seeded_template: SeededTemplate) -> Iterator[Callable[..., Service]]:
    """Start a service with settings of one's own; it is stopped after the test."""
    running: list[Service] = []

    def start(*, seeded: bool = True, **settings: Any) -> Service:
        folder = tmp_path / f"service-{len(running)}"
        running.append(Service(folder, seeded_template if seeded else None, **settings))
        return running[-1]

    yield start
    for service in running:
        service.close()


@pytest.fixture
def service(start_service: Callable[..., Service]) -> Service:
    return start_service()
