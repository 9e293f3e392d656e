"""Receipts as text: what is written down for anybody to check, and read back exactly or refused by field.

Amounts are base units, and whole numbers that may need more than 53 bits are strings, so that every language reads them
exactly; the states of the pools are those of the on-chain programs' models, under their own names.
"""

import zlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from order_engine.errors import Malformed
from order_engine.routes import Exact, Leg, Plan, Proof, Terms
from order_engine.routing.certificate import LEFT_OUT, Problem, Receipt, verify
from order_engine.venues.snapshot import AnyPool, Listing

__all__ = ["LEFT_OUT", "Problem", "Receipt", "pack", "read_receipt", "receipt_record", "unpack", "verify"]

SCHEMA: Literal["oee.receipt/1"] = "oee.receipt/1"
BYTES_MAX = 32 * 1024**2

_encode = msgspec.json.Encoder().encode
_listings = msgspec.json.Decoder(tuple[Listing, ...]).decode


def pack(listings: Iterable[Listing]) -> list[bytes]:
    """Each pool in few bytes. One that has not changed since it was packed last is not packed again."""
    return [_packed_pool(listing) for listing in listings]


def _packed_pool(listing: Listing) -> bytes:
    known = _packed.get(listing[:4])
    if known is None or known[0] is not listing.state:
        known = _packed[listing[:4]] = listing.state, zlib.compress(_encode((listing,)), 1)
    return known[1]


_packed: dict[tuple[str, str, str, str], tuple[AnyPool, bytes]] = {}  # as it was last, by venue, address and tokens


def unpack(packed: Iterable[bytes]) -> tuple[Listing, ...]:
    """The pools of `pack`. Raises ValueError for other bytes."""
    try:
        return tuple(listing for each in packed for listing in _listings(zlib.decompress(each)))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"these are no pools: {error}") from error


def receipt_record(receipt: Receipt) -> dict[str, Any]:
    """`oee.receipt/1`: the plan, its proof, and all pools as they were."""
    plan, proof = receipt.plan, receipt.proof
    told: dict[str, Any] = msgspec.to_builtins(
        _Text(
            schema=SCHEMA,
            height=proof.height,
            block_time=proof.now,
            digest=proof.digest,
            terms=_Terms(
                str(proof.terms.leg_cost), str(proof.terms.plan_cost), proof.terms.max_legs, proof.terms.max_hops
            ),
            plan=_Plan(
                plan.exact,
                plan.token_in,
                plan.token_out,
                str(plan.amount_in),
                str(plan.amount_out),
                str(plan.cost),
                tuple([_leg_text(leg) for leg in plan.legs]),
            ),
            prices={token: str(price) for token, price in proof.prices.items()},
            bound=str(proof.bound),
            net_bound=str(proof.net_bound),
            gap_ppb=str(proof.gap_ppb),
            pools=tuple([_Pool(*listing) for listing in receipt.states]),
        )
    )
    return told


def read_receipt(raw: bytes) -> Receipt:
    """The receipt in `raw`. Raises Malformed, with the field, for anything else."""
    if len(raw) > BYTES_MAX:
        raise Malformed(f"The receipt has {len(raw)} bytes, {BYTES_MAX} are the most.", field="receipt")
    try:
        text = _text(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        words, _, place = str(error).partition(" - at `$.")
        field = place.rstrip("`") or "receipt"
        raise Malformed(f"Not a receipt: {words}" + (f" at {field}." if place else "."), field=field) from error
    plan, terms = text.plan, text.terms
    legs = [_leg(leg) for leg in plan.legs]
    amounts = int(plan.amount_in), int(plan.amount_out), int(plan.cost)
    return Receipt(
        Plan(plan.exact, plan.input_token, plan.output_token, *amounts, tuple(legs)),
        Proof(
            text.height,
            text.block_time,
            text.digest,
            Terms(int(terms.leg_cost), int(terms.plan_cost), terms.max_legs, terms.max_hops),
            {token: int(price) for token, price in text.prices.items()},
            int(text.bound),
            int(text.net_bound),
            int(text.gap_ppb),
        ),
        tuple([Listing(pool.dex, pool.pool, pool.token_a, pool.token_b, pool.state) for pool in text.pools]),
    )


def _leg_text(leg: Leg) -> "_Leg":
    return _Leg(leg.dex, leg.pool, leg.token_in, leg.token_out, str(leg.amount_in), str(leg.amount_out))


def _leg(text: "_Leg") -> Leg:
    amounts = int(text.amount_in), int(text.amount_out)
    return Leg(text.dex, text.pool, text.input_token, text.output_token, *amounts)


Whole = Annotated[str, msgspec.Meta(pattern=r"^(0|-?[1-9][0-9]{0,99})$")]


class _Shape(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What all parts of a receipt share."""


class _Terms(_Shape, frozen=True):
    leg_cost: Whole
    plan_cost: Whole
    max_legs: int | None
    max_hops: int


class _Leg(_Shape, frozen=True):
    dex: str
    pool: str
    input_token: str
    output_token: str
    amount_in: Whole
    amount_out: Whole


class _Plan(_Shape, frozen=True):
    exact: Exact
    input_token: str
    output_token: str
    amount_in: Whole
    amount_out: Whole
    cost: Whole
    legs: tuple[_Leg, ...]


class _Pool(_Shape, frozen=True):
    dex: str
    pool: str
    token_a: str
    token_b: str
    state: AnyPool


class _Text(_Shape, frozen=True):
    """A receipt as it is written."""

    schema: Literal["oee.receipt/1"]
    height: int
    block_time: int
    digest: str
    terms: _Terms
    plan: _Plan
    prices: dict[str, Whole]
    bound: Whole
    net_bound: Whole
    gap_ppb: Whole
    pools: tuple[_Pool, ...]


_text = msgspec.json.Decoder(_Text).decode
