"""What routing answers with: a plan over named pools, in exact base units, and the proof of how good it is. Plain values.

A plan is one transaction: its legs are swaps in the order in which they run, and it lands whole or not at all.
"""

from typing import Literal

import msgspec

MAX_LEGS = 6  # swaps of one transaction: more accounts than that do not fit into one on Solana
MAX_HOPS = 3  # from the input to the output
SWAPS_PER_POOL = 2  # of one plan at most: once in a circle, once on the way; the certificate counts on it

Routing = Literal["best", "single"]  # over all pools and hops, or the best single pool of one venue
Exact = Literal["in", "out"]  # which amount of an order is given: what is sold, or what is received


class Terms(msgspec.Struct, frozen=True):
    """What a plan may cost and use. Costs are base units of the output token for exact-in, of the input for exact-out.

    `leg_cost` is what each further swap costs (accounts, compute), `plan_cost` what the transaction costs however many
    there are. At most `max_legs` swaps (None: any number), and no path of more than `max_hops` of them; a circle from a token
    back to itself is no part of a path, and has at most so many as well.
    """

    leg_cost: int = 0
    plan_cost: int = 0
    max_legs: int | None = None
    max_hops: int = MAX_HOPS


FREE = Terms()


class Leg(msgspec.Struct, frozen=True, gc=False):
    """One swap of a plan: exactly `amount_in` of one token for exactly `amount_out` of the other, in base units."""

    dex: str
    pool: str
    token_in: str
    token_out: str
    amount_in: int
    amount_out: int


class Fill(Leg, frozen=True, gc=False):
    """A leg as it was executed: what was really taken and paid, and the venue's fee in `fee_token`."""

    fee: int
    fee_token: str


class Plan(msgspec.Struct, frozen=True, gc=False, tag="plan"):
    """Legs in the order in which they run. Between them every unit of every token passed through is spent again.

    `exact` says which amount was asked for; swaps are exact-in or exact-out after it. `cost` is the fixed costs, in the
    output token for exact "in" and in the input token for exact "out".
    """

    exact: Exact
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


class Proof(msgspec.Struct, frozen=True):
    """How good a plan is, and against which pools: a receipt without the plan and without the pools' states.

    The pools are those of block `height`, at its unix seconds `now`; `digest` is the hash of their states. `prices` are ν
    in parts of 2^64 of an output unit per unit of each token. `bound` is the most output that any plan can get (exact "in")
    or the least input (exact "out"), `net_bound` the same less or plus the costs of `terms`; `gap_ppb` is how far the plan's
    amount is from the bound in parts of 10^9 of the bound, rounded up.
    """

    height: int
    now: int
    digest: str
    terms: Terms
    prices: dict[str, int]
    bound: int
    net_bound: int
    gap_ppb: int
