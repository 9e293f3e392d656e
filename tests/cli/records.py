"""Records as a daemon gives them, for tests of what is drawn."""

import io
from typing import Any

from cli.paint import Paint

Record = dict[str, Any]

ID = "01a1f8b6-27b6-7533-a321-c8a69f994627"
TX = "4sGjTqVZ9hYx3b7eR1mKc5nPw8fLs2dUoXaWtNqJk6HvBgEyCzMrWm2e"

ORDER: Record = {
    "schema": "oee.order/1", "orderId": ID, "clientOrderId": "k", "type": "market", "inputToken": "SOL",
    "outputToken": "USDC", "amount": "1.5", "slippageBps": 50, "minOutput": None, "maxImpactBps": 300,
    "status": "pending", "settlement": "none", "attempts": 0, "routedDex": None, "quotedOutput": None, "amountOut": None,
    "executedPrice": None, "fee": None, "feeToken": None, "networkFee": None, "txHash": None, "lastValidHeight": None,
    "height": None, "error": None, "errorCode": None, "retryOf": None, "createdAt": "2026-11-20T09:41:03.120Z",
    "updatedAt": "2026-11-20T09:41:03.120Z", "endedAt": None, "seq": 1,
}  # fmt: skip


def order(**changes: Any) -> Record:
    return ORDER | changes


CONFIRMED = order(
    status="confirmed", settlement="settled", attempts=1, routedDex="meteora", quotedOutput="224.913401",
    amountOut="224.841213", executedPrice="149.894142", fee="0.003", feeToken="SOL", txHash=TX, lastValidHeight=230,
    seq=5,
)  # fmt: skip
FAILED = order(
    status="failed", attempts=3, errorCode="slippage_exceeded", error="moved 62 bps, the limit is 50 bps", seq=9
)
UNKNOWN = order(
    status="submitted", settlement="unknown", attempts=1, routedDex="orca", txHash=TX, lastValidHeight=230, seq=5
)
CANCELLED = order(status="cancelled", seq=3)

QUOTES: list[Record] = [
    {
        "dex": "raydium", "pool": "p1", "amountOut": "224.40221", "fee": "0.004", "feeToken": "SOL",
        "networkFee": "0.000005", "priceImpactBps": 2, "netOutput": "224.4014",
    },
    {
        "dex": "meteora", "pool": "p2", "amountOut": "224.913401", "fee": "0.003", "feeToken": "SOL",
        "networkFee": "0.000005", "priceImpactBps": 1, "netOutput": "224.9126",
    },
    {"dex": "orca", "code": "venue_unavailable", "reason": "no answer within 400 ms"},
]  # fmt: skip


def event(seq: int, status: str, at: str, **facts: Any) -> Record:
    return {
        "schema": "oee.event/1",
        "seq": seq,
        "orderId": ID,
        "status": status,
        "timestamp": f"2026-11-20T09:41:{at}Z",
    } | facts


PENDING = event(
    1, "pending", "03.120", clientOrderId="k", type="market", inputToken="SOL", outputToken="USDC", amount="1.5",
    slippageBps=50, minOutput=None, maxImpactBps=300, retryOf=None,
)  # fmt: skip
ROUTING = event(2, "routing", "03.132", attempt=1)
BUILDING = event(
    3, "building", "03.181", routedDex="meteora", pool="p2", quotedOutput="224.913401", quotes=QUOTES, reason="best"
)
SUBMITTED = event(
    4,
    "submitted",
    "03.260",
    settlement="in_flight",
    routedDex="meteora",
    txHash=TX,
    lastValidHeight=230,
    minOutput="223.8",
)
UNANSWERED = event(5, "submitted", "04.000", settlement="unknown", reason="the connection broke")
LANDED = event(
    5, "confirmed", "05.021", settlement="settled", routedDex="meteora", txHash=TX, executedPrice="149.894142",
    amountOut="224.841213", fee="0.003", feeToken="SOL", networkFee="0.000005", height=214, slippageBps=4,
)  # fmt: skip
AGAIN = event(
    5,
    "routing",
    "06.000",
    attempt=2,
    previousErrorCode="slippage_exceeded",
    previousError="moved 62 bps, the limit is 50",
)
GIVEN_UP = event(6, "failed", "07.000", error="moved 62 bps", errorCode="slippage_exceeded", attempts=2)

LIFE = [PENDING, ROUTING, BUILDING, SUBMITTED, LANDED]


# a route over several pools, for an order that sells and for one that receives an amount


def leg(dex: str, pool: str, sold: str, got: str, pair: str = "SOL/USDC") -> Record:
    token_in, _, token_out = pair.partition("/")
    return {
        "dex": dex, "pool": pool, "inputToken": token_in, "outputToken": token_out, "amountIn": sold, "amountOut": got,
    }  # fmt: skip


ROUTE = [
    leg("raydium", "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2", "0.93", "139.446"),
    leg("meteora", "HTvjzsfX3yU6BUodCjZ5vZkUrAxMDTrBs3CJaq43ashR", "0.57", "85.567"),
]
HOPS = [leg("raydium", "p1", "10", "1500"), leg("orca", "p3", "1500", "90000000", "USDC/BONK")]
CIRCLE = [
    leg("orca", "p4", "2", "1.6", "SOL/JitoSOL"), leg("orca", "p5", "1.6", "2.01", "JitoSOL/SOL"),
    leg("raydium", "p1", "6", "900"), leg("meteora", "p2", "4.01", "601"),
]  # fmt: skip

RECEIVES = order(amount=None, receive="200", maxInput="1.3", routing="best")
RECEIVED = RECEIVES | {
    "status": "confirmed", "settlement": "settled", "attempts": 1, "routedDex": "raydium", "route": ROUTE,
    "quotedInput": "1.22", "quotedOutput": "200", "amountIn": "1.2231", "amountOut": "200", "executedPrice": "163.518927",
    "fees": [{"token": "SOL", "amount": "0.002"}, {"token": "USDC", "amount": "0.1"}], "txHash": TX, "gapBps": "0.0021",
    "seq": 5,
}  # fmt: skip
SPLIT_QUOTES = [quote | {"amountIn": taken} for quote, taken in zip(QUOTES[:2], ("1.2301", "1.2288"), strict=True)]
RECEIVING = [
    PENDING | {"amount": None, "receive": "200", "maxInput": "1.3", "routing": "best"},
    ROUTING,
    BUILDING
    | {
        "routedDex": "raydium", "route": ROUTE, "quotedInput": "1.22", "quotedOutput": "200", "gapBps": "0.0021",
        "quotes": SPLIT_QUOTES,
    },
    SUBMITTED | {"routedDex": "raydium", "minOutput": "200", "maxInput": "1.2261"},
    LANDED
    | {
        "routedDex": "raydium", "route": ROUTE, "amountIn": "1.2231", "amountOut": "200", "fee": None, "feeToken": None,
        "fees": RECEIVED["fees"], "executedPrice": "163.518927",
    },
]  # fmt: skip


class Stream(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def paint(terminal: bool = False, choice: str = "auto", **environment: str) -> Paint:
    return Paint(Stream(terminal), choice, environment)
