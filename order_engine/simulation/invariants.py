"""What must hold at the end of every history. The numbers are those of the fault catalogue."""

from collections.abc import Iterator

from msgspec.structs import replace

from order_engine.events import Pending
from order_engine.lifecycle import IllegalStep, apply, begin
from order_engine.orders import Order, Status
from order_engine.simulation.world import World
from order_engine.tokens import NATIVE
from order_engine.venues.simulated.genesis import WALLET
from order_engine.venues.venue import Landed

INVARIANTS = {
    "I1": "value is conserved per token",
    "I2": "no pool goes below zero",
    "I3": "no order is executed twice",
    "I4": "every outcome told is true, for ever",
    "I5": "every history follows the table of transitions",
    "I6": "events are published in order, after they are on disk",
    "I7": "every accepted order is in the journal",
    "I8": "holds are those of the open orders, nothing is negative",
    "I9": "no order makes more attempts than it may",
    "I10": "every order ends",
    "I11": "nobody gets less than the floor, pays more than the ceiling, or receives another amount than he said",
    "I12": "the events of an order give its row",
}


def violations(world: World) -> list[str]:
    """Every rule that this history broke, in words with the values. None is what is promised."""
    rows = {order.order_id: order for order in world.store.orders()}
    return [*world.broken, *_of_value(world), *_of_outcomes(world, rows), *_of_the_log(world, rows)]


def _of_value(world: World) -> Iterator[str]:
    sums: dict[str, int] = {}
    for (account, token), units in world.chain.accounts().items():
        sums[token] = sums.get(token, 0) + units
        if units < 0:
            yield f"I8 {account} has {units} {token}"
    if sums != world.sums:
        yield f"I1 value is not conserved: {sums} against {world.sums} at the beginning"
    yield from _of_the_wallet(world)
    for listing in world.chain.listings:
        if min(world.chain.pool(listing.address).reserves) < 0:
            yield f"I2 pool {listing.address} has {world.chain.pool(listing.address).reserves}"
    for token, (free, held) in world.wallet.balances().items():
        if held != 0:
            yield f"I8 {held} {token} are held though no order is open"
        if free != world.chain.accounts().get((WALLET, token), 0):
            yield f"I8 {free} {token} shown as free, the chain has another amount"


def _of_the_wallet(world: World) -> Iterator[str]:
    """What the wallet has must be what it had, and what the fills in the ledger say."""
    should = dict(world.wallet_before)
    for _, landed in world.ledger.rows():
        should[NATIVE] -= landed.network_fee
        for fill in landed.fills:
            should[fill.token_in] = should.get(fill.token_in, 0) - fill.amount_in
            should[fill.token_out] = should.get(fill.token_out, 0) + fill.amount_out
    accounts = world.chain.accounts()
    for token, units in should.items():
        if accounts.get((WALLET, token), 0) != units:
            yield f"I1 the wallet has {accounts.get((WALLET, token), 0)} {token}, by the fills it should have {units}"


def _of_outcomes(world: World, known: dict[str, Order]) -> Iterator[str]:
    done: dict[str, list[Landed]] = {}
    for nonce, landed in world.ledger.rows():
        if landed.error_code is None:
            done.setdefault(nonce.partition("/")[0], []).append(landed)
    for order_id in world.accepted - known.keys():
        yield f"I7 accepted order {order_id} is not in the journal"
    for order_id, order in known.items():
        rows = done.get(order_id, [])
        if len(rows) > 1:
            yield f"I3 order {order_id} was executed {len(rows)} times"
        if order.status is Status.CONFIRMED:
            if len(rows) != 1 or order.transaction is None or rows[0].signature != order.transaction.signature:
                yield f"I4 order {order_id} is confirmed, the ledger has {len(rows)} executions"
            elif (rows[0].amount_out, rows[0].fee, rows[0].height) != (order.amount_out, order.fee, order.height):
                yield f"I4 order {order_id} is confirmed with other facts than the ledger's"
            else:
                yield from _of_limits(order, rows[0])
        elif rows:
            yield f"I4 order {order_id} is {order.status}, and was executed"
        if order.attempts > world.swarm.attempts:
            yield f"I9 order {order_id} made {order.attempts} attempts"
        if not order.status.final:
            yield f"I10 order {order_id} is still {order.status}"
    for told in world.told:
        if known[told.order.order_id].status is not told.order.status:
            yield f"I4 somebody was told at {told.at} ms that {told.order.order_id} is {told.order.status}: it changed"


def _of_limits(order: Order, landed: Landed) -> Iterator[str]:
    order_id, request = order.order_id, order.request
    if landed.amount_out < (request.min_out or 0):
        yield f"I11 order {order_id} got {landed.amount_out}, less than its floor {request.min_out}"
    if landed.amount_in > order.most_in:
        yield f"I11 order {order_id} paid {landed.amount_in}, it may take {order.most_in} at most"
    if request.receive is not None and landed.amount_out != request.receive:
        yield f"I11 order {order_id} got {landed.amount_out}, it said {request.receive}"


def _of_the_log(world: World, known: dict[str, Order]) -> Iterator[str]:
    folded: dict[str, Order] = {}
    newest: dict[str, int] = {}
    for seq, (order_id, event) in enumerate(world.store.events(), start=1):
        try:
            order = begin(order_id, event) if isinstance(event, Pending) else apply(folded[order_id], event)
        except (IllegalStep, KeyError) as error:
            yield f"I5 event {seq} cannot follow: {error}"
            return
        folded[order_id] = order
        newest[order_id] = seq
    for order_id, order in known.items():
        if order_id not in folded or replace(folded[order_id], seq=newest[order_id]) != order:
            yield f"I12 the events of {order_id} do not give its row"
