"""The history of prices is bounded and covers the session; what a token is worth is exact, and unknown where no pool says."""

from decimal import Context, Decimal
from itertools import pairwise

from cli.dashboard.prices import POINTS, PriceHistory, worth
from tests.cli.dashboard.market import POOLS, a_pool


def told(prices: list[tuple[int, str]]) -> PriceHistory:
    history = PriceHistory()
    for at_ms, price in prices:
        history.take([a_pool(pool="p", price=price)], at_ms)
    return history


def test_what_was_read_is_kept_exactly_and_in_order() -> None:
    history = told([(1_000, "149.942123456789"), (3_000, "150")])
    assert history.series("p") == ((1_000, Decimal("149.942123456789")), (3_000, Decimal(150)))
    assert history.series("another") == ()


def test_a_day_fits_and_its_first_and_last_prices_are_there() -> None:
    readings = 86_400_000 // 2_000
    history = told([(2_000 * n, str(n + 1)) for n in range(readings)])
    points = history.series("p")
    assert len(points) <= POINTS + 1
    assert points[0] == (0, Decimal(1))
    assert points[-1] == (2_000 * (readings - 1), Decimal(readings))
    steps = [after[0] - before[0] for before, after in pairwise(points)]
    assert all(step > 0 for step in steps)
    assert max(steps) < 10 * 86_400_000 / POINTS  # no long stretch is forgotten


def test_a_clock_that_was_set_back_begins_anew() -> None:
    history = told([(10_000, "1"), (12_000, "2"), (5_000, "3"), (7_000, "4")])
    assert history.series("p") == ((5_000, Decimal(3)), (7_000, Decimal(4)))


def test_the_opening_has_the_first_prices() -> None:
    history = told([(1_000, "149"), (3_000, "150")])
    (pool,) = history.opening([a_pool(pool="p", price="150")])
    assert pool["price"] == "149"
    assert history.began_ms == 1_000
    assert PriceHistory().began_ms is None


def test_a_change_is_over_the_last_day_once_the_session_is_longer() -> None:
    hour = 3_600_000
    history = told([(0, "100"), (3 * hour, "110"), (6 * hour, "120"), (28 * hour, "130")])
    assert history.day("p") == ((3 * hour, Decimal(110)), (6 * hour, Decimal(120)), (28 * hour, Decimal(130)))
    (pool,) = history.opening([a_pool(pool="p", price="130")])
    assert pool["price"] == "110"
    assert history.span(28 * hour) == "24h"
    assert told([(0, "1")]).span(5 * 60_000) == "5m"
    assert PriceHistory().span(5) == "-"


def test_a_token_is_worth_what_its_deepest_pool_says() -> None:
    shallow = a_pool(pool="other", price="170", reserveA="1", reserveB="170")
    assert worth([shallow, *POOLS], "SOL") == Decimal(150)
    assert worth(POOLS, "USDC") == 1


def test_two_pools_lead_from_a_token_to_another() -> None:
    assert worth(POOLS, "BONK") == Decimal("0.0000135")


def test_a_pool_prices_both_of_its_tokens() -> None:
    assert worth(POOLS, "USDC", "JUP") == inverse("0.45")


def test_a_token_that_no_pool_leads_to_has_no_value() -> None:
    assert worth(POOLS, "WIF") is None
    assert worth([a_pool(price="0")], "SOL") is None
    assert worth([], "SOL") is None


def inverse(price: str) -> Decimal:
    """One over the price, in the digits that are kept of it."""
    return Context(prec=34).divide(Decimal(1), Decimal(price))
