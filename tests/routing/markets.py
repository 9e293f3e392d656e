"""The default market of the simulated chain, at rest and after a number of blocks of other people's trades."""

from order_engine.simulation.store import MemoryLedger
from order_engine.simulation.virtual_clock import VirtualClock
from order_engine.tokens import TOKENS
from order_engine.venues.simulated.chain import SimulatedChain, Timing
from order_engine.venues.simulated.genesis import genesis
from order_engine.venues.simulated.ledger import State
from order_engine.venues.simulated.regimes import CALM, Regime

PAIRS = (
    ("SOL", "USDC"),
    ("USDC", "SOL"),
    ("SOL", "USDT"),
    ("BONK", "SOL"),
    ("JUP", "USDC"),
    ("USDC", "BONK"),
    ("JUP", "WIF"),
)
DOLLARS = (1, 100, 10_000, 1_000_000)


def chain(seed: int = 1, regime: Regime = CALM) -> SimulatedChain:
    """A chain before its first block, without a file."""
    world = genesis()
    state = State(seed, 0, 0, world.listings, world.pools, dict(world.balances), [])
    return SimulatedChain(MemoryLedger(state), Timing(400, 1, 3, 150), VirtualClock(), start=regime)


def moved(blocks: int, seed: int = 1) -> SimulatedChain:
    """A chain after some blocks: its pools disagree."""
    begun = chain(seed)
    for _ in range(blocks):
        begun.make_block()
    return begun


def units(token: str, dollars: int) -> int:
    """About so many dollars in base units, by the reference price, rounded down."""
    known = TOKENS[token]
    amount: int = dollars * 10**9 * 10**known.decimals // known.usd_nanos
    return amount
