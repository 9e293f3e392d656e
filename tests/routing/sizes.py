"""From which order size on several pools pay more than one: `python -m tests.routing.sizes [BLOCKS] [REGIME]`.

For every size the gain of the best route over the best single pool, net of nothing but fees, in basis points: in the market as it
opens, and as it stands at many moments after that, with everybody else trading.
"""

import sys
from collections.abc import Iterator

from order_engine.amounts import BPS
from order_engine.quotes import Ask, Quote
from order_engine.router import best_quote, offer_of, planned
from order_engine.routing.best import Found
from order_engine.simulation.virtual_clock import VirtualClock
from order_engine.venues.simulated.genesis import VENUES
from order_engine.venues.simulated.regimes import known_regime
from order_engine.venues.simulated.venue import SimulatedVenue
from tests.routing.markets import chain, units

USD = (10, 100, 1_000, 10_000, 100_000, 1_000_000, 5_000_000)
PAIRS = (("SOL", "USDC"), ("USDC", "SOL"), ("SOL", "BONK"), ("JUP", "USDC"))
EVERY = 25  # blocks between two looks


class World:
    """The default market, block after block, without anybody's orders."""

    def __init__(self, regime: str, seed: int = 7) -> None:
        self.chain = chain(seed, known_regime(regime))
        self.venues = [SimulatedVenue(name, self.chain, VirtualClock(), 0) for name in VENUES]

    def gain_bps(self, ask: Ask) -> tuple[float, int] | None:
        """What the best route pays more than the best single pool, and its swaps; None where one of them is not there."""
        found = planned(ask, self.chain.snapshot())
        quotes = [offer for offer in (offer_of(venue, ask) for venue in self.venues) if isinstance(offer, Quote)]
        single = best_quote(quotes, ask)
        if single is None or not isinstance(found, Found):
            return None
        return (found.plan.amount_out / single.amount_out - 1) * BPS, len(found.plan.legs)


def asks(pair: tuple[str, str]) -> Iterator[tuple[int, Ask]]:
    """Sales of the input token that are worth so many dollars."""
    for usd in USD:
        yield usd, Ask(*pair, units(pair[0], usd))


def main(blocks: int, regime: str) -> None:
    """Prints a table per pair."""
    world = World(regime)
    begun = {(pair, usd): world.gain_bps(ask) for pair in PAIRS for usd, ask in asks(pair)}
    seen: dict[tuple[tuple[str, str], int], list[tuple[float, int]]] = {}
    for height in range(1, blocks + 1):
        world.chain.make_block()
        if height % EVERY == 0:
            for pair in PAIRS:
                for usd, ask in asks(pair):
                    if (gain := world.gain_bps(ask)) is not None:
                        seen.setdefault((pair, usd), []).append(gain)
    sys.stdout.write(f"{regime}, {blocks} blocks, looked at every {EVERY}; gain in bps over the best single pool\n")
    sys.stdout.write("                            as it opens      median    90 %   swaps\n")
    for pair in PAIRS:
        for usd in USD:
            found = sorted(seen.get((pair, usd), []))
            if not found:
                continue
            opened = begun[pair, usd]
            first = f"{opened[0]:.3f} ({opened[1]})" if opened else "-"
            gains = [gain for gain, _ in found]
            swaps = sorted(count for _, count in found)[len(found) // 2]
            name = f"{pair[0]} to {pair[1]}"
            middle, high = gains[len(gains) // 2], gains[len(gains) * 9 // 10]
            sys.stdout.write(f"{name:14} {usd:>9} USD {first:>13} {middle:>11.3f} {high:>7.2f} {swaps:>7}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000, sys.argv[2] if len(sys.argv) > 2 else "calm")
