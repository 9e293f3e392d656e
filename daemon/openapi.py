"""The OpenAPI document, and a page that shows it without fetching anything from anywhere.

Litestar builds the document out of the routes. What it cannot see, because bodies and queries are read by us and not by it,
is added here from the same declarations that do the reading.
"""

from dataclasses import dataclass
from html import escape
from typing import Any

from litestar import Request, Response, Router
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
    SecurityScheme,
    Server,
)
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from daemon.problems import problem
from daemon.query import Query
from daemon.schemas import Problem
from order_engine import __version__
from order_engine.amounts import BPS, MAX_SLIPPAGE_BPS
from order_engine.tokens import TOKENS

_NUMBER, _STRING, _NULL = OpenAPIType.NUMBER, OpenAPIType.STRING, OpenAPIType.NULL
_NDJSON = "application/x-ndjson"

TOKEN = Schema(
    type=_STRING,
    enum=[name for token in TOKENS.values() for name in (token.symbol, token.mint)],
    description="A symbol, in any case, or a mint.",
)
AMOUNT = Schema(
    one_of=[
        Schema(type=_STRING, pattern=r"^(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"),
        Schema(type=_NUMBER, exclusive_minimum=0),
    ],
    description="Whole tokens, exactly: no more digits after the point than the token has.",
)


def _bps(maximum: int) -> Schema:
    return Schema(type=[OpenAPIType.INTEGER, _NULL], minimum=0, maximum=maximum)


def _or_null(description: str) -> Schema:
    return Schema(one_of=[*(AMOUNT.one_of or ()), Schema(type=_NULL)], description=description)


def _one_spelling(*names: str) -> Schema:
    return Schema(one_of=[Schema(required=[name]) for name in names])


ORDER = Schema(
    type=OpenAPIType.OBJECT,
    additional_properties=False,
    properties={
        "inputToken": TOKEN,
        "outputToken": TOKEN,
        "input_token": TOKEN,
        "output_token": TOKEN,
        "tokenIn": TOKEN,
        "tokenOut": TOKEN,
        "amount": _or_null("Exactly so much is sold."),
        "receive": _or_null("Instead of `amount`: exactly so much is received."),
        "routing": Schema(
            enum=["best", "single", None], description="Over all pools and hops, or the best single pool."
        ),
        "slippageBps": _bps(MAX_SLIPPAGE_BPS),
        "slippage": Schema(
            one_of=[
                Schema(type=_STRING, pattern=r"^0(\.([0-4][0-9]{0,3}0{0,14}|50{0,17}))?$"),
                Schema(type=_NUMBER, minimum=0, maximum=0.5),
                Schema(type=_NULL),
            ],
            description="A fraction such as 0.01, in whole basis points.",
        ),
        "minOutput": _or_null("With `amount`: never less than this is received."),
        "maxInput": _or_null("With `receive`: never more than this is sold."),
        "maxImpactBps": _bps(BPS),
        "clientOrderId": Schema(type=[_STRING, _NULL], pattern="^[!-~]{1,128}$"),
        "type": Schema(enum=["market", None]),
    },
    all_of=[
        _one_spelling("inputToken", "input_token", "tokenIn"),
        _one_spelling("outputToken", "output_token", "tokenOut"),
        _one_spelling("amount", "receive"),
        Schema(schema_not=Schema(required=["slippage", "slippageBps"])),
        Schema(schema_not=Schema(required=["amount", "maxInput"])),
        Schema(schema_not=Schema(required=["receive", "minOutput"])),
    ],
    description="Sell exactly `amount` of one token for another, or receive exactly `receive`. Input and output must differ.",
    examples=[
        {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5", "slippageBps": 50},
        {"inputToken": "SOL", "outputToken": "USDC", "receive": "200", "maxInput": "1.3"},
    ],
)
RETRY = Schema(type=OpenAPIType.OBJECT, additional_properties=False, properties={"slippageBps": _bps(MAX_SLIPPAGE_BPS)})

JSON_BODY = {"application/json": OpenAPIMediaType(schema=ORDER)}
RETRY_BODY = {"application/json": OpenAPIMediaType(schema=RETRY)}
LINES_BODY = {_NDJSON: OpenAPIMediaType(schema=Schema(type=_STRING, description="One order per line."))}

IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    param_in="header",
    required=False,
    schema=Schema(type=_STRING, pattern="^[!-~]{1,128}$"),
    description="The client order id. The same key with the same order returns the same order again.",
)

