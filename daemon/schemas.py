"""The records of the contract as types, for the OpenAPI document alone.

Records are made in `order_engine.messages`; these say what they look like. A test decodes what a real daemon answers with
these types, unknown fields refused, so that the document cannot drift from what is sent.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Amount = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="Whole tokens as an exact decimal string.")]
Id = Annotated[str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="A UUIDv7.")]
Time = Annotated[str, Meta(pattern=r"^[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z$", description="RFC 3339, UTC, milliseconds.")]
Count = Annotated[int, Meta(ge=0)]
Status = Literal["pending", "routing", "building", "submitted", "confirmed", "failed", "cancelled", "expired"]
Routing = Literal["best", "single"]
Settlement = Literal["none", "in_flight", "unknown", "settled"]


class Record(Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """What all records share."""


class Service(Record):
    """That the service is there."""

    status: Literal["ok"]
    service: str
    version: str


class Leg(Record):
    """One swap of a route; once it is executed with what the venue took."""

    dex: str
    pool: str
    input_token: str
    output_token: str
    amount_in: Amount
    amount_out: Amount
    fee: Amount | UnsetType = UNSET
    fee_token: str | UnsetType = UNSET


class Fee(Record):
    """What venues took of one token."""

    token: str
    amount: Amount


class Order(Record):
    """Everything known of an order. Facts that are not there yet are null."""

    schema: Literal["oee.order/1"]
    order_id: Id
    client_order_id: str | None
    type: Literal["market"]
    input_token: str
    output_token: str
    amount: Annotated[Amount | None, Meta(description="What is sold; null for an order that says what it receives.")]
    receive: Amount | None
    slippage_bps: Count
    min_output: Amount | None
    max_input: Amount | None
    max_impact_bps: Count
    routing: Routing
    status: Status
    settlement: Settlement
    attempts: Count
    routed_dex: Annotated[str | None, Meta(description="The venue with the largest share of the route.")]
    route: Annotated[list[Leg] | None, Meta(description="The swaps as planned, and once confirmed as executed.")]
    quoted_input: Amount | None
    quoted_output: Amount | None
    gap_bps: Annotated[Amount | None, Meta(description="No route could have been better by more than this.")]
    amount_in: Amount | None
    amount_out: Amount | None
    executed_price: str | None
    fee: Annotated[Amount | None, Meta(description="Null where fees were taken in several tokens: see `fees`.")]
    fee_token: str | None
    fees: list[Fee] | None
    network_fee: Amount | None
    tx_hash: str | None
    last_valid_height: Count | None
    height: Count | None
    error: str | None
    error_code: str | None
    retry_of: Id | None
    created_at: Time
    updated_at: Time
    ended_at: Time | None
    seq: Count


class Accepted(Order):
    """An order that is committed to disk."""

    message: str


class Offer(Record):
    """One venue's answer: its offer, or `code` and `reason` why there is none."""

    dex: str
    pool: str | UnsetType = UNSET
    amount_in: Amount | UnsetType | None = UNSET
    amount_out: Amount | UnsetType = UNSET
    fee: Amount | UnsetType = UNSET
    fee_token: str | UnsetType = UNSET
    network_fee: Amount | UnsetType = UNSET
    price_impact_bps: Count | UnsetType = UNSET
    net_input: Amount | UnsetType | None = UNSET
    net_output: Amount | UnsetType = UNSET
    code: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class Used(Record):
    """A pool of the route: what its first and its last unit pay, and what a unit pays elsewhere. Output per input, with fees."""

    dex: str
    pool: str
    input_token: str
    output_token: str
    amount_in: Amount
    amount_out: Amount
    price_first: str
    price_last: str
    price_elsewhere: str


class Unused(Record):
    """A pool that the route leaves alone, why, and what it could add at most."""

    dex: str
    pool: str
    input_token: str
    output_token: str
    reason: Literal["price", "cost", "cap", "rounding", "path", "empty"]
    words: str
    price_first: str
    price_elsewhere: str
    gain: Amount


class Explanation(Record):
    """Why a route is as it is, and what no route could better."""

    bound: Amount
    gap_bps: Amount
    used: list[Used]
    unused: list[Unused]
    left_out: list[str]


class ReceiptTerms(Record):
    """What the plan may cost and use. Costs in base units of the output token (exact-out: of the input token)."""

    leg_cost: str
    plan_cost: str
    max_legs: Count | None
    max_hops: Count


