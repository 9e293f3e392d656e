"""How far orders of several sizes would move the pools of a pair: asked of the venues, because only they know their curves."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from cli.dashboard.desk import Record
from cli.dashboard.prices import worth
from order_engine.client import Client

SIZES = 4
VENUES_ONLY = "single"  # how to route: nobody looks at the route here, and it would take its time
LIMIT_BPS = 50
QUESTIONS = 12  # at most, to find a depth
CLOSE = Decimal("1.15")  # a depth is found when it is known up to this factor
SMALLEST_WORTH = Decimal(100)  # the smallest size is a power of ten of tokens, worth this or less in USDC


class Impacts(NamedTuple):
    """The answers for one pair: per venue, for each size, the impact in bps or None where it made no offer."""

    pair: tuple[str, str]
    sizes: tuple[str, ...]
    bps: dict[str, tuple[int | None, ...]]
    depth: Mapping[str, tuple[str, str]] | None = (
        None  # per venue: ≈, < or >, and how much moves its best pool by LIMIT_BPS
    )


def sizes(pools: Sequence[Record], token: str) -> tuple[str, ...]:
    """Four amounts of a token, each ten times the one before: for SOL from 0.1 to 100, for cheaper tokens more of them."""
    price = worth(pools, token) or SMALLEST_WORTH
    smallest = Decimal(10) ** (SMALLEST_WORTH / price).adjusted() if price > 0 else Decimal(1)
    return tuple(format((smallest * 10**step).normalize(), "f") for step in range(SIZES))


def ask(client: Client, pair: tuple[str, str], amounts: Sequence[str]) -> Impacts:
    """Asks for a quote of each amount. Slow. Raises what `client.quote` raises."""
    found: dict[str, list[int | None]] = {}
    for number, amount in enumerate(amounts):
        for offer in client.quote(*pair, amount, routing=VENUES_ONLY)["quotes"]:
            row = found.setdefault(str(offer["dex"]), [None] * len(amounts))
            row[number] = offer.get("priceImpactBps")
    return Impacts(pair, tuple(amounts), {dex: tuple(row) for dex, row in found.items()})


Bounds = tuple[Decimal, Decimal | None]  # a size that is known to stay within the limit (0: none), one that does not


def deepened(client: Client, found: Impacts, stop: Callable[[], bool] = lambda: False) -> Impacts:
    """With about how much of the token it takes to move each venue's best pool by LIMIT_BPS. Asks up to a dozen quotes.

    Only the venues know their curves, so it is searched for: ten times as much until it is too much, then between the two.
    Raises what `client.quote` raises.
    """
    bounds = {dex: _bounds(found.sizes, row) for dex, row in found.bps.items()}
    for _ in range(QUESTIONS):
        amount = _next(bounds)
        if amount is None or stop():
            break
        offers = {
            str(offer["dex"]): offer
            for offer in client.quote(*found.pair, format(amount, "f"), routing=VENUES_ONLY)["quotes"]
        }
        for dex, (low, high) in bounds.items():
            bps = offers.get(dex, {}).get("priceImpactBps")
            if bps is not None and bps <= LIMIT_BPS:
                bounds[dex] = max(low, amount), high
            else:
                bounds[dex] = low, amount if high is None else min(high, amount)
    return found._replace(depth={dex: _depth(low, high) for dex, (low, high) in bounds.items()})


def _depth(low: Decimal, high: Decimal | None) -> tuple[str, str]:
    if not low:
        return "<", format(high or low, "f")
    return "≈" if high is not None else ">", format(low, "f")


def _bounds(amounts: Sequence[str], row: Sequence[int | None]) -> Bounds:
    within = [Decimal(a) for a, bps in zip(amounts, row, strict=True) if bps is not None and bps <= LIMIT_BPS]
    low = max(within, default=Decimal(0))
    beyond = [Decimal(a) for a, bps in zip(amounts, row, strict=True) if bps is None or bps > LIMIT_BPS]
    return low, min((amount for amount in beyond if amount > low), default=None)


def _next(bounds: Mapping[str, Bounds]) -> Decimal | None:
    """The amount to ask for next, with two digits that mean something; None when every depth is known well enough."""
    for low, high in bounds.values():
        if not low:  # the smallest size is too much already
            continue
        if high is None:
            return low * 10
        if high / low > CLOSE and low < (between := _two_digits((low * high).sqrt())) < high:
            return between
    return None


def _two_digits(value: Decimal) -> Decimal:
    return value.quantize(Decimal((0, (1,), value.adjusted() - 1)))
