"""What venues offered: a quote, or the reason why there is none. Frozen values in base units."""

import msgspec

from order_engine.routes import Exact


class Ask(msgspec.Struct, frozen=True):
    """The question put to every venue: what do you pay for exactly `amount` base units of the input ("in"), or what do you
    take for exactly `amount` of the output ("out")?"""

    input_token: str
    output_token: str
    amount: int
    exact: Exact = "in"

    @property
    def given(self) -> str:
        """The token of which the amount is."""
        return self.input_token if self.exact == "in" else self.output_token


class Quote(msgspec.Struct, frozen=True, tag="quote"):
    """A venue's offer from its best pool for an ask.

    `amount_out` is after the venue's fee; `fee` is that fee in `fee_token`. `network_fee` is what sending costs, in lamports.
    `net_out` is what decides an exact-in ask: `amount_out` less the network fee expressed in the output token, never below
    zero. `net_in` is what decides an exact-out one: `amount_in` and the network fee expressed in the input token.
    `impact_bps`: how far the execution, fee aside, lies below the marginal price before the swap, rounded up.
    """

    dex: str
    pool: str
    amount_out: int
    fee: int
    fee_token: str
    network_fee: int
    net_out: int
    impact_bps: int
    amount_in: int = 0  # 0: of an earlier version, which did not note it
    net_in: int = 0

    def answers(self, ask: Ask) -> bool:
        """Whether these numbers can be an answer to this ask."""
        if ask.exact == "in":
            return 0 < self.net_out <= self.amount_out and self.amount_in == ask.amount
        return 0 < self.amount_in <= self.net_in and self.amount_out == ask.amount


class Declined(msgspec.Struct, frozen=True, tag="declined"):
    """A venue gave no quote, and why. `code` is one of errors.ERROR_CODES; venue_unavailable means: ask again."""

    dex: str
    code: str
    reason: str


Offer = Quote | Declined
