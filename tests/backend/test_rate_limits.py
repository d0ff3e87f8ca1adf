"""Limits: buckets refill with time, sockets that ignore refusals are closed, keys do not share a count."""

import pytest

from backend.errors import TooManyRequestsError
from backend.rate_limits import RateLimits, SocketLimits, TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_allows_its_burst_then_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(per_s=10, burst=5, monotonic=clock)
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]
    clock.now += 0.11
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.now += 1000
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False], "it never holds more than its burst"


def test_over_a_long_time_no_more_passes_than_the_rate_and_one_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(per_s=30, burst=90, monotonic=clock)
    passed = 0
    for _ in range(10_000):
        clock.now += 0.005
        passed += bucket.take()
    assert passed <= 30 * 50 + 90
    assert passed >= 30 * 50


def test_a_socket_is_first_refused_and_then_closed() -> None:
    limits = SocketLimits(per_s=0.001, burst=3)
    said = [limits.allow("a") for _ in range(12)]
    assert said == [True] * 3 + [False] * 6 + [None] * 3
    assert limits.allow("b") is True, "sockets do not share a bucket"
    limits.forget("a")
    assert limits.allow("a") is True


def test_limits_that_are_off_refuse_nothing() -> None:
    limits = SocketLimits(per_s=0.001, burst=1, enabled=False)
    assert [limits.allow("a") for _ in range(50)] == [True] * 50
    off = RateLimits(enabled=False)
    for _ in range(50):
        off.hit("1/day", "key")
        off.check("1/day", "key")


def test_a_named_limit_counts_each_key_on_its_own_and_says_when_to_come_back() -> None:
    limits = RateLimits(enabled=True)
    for _ in range(5):
        limits.hit("5/hour", "guess", "1.2.3.4")
    with pytest.raises(TooManyRequestsError) as refused:
        limits.hit("5/hour", "guess", "1.2.3.4")
    assert 3590 <= refused.value.members["retry_after_s"] <= 3600
    limits.hit("5/hour", "guess", "5.6.7.8")
    limits.hit("5/hour", "another", "1.2.3.4")


def test_a_check_does_not_count() -> None:
    limits = RateLimits(enabled=True)
    for _ in range(20):
        limits.check("2/hour", "guess")
    limits.hit("2/hour", "guess")
    limits.check("2/hour", "guess")
    limits.hit("2/hour", "guess")
    with pytest.raises(TooManyRequestsError):
        limits.check("2/hour", "guess")