class ReceiptPlan(Record):
    """The swaps in the order in which they run, in base units."""

    exact: Literal["in", "out"]
    input_token: str
    output_token: str
    amount_in: str
    amount_out: str
    cost: str
    legs: list[Leg]


class ReceiptPool(Record):
    """A pool as it was. `state` has the names of the on-chain program's model."""

    dex: str
    pool: str
    token_a: str
    token_b: str
    state: dict[str, Any]


class Receipt(Record):
    """A plan and the proof of how good it is. Amounts are base units; `prices` are parts of 2^64 of an output unit."""

    schema: Literal["oee.receipt/1"]
    height: Count
    block_time: Count
    digest: str
    terms: ReceiptTerms
    plan: ReceiptPlan
    prices: dict[str, str]
    bound: str
    net_bound: str
    gap_ppb: str
    pools: list[ReceiptPool]


class Quote(Record):
    """Every venue's answer, the route that an order would take (or null), and why."""

    schema: Literal["oee.quote/1"]
    input_token: str
    output_token: str
    amount: Amount | None
    receive: Amount | None
    routing: Routing
    quotes: list[Offer]
    best: Annotated[str | None, Meta(description="The venue with the largest share of the route.")]
    route: list[Leg] | None
    quoted_input: Amount | None
    quoted_output: Amount | None
    gap_bps: Annotated[Amount | None, Meta(description="No route could be better by more than this.")]
    price_impact_bps: Annotated[Count | None, Meta(description="On the pool that is moved most.")]
    reason: str
    explanation: Annotated[Explanation | UnsetType | None, Meta(description="Where it was asked for.")] = UNSET
    receipt: Annotated[Receipt | UnsetType | None, Meta(description="Where it was asked for.")] = UNSET


class Event(Record):
    """One thing that happened to an order, with the facts that it made true."""

    schema: Literal["oee.event/1"]
    seq: Count
    order_id: Id
    status: Status
    timestamp: Time
    client_order_id: str | UnsetType | None = UNSET
    type: Literal["market"] | UnsetType = UNSET
    input_token: str | UnsetType = UNSET
    output_token: str | UnsetType = UNSET
    amount: Amount | UnsetType | None = UNSET
    receive: Amount | UnsetType | None = UNSET
    slippage_bps: int | UnsetType = UNSET
    min_output: Amount | UnsetType | None = UNSET
    max_input: Amount | UnsetType | None = UNSET
    max_impact_bps: Count | UnsetType = UNSET
    routing: Routing | UnsetType = UNSET
    retry_of: Id | UnsetType | None = UNSET
    attempt: Count | UnsetType = UNSET
    attempts: Count | UnsetType = UNSET
    previous_error: str | UnsetType | None = UNSET
    previous_error_code: str | UnsetType = UNSET
    routed_dex: str | UnsetType = UNSET
    pool: str | UnsetType = UNSET
    route: list[Leg] | UnsetType | None = UNSET
    quoted_input: Amount | UnsetType | None = UNSET
    quoted_output: Amount | UnsetType = UNSET
    gap_bps: Amount | UnsetType | None = UNSET
    pools_height: Count | UnsetType | None = UNSET
    quotes: list[Offer] | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    settlement: Settlement | UnsetType = UNSET
    tx_hash: str | UnsetType = UNSET
    last_valid_height: Count | UnsetType = UNSET
    executed_price: str | UnsetType = UNSET
    amount_in: Amount | UnsetType | None = UNSET
    amount_out: Amount | UnsetType = UNSET
    fee: Amount | UnsetType | None = UNSET
    fee_token: str | UnsetType | None = UNSET
    fees: list[Fee] | UnsetType | None = UNSET
    network_fee: Amount | UnsetType = UNSET
    height: Count | UnsetType = UNSET
    error: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET


class Problem(Record):
    """RFC 9457, with the code of the error, the next step, and the field at fault where there is one."""

    type: str
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    schema: Literal["oee.error/1"]
    code: str
    message: str
    hint: str | UnsetType = UNSET
    field: str | UnsetType = UNSET


class Venue(Record):
    """A venue, how many pools it has, and how it has served since the daemon started.

    `failed` counts attempts that it had and that came to nothing. The times are those of its latest answers to asks, and
    `lastTrouble` is why it gave none. `lastPrice` is of `lastPair` as A/B: B per A, fees included.
    """

    schema: Literal["oee.venue/1"]
    dex: str
    pools: Count
    quoted: Count
    declined: Count
    chosen: Count
    confirmed: Count
    failed: Count
    answering: Annotated[bool | None, Meta(description="Whether it answered when it was asked last.")]
    quote_ms_p50: Annotated[Count | None, Meta(description="Half of its latest answers took no longer.")]
    quote_ms_p99: Annotated[Count | None, Meta(description="99 % of its latest answers took no longer.")]
    last_quoted_at: Time | None
    last_pair: str | None
    last_price: str | None
    last_trouble_at: Time | None
    last_trouble: str | None


