"""Pools are looked at while nothing else is to be done, and then only."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from order_engine.lookout import LATELY_MS, Lookout
from order_engine.routing import best
from order_engine.simulation.virtual_clock import VirtualClock
from order_engine.venues.simulated.chain import SimulatedChain
from order_engine.venues.simulated.venue import SimulatedVenue
from order_engine.venues.snapshot import Snapshot
from tests.order_engine.given import a_request
from tests.routing.markets import chain
from tests.waiting import until


@contextmanager
def looking(
    world: SimulatedChain, clock: VirtualClock, is_quiet: Callable[[], bool], venues: Sequence[SimulatedVenue] = ()
) -> Iterator[Lookout]:
    lookout = Lookout(venues, world, clock, is_quiet)
    lookout.start()
    try:
        yield lookout
    finally:
        lookout.stop()


def is_known(pools: Snapshot) -> bool:
    """Whether somebody has looked at these pools."""
    return any(market.snapshot == pools and market._rests for market, _ in best._latest)


def test_after_an_order_new_blocks_are_looked_at_before_anybody_asks() -> None:
    world = chain(seed=900)
    with looking(world, VirtualClock(), lambda: True) as lookout:
        lookout.expect(a_request(routing="best"))
        for _ in range(5):
            world.make_block()
            until(lambda: is_known(world.snapshot()), "a look at the new block")


def test_venues_that_answer_at_once_are_asked_too_and_others_are_not() -> None:
    world, clock, request = chain(seed=903), VirtualClock(), a_request(routing="best")
    for quote_ms, is_asked in ((0, True), (10, False)):
        venues = [SimulatedVenue(name, world, clock, quote_ms) for name in ("raydium", "orca")]
        world.make_block()
        with looking(world, clock, lambda: True, venues) as lookout:
            lookout.expect(request)
            lookout.wake()
            until(lambda: is_known(world.snapshot()), "a look at the block")
        for venue in venues:
            assert (request.ask in venue._latest.quotes) is is_asked


def test_while_an_order_is_open_there_is_no_time_and_once_it_is_over_there_is() -> None:
    world, asked = chain(seed=901), list[bool]()

    def is_quiet() -> bool:
        asked.append(not open_orders)
        return asked[-1]

    open_orders = {"order"}
    with looking(world, VirtualClock(), is_quiet) as lookout:
        lookout.expect(a_request(routing="best"))
        world.make_block()
        until(lambda: bool(asked))
        lookout.stop()
        assert not is_known(world.snapshot())
    with looking(world, VirtualClock(), is_quiet) as lookout:
        lookout.expect(a_request(routing="best"))
        open_orders.clear()
        lookout.wake()
        until(lambda: is_known(world.snapshot()), "a look at the newest block")


def test_long_after_the_last_order_and_for_one_over_a_single_pool_nobody_looks() -> None:
    world, clock, asked = chain(seed=902), VirtualClock(), list[bool]()

    def is_quiet() -> bool:
        asked.append(True)
        return True

    with looking(world, clock, is_quiet) as lookout:
        lookout.expect(a_request(routing="best"))
        clock.now += LATELY_MS + 1
        world.make_block()
        until(lambda: bool(asked))
    assert not is_known(world.snapshot())
    with looking(world, clock, is_quiet) as lookout:
        lookout.expect(a_request(routing="single"))
        assert lookout._expected is None  # so that no news wakes it
        world.make_block()
    assert not is_known(world.snapshot())
    assert asked == [True]
