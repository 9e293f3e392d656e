"""The swaps of one transaction, all of them or none: what the legs of an instruction come to on pools that have moved.

A leg was planned on the pools of some blocks ago. What stays is its proportion: it sells (or, exact-out, buys) the same share of
what there is of its token as it was planned to, and the last leg of a token all that is left. So nothing remains in between.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from order_engine.amounts import div_floor
from order_engine.routes import Fill, Leg
from order_engine.venues.pool import Swap, SwapRefused
from order_engine.venues.simulated.instruction import Instruction
from order_engine.venues.simulated.market import Listing
from order_engine.venues.snapshot import AnyPool


class Step(NamedTuple):
    """One swap of the transaction, as the pool did it."""

    listing: Listing
    a_to_b: bool
    swap: Swap[AnyPool]


class Run(NamedTuple):
    """What all swaps together take and pay, in the order in which they run."""

    amount_in: int
    amount_out: int
    steps: tuple[Step, ...]

    @property
    def fills(self) -> tuple[Fill, ...]:
        """The steps in the words of the contract."""
        return tuple([_fill(step) for step in self.steps])


def run(asked: Instruction, listings: Mapping[str, Listing], pools: Mapping[str, AnyPool], now: int) -> Run:
    """What the instruction does to these pools; they stay as they are. Raises SwapRefused where one of them refuses."""
    if asked.exact == "out":
        return _bought(asked, listings, pools, now)
    return _sold(asked, listings, pools, now)


def _sold(asked: Instruction, listings: Mapping[str, Listing], pools: Mapping[str, AnyPool], now: int) -> Run:
    held, planned = {asked.input_token: asked.amount_in}, {asked.input_token: asked.amount_in}
    moved: dict[str, AnyPool] = {}
    steps: list[Step] = []
    for leg in asked.path:
        amount = _share(held.get(leg.token_in, 0), leg.amount_in, planned.get(leg.token_in, 0))
        planned[leg.token_in] -= leg.amount_in
        planned[leg.token_out] = planned.get(leg.token_out, 0) + leg.amount_out
        if not amount and steps:  # a leg of hardly a unit, of which nothing is left
            continue
        listing = listings[leg.pool]
        a_to_b = listing.token_a == leg.token_in
        swap = moved.get(leg.pool, pools[leg.pool]).swap_exact_in(amount, a_to_b, now)
        if swap.amount_in != amount or not swap.amount_out:
            raise SwapRefused("insufficient_liquidity", f"{leg.pool} takes {swap.amount_in} of {amount} base units")
        moved[leg.pool] = swap.after
        held[leg.token_in] -= amount
        held[leg.token_out] = held.get(leg.token_out, 0) + swap.amount_out
        steps.append(Step(listing, a_to_b, swap))
    return Run(asked.amount_in, held.get(asked.output_token, 0), tuple(steps))


def _bought(asked: Instruction, listings: Mapping[str, Listing], pools: Mapping[str, AnyPool], now: int) -> Run:
    """From the last leg to the first: what each buys is what those after it sell."""
    needed, planned = {asked.output_token: asked.min_out}, {asked.output_token: asked.min_out}
    steps: list[Step] = []
    for leg in reversed(asked.path):
        amount = _share(needed.get(leg.token_out, 0), leg.amount_out, planned.get(leg.token_out, 0))
        planned[leg.token_out] -= leg.amount_out
        planned[leg.token_in] = planned.get(leg.token_in, 0) + leg.amount_in
        if not amount and steps:
            continue
        listing = listings[leg.pool]
        a_to_b = listing.token_a == leg.token_in
        swap = pools[leg.pool].swap_exact_out(amount, a_to_b, now)  # no pool is used twice by an exact-out plan
        if swap.amount_out != amount:
            raise SwapRefused("insufficient_liquidity", f"{leg.pool} pays {swap.amount_out} of {amount} base units")
        needed[leg.token_out] -= amount
        needed[leg.token_in] = needed.get(leg.token_in, 0) + swap.amount_in
        steps.append(Step(listing, a_to_b, swap))
    return Run(needed.get(asked.input_token, 0), asked.min_out, tuple(reversed(steps)))


def _share(there: int, leg: int, planned: int) -> int:
    """The leg's part of what is there, rounded down; the last one gets the rest."""
    return there if leg == planned else div_floor(there * leg, planned)


def _fill(step: Step) -> Fill:
    listing, a_to_b, swap = step
    token_in, token_out = (listing.token_a, listing.token_b) if a_to_b else (listing.token_b, listing.token_a)
    return Fill(
        listing.dex,
        listing.address,
        token_in,
        token_out,
        swap.amount_in,
        swap.amount_out,
        swap.fee,
        token_in if swap.fee_on_input else token_out,
    )


def fees(legs: tuple[Fill, ...]) -> tuple[int, str]:
    """The sum of all fees and their token; 0 and "" where they are in several."""
    tokens = {leg.fee_token for leg in legs}
    return (sum(leg.fee for leg in legs), tokens.pop()) if len(tokens) == 1 else (0, "")


def venues_of(legs: tuple[Leg, ...]) -> Iterator[str]:
    """Each venue on the way, once."""
    yield from dict.fromkeys(leg.dex for leg in legs)
