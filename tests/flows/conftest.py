"""Flows run in each type of community where the type makes a difference (R001)."""

import pytest

from backend.communities import CommunityKind


@pytest.fixture(params=list(CommunityKind), ids=str)
def kind(request: pytest.FixtureRequest) -> CommunityKind:
    """A closed community with a gate, an open one without, a single block without units."""
    found: CommunityKind = request.param
    return found
