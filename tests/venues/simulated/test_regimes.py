"""How the rest of the market behaves, and what its liquidity providers do."""

import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from order_engine.errors import Malformed
from order_engine.tokens import TOKENS
from order_engine.venues import meteora_dlmm, orca_whirlpool
from order_engine.venues.simulated.chain import SimulatedChain
from order_engine.venues.simulated.genesis import genesis, openings
from order_engine.venues.simulated.ledger import Ledger
from order_engine.venues.simulated.market import PPM, Flow, Market, fair_price, stray_ppm
from order_engine.venues.simulated.openings import open_pool
from order_engine.venues.simulated.providing import refilled
from order_engine.venues.simulated.regimes import CALM, REGIMES, known_regime, read_regime
from order_engine.venues.snapshot import AnyPool
from tests.order_engine.given import AT_ONCE, HandClock, a_chain, rows

NOW = 1_700_000_000
DATA = Path(__file__).parent.parent.parent / "data"
ORCA = "Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE"
NARROW = "HTvjzsfX3yU6BUodCjZ5vZkUrAxMDTrBs3CJaq43ashR"  # three per cent of bins each side


def sums(chain: SimulatedChain) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, token), units in chain.accounts().items():
        found[token] += units
    return found


def blocks(chain: SimulatedChain, count: int) -> None:
    for _ in range(count):
        chain.make_block()


def pools(chain: SimulatedChain) -> list[AnyPool]:
    return [chain.pool(listing.address) for listing in chain.listings]


def sol_ppm(chain: SimulatedChain) -> int:
    """What SOL costs in its deepest pool, over its reference price."""
    return PPM + stray_ppm(chain.pool(ORCA), fair_price("SOL", "USDC", PPM, PPM))


@pytest.mark.parametrize("name", REGIMES)
def test_in_every_regime_nothing_appears_or_vanishes_and_pools_own_what_they_offer(tmp_path: Path, name: str) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        before = sums(chain)
        chain.choose(REGIMES[name])
        for _ in range(30):
            blocks(chain, 20)
            assert sums(chain) == before
            for listing in chain.listings:
                held = [chain.accounts()[listing.address, token] for token in (listing.token_a, listing.token_b)]
                assert all(has >= of for has, of in zip(held, chain.pool(listing.address).reserves, strict=True))


def test_the_same_seed_and_decisions_make_the_same_blocks_over_restarts_too(tmp_path: Path) -> None:
    def lived(path: Path, seed: int, restart: bool) -> list[AnyPool]:
        with a_chain(path, seed=seed) as chain:
            blocks(chain, 50)
            chain.choose(REGIMES["choppy"])
            blocks(chain, 150)
            if not restart:
                blocks(chain, 200)
                return pools(chain)
        with a_chain(path, seed=1) as chain:
            assert (chain.market.regime.name, chain.market.since) == ("choppy", 51)
            blocks(chain, 200)
            return pools(chain)

    one = lived(tmp_path / "one.db", 7, restart=False)
    assert lived(tmp_path / "same.db", 7, restart=True) == one
    assert lived(tmp_path / "other.db", 8, restart=False) != one


def test_prices_go_on_from_where_they_are_when_the_regime_changes() -> None:
    listings = genesis().listings
    before = Flow(7, listings)
    height = 5_000
    assert before.values_ppm(height)["SOL"] != PPM
    for regime in REGIMES.values():
        after = Flow(7, listings, Market(regime, height, before.values_ppm(height)))
        assert after.values_ppm(height) == before.values_ppm(height)
        steps = [after.values_ppm(height + n) for n in range(300)]
        assert all(
            abs(here[token] - there[token]) <= here[token] // 500 for here, there in pairwise(steps) for token in TOKENS
        ), regime.name


def test_a_crash_takes_a_third_within_six_minutes_and_dollars_stay_dollars(tmp_path: Path) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        chain.choose(REGIMES["crash"])
        blocks(chain, 1_000)
        assert 600_000 < chain.fair_values_ppm()["SOL"] < 750_000
        assert chain.fair_values_ppm()["USDC"] == PPM
        assert 600_000 < sol_ppm(chain) < 760_000


def test_a_trend_goes_one_way_then_back_and_the_seed_says_which() -> None:
    listings = genesis().listings
    regime = REGIMES["trending"]
    first = []
    for seed in range(16):
        flow = Flow(seed, listings, Market(regime, 100, dict.fromkeys(TOKENS, PPM)))
        far = flow.values_ppm(100 + regime.trend_blocks)["SOL"] - PPM
        assert abs(far) > regime.trend_ppm * 3 // 4
        assert abs(flow.values_ppm(100 + 2 * regime.trend_blocks)["SOL"] - PPM) < 25_000
        first.append(far > 0)
    assert len(set(first)) == 2


def test_a_thin_market_has_a_fifth_of_the_liquidity_and_a_calm_one_gets_it_back(tmp_path: Path) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        full = chain.pool(ORCA).depth(True, 5_000)
        chain.choose(REGIMES["thin"])
        blocks(chain, 2_600)  # each pool is looked after six times
        assert chain.pool(ORCA).depth(True, 5_000) < full // 3
        chain.choose(CALM)
        blocks(chain, 2_600)
        assert chain.pool(ORCA).depth(True, 5_000) > full * 3 // 4


