"""What the engine asks is answered as well as by the slow search, and with a proof that anybody can check."""

import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random  # noqa: TID251 - seeded

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_engine.routes import Exact, NoPlan, Plan, Terms
from order_engine.routing.best import Found, best_plan, forget
from order_engine.routing.certificate import Receipt, certify, verify
from order_engine.routing.hops import route_in, route_out
from order_engine.routing.receipts import pack, unpack
from order_engine.venues.pool import SwapRefused
from order_engine.venues.simulated.instruction import Instruction
from order_engine.venues.simulated.swaps import run
from order_engine.venues.snapshot import Snapshot
from tests.routing.markets import DOLLARS, PAIRS, chain, moved, units
from tests.routing.networks import NOW, question
from tests.routing.sizes import World

quickly = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TERMS = Terms(max_legs=6, max_hops=3)
ALLOWED_PPB = 5_000  # 0.05 bps, and a unit per leg

Asked = tuple[Snapshot, str, str, int, Exact, Terms]


def slowly(asked: Asked) -> Plan | NoPlan:
    """The plan by the whole search, with nothing known before."""
    pools, token_in, token_out, amount, exact, terms = asked
    route = route_in if exact == "in" else route_out
    return route(pools.listings, token_in, token_out, amount, pools.now, terms)


def is_as_good(asked: Asked, trifle: int = 0) -> bool:
    """Whether the quick answer is as good as the slow one, or leaves no more than a trifle, and holds."""
    found, plan = best_plan(*asked), slowly(asked)
    if isinstance(found, NoPlan) or isinstance(plan, NoPlan):
        return found == plan
    assert verify(Receipt(found.plan, found.proof, asked[0].listings)) == []
    whole = plan.amount_out if plan.exact == "in" else plan.amount_in
    lost = plan.net - found.plan.net - max(len(plan.legs), len(found.plan.legs))
    return lost <= trifle or lost * 1_000_000_000 <= whole * ALLOWED_PPB


