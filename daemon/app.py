"""The application: every route behind the gate."""

from litestar import Litestar, route
from litestar.enums import HttpMethod, ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from daemon.answers import Answer
from daemon.gate import Gate
from daemon.openapi import openapi_config
from daemon.problems import allow, answer_of, answer_to
from daemon.routes import events, halt, market, orders, sim, sockets, system
from daemon.service import Service
from order_engine.clock import SystemClock

ROUTES = [
    system.root,
    orders.submit,
    orders.batch,
    orders.orders,
    orders.order,
    orders.history,
    orders.receipt,
    orders.cancel,
    orders.retry,
    events.events,
    market.quote,
    market.venues,
    market.pools,
    market.tokens,
    market.balances,
    *sim.ROUTES,
    *halt.ROUTES,
    system.status,
    system.daemon,
    system.metrics,
    sockets.follow,
    sockets.follow_order,
    sockets.execute,
]


def _options() -> list[HTTPRouteHandler]:
    """OPTIONS for every address. Litestar's own forgets the methods of all but the first handler of an address."""
    methods: dict[str, set[str]] = {}
    for handler in ROUTES:
        if isinstance(handler, HTTPRouteHandler):
            for path in handler.paths:
                methods.setdefault(path, set()).update(map(str, handler.http_methods))
    return [_answer_options(path, found) for path, found in methods.items()]


def _answer_options(path: str, methods: set[str]) -> HTTPRouteHandler:
    answer = Answer(204, b"", headers=[allow(methods)])

    async def options() -> ASGIResponse:
        return answer

    return route(path, http_method=HttpMethod.OPTIONS, include_in_schema=False)(options)


def build(service: Service, *, token: str, port: int) -> Gate:
    """The ASGI application of a daemon that listens on `port` and asks for `token`."""
    app = Litestar(
        [*_options(), *ROUTES],  # first: an address that has one gets none from Litestar
        exception_handlers={Exception: answer_to},
        openapi_config=openapi_config(),
        logging_config=None,
    )
    app.state.service = service
    return Gate(_straight_to_submit(app, service), token=token, port=port, counts=service.counts, clock=SystemClock())


def _straight_to_submit(app: ASGIApp, service: Service) -> ASGIApp:
    """Litestar, but for the one call that a bot makes a thousand times a second: routing and binding its arguments cost as much
    as everything else that is done with it here. It is the same handler, and the same errors."""
    paths = frozenset(orders.SUBMIT)

    async def straight(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "POST" or scope["path"] not in paths:
            await app(scope, receive, send)
            return
        scope["path_template"] = scope["path"]
        try:
            answer = await orders.submitted(service, scope)
        except Exception as error:
            answer = answer_of(error)
        await answer(scope, receive, send)

    return straight