class Depth(Record):
    """About how much, sold into a pool, moves its price by so many bps, fee aside."""

    bps: Count
    amount: Amount


class Impact(Record):
    """What selling an amount gets, and how far it moves the price; or the reason why the pool refuses it."""

    amount: Amount
    amount_out: Amount | UnsetType = UNSET
    price_impact_bps: Count | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class PastPrice(Record):
    """What a pool cost after a block that moved it: B per A."""

    height: Count
    at: Time
    price: str


class Curve(Record):
    """How deep a pool is for whoever sells this token, and what it cost since the daemon started, oldest first."""

    sells: str
    depth: Depth
    impacts: list[Impact]
    prices: list[PastPrice]


class Pool(Record):
    """A pool as it is now; `price` is B per A."""

    schema: Literal["oee.pool/1"]
    dex: str
    pool: str
    model: str
    token_a: str
    token_b: str
    reserve_a: Amount
    reserve_b: Amount
    fee_bps: Amount
    price: str
    curve: Annotated[Curve | UnsetType, Meta(description="Where it was asked for.")] = UNSET


class Token(Record):
    """A token that orders can name."""

    schema: Literal["oee.token/1"]
    symbol: str
    name: str
    mint: str
    decimals: Count


class Balance(Record):
    """What can be spent, what open orders hold, and the sum."""

    schema: Literal["oee.balance/1"]
    token: str
    free: Amount
    reserved: Amount
    total: Amount


class Fault(Record):
    """Something that goes wrong on purpose, whom it is for, how often it struck and how long it can go on."""

    schema: Literal["oee.fault/1"]
    fault_id: str
    kind: str
    key: str | None
    pattern: str | None
    pair: str | None
    venue: str | None
    pool: str | None
    slots: Count | None
    code: str | None
    ms: Count | None
    ppm: int | None
    at: str | None
    active: bool
    struck: Count
    times: Count | None
    times_left: Count | None
    for_ms: Count | None
    left_ms: Count | None


class Coming(Record):
    """A pool that opens at a height."""

    height: Count
    dex: str
    pool: str
    model: str
    token_a: str
    token_b: str


class Market(Record):
    """How the rest of the market behaves since a height, what tokens are worth to it in dollars, and the pools to come."""

    schema: Literal["oee.market/1"]
    regime: str
    since: Count
    height: Count
    regimes: list[str]
    rules: dict[str, int | bool]
    fair_usd: dict[str, Amount]
    coming: list[Coming]


class Imported(Record):
    """Pools that were imported: those that stand so from this height on, and those that open later."""

    schema: Literal["oee.import/1"]
    height: Count
    opened: list[str]
    coming: list[str]


class EngineStatus(Record):
    """How the engine is doing."""

    schema: Literal["oee.status/1"]
    version: str
    status: Literal["ok", "halted", "draining", "unhealthy"]
    halted: bool
    halted_at: Time | None
    speed: Literal["paper", "instant"]
    started_at: Time
    uptime_ms: Count
    seq: Count
    height: Count
    block_ms: Annotated[int, Meta(ge=1, description="How long a block takes, at most.")]
    queue: Count
    workers: Count
    attempts: Annotated[int, Meta(ge=1, description="That an order has at most.")]
    open: Count
    in_flight: Count
    unknown: Count
    oldest_open_ms: Count | None
    today: dict[str, int]


class Daemon(Record):
    """All that a program in another language needs to talk to this daemon."""

    schema: Literal["oee.daemon/1"]
    url: str
    token_file: str
    pid: Count
    version: str
    home: str
    started_at: Time


class Orders(Record):
    """A page of orders, newest last."""

    items: list[Order]
    next: str | None


class Events(Record):
    """A page of the log, oldest first."""

    items: list[Event]
    next: str | None


class Venues(Record):
    """All venues."""

    items: list[Venue]
    next: str | None


class Pools(Record):
    """All pools, or those of a pair."""

    items: list[Pool]
    next: str | None


class Tokens(Record):
    """All tokens."""

    items: list[Token]
    next: str | None


class Balances(Record):
    """All balances."""

    items: list[Balance]
    next: str | None


class Faults(Record):
    """All faults."""

    items: list[Fault]
    next: str | None