def question_of(seed: int, exact: Exact, terms: Terms, *, loud: bool = False) -> Asked:
    asked = question(seed, pools=16, loud=loud)
    pools = Snapshot(1, NOW, tuple(asked.listings))
    amount = asked.amount
    if exact == "out":
        sold = route_in(asked.listings, asked.token_in, asked.token_out, amount, NOW, terms)
        amount = max(sold.amount_out * 9 // 10, 1) if isinstance(sold, Plan) else 1
    return pools, asked.token_in, asked.token_out, amount, exact, terms


@quickly
@given(
    seed=st.integers(0, 10**6),
    exact=st.sampled_from(["in", "out"]),
    terms=st.sampled_from([TERMS, Terms(), Terms(max_legs=1), Terms(leg_cost=5_000, plan_cost=9, max_legs=6)]),
)
def test_no_search_that_takes_its_time_finds_more(seed: int, exact: Exact, terms: Terms) -> None:
    assert is_as_good(question_of(seed, exact, terms))


@pytest.mark.parametrize(
    ("seed", "exact", "terms"),
    [
        (31_389, "in", Terms(leg_cost=5_000, plan_cost=9, max_legs=6)),
        (851_636, "out", TERMS),
        (889_332, "out", TERMS),
        (521_125, "out", TERMS),
        (550_925, "out", Terms()),
        (894_969, "out", Terms()),
        (73_588, "out", Terms()),
    ],
)
def test_nor_where_it_once_did(seed: int, exact: Exact, terms: Terms) -> None:
    assert is_as_good(question_of(seed, exact, terms))


@quickly
@given(seed=st.integers(0, 10**6), exact=st.sampled_from(["in", "out"]))
def test_where_pools_disagree_every_plan_runs_and_is_proven_too(seed: int, exact: Exact) -> None:
    asked = question_of(seed, exact, TERMS, loud=True)
    found = best_plan(*asked)
    if isinstance(found, Found):
        assert verify(Receipt(found.plan, found.proof, asked[0].listings)) == []
        assert (found.plan.amount_in if exact == "in" else found.plan.amount_out) == asked[3]


@pytest.mark.parametrize("pair", PAIRS, ids="/".join)
@pytest.mark.parametrize("exact", ["in", "out"])
def test_nor_does_it_in_the_default_market_however_it_has_moved(pair: tuple[str, str], exact: Exact) -> None:
    world = chain()
    for blocks in (0, 3, 60, 120):
        for _ in range(blocks):
            world.make_block()
        pools = world.snapshot()
        for dollars in DOLLARS:
            amount = units(pair[0] if exact == "in" else pair[1], dollars)
            assert is_as_good((pools, *pair, amount, exact, TERMS)), (blocks, dollars)


def test_at_rest_small_orders_are_proven_to_be_the_best_there_is() -> None:
    pools = chain().snapshot()
    for token_in, token_out in PAIRS:
        found = best_plan(pools, token_in, token_out, units(token_in, 100), "in", TERMS)
        assert isinstance(found, Found)
        assert found.proof.gap_ppb <= ALLOWED_PPB


def test_what_is_kept_of_one_block_changes_no_answer_in_another() -> None:
    world = moved(40)
    blocks = [world.snapshot()]
    for _ in range(4):
        world.make_block()
        blocks.append(world.snapshot())
    asked: list[Asked] = [
        (pools, *pair, units(pair[0], dollars), "in", TERMS)
        for pools in blocks
        for pair in PAIRS
        for dollars in (10, 5_000)
    ]
    for each in (*asked, *reversed(asked)):
        found = best_plan(*each)
        assert isinstance(found, Found)
        assert verify(Receipt(found.plan, found.proof, each[0].listings)) == []
        assert found.proof.height == each[0].height


def test_the_same_question_about_the_same_pools_is_answered_once_and_any_other_anew() -> None:
    world = moved(30)
    pools = world.snapshot()
    terms = [TERMS, Terms(0, 10**4, 6, 3), Terms(0, 0, 1, 3)]
    exacts: tuple[Exact, ...] = ("in", "out")
    asked: list[Asked] = [(pools, *PAIRS[0], 10**8, exact, each) for exact in exacts for each in terms]
    asked += [(pools, *PAIRS[0][::-1], 10**8, "in", TERMS), (pools, *PAIRS[0], 10**8 + 1, "in", TERMS)]
    first = [best_plan(*each) for each in asked]
    assert len({id(answer) for answer in first}) == len(asked)
    assert all(best_plan(*each) is answer for each, answer in zip(asked, first, strict=True))
    world.make_block()
    later = best_plan(world.snapshot(), *asked[0][1:])
    assert isinstance(later, Found)
    assert later.proof.height == pools.height + 1


@pytest.mark.parametrize("exact", ["in", "out"])
@pytest.mark.parametrize("blocks", [40, 60, 200, 300])
def test_many_sizes_asked_of_one_block_are_each_as_good_as_if_asked_alone(blocks: int, exact: Exact) -> None:
    pools, dice = moved(blocks).snapshot(), Random(blocks)
    for pair in PAIRS[:3]:
        sized = pair[0 if exact == "in" else 1]
        for _ in range(12):
            amount = dice.randrange(units(sized, 10), units(sized, 10_000))
            assert is_as_good((pools, *pair, amount, exact, TERMS)), amount


@pytest.mark.parametrize("exact", ["in", "out"])
@pytest.mark.parametrize("seed", range(12))
def test_with_the_cost_of_sending_each_leaves_less_than_half_of_that(seed: int, exact: Exact) -> None:
    pools, dice = moved(90, seed).snapshot(), Random(seed)
    for pair in PAIRS:
        sized, costed = pair if exact == "in" else pair[::-1]
        cost = units(costed, 1) // 1_200  # of a dollar: about 5,000 lamports
        for _ in range(4):
            amount = dice.randrange(units(sized, 1), units(sized, 100))
            assert is_as_good((pools, *pair, amount, exact, Terms(0, cost, 6, 3)), cost // 2), (pair, amount)


def test_after_forgetting_an_answer_is_the_same_as_the_first_time() -> None:
    pools = moved(60).snapshot()
    amounts = [units("SOL", dollars) for dollars in (700, 300, 250, 270, 3_000, 290)]
    answers = []
    for _ in range(2):
        forget()
        answers.append([best_plan(pools, "SOL", "USDC", amount, "in", TERMS) for amount in amounts])
    assert answers[0] == answers[1]
    assert not any(one is other for one, other in zip(*answers, strict=True)), "nothing was remembered"


def test_more_questions_than_are_remembered_are_answered_all_the_same() -> None:
    pools = moved(31).snapshot()
    for amount in range(10**7, 10**7 + 1_100):
        found = best_plan(pools, *PAIRS[0], amount, "in", TERMS)
        assert isinstance(found, Found)
        assert found.plan.amount_in == amount


def test_several_threads_may_ask_at_once() -> None:
    blocks = [moved(20).snapshot(), moved(21).snapshot()]
    asked: list[Asked] = [(blocks[number % 2], *PAIRS[number % 7], 10**7 + number, "in", TERMS) for number in range(60)]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda each: best_plan(*each), asked))
    for each, answer in zip(asked, found, strict=True):
        assert isinstance(answer, Found)
        assert verify(Receipt(answer.plan, answer.proof, each[0].listings)) == []


