"""Choosing among orders where the daemon cannot: by their fields in order, and whether a changed one belongs to a list.

Both read records, so what is chosen is exact; the newest page is never taken for all there is.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from cli import times
from cli.choices import one_of
from cli.output import ORDER_FIELDS, Record, field_name
from cli.story import FINAL
from order_engine.tokens import resolve

Key = tuple[bool, Decimal | str]

_NUMBERS = frozenset({
    "amount", "slippageBps", "minOutput", "maxImpactBps", "attempts", "quotedOutput", "amountOut", "executedPrice", "fee",
    "networkFee", "lastValidHeight", "height", "seq", "receive", "maxInput", "quotedInput", "amountIn", "gapBps",
})  # fmt: skip


class Order(NamedTuple):
    """By which field, and whether the largest comes first."""

    field: str
    down: bool

    @classmethod
    def read(cls, text: str, option: str) -> "Order":
        """What `amountOut` or `-amountOut` means. Raises Malformed, naming the option and fields that are close."""
        name = text.removeprefix("-")
        spelled = field_name(name, ORDER_FIELDS)
        return cls(one_of(spelled or name, ORDER_FIELDS, option), text.startswith("-"))

    def last(self, orders: Iterable[Record], count: int) -> list[Record]:
        """The last so many of all, in this order; those that are equal in the order in which they came."""
        numbered = enumerate(orders)
        pick = heapq.nsmallest if self.down else heapq.nlargest
        sign = -1 if self.down else 1  # what came later counts as later both ways
        kept = pick(count, numbered, key=lambda each: (self._key(each[1]), sign * each[0]))
        return [order for _, order in reversed(kept)]

    def _key(self, order: Record) -> Key:
        """Absent values come before all others."""
        value = order.get(self.field)
        if value is None:
            return False, Decimal(0) if self.field in _NUMBERS else ""
        return True, Decimal(str(value)) if self.field in _NUMBERS else str(value)


def belongs(filters: Mapping[str, str | None]) -> Callable[[Record], bool]:
    """Whether an order is one of a list with these filters, by the daemon's rules. Raises UnknownToken for a pair of none."""
    statuses = set((filters.get("status") or "").split(",")) - {""}
    pair = {resolve(name.strip(), "--pair").symbol for name in (filters.get("pair") or "").split("/") if name}
    dex, key, since = (filters.get("dex") or "").lower(), filters.get("key"), filters.get("since")
    after = None if since is None else times.moment(since, "--since")

    def holds(order: Record) -> bool:
        status = order["status"]
        return (
            (not statuses or status in statuses or ("open" in statuses and status not in FINAL))
            and (not pair or {order["inputToken"], order["outputToken"]} == pair)
            and (not dex or order["routedDex"] == dex)
            and (key is None or order["clientOrderId"] == key)
            and (after is None or times.ms_of(order["createdAt"]) >= after)
        )

    return holds
