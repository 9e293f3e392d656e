"""What venues offered: a quote, or the reason why there is none. Frozen values in base units."""

import msgspec


class Ask(msgspec.Struct, frozen=True):
    """The question put to every venue: what do you pay for exactly `amount_in` base units of `input_token`?"""

    input_token: str
    output_token: str
    amount_in: int


class Quote(msgspec.Struct, frozen=True, tag="quote"):
    """A venue's offer from its best pool for an ask.

    `amount_out` is after the venue's fee; `fee` is that fee in `fee_token`. `network_fee` is what sending costs, in lamports.
    `net_out` is what decides: `amount_out` less the network fee expressed in the output token, never below zero.
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


class Declined(msgspec.Struct, frozen=True, tag="declined"):
    """A venue gave no quote, and why. `code` is one of errors.ERROR_CODES; venue_unavailable means: ask again."""

    dex: str
    code: str
    reason: str


Offer = Quote | Declined