def test_an_exact_out_order_too_runs_circles_and_the_simulated_program_does_just_that() -> None:
    world = World("thin")
    for _ in range(60):
        world.chain.make_block()
    pools, circles = world.chain.snapshot(), 0
    listings = {each.address: each for each in world.chain.listings}
    states = {each.pool: each.state for each in pools.listings}
    for token_in, token_out in PAIRS:
        for dollars in (1, 100, 10_000):
            asked: Asked = (pools, token_in, token_out, units(token_out, dollars), "out", TERMS)
            found, plain = best_plan(*asked), slowly(asked)
            assert isinstance(found, Found)
            assert isinstance(plain, Plan)
            plan = found.plan
            assert verify(Receipt(plan, found.proof, pools.listings)) == []
            assert len({leg.pool for leg in plan.legs}) == len(plan.legs), "the program swaps with each pool once"
            assert (plan.net - plain.net) * 1_000_000_000 >= plan.net * ALLOWED_PPB
            sold = [leg.token_in for leg in plan.legs]
            circles += any(leg.token_out in sold[:number] for number, leg in enumerate(plan.legs))
            said = Instruction("n", token_in, token_out, plan.amount_in, plan.amount_out, 1, plan.legs, "out")
            done = run(said, listings, states, pools.now)
            assert (done.amount_in, done.amount_out) == (plan.amount_in, plan.amount_out)
    assert circles > 5


def test_a_proof_of_another_plan_or_of_changed_pools_is_refused() -> None:
    pools = moved(30).snapshot()
    found = best_plan(pools, "SOL", "USDC", 10**10, "in", TERMS)
    assert isinstance(found, Found)
    receipt = Receipt(found.plan, found.proof, pools.listings)
    assert msgspec.json.decode(msgspec.json.encode(receipt), type=Receipt) == receipt
    more = msgspec.structs.replace(found.plan, amount_out=found.plan.amount_out + 1)
    assert {problem.part for problem in verify(msgspec.structs.replace(receipt, plan=more))} >= {"plan"}
    later = moved(31).snapshot()
    assert {problem.part for problem in verify(msgspec.structs.replace(receipt, states=later.listings))} >= {"states"}
    tight = msgspec.structs.replace(found.proof, bound=found.proof.bound - 1)
    assert {problem.part for problem in verify(msgspec.structs.replace(receipt, proof=tight))} >= {"bound"}


@pytest.mark.parametrize(
    ("amount", "tokens", "reason"),
    [(0, ("SOL", "USDC"), "zero_amount"), (5, ("SOL", "nothing"), "no_pool"), (2**63, ("WIF", "JitoSOL"), "too_large")],
)
def test_where_there_is_no_plan_it_says_why(amount: int, tokens: tuple[str, str], reason: str) -> None:
    found = best_plan(chain().snapshot(), *tokens, amount, "out", TERMS)
    assert isinstance(found, NoPlan)
    assert found.reason == reason


def test_a_bound_is_not_much_wider_than_that_of_the_whole_search() -> None:
    pools = moved(150).snapshot()
    for token_in, token_out in PAIRS:
        for dollars in DOLLARS:
            found = best_plan(pools, token_in, token_out, units(token_in, dollars), "in", TERMS)
            assert isinstance(found, Found)
            theirs = certify(found.plan, pools.listings, pools.now, pools.height, TERMS).proof.bound
            assert (found.proof.bound - theirs) * 1_000 <= theirs, (token_in, token_out, dollars)


