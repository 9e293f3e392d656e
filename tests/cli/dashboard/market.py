"""A market for tests of the panes: pools, venues and balances as a daemon gives them, and desks that hold them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from cli.dashboard.desk import CONNECTED, Desk, LinkState, Reading
from cli.paint import Line
from cli.times import ms_of

Record = dict[str, Any]

NOON = "2026-11-20T12:00:00.000Z"
NOON_MS = ms_of(NOON)


def a_pool(pair: str = "SOL/USDC", dex: str = "raydium", **changes: Any) -> Record:
    token_a, token_b = pair.split("/")
    return {
        "schema": "oee.pool/1", "dex": dex, "pool": f"{dex[:3]}{token_a}{token_b}1111111111", "model": "raydium_amm_v4",
        "tokenA": token_a, "tokenB": token_b, "reserveA": "40000", "reserveB": "6000000", "feeBps": "25", "price": "150",
    } | changes  # fmt: skip


POOLS = [
    a_pool(),
    a_pool(dex="meteora", price="150.3", feeBps="4.23"),
    a_pool("JUP/USDC", price="0.45", reserveA="200000", reserveB="90000"),
    a_pool("BONK/SOL", price="0.00000009", reserveA="10000000000", reserveB="900"),
]


def a_venue(dex: str = "raydium", **changes: Any) -> Record:
    return {
        "schema": "oee.venue/1", "dex": dex, "pools": 6, "quoted": 120, "declined": 2, "chosen": 30, "confirmed": 30,
        "failed": 0, "answering": True, "quoteMsP50": 41, "quoteMsP99": 120, "lastQuotedAt": "2026-11-20T11:59:58.000Z",
        "lastPair": "SOL/USDC", "lastPrice": "149.942123", "lastTroubleAt": None, "lastTrouble": None,
    } | changes  # fmt: skip


def a_balance(token: str, free: str, reserved: str = "0") -> Record:
    total = format(Decimal(free) + Decimal(reserved), "f")
    return {"schema": "oee.balance/1", "token": token, "free": free, "reserved": reserved, "total": total}


def a_desk(**reading: Any) -> Desk:
    """A desk at noon with this read of the daemon."""
    desk = Desk()
    desk.link = LinkState(CONNECTED, NOON_MS)
    desk.refresh(Reading(NOON_MS, **reading))
    desk.now_ms = NOON_MS
    return desk


def text(lines: Sequence[Line]) -> str:
    """What the lines say."""
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)
