"""What can be spent: the chain's balances less what open orders hold.

The holds follow from the open orders and from nothing else, so they need no storage: at start they are taken again. A hold is
released only after the order's end is on disk, and a landing debits the chain before that; so what is shown as free is never
more than there is.
"""

import threading
from collections.abc import Mapping

from order_engine.checks import check_funds, needs
from order_engine.venues.venue import Chain


class Wallet:
    """Balances and holds of one wallet. Safe to use from any thread."""

    def __init__(self, chain: Chain, attempts: int, network_fee: int) -> None:
        self._chain = chain
        self._attempts = attempts
        self._network_fee = network_fee
        self._lock = threading.Lock()
        self._holds: dict[str, dict[str, int]] = {}  # order id -> token -> base units
        self._held: dict[str, int] = {}  # the sum of the above, per token

    def hold(self, order_id: str, token: str, most_in: int, *, checked: bool = True, field: str = "amount") -> None:
        """Sets aside what the order may take: so much of its input, and network fees. Raises Refused, and holds nothing, when
        that is not free.

        `checked=False` is for orders that were accepted before: their hold is a fact. `field` is the one of the order that asks
        for it.
        """
        needed = needs(token, most_in, self._attempts, self._network_fee)
        with self._lock:
            if checked:
                balances = self._chain.balances()  # under the lock: or a hold may go, unseen, with what it was for
                free = {token: balances.get(token, 0) - self._held.get(token, 0) for token in needed}
                check_funds(needed, free, field)
            self._holds[order_id] = needed
            for token, units in needed.items():
                self._held[token] = self._held.get(token, 0) + units

    def release(self, order_id: str) -> None:
        """Gives free what the order held. Harmless for an order that holds nothing."""
        with self._lock:
            for token, units in self._holds.pop(order_id, {}).items():
                self._held[token] -= units

    def balances(self) -> Mapping[str, tuple[int, int]]:
        """Per token: what is free, and what open orders hold."""
        with self._lock:
            balances = self._chain.balances()
            return {
                token: (max(total - self._held.get(token, 0), 0), self._held.get(token, 0))
                for token, total in balances.items()
            }

    def __len__(self) -> int:
        """How many orders hold something."""
        return len(self._holds)
