"""The market over HTTP: quotes, venues, pools, tokens, and what the wallet has."""

from typing import Any

from litestar import Request, get
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.response.base import ASGIResponse

from daemon.answers import listing, record
from daemon.openapi import TOKEN, answers, described
from daemon.query import PAIR, SWITCH, Parameter, read_pairs, read_query, read_switch
from daemon.routes.sim import chain_of
from daemon.schemas import Balances, Pools, Quote, Tokens, Venues
from daemon.service import service_of
from order_engine.errors import Malformed
from order_engine.messages import quote_record, token_record
from order_engine.proofs import proof_record
from order_engine.requests import read_ask
from order_engine.tokens import TOKENS, resolve
from order_engine.venues.simulated.records import curve_record


def _as_given(text: str, _: str) -> str:
    return text


# Read by `read_ask`, which takes every spelling that an order takes; described in the one we recommend.
_ASK = {
    "inputToken": Parameter(_as_given, TOKEN, "The token to sell.", required=True),
    "outputToken": Parameter(_as_given, TOKEN, "The token to buy.", required=True),
    "amount": Parameter(
        _as_given,
        Schema(type=OpenAPIType.STRING, pattern=r"^(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"),
        "How much to sell, in whole tokens.",
    ),
    "receive": Parameter(
        _as_given,
        Schema(type=OpenAPIType.STRING, pattern=r"^(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"),
        "Instead of `amount`: how much to receive, in whole tokens.",
    ),
    "routing": Parameter(
        _as_given,
        Schema(type=OpenAPIType.STRING, enum=["best", "single"]),
        "Over all pools and hops, or the best single pool.",
    ),
    "explain": Parameter(read_switch, SWITCH, "With the reason for each pool that the route uses or leaves alone."),
    "receipt": Parameter(read_switch, SWITCH, "With the receipt: the plan, its proof, and all pools."),
}
_POOLS = {
    "pair": PAIR,
    "curve": Parameter(
        lambda text, name: resolve(text, name).symbol,
        TOKEN,
        "With how deep each pool is for whoever sells this token of the pair, and what it cost lately.",
    ),
}


@get(
    "/api/quote",
    summary="Compare venues",
    operation_class=described(query=_ASK),
    responses=answers({200: (Quote, "Every venue's answer, and the one that would get the order.")}, 422),
)
async def quote(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Asks all venues now. Nothing is stored and nothing is sent."""
    service = service_of(request.scope)
    fields = read_pairs(request.scope["query_string"])
    explain, receipt = [read_switch(fields.pop(name, "false"), name) for name in ("explain", "receipt")]
    ask, routing = read_ask(fields, service.engine.settings)
    found = await service.in_thread(service.engine.compare, ask, routing)
    told = quote_record(ask, routing, found.offers, found.route, found.reason)
    if explain or receipt:
        told |= await service.in_thread(proof_record, ask, found.route, explain, receipt)
    return record(told)


@get("/api/venues", summary="List venues", operation_class=described(), responses=answers({200: (Venues, "All.")}))
async def venues(request: Request[Any, Any, Any]) -> ASGIResponse:
    """The venues, and how they have served since the daemon started."""
    service = service_of(request.scope)
    read_query(request.scope["query_string"], {})
    return listing(await service.in_thread(service.engine.venues))


@get(
    "/api/pools",
    summary="List pools",
    operation_class=described(query=_POOLS),
    responses=answers({200: (Pools, "All, or those of the pair.")}),
)
async def pools(request: Request[Any, Any, Any]) -> ASGIResponse:
    """The pools as they are now."""
    service = service_of(request.scope)
    given = read_query(request.scope["query_string"], _POOLS)
    pair, token = given.get("pair"), given.get("curve")
    found = await service.in_thread(service.engine.pools, pair)
    if token is None:
        return listing(found)
    if pair is None or token not in pair:
        raise Malformed(f"curve {token} needs a pair that has it.", field="curve")
    chain = chain_of(request.scope)
    return listing([pool | {"curve": curve_record(chain, pool["pool"], token)} for pool in found])


@get("/api/tokens", summary="List tokens", operation_class=described(), responses=answers({200: (Tokens, "All.")}))
async def tokens(request: Request[Any, Any, Any]) -> ASGIResponse:
    """The tokens that orders can name."""
    read_query(request.scope["query_string"], {})
    return listing([token_record(symbol) for symbol in TOKENS])


@get(
    "/api/balances", summary="Show balances", operation_class=described(), responses=answers({200: (Balances, "All.")})
)
async def balances(request: Request[Any, Any, Any]) -> ASGIResponse:
    """What the wallet has of each token."""
    service = service_of(request.scope)
    read_query(request.scope["query_string"], {})
    return listing(await service.in_thread(service.engine.balances))
