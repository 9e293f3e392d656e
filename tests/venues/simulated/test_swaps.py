"""A transaction of several swaps: it runs as it was planned, or in the same proportions on pools that moved, or not at all."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import msgspec
import pytest
from msgspec.structs import replace

from order_engine.orders import Transaction
from order_engine.quotes import Ask
from order_engine.routes import Exact, Fill, Leg, NoPlan, Terms
from order_engine.routing.best import best_plan
from order_engine.venues.pool import SwapRefused
from order_engine.venues.simulated.chain import NETWORK_FEE, SimulatedChain
from order_engine.venues.simulated.genesis import NETWORK, WALLET
from order_engine.venues.simulated.instruction import Instruction, _signature
from order_engine.venues.simulated.regimes import CALM
from order_engine.venues.simulated.swaps import Run, run
from order_engine.venues.snapshot import AnyPool, Snapshot
from order_engine.venues.venue import Landed
from tests.order_engine.given import SOL, USDC, a_chain, a_leg, rows, venues_of

STILL = replace(CALM, name="still", noise_ppm=0, informed_odds=0, arbitrage_odds=0)  # nobody else trades
TERMS = Terms(max_legs=6)

CPMM = "58oQChx4yW"  # pools of genesis.json, by the beginning of their addresses
CLMM = "3ucNos4Nbu"
BINS = "5rCf1DM8Lj"
WHIRLPOOL = "Czfq3xZZDm"
JUP_USDC = "HrLmpzp8Nu"
JUP_SOL = "EZVkeboWeX"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain.db"


@pytest.fixture
def chain(path: Path) -> Iterator[SimulatedChain]:
    """A chain on which nobody else trades."""
    with a_chain(path) as chain:
        chain.choose(STILL)
        yield chain


# plans


class Plan:
    """Swaps made one after the other on pools that nobody else moves, and their sums."""

    def __init__(self, snapshot: Snapshot, ask: Ask) -> None:
        self.ask = ask
        self.legs: list[Leg] = []
        self._snapshot = snapshot
        self._states = {each.pool: each.state for each in snapshot.listings}
        self._held = {ask.input_token: ask.amount}

    def sells(self, pool: str, token_in: str, percent: int = 100) -> "Plan":
        """A swap of so much of what is there of a token."""
        listing = next(each for each in self._snapshot.listings if each.pool.startswith(pool))
        token_out = listing.token_b if token_in == listing.token_a else listing.token_a
        amount = self._held[token_in] * percent // 100
        a_to_b = token_in == listing.token_a
        swap = self._states[listing.pool].swap_exact_in(amount, a_to_b, self._snapshot.now)
        assert swap.amount_in == amount
        self._states[listing.pool] = swap.after
        self._held[token_in] -= amount
        self._held[token_out] = self._held.get(token_out, 0) + swap.amount_out
        self.legs.append(Leg(listing.dex, listing.pool, token_in, token_out, amount, swap.amount_out))
        return self

    @property
    def amount_out(self) -> int:
        return self._held[self.ask.output_token]


def split(snapshot: Snapshot) -> Plan:
    plan = Plan(snapshot, Ask("SOL", "USDC", 50 * SOL))
    return plan.sells(CPMM, "SOL", 20).sells(CLMM, "SOL", 30).sells(BINS, "SOL", 40).sells(WHIRLPOOL, "SOL")


def hops(snapshot: Snapshot) -> Plan:
    plan = Plan(snapshot, Ask("SOL", "JUP", 20 * SOL))
    return plan.sells(CLMM, "SOL", 60).sells(WHIRLPOOL, "SOL", 50).sells(JUP_USDC, "USDC").sells(JUP_SOL, "SOL")


def circle(snapshot: Snapshot) -> Plan:
    """From SOL to USDC and back before it goes on its way, over one of the pools again."""
    plan = Plan(snapshot, Ask("SOL", "USDC", 10 * SOL))
    return plan.sells(CLMM, "SOL").sells(WHIRLPOOL, "USDC").sells(CLMM, "SOL")


def best_legs(snapshot: Snapshot, ask: Ask) -> tuple[tuple[Leg, ...], int, int]:
    """The legs of the best plan, what they take and what they pay."""
    found = best_plan(snapshot, ask.input_token, ask.output_token, ask.amount, ask.exact, TERMS)
    assert not isinstance(found, NoPlan)
    return found.plan.legs, found.plan.amount_in, found.plan.amount_out


def instruction(ask: Ask, legs: tuple[Leg, ...], limit: int) -> Instruction:
    most, least = (ask.amount, limit) if ask.exact == "in" else (limit, ask.amount)
    return Instruction("order/1", ask.input_token, ask.output_token, most, least, 150, legs, ask.exact)


def run_on(asked: Instruction, chain: SimulatedChain) -> Run:
    """What the instruction would do on the pools as they are now."""
    listings = {listing.address: listing for listing in chain.listings}
    return run(asked, listings, pools_of(chain), chain.block_time())


def pools_of(chain: SimulatedChain) -> dict[str, AnyPool]:
    return {listing.address: chain.pool(listing.address) for listing in chain.listings}


def lands(chain: SimulatedChain, transaction: Transaction) -> Landed:
    """What comes of the transaction, in the next block."""
    chain.send(transaction)
    chain.make_block()
    found = chain.look_up(transaction.signature)
    assert found is not None
    return found


def as_planned(fills: tuple[Fill, ...]) -> tuple[Leg, ...]:
    return tuple(Leg(*msgspec.structs.astuple(fill)[:6]) for fill in fills)


def changes(fills: tuple[Leg, ...]) -> dict[str, int]:
    """What the swaps together take (negative) and leave of each token."""
    found: dict[str, int] = {}
    for fill in fills:
        found[fill.token_in] = found.get(fill.token_in, 0) - fill.amount_in
        found[fill.token_out] = found.get(fill.token_out, 0) + fill.amount_out
    return found


# pools that stand still


@pytest.mark.parametrize("planned", [split, hops, circle])
def test_a_plan_lands_exactly_as_planned_while_the_pools_stand_still(
    chain: SimulatedChain, planned: Callable[[Snapshot], Plan]
) -> None:
    plan, before = planned(chain.snapshot()), dict(chain.balances())
    token_in, token_out = plan.ask.input_token, plan.ask.output_token
    landed = lands(chain, chain.build(plan.ask, tuple(plan.legs), plan.amount_out, "order/1"))
    assert (landed.error_code, landed.amount_in, landed.amount_out) == (None, plan.ask.amount, plan.amount_out)
    assert as_planned(landed.fills) == tuple(plan.legs)
    paid = {token: units - before[token] for token, units in chain.balances().items() if units != before[token]}
    assert paid == {token_in: -plan.ask.amount - NETWORK_FEE, token_out: plan.amount_out}


@pytest.mark.parametrize("exact", ["in", "out"])
@pytest.mark.parametrize(("pair", "amount"), [
    (("SOL", "USDC"), 5_000), (("USDC", "SOL"), 3), (("WIF", "BONK"), 700), (("USDT", "JUP"), 900), (("RAY", "JitoSOL"), 40),
], ids=str)  # fmt: skip
def test_the_best_plan_lands_exactly_as_planned_while_the_pools_stand_still(
    chain: SimulatedChain, pair: tuple[str, str], amount: int, exact: Exact
) -> None:
    ask = Ask(*pair, amount * 10**6, exact)
    legs, amount_in, amount_out = best_legs(chain.snapshot(), ask)
    limit = amount_out if exact == "in" else amount_in
    landed = lands(chain, chain.build(ask, legs, limit, "order/1"))
    assert (landed.error_code, landed.amount_in, landed.amount_out) == (None, amount_in, amount_out)
    assert as_planned(landed.fills) == legs
    assert ask.amount == (landed.amount_in if exact == "in" else landed.amount_out)


def test_fees_in_several_tokens_are_told_swap_by_swap_and_in_one_token_as_their_sum(chain: SimulatedChain) -> None:
    several, one = hops(chain.snapshot()), Plan(chain.snapshot(), Ask("SOL", "USDC", SOL))
    one.sells(CLMM, "SOL", 50).sells(WHIRLPOOL, "SOL")
    mixed = lands(chain, chain.build(several.ask, tuple(several.legs), 1, "mixed/1"))
    assert (mixed.fee, mixed.fee_token) == (0, "")
    assert {fill.fee_token for fill in mixed.fills} == {"SOL", "USDC"}
    assert all(fill.fee > 0 for fill in mixed.fills)
    same = lands(chain, chain.build(one.ask, tuple(one.legs), 1, "same/1"))
    assert (same.fee, same.fee_token) == (sum(fill.fee for fill in same.fills), "SOL")


# pools that have moved


@contextmanager
def moved(path: Path, seed: int) -> Iterator[tuple[Snapshot, SimulatedChain]]:
    """A chain, and its pools as they were before a lively market moved every one of them."""
    dice = Random(seed)
    with a_chain(path, seed=seed) as chain:
        planned_on = chain.snapshot()
        for listing in chain.listings:
            chain.shock(listing.address, dice.random() < 0.5, dice.randrange(1_000, 40_000))
        for _ in range(dice.randrange(1, 20)):
            chain.make_block()
        yield planned_on, chain


ASKS = [
    Ask("SOL", "USDC", 4_000 * SOL), Ask("WIF", "BONK", 3_000 * 10**6), Ask("USDT", "JUP", 90_000 * 10**6),
    Ask("SOL", "USDC", 500_000 * USDC, "out"), Ask("WIF", "BONK", 5_000_000_000, "out"), Ask("USDC", "SOL", 2_000 * SOL, "out"),
]  # fmt: skip


@pytest.mark.parametrize("ask", ASKS, ids=str)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_on_moved_pools_nothing_remains_in_between_and_shares_keep_their_proportion(
    path: Path, ask: Ask, seed: int
) -> None:
    with moved(path, seed) as (planned_on, chain):
        legs, *_ = best_legs(planned_on, ask)
        assert len(legs) > 1
        done = run_on(instruction(ask, legs, 1 if ask.exact == "in" else 2**63), chain)
        assert as_planned(done.fills) != legs
        expected = {ask.input_token: -done.amount_in, ask.output_token: done.amount_out}
        assert {token: units for token, units in changes(done.fills).items() if units} == expected
        assert ask.amount == (done.amount_in if ask.exact == "in" else done.amount_out)
        assert keeps_proportion(legs, done.fills, ask.exact)


def keeps_proportion(legs: tuple[Leg, ...], fills: tuple[Leg, ...], exact: Exact) -> bool:
    """Of every token each swap has the share that it was planned to have, to a unit for each swap of that token."""
    units: Callable[[Leg], tuple[str, int]] = (
        (lambda leg: (leg.token_in, leg.amount_in)) if exact == "in" else (lambda leg: (leg.token_out, leg.amount_out))
    )
    planned, done = sums(units(leg) for leg in legs), sums(units(fill) for fill in fills)
    for leg, fill in zip(legs, fills, strict=True):
        (token, share), (_, got) = units(leg), units(fill)
        if abs(got * planned[token] - share * done[token]) > planned[token] * len(legs):
            return False
    return True


def sums(units: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for token, amount in units:
        found[token] = found.get(token, 0) + amount
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_circle_on_moved_pools_leaves_nothing_behind(path: Path, seed: int) -> None:
    with moved(path, seed) as (planned_on, chain):
        plan = circle(planned_on)
        done = run_on(instruction(plan.ask, tuple(plan.legs), 1), chain)
        assert changes(done.fills) == {"SOL": -plan.ask.amount, "USDC": done.amount_out}
        assert [fill.pool for fill in done.fills] == [leg.pool for leg in plan.legs]


# all or nothing


def untouched_but_for_the_fee(
    chain: SimulatedChain, before: Mapping[tuple[str, str], int], pools: Mapping[str, AnyPool]
) -> bool:
    owed = {(WALLET, "SOL"): -NETWORK_FEE, (NETWORK, "SOL"): NETWORK_FEE}
    moved = {key: units - before.get(key, 0) for key, units in chain.accounts().items() if units != before.get(key, 0)}
    return moved == owed and pools_of(chain) == pools


def too_small_for_one_swap(snapshot: Snapshot) -> tuple[Ask, tuple[Leg, ...]]:
    """One lamport goes through a pool of its own, and buys nothing."""
    plan = Plan(snapshot, Ask("SOL", "JUP", SOL)).sells(CLMM, "SOL")
    first = plan.legs[0]
    little = replace(first, pool=address_of(snapshot, CPMM), amount_in=1)
    plan.sells(JUP_USDC, "USDC")
    return plan.ask, (replace(first, amount_in=first.amount_in - 1), little, plan.legs[1])


def too_large_for_one_swap(snapshot: Snapshot) -> tuple[Ask, tuple[Leg, ...]]:
    """The second pool is asked for more than it has."""
    listing = next(each for each in snapshot.listings if each.pool.startswith(JUP_USDC))
    much = listing.state.reserves[0 if listing.token_a == "JUP" else 1] + 1
    ask = Ask("SOL", "JUP", much, "out")
    first = Leg("raydium", address_of(snapshot, CLMM), "SOL", "USDC", SOL, 100 * USDC)
    return ask, (first, Leg(listing.dex, listing.pool, "USDC", "JUP", 100 * USDC, much))


def address_of(snapshot: Snapshot, beginning: str) -> str:
    return next(each.pool for each in snapshot.listings if each.pool.startswith(beginning))


@pytest.mark.parametrize("doomed", [too_small_for_one_swap, too_large_for_one_swap])
def test_a_pool_that_refuses_on_the_way_undoes_all_swaps_and_only_the_network_fee_is_paid(
    chain: SimulatedChain, doomed: Callable[[Snapshot], tuple[Ask, tuple[Leg, ...]]]
) -> None:
    ask, legs = doomed(chain.snapshot())
    before, pools = dict(chain.accounts()), pools_of(chain)
    limit = 1 if ask.exact == "in" else 10_000 * SOL
    with pytest.raises(SwapRefused):
        run_on(instruction(ask, legs, limit), chain)
    landed = lands(chain, chain.build(ask, legs, limit, "order/1"))
    assert (landed.error_code, landed.fills, landed.amount_in, landed.amount_out) == ("transaction_rejected", (), 0, 0)
    assert "Nothing was sold." in (landed.error or "")
    assert untouched_but_for_the_fee(chain, before, pools)


@pytest.mark.parametrize("ask", ASKS, ids=str)
def test_the_limit_is_that_of_the_whole_and_one_unit_beyond_it_undoes_all(chain: SimulatedChain, ask: Ask) -> None:
    legs, amount_in, amount_out = best_legs(chain.snapshot(), ask)
    before, pools = dict(chain.accounts()), pools_of(chain)
    beyond, limit = (amount_out + 1, amount_out) if ask.exact == "in" else (amount_in - 1, amount_in)
    refused = lands(chain, chain.build(ask, legs, beyond, "order/1"))
    assert (refused.error_code, refused.fills) == ("slippage_exceeded", ())
    assert ("minimum" if ask.exact == "in" else "maximum") in (refused.error or "")
    assert untouched_but_for_the_fee(chain, before, pools)
    assert lands(chain, chain.build(ask, legs, limit, "order/2")).error_code is None


@pytest.mark.parametrize("exact", ["in", "out"])
def test_a_wallet_that_has_too_little_swaps_nothing(chain: SimulatedChain, exact: Exact) -> None:
    """RAY is what it has least of."""
    has = chain.balances()["RAY"]
    legs, amount_in, amount_out = best_legs(chain.snapshot(), Ask("RAY", "USDC", has + 1))
    ask, limit = Ask("RAY", "USDC", amount_in), 1
    if exact == "out":
        ask = Ask("RAY", "USDC", amount_out + USDC, "out")
        legs, limit, _ = best_legs(chain.snapshot(), ask)
    assert limit == 1 or limit > has
    before, pools = dict(chain.accounts()), pools_of(chain)
    landed = lands(chain, chain.build(ask, legs, limit, "order/1"))
    assert (landed.error_code, landed.fills) == ("transaction_rejected", ())
    assert "the wallet has less" in (landed.error or "")
    assert untouched_but_for_the_fee(chain, before, pools)


def test_many_swaps_in_a_lively_market_neither_make_nor_lose_a_unit(path: Path) -> None:
    dice, tokens = Random(5), ["SOL", "USDC", "USDT", "JUP", "BONK", "RAY", "WIF", "JitoSOL"]
    with a_chain(path, seed=5) as chain:
        expected = dict(rows(path, "SELECT token, units FROM genesis"))
        for number in range(80):
            token_in, token_out = dice.sample(tokens, 2)
            exact: Exact = "in" if number % 2 else "out"
            most = chain.balances()[token_in if exact == "in" else token_out]
            ask = Ask(token_in, token_out, max(most // dice.randrange(50, 5_000), 1), exact)
            legs, amount_in, amount_out = best_legs(chain.snapshot(), ask)
            limit = amount_out * 99 // 100 if exact == "in" else amount_in * 101 // 100
            chain.send(chain.build(ask, legs, limit, f"order-{number}/1"))
            chain.make_block()
            found = sums((token, units) for (_, token), units in chain.accounts().items())
            assert found == expected, f"after {ask}"
        ended = dict(rows(path, "SELECT error_code IS NULL, count(*) FROM ledger GROUP BY 1"))
        assert ended[1] > 60, ended


# what is kept


def test_what_landed_reads_the_same_after_a_restart_with_all_its_swaps(path: Path) -> None:
    with a_chain(path) as chain:
        chain.choose(STILL)
        plan = hops(chain.snapshot())
        sent = [chain.build(plan.ask, tuple(plan.legs), limit, f"order/{limit}") for limit in (1, plan.amount_out * 2)]
        found = [lands(chain, transaction) for transaction in sent]
        assert [landed.error_code for landed in found] == [None, "slippage_exceeded"]
        assert len(found[0].fills) == 4
    with a_chain(path) as again:
        assert [again.look_up(transaction.signature) for transaction in sent] == found
    assert rows(path, "SELECT pool, amount_in, amount_out FROM ledger WHERE fills IS NOT NULL") == [
        (plan.legs[0].pool, plan.ask.amount, found[0].amount_out)
    ]


def test_an_instruction_of_the_first_version_still_lands_from_the_mempool(path: Path) -> None:
    """It named one pool and had no legs."""
    ask = Ask("SOL", "USDC", SOL)
    with a_chain(path) as chain:
        quote = venues_of(chain)[0].quote(ask)
        text = {
            "nonce": "order/1", "pool": quote.pool, "input_token": "SOL", "output_token": "USDC", "amount_in": SOL,
            "min_out": quote.amount_out * 98 // 100, "last_valid_height": 150,
        }  # fmt: skip
        wire = msgspec.json.encode(text)
        old = Transaction(_signature(wire, chain._key), 150, wire.decode())
        chain._ledger._db.execute(  # type: ignore[attr-defined]  # as an earlier version left it
            "INSERT INTO mempool (signature, wire, lands_at) VALUES (?, ?, 1)", (old.signature, old.wire)
        )
    with a_chain(path) as chain:
        chain.choose(STILL)
        chain.make_block()
        landed = chain.look_up(old.signature)
        assert landed is not None
        assert (landed.error_code, landed.amount_in, landed.amount_out) == (None, SOL, quote.amount_out)
        assert as_planned(landed.fills) == (a_leg(ask, quote),)


def test_a_row_of_the_first_version_reads_as_what_landed(path: Path) -> None:
    with a_chain(path) as chain:
        done = lands(chain, chain.build(*_one_swap(chain), 1, "order/1"))
        chain._ledger._db.execute("UPDATE ledger SET fills = NULL")  # type: ignore[attr-defined]
    with a_chain(path) as chain:
        assert chain.look_up(done.signature) == replace(done, fills=())


def _one_swap(chain: SimulatedChain) -> tuple[Ask, tuple[Leg, ...]]:
    ask = Ask("SOL", "USDC", SOL)
    return ask, (a_leg(ask, venues_of(chain)[0].quote(ask)),)
