import pytest

from order_engine.errors import Busy
from order_engine.pace import Pace
from tests.order_engine.given import HandClock


def accept(pace: Pace, count: int) -> None:
    for _ in range(count):
        pace.check()
        pace.note()


def test_a_full_minute_refuses_with_the_values_and_says_when_there_is_room() -> None:
    clock = HandClock()
    pace = Pace(3, clock)
    accept(pace, 2)
    clock.sleep_ms(20_000)
    accept(pace, 1)
    with pytest.raises(Busy, match="3 orders were accepted in the last minute, the limit is 3") as refusal:
        pace.check()
    assert (refusal.value.code, refusal.value.retry_after_s) == ("too_many_orders", 41)
    clock.sleep_ms(refusal.value.retry_after_s * 1_000)
    accept(pace, 2)
    with pytest.raises(Busy):
        pace.check()


def test_what_was_looked_at_and_not_accepted_does_not_count() -> None:
    pace = Pace(1, HandClock())
    for _ in range(5):
        pace.check()


def test_without_a_limit_nothing_is_counted() -> None:
    pace = Pace(None, HandClock())
    accept(pace, 1_000)
    assert not pace._accepted


def test_a_restart_gives_nobody_a_new_minute_and_a_clock_that_jumped_no_endless_one() -> None:
    clock = HandClock()
    pace = Pace(2, clock, recent=[clock.now_ms() - 50_000, clock.now_ms() + 3_600_000])
    with pytest.raises(Busy) as refusal:
        pace.check()
    assert refusal.value.retry_after_s == 11
    clock.sleep_ms(60_000)
    accept(pace, 2)
