"""Settings in, a ready engine out. The only file that chooses implementations."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from order_engine.clock import Clock, SystemClock
from order_engine.disk_room import DiskRoom
from order_engine.engine import Engine
from order_engine.errors import Malformed
from order_engine.execution import Living, Rules
from order_engine.fault_scripts import load_faults
from order_engine.feed import Feed
from order_engine.halt import Halt
from order_engine.home import Home
from order_engine.journal import Journal
from order_engine.router import are_prompt
from order_engine.settings import ConfigError, Settings
from order_engine.settlement import SettlementWatch
from order_engine.tally import Tally, TimedVenue
from order_engine.venues.simulated.chain import IDLE_MS, NETWORK_FEE, SimulatedChain, Timing
from order_engine.venues.simulated.faults import Script
from order_engine.venues.simulated.genesis import VENUES
from order_engine.venues.simulated.ledger import Ledger
from order_engine.venues.simulated.regimes import Regime, known_regime, read_regime
from order_engine.venues.simulated.venue import SimulatedVenue
from order_engine.wallet import Wallet
from order_engine.work_queue import WorkQueue
from order_engine.workers import Hands, Workers

COMPARISONS = 4  # quotes for people, at the same time; they have threads of their own and take none from orders


def assemble(home: Home, settings: Settings, on_fatal: Callable[[str], None], clock: Clock | None = None) -> Engine:
    """An engine over the files of `home`, not yet started. Raises database.DatabaseUnusable for a file that cannot serve, and
    settings.ConfigError for faults that cannot be played or a market that cannot be had.

    `on_fatal` is called, from any thread, when the journal can no longer be trusted: leave the process at once.
    """
    clock = clock or SystemClock()
    home.make()
    timing = Timing(settings.slot_ms, settings.landing_slots_min, settings.landing_slots_max, settings.valid_slots)
    feed = Feed()
    journal = Journal(home.journal, feed, on_fatal)
    script = Script(clock, world=lambda: chain)
    feed.subscribe(script.committed)  # before everybody else: a crash comes before anybody is told
    start = _start_of(settings.market)
    chain = SimulatedChain(Ledger(home.chain, settings.seed, clock.now_ms(), on_fatal), timing, clock, script, start)
    if settings.faults is not None:
        load_faults(Path(settings.faults), script)
    tally = Tally(clock)
    simulated = [SimulatedVenue(name, chain, clock, settings.quote_ms, script) for name in VENUES]
    venues = [TimedVenue(venue, tally, clock, settings.quote_deadline_ms) for venue in simulated]
    rules = Rules(settings.attempts, settings.backoff_ms)
    halt = Halt(home.halted)
    hands = Hands(halted=lambda: halt.on)
    quoting = ThreadPoolExecutor(settings.workers * len(venues), thread_name_prefix="quote")
    comparing = ThreadPoolExecutor(COMPARISONS * len(venues), thread_name_prefix="compare")

    def hand_over(living: Living) -> None:
        settlement.watch(living)

    workers = Workers(
        journal, venues, chain, rules, hands, clock.now_ms, quoting, settings.quote_deadline_ms, hand_over, halt
    )
    queue = WorkQueue(home.queue, settings.workers, workers.work, clock, partial(are_prompt, venues))
    settlement = SettlementWatch(journal, chain, clock, hands, queue.put, halt)
    return Engine(
        settings=settings,
        clock=clock,
        journal=journal,
        feed=feed,
        halt=halt,
        tally=tally,
        queue=queue,
        hands=hands,
        workers=workers,
        settlement=settlement,
        wallet=Wallet(chain, settings.attempts, NETWORK_FEE),
        room=DiskRoom(home.data_dir, clock),
        venues=venues,
        chain=chain,
        block_ms=settings.slot_ms or IDLE_MS,
        faults=script,
        comparing=comparing,
        start_chain=chain.start,
        stop_chain=chain.stop,
    )


def _start_of(market: str) -> Regime:
    """The regime of a name, or of a file. Raises ConfigError."""
    try:
        if market.endswith((".toml", ".json")):
            return read_regime(Path(market).read_text(encoding="utf-8"))
        return known_regime(market)
    except (OSError, UnicodeDecodeError, Malformed) as error:
        raise ConfigError(f"market = {market!r} cannot be used: {error}") from error
