from pathlib import Path

from order_engine.tokens import TOKENS
from order_engine.venues.simulated.genesis import genesis
from order_engine.venues.simulated.market import PPM, Flow, fair_price, stray_ppm
from tests.order_engine.given import SOL, USDC, a_chain

BLOCKS = 6_000
FEW_PER_CENT = 60_000  # ppm


def test_venues_differ_drift_by_at_most_a_few_per_cent_and_come_back(tmp_path: Path) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        pools = [each.address for each in chain.listings if {each.token_a, each.token_b} == {"SOL", "USDC"}]
        apart = []
        for _ in range(BLOCKS):
            chain.make_block()
            prices = [chain.pool(address).spot_price(True) for address in pools]
            ratios = [numerator * 10**18 // denominator for numerator, denominator in prices]
            apart.append((max(ratios) - min(ratios)) * PPM // min(ratios))
    assert max(apart) < FEW_PER_CENT
    far = [at for at, ppm in enumerate(apart) if ppm > 10_000]
    assert far, "venues never differ by a per cent"
    assert sum(ppm > 0 for ppm in apart) > BLOCKS * 9 // 10
    assert any(ppm < 4_000 for ppm in apart[far[0] :]), "they never come back"


def test_every_pool_stays_near_the_fair_price(tmp_path: Path) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        for _ in range(BLOCKS // 2):
            chain.make_block()
        for listing in chain.listings:
            stray = stray_ppm(chain.pool(listing.address), fair_price(listing.token_a, listing.token_b, PPM, PPM))
            assert abs(stray) < 2 * FEW_PER_CENT, listing


def test_the_market_decides_from_seed_height_and_pools_alone() -> None:
    world = genesis()
    one, same, other = (Flow(seed, world.listings) for seed in (7, 7, 8))

    def trades(flow: Flow) -> list[object]:
        return [trade for height in range(200) for trade in flow.trades(height, world.pools, 1_700_000_000)]

    assert trades(one) == trades(same)
    assert trades(one) != trades(other)


def test_the_world_begins_with_the_pairs_of_the_issue_on_both_venues() -> None:
    world = genesis()
    for pair in (
        {"SOL", "USDC"}, {"SOL", "USDT"}, {"JUP", "USDC"}, {"BONK", "SOL"}, {"RAY", "SOL"}, {"JitoSOL", "SOL"}, {"WIF", "SOL"},
    ):  # fmt: skip
        assert any({each.token_a, each.token_b} == pair for each in world.listings), pair
    assert {each.dex for each in world.listings} == {"raydium", "meteora", "orca"}


def test_the_wallet_begins_with_enough_of_everything() -> None:
    balances = genesis().balances
    assert balances["wallet", "SOL"] >= 1_000 * SOL
    assert balances["wallet", "USDC"] >= 100_000 * USDC
    assert all(balances["wallet", token] > 0 for token in TOKENS)


def test_every_pool_begins_near_the_reference_price() -> None:
    world = genesis()
    for listing in world.listings:
        stray = stray_ppm(world.pools[listing.address], fair_price(listing.token_a, listing.token_b, PPM, PPM))
        assert abs(stray) < 12_500, listing  # the widest bins are a per cent apart
