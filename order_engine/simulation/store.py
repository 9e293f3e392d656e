"""What survives a crash in a simulated world: orders and events, and the chain's ledger, as bytes.

Everything is serialised as the real journal does it, so that a fact that does not survive the round trip is found here too.
"""

from collections.abc import Iterator

import msgspec

from order_engine.events import Event, Recorded
from order_engine.journal import KeyTaken, Superseded
from order_engine.orders import Order
from order_engine.venues.simulated.ledger import Block, State
from order_engine.venues.venue import Landed

_encode = msgspec.json.Encoder().encode
_order = msgspec.json.Decoder(Order).decode
_event = msgspec.json.Decoder(Event).decode
_landed = msgspec.json.Decoder(Landed).decode


class Store:
    """The journal of a simulated world: the same rules as `journal.Journal`, without threads and files."""

    def __init__(self) -> None:
        self._orders: dict[str, bytes] = {}
        self._versions: dict[str, int] = {}
        self._keys: dict[str, str] = {}
        self._open: dict[str, None] = {}
        self.log: list[tuple[str, bytes]] = []  # seq - 1 -> order id, event

    def commit(self, order: Order, event: Event) -> Recorded:
        """The event on disk. Raises Superseded or KeyTaken, and stores nothing."""
        order_id = order.order_id
        if self._versions.get(order_id, 0) != order.version - 1:
            raise Superseded(order_id)
        if order.version == 1 and order.request.client_order_id is not None:
            if order.request.client_order_id in self._keys:
                raise KeyTaken(order.request.client_order_id)
            self._keys[order.request.client_order_id] = order_id
        order = msgspec.structs.replace(order, seq=len(self.log) + 1)
        self.log.append((order_id, _encode(event)))
        self._orders[order_id] = _encode(order)
        self._versions[order_id] = order.version
        if order.status.final:
            self._open.pop(order_id, None)
        else:
            self._open[order_id] = None
        return Recorded(order.seq, event, order)

    def order(self, order_id: str) -> Order | None:
        """The order as it is on disk."""
        state = self._orders.get(order_id)
        return None if state is None else _order(state)

    def open_ids(self) -> list[str]:
        """The ids of every order that is not final."""
        return list(self._open)

    def any_open(self) -> bool:
        """True while an order is not final."""
        return bool(self._open)

    def orders(self) -> Iterator[Order]:
        """All of them."""
        return (_order(state) for state in self._orders.values())

    def events(self) -> Iterator[tuple[str, Event]]:
        """The log, in order."""
        return ((order_id, _event(facts)) for order_id, facts in self.log)


class MemoryLedger:
    """The chain's file of a simulated world. The chain is another system: our crashes do not touch it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._landed: dict[str, bytes] = {}
        self.nonces: list[tuple[str, bytes]] = []  # which order's attempt landed, and what came of it

    def load(self) -> State:
        """The world before its first block."""
        return self._state

    def write_block(self, block: Block, now_ms: int) -> None:  # noqa: ARG002 - nobody sees a simulated file's times
        """Keeps what landed."""
        for instruction, landed in block.landed:
            row = _encode(landed)
            self._landed[landed.signature] = row
            self.nonces.append((instruction.nonce, row))

    def has(self, signature: str) -> bool:
        """True when this signature has landed."""
        return signature in self._landed

    def landed(self, signature: str) -> Landed | None:
        """What is kept of a signature."""
        row = self._landed.get(signature)
        return None if row is None else _landed(row)

    def rows(self) -> Iterator[tuple[str, Landed]]:
        """Everything that landed: nonce and outcome."""
        return ((nonce, _landed(row)) for nonce, row in self.nonces)

    def close(self) -> None:
        """Nothing to close."""