def test_what_is_not_searched_for_is_worth_less_than_half_of_what_sending_costs() -> None:
    trifles = 0
    for blocks in range(100, 700, 100):
        pools = moved(blocks).snapshot()
        for token_in, token_out in PAIRS:
            cost = max(units(token_out, 1) // 1_000, 2)  # a thousandth of a dollar
            free = best_plan(pools, token_in, token_out, units(token_in, 1), "in", TERMS)
            found = best_plan(pools, token_in, token_out, units(token_in, 1), "in", Terms(0, cost, 6, 3))
            assert isinstance(found, Found)
            assert isinstance(free, Found)
            assert verify(Receipt(found.plan, found.proof, pools.listings)) == []
            lost = free.plan.amount_out - found.plan.amount_out
            assert 2 * lost <= cost + 2 * len(free.plan.legs)
            trifles += lost > 0
    assert trifles, "every plan was searched for"


@pytest.mark.parametrize("exact", ["in", "out"])
def test_several_swaps_are_never_worse_than_one_and_gain_what_they_are_worth(exact: Exact) -> None:
    several = 0
    for blocks in range(50, 650, 100):
        pools = moved(blocks).snapshot()
        for token_in, token_out in PAIRS:
            cost = max(units(token_out if exact == "in" else token_in, 1) // 1_000, 2)
            for dollars in DOLLARS:
                amount = units(token_in if exact == "in" else token_out, dollars)
                single = best_single(pools, token_in, token_out, amount, exact)
                for terms in (TERMS, Terms(0, cost, 6, 3)):
                    found = best_plan(pools, token_in, token_out, amount, exact, terms)
                    if single is None or isinstance(found, NoPlan):
                        continue
                    plan = found.plan
                    gained = plan.amount_out - single if exact == "in" else single - plan.amount_in
                    if len(plan.legs) == 1:
                        assert gained == 0
                    else:
                        assert 2 * gained > terms.plan_cost
                        several += 1
    assert several > 50


def best_single(pools: Snapshot, token_in: str, token_out: str, amount: int, exact: Exact) -> int | None:
    """The most that one pool pays, or the least that one takes, by trying them all; None where none has as much."""
    tried = list[int]()
    for each in pools.listings:
        if {each.token_a, each.token_b} == {token_in, token_out}:
            a_to_b = each.token_a == token_in
            with suppress(SwapRefused):
                if exact == "in":
                    swap = each.state.swap_exact_in(amount, a_to_b, pools.now)
                    tried += [swap.amount_out] if swap.amount_in == amount else []
                else:
                    swap = each.state.swap_exact_out(amount, a_to_b, pools.now)
                    tried += [swap.amount_in] if swap.amount_out == amount else []
    return (max(tried) if exact == "in" else min(tried)) if tried else None


@pytest.mark.parametrize("hops", [1, 2])
def test_fewer_hops_than_usual_are_kept_to(hops: int) -> None:
    pools, terms = moved(300).snapshot(), Terms(max_hops=hops)
    for token_in, token_out in PAIRS:
        found = best_plan(pools, token_in, token_out, units(token_in, 30_000_000), "in", terms)
        if isinstance(found, Found):
            assert verify(Receipt(found.plan, found.proof, pools.listings)) == []
            direct = {leg.token_in for leg in found.plan.legs if leg.token_out == token_out}
            assert hops > 1 or token_in in direct


def test_packed_pools_are_the_same_however_many_of_them_were_packed_before() -> None:
    world = chain()
    for _ in range(20):
        listings = world.snapshot().listings
        assert unpack(pack(listings)) == listings
        world.make_block()


def test_pools_packed_in_one_piece_as_they_once_were_are_read_and_other_bytes_are_refused() -> None:
    listings = chain().snapshot().listings
    assert unpack([zlib.compress(msgspec.json.encode(listings), 1)]) == listings
    packed = pack(listings)
    for damaged in (packed[0][:-1], packed[0][:9] + b"\xff" + packed[0][10:], b"", zlib.compress(b"{}")):
        with pytest.raises(ValueError, match="these are no pools"):
            unpack([damaged, *packed[1:]])