def test_a_drained_pool_fills_up_again(tmp_path: Path) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        before = chain.pool(NARROW).reserves
        chain.shock(NARROW, True, 25_000)
        chain.make_block()
        assert chain.pool(NARROW).reserves[1] < before[1] // 2
        blocks(chain, 2_600)
        assert chain.pool(NARROW).reserves[1] > before[1] * 3 // 4


def test_a_pool_that_is_sold_out_follows_the_market_after_all(tmp_path: Path) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        chain.choose(REGIMES["crash"])
        blocks(chain, 3_000)
        fair = fair_price("SOL", "USDC", chain.fair_values_ppm()["SOL"], PPM)
        assert abs(stray_ppm(chain.pool(NARROW), fair)) < 30_000


def test_providers_leave_the_price_where_it_is(tmp_path: Path) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        blocks(chain, 400)
        moved = 0
        for listing in chain.listings:
            opening, pool = openings()[listing.address], chain.pool(listing.address)
            for percent in (20, 100, 300):
                found = refilled(pool, opening, percent, pool.spot_price(True))
                if found is not None:
                    moved += 1
                    assert abs(stray_ppm(found, pool.spot_price(True))) <= max(1, pool.step_ppm), (listing, percent)
                    assert found.fee_ppm(NOW) == pool.fee_ppm(NOW)
        assert moved > 50


def test_providers_come_half_of_the_way_and_stop_when_it_is_near_enough() -> None:
    for address, opening in openings().items():
        pool = open_pool(opening)
        fair = pool.spot_price(True)
        depths = [pool.depth(True, 5_000)]
        for _ in range(12):
            pool = refilled(pool, opening, 25, fair) or pool
            depths.append(pool.depth(True, 5_000))
        assert refilled(pool, opening, 25, fair) is None, address
        assert depths == sorted(depths, reverse=True), address
        assert depths[-1] < depths[0] * 35 // 100, address


def test_a_pool_that_holds_somebodys_limit_orders_is_left_alone() -> None:
    opening = openings()[NARROW]
    pool = open_pool(opening)
    assert isinstance(pool, meteora_dlmm.Pool)
    assert refilled(pool, opening, 300, pool.spot_price(True)) is not None
    with_order = replace(pool, bins=(replace(pool.bins[0], open_orders=5), *pool.bins[1:]))
    assert refilled(with_order, opening, 300, pool.spot_price(True)) is None
    assert refilled(with_order, opening, 300, fair_price("SOL", "USDC", PPM // 2, PPM)) is None


def test_a_position_that_was_laid_anew_adds_up() -> None:
    opening = openings()[ORCA]
    pool = refilled(open_pool(opening), opening, 50, (1, 1))
    assert isinstance(pool, orca_whirlpool.Pool)
    assert sum(tick.liquidity_net for tick in pool.ticks) == 0
    assert sum(tick.liquidity_net for tick in pool.ticks if tick.tick <= pool.tick_current_index) == pool.liquidity


def test_a_regime_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(Malformed, match=r"Known: calm, choppy, trending, thin, crash") as refusal:
        known_regime("wild")
    assert refusal.value.field == "regime"


def test_a_regime_of_ones_own_says_what_differs_from_calm() -> None:
    mine = read_regime('name = "mine"\nnoise_ppm = 9000\n')
    assert mine == replace(CALM, name="mine", noise_ppm=9_000)
    assert read_regime('{"name": "mine", "noise_ppm": 9000}') == mine


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('name = "mine"\nnoise_pm = 1', "noise_pm"),
        ('name = "mine"\nnoise_ppm = -1', "noise_ppm"),
        ('name = "mine"\nnoise_ppm = 0.5', "noise_ppm"),
        ('name = "mine"\nwhale_odds = 257', "whale_odds"),
        ('name = "calm"', "another name"),
        ('name = "Mine!"', "name"),
        ("noise_ppm = 1", "name"),
        ("[1", "neither TOML nor JSON"),
        ("name = [1]", "name"),
        ('{"name": {}}', "name"),
        ("[" * 3_000, "neither TOML nor JSON"),
        ("a" * 5_000, "the limit is 4096"),
        ("{", "neither TOML nor JSON"),
        ("{}" * 2, "neither TOML nor JSON"),
    ],
)
def test_rules_that_mean_nothing_are_refused_by_name(text: str, word: str) -> None:
    with pytest.raises(Malformed, match=word):
        read_regime(text)


def test_a_home_of_0_1_0_keeps_its_own_pools_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    shutil.copy(DATA / "chain-0.1.0.db", path)
    had = rows(path, "SELECT address, dex FROM pools ORDER BY address")
    with a_chain(path) as chain:
        assert [(listing.address, listing.dex) for listing in chain.listings] == had
        assert {dex for _, dex in had} == {"raydium", "meteora"}
        before = sums(chain)
        blocks(chain, 100)
        chain.choose(REGIMES["thin"])
        blocks(chain, 100)
        assert sums(chain) == before
    with a_chain(path) as chain:
        assert chain.market.regime.name == "thin"
        assert chain.listings
        assert len(chain.listings) == len(had)


def test_a_world_begins_in_the_regime_of_the_settings_until_one_is_chosen(tmp_path: Path) -> None:
    def begun(start: str) -> SimulatedChain:
        clock = HandClock()
        ledger = Ledger(tmp_path / "chain.db", 7, clock.now_ms())
        return SimulatedChain(ledger, AT_ONCE, clock, start=REGIMES[start])

    for start, found in (("thin", "thin"), ("crash", "thin")):
        chain = begun(start)
        chain.make_block()
        assert chain.market.regime.name == found
        chain.stop()