_IN_PATH = {
    "orderId": (
        Schema(type=_STRING, format=OpenAPIFormat.UUID, pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        "The order id.",
    ),
    "faultId": (Schema(type=_STRING, pattern="^f[1-9][0-9]{0,9}$"), "The fault's id."),
}

_MEANING = {
    400: "Malformed.",
    401: "No token, or a wrong one.",
    403: "A wrong Host, or a web page.",
    404: "No such order.",
    408: "The body came too slowly.",
    409: "It conflicts with what is.",
    411: "Not exactly one Content-Length.",
    413: "Too large.",
    415: "Not JSON.",
    422: "Refused by a check.",
    429: "Too many at once; see Retry-After.",
    503: "Stopping, or the journal cannot be written. Nothing was stored.",
}


def described(
    *,
    query: Query | None = None,
    body: dict[str, OpenAPIMediaType] | None = None,
    body_required: bool = True,
    headers: tuple[Parameter, ...] = (),
) -> type[Operation]:
    """The operation class of a route that reads this query and this body."""

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            found = list(self.parameters or ())
            for parameter in found:
                if isinstance(parameter, Parameter) and parameter.param_in == "path":
                    parameter.schema, parameter.description = _IN_PATH[parameter.name]
            found += headers
            found += [parameter.described(name) for name, parameter in (query or {}).items()]
            self.parameters = found or None
            if body is not None:
                self.request_body = RequestBody(content=body, required=body_required)

    return Described


def answers(
    success: dict[int, tuple[type[Any], str]], *problems: int, media_type: str = "application/json"
) -> dict[int, ResponseSpec]:
    """What a call can answer: its successes, the problems every call can meet, and those of its own."""
    told = {
        status: ResponseSpec(shape, generate_examples=False, description=meaning, media_type=media_type)
        for status, (shape, meaning) in success.items()
    }
    return told | {
        status: ResponseSpec(
            Problem, generate_examples=False, description=_MEANING[status], media_type="application/problem+json"
        )
        for status in sorted({400, 401, 403, 429, 503, *problems})
    }


class _Page(OpenAPIRenderPlugin):
    """A table of all calls, made here: no script, nothing from elsewhere."""

    def render(self, _: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        rows = [
            _row(path, method, operation)
            for path, operations in openapi_schema["paths"].items()
            for method, operation in operations.items()
            if isinstance(operation, dict)
        ]
        title = escape(openapi_schema["info"]["title"])
        return _PAGE.format(title=title, version=escape(__version__), rows="\n".join(rows)).encode()


def _row(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = " ".join(
        f"<code>{escape(parameter['name'])}{'' if parameter.get('required') else '?'}</code>"
        for parameter in operation.get("parameters", ())
    )
    body = " ".join(f"<code>{escape(kind)}</code>" for kind in operation.get("requestBody", {}).get("content", ()))
    statuses = " ".join(
        f'<span title="{escape(response.get("description", ""))}">{escape(status)}</span>'
        for status, response in operation["responses"].items()
    )
    return (
        f"<tr><td><b>{method.upper()}</b></td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(operation.get('summary', ''))}<p>{escape(operation.get('description', ''))}</p></td>"
        f"<td>{parameters}</td><td>{body}</td><td>{statuses}</td></tr>"
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ border-bottom: 1px solid #8884; padding: .5rem; text-align: left; vertical-align: top }}
td p {{ margin: .2rem 0 0; opacity: .75; white-space: pre-line }}
</style></head><body>
<h1>{title} {version}</h1>
<p>Every call but <code>GET /</code> and this page needs the token of the daemon:
<code>curl -H @AUTH_HEADER_FILE …</code>; <code>oee daemon status</code> says where things are.
The whole description for machines: <a href="/schema/openapi.json">openapi.json</a>.</p>
<p>WebSocket: <code>/ws</code> (subscribe with an <code>orderId</code> or <code>*</code>, and <code>since</code>),
<code>/api/orders/{{id}}</code> (one order, history then live), <code>/orders/execute</code> (send an order, follow it).</p>
<table><thead><tr><th>Method</th><th>Address</th><th>What it does</th><th>Parameters</th><th>Body</th><th>Answers</th></tr>
</thead><tbody>
{rows}
</tbody></table></body></html>
"""


async def _problem_instead(response: Response[Any]) -> Any:
    """Litestar answers an unknown page under /schema in HTML; here it is a problem like everywhere else."""
    return problem("not_found", "There is nothing at this address.") if response.status_code == 404 else response


def openapi_config() -> OpenAPIConfig:
    """The document's own facts, and where it is served."""
    return OpenAPIConfig(
        title="Order Execution Engine",
        version=__version__,
        description="Amounts are exact decimal strings, times RFC 3339 in UTC, ids UUIDv7. Fields are only ever added.",
        servers=[Server(url="/")],
        components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"token": []}],
        use_handler_docstrings=True,
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, after_request=_problem_instead),
        render_plugins=[_Page(path="/")],
    )
