"""The simulated world over HTTP: what goes wrong in it on purpose, and how the rest of its market behaves."""

from collections.abc import Mapping
from typing import Any

from litestar import Request, delete, get, post, put
from litestar.openapi.spec import OpenAPIMediaType, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.response.base import ASGIResponse

from daemon.answers import listing, record
from daemon.gate import body_of
from daemon.openapi import answers, described
from daemon.query import PAIR, read_query
from daemon.query import Parameter as QueryParameter
from daemon.schemas import Fault, Faults, Imported, Market
from daemon.service import service_of
from order_engine.errors import Malformed
from order_engine.fault_scripts import (
    CODES,
    FOR_MS_MAX,
    MS_MAX,
    PPM_MAX,
    SLOTS_MAX,
    STATES,
    TIMES_MAX,
    read_fault,
)
from order_engine.messages import fault_record
from order_engine.requests import read_json, read_key, refuse_unknown, whole_number
from order_engine.venues.simulated.chain import SimulatedChain
from order_engine.venues.simulated.faults import KINDS
from order_engine.venues.simulated.importing import HEIGHT_MAX, read_pools
from order_engine.venues.simulated.records import import_record, market_record
from order_engine.venues.simulated.regimes import REGIMES, Regime, known_regime, read_regime

_REQUEST_KEY = "Idempotency-Key"


def _number(low: int, high: int, description: str) -> Schema:
    return Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL], minimum=low, maximum=high, description=description)


def _text(description: str, pattern: str | None = None) -> Schema:
    return Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], pattern=pattern, description=description)


_KEY = "^[!-~]{1,128}$"
_FAULT = Schema(
    type=OpenAPIType.OBJECT,
    required=["kind"],
    additional_properties=False,
    properties={
        "kind": Schema(type=OpenAPIType.STRING, enum=[*KINDS]),
        "key": _text("Only the order with this client order id.", _KEY),
        "pattern": _text("Only orders whose client order id matches this glob, such as bot-*.", _KEY),
        "pair": _text("Only this pair, A/B; of a price step: the price of A in B.", PAIR.schema.pattern),
        "venue": _text("Only at this venue."),
        "pool": _text("The pool of a price step."),
        "times": _number(1, TIMES_MAX, "The first so many times; of crash 1 unless given."),
        "forMs": _number(1, FOR_MS_MAX, "For so many milliseconds from now."),
        "slots": _number(1, SLOTS_MAX, "land-late: by so many slots."),
        "code": Schema(enum=[*CODES, None], description="reject: the error code that it lands with."),
        "ms": _number(1, MS_MAX, "venue-slow: by so many milliseconds."),
        "ppm": _number(-PPM_MAX, PPM_MAX, "price-step: by about so many millionths, up or down; not 0."),
        "at": Schema(enum=[*STATES, None], description="crash: right after the commit of this state."),
    },
    description="One thing that goes wrong, until it is cleared unless `times` or `forMs` say otherwise.",
    examples=[{"kind": "land-late", "slots": 20, "pattern": "bot-*", "times": 1}],
)
_BODY = {"application/json": OpenAPIMediaType(schema=_FAULT)}
_KEY_HEADER = Parameter(
    name=_REQUEST_KEY,
    param_in="header",
    required=False,
    schema=Schema(type=OpenAPIType.STRING, pattern=_KEY),
    description="The same key with the same fault adds nothing a second time.",
)


