"""What routing answers with: a plan over named pools, in exact base units, as plain values.

A plan is one transaction: its legs are swaps in the order in which they run, and it lands whole or not at all.
"""

from typing import Literal, NamedTuple

import msgspec

from order_engine.routing.pieces import AnyPool

SWAPS_PER_POOL = 2  # of one plan at most: once in a circle, once on the way; the certificate counts on it


class Listing(NamedTuple):
    """A pool by name on a venue, the tokens it trades and its state. Names are unique within one question."""

    dex: str
    pool: str
    token_a: str
    token_b: str
    state: AnyPool


def ends(listing: Listing, a_to_b: bool) -> tuple[str, str]:
    """The token that is sold and the one that is bought."""
    return (listing.token_a, listing.token_b) if a_to_b else (listing.token_b, listing.token_a)


class Terms(msgspec.Struct, frozen=True):
    """What a plan may cost and use. Costs are base units of the output token for exact-in, of the input for exact-out.

    `leg_cost` is what each further swap costs (accounts, compute), `plan_cost` what the transaction costs however many
    there are. At most `max_legs` swaps (None: any number), and no path of more than `max_hops` of them; a circle from a token
    back to itself is no part of a path, and has at most so many as well.
    """

    leg_cost: int = 0
    plan_cost: int = 0
    max_legs: int | None = None
    max_hops: int = 3


FREE = Terms()


class Leg(msgspec.Struct, frozen=True, gc=False):
    """One swap of a plan: exactly `amount_in` of one token for exactly `amount_out` of the other, in base units."""

    dex: str
    pool: str
    token_in: str
    token_out: str
    amount_in: int
    amount_out: int


class Plan(msgspec.Struct, frozen=True, gc=False, tag="plan"):
    """Legs in the order in which they run. Between them every unit of every token passed through is spent again.

    `exact` says which amount was asked for; swaps are exact-in or exact-out after it. `cost` is the fixed costs, in the
    output token for exact "in" and in the input token for exact "out".
    """

    exact: Literal["in", "out"]
    token_in: str
    token_out: str
    amount_in: int
    amount_out: int
    cost: int
    legs: tuple[Leg, ...]

    @property
    def net(self) -> int:
        """What decides between plans: output less cost, or (exact "out") minus input and cost. More is better."""
        return self.amount_out - self.cost if self.exact == "in" else -self.amount_in - self.cost


class NoPlan(msgspec.Struct, frozen=True, tag="no_plan"):
    """Nothing can be done, and why: "zero_amount", "no_pool", "too_large" for what the pools hold, or "too_small"."""

    reason: Literal["zero_amount", "no_pool", "too_large", "too_small"]
    message: str