@post(
    "/api/sim/faults",
    status_code=201,
    summary="Add a fault",
    operation_class=described(body=_BODY, headers=(_KEY_HEADER,)),
    responses=answers({201: (Fault, "It strikes from now on.")}, 408, 411, 413, 415),
)
async def add_fault(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Of the running daemon only: a restart forgets it."""
    faults = service_of(request.scope).engine.faults
    read_query(request.scope["query_string"], {})
    key = request.headers.get(_REQUEST_KEY)
    fault = read_fault(read_json(body_of(request.scope)))
    return record(fault_record(faults.add(fault, None if key is None else read_key(key, _REQUEST_KEY))), 201)


@get(
    "/api/sim/faults",
    summary="List faults",
    operation_class=described(),
    responses=answers({200: (Faults, "All that were added and not cleared, oldest first.")}),
)
async def faults(request: Request[Any, Any, Any]) -> ASGIResponse:
    """With how often each has struck, and how long it can go on."""
    read_query(request.scope["query_string"], {})
    return listing([fault_record(standing) for standing in service_of(request.scope).engine.faults.standing()])


@delete(
    "/api/sim/faults",
    status_code=200,
    summary="Clear all faults",
    operation_class=described(),
    responses=answers({200: (Faults, "Those that there were, as they stood.")}),
)
async def clear_faults(request: Request[Any, Any, Any]) -> ASGIResponse:
    """From now on all goes well."""
    read_query(request.scope["query_string"], {})
    return listing([fault_record(standing) for standing in service_of(request.scope).engine.faults.clear()])


@delete(
    "/api/sim/faults/{faultId:str}",
    status_code=200,
    summary="Clear a fault",
    operation_class=described(),
    responses=answers({200: (Fault, "As it stood.")}, 404),
)
async def clear_fault(request: Request[Any, Any, Any]) -> ASGIResponse:
    """It strikes no more."""
    read_query(request.scope["query_string"], {})
    (standing,) = service_of(request.scope).engine.faults.clear(request.path_params["faultId"])
    return record(fault_record(standing))


# the rest of the market


def chain_of(scope: Mapping[str, Any]) -> SimulatedChain:
    """The simulated chain behind a request."""
    world = service_of(scope).engine.faults.world
    if not isinstance(world, SimulatedChain):
        raise TypeError(f"{world!r} is no simulated chain")
    return world


_CHOICE = {
    "regime": QueryParameter(
        lambda text, _: known_regime(text), Schema(type=OpenAPIType.STRING, enum=[*REGIMES]), "One of ours."
    ),
    "rules": QueryParameter(
        lambda text, _: read_regime(text),
        Schema(type=OpenAPIType.STRING),
        "Or one of your own: a name and what differs from calm, as JSON or TOML.",
    ),
}


@get(
    "/api/sim/market",
    summary="Show the market's regime",
    operation_class=described(),
    responses=answers({200: (Market, "The regime, and what it says.")}),
)
async def market(request: Request[Any, Any, Any]) -> ASGIResponse:
    """How the others trade, what tokens are worth to them, and which pools are to come."""
    read_query(request.scope["query_string"], {})
    return record(market_record(chain_of(request.scope)))


@put(
    "/api/sim/market",
    status_code=200,
    summary="Choose the market's regime",
    operation_class=described(query=_CHOICE),
    responses=answers({200: (Market, "It holds from this height on, over restarts too.")}),
)
async def choose_market(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Prices go on from where they are."""
    given = read_query(request.scope["query_string"], _CHOICE)
    if len(given) != 1:
        raise Malformed("Give either a regime or rules.", field="regime")
    (regime,) = given.values()
    return record(await _choose(request.scope, regime))


async def _choose(scope: Mapping[str, Any], regime: Regime) -> dict[str, Any]:
    chain = chain_of(scope)
    await service_of(scope).committed(chain.choose(regime))
    return market_record(chain)


_FILE = Schema(
    type=OpenAPIType.OBJECT,
    required=["text"],
    additional_properties=False,
    properties={
        "text": Schema(
            type=OpenAPIType.STRING, description="The file: public pool records or raw accounts, as JSON or NDJSON."
        ),
        "height": _number(0, HEIGHT_MAX, "New pools that do not say when open at this height."),
    },
    description="Pools as Raydium, Meteora or Orca publish them, as in our genesis.json, or as raw accounts of the chain.",
)


@post(
    "/api/sim/pools",
    status_code=200,
    summary="Import pools",
    operation_class=described(body={"application/json": OpenAPIMediaType(schema=_FILE)}),
    responses=answers({200: (Imported, "All of them, on disk.")}, 408, 411, 413, 415, 422),
)
async def import_pools(request: Request[Any, Any, Any]) -> ASGIResponse:
    """All of them or none: what is wrong is named by line and field."""
    read_query(request.scope["query_string"], {})
    fields = read_json(body_of(request.scope))
    refuse_unknown(fields, ("text", "height"))
    text = fields.get("text")
    if type(text) is not str:
        raise Malformed("text is missing, or is not text.", field="text")
    service, chain = service_of(request.scope), chain_of(request.scope)
    plan = await service.in_thread(read_pools, text, whole_number(fields, "height", 0, HEIGHT_MAX) or 0)
    height = await service.committed(chain.import_pools(plan))
    return record(import_record(plan, height))


ROUTES = (add_fault, faults, clear_faults, clear_fault, market, choose_market, import_pools)
