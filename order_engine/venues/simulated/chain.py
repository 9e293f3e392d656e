"""The simulated chain: slots, a mempool, landing, expiry. It behaves like the real one, in the ways that hurt too.

It has its own clock of slots and its own file, and it is reached only through `venue.Chain`. What a block does follows from
the seed, the height, the transactions in it and what was decided about the market, and from nothing else. A sent transaction
waits in the mempool for some slots, and lands in a block or dies when the height has passed its last valid one. What landed is
on disk before anybody can see it, and a height is shown only after everything that landed at it: that is what makes "not
found" a proof.
"""

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import msgspec

from order_engine.amounts import format_amount
from order_engine.clock import Clock
from order_engine.errors import OutcomeUnknown, Refused
from order_engine.failpoints import failpoint
from order_engine.orders import Transaction
from order_engine.quotes import Ask
from order_engine.routes import Leg
from order_engine.tokens import NATIVE, TOKENS
from order_engine.venues.pool import Swap, SwapRefused
from order_engine.venues.simulated.faults import NO_FAULTS, Faults
from order_engine.venues.simulated.genesis import MARKET, NETWORK, WALLET, Account, openings
from order_engine.venues.simulated.importing import Plan, checked, fair_values
from order_engine.venues.simulated.instruction import BadTransaction, Instruction, sign, verify
from order_engine.venues.simulated.ledger import Block, Book
from order_engine.venues.simulated.market import Flow, Listing, Market
from order_engine.venues.simulated.openings import BEGAN_S, Opening, open_pool
from order_engine.venues.simulated.providing import refilled
from order_engine.venues.simulated.regimes import CALM, Regime
from order_engine.venues.simulated.swaps import Run, fees, run, venues_of
from order_engine.venues.snapshot import AnyPool, Snapshot
from order_engine.venues.snapshot import Listing as PoolListing
from order_engine.venues.venue import Landed

NETWORK_FEE = 5_000  # lamports per transaction, as on Solana for one signature
EPOCH_S = BEGAN_S  # block time zero: blocks have times of their own, so that they depend on nothing else
CATCH_UP_SLOTS = 300  # after a pause the chain makes up for at most so many, two minutes' worth
IDLE_MS = 50  # with no delays, a block comes at once when there is something to do, and else so often
REMEMBERED = 20_000  # landed transactions kept in memory; older ones are read from the file
PROVIDING_BLOCKS = 16  # in every so manieth block the providers of one pool, in turn, look after it
PRICES = 720  # of each pool that are kept in memory, one for each block that moved it

_log = logging.getLogger(__name__)


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds per slot (0: no waiting), how many slots a transaction takes to land, and for how many it is valid."""

    slot_ms: int
    landing_slots_min: int
    landing_slots_max: int
    valid_slots: int


class Waiting(NamedTuple):
    """A transaction in the mempool: checked, and due at a height."""

    transaction: Transaction
    asked: Instruction
    lands_at: int
    rejected: str | None = None  # by a fault: the error code that it lands with


class Price(NamedTuple):
    """What a pool cost after a block: base units of B per A as an exact ratio. `made_at` is unix milliseconds."""

    height: int
    made_at: int
    ratio: tuple[int, int]


class SimulatedChain:
    """See `venue.Chain` for what it promises. One thread of its own makes the blocks. `faults` go wrong on purpose.

    A world for which no regime was ever chosen begins with `start`; one for which it was goes on with that.
    """

    def __init__(
        self, ledger: Book, timing: Timing, clock: Clock, faults: Faults = NO_FAULTS, start: Regime = CALM
    ) -> None:
        state = ledger.load()
        self._ledger = ledger
        self._timing = timing
        self._clock = clock
        self._faults = faults
        self._seed = state.seed
        self._key = hashlib.blake2b(f"paper wallet {state.seed}".encode()).digest()
        self._height = state.height
        self._made_at = state.made_at
        self.listings: Sequence[Listing] = state.listings
        self._listing = {listing.address: listing for listing in state.listings}
        self._pools = state.pools
        self._balances = state.balances
        self._openings = openings() | dict(state.openings)
        self._coming = {address: opening for address, opening in state.openings.items() if address not in self._listing}
        self.market = state.market or Market()
        self._flow = Flow(state.seed, state.listings, self.market)
        self._decisions: deque[tuple[Regime | Plan, Future[int]]] = deque()
        self._prices: dict[str, deque[Price]] = {}
        self._seen: tuple[int, Mapping[str, AnyPool], Sequence[Listing]] = (
            self._height,
            self._pools,
            self.listings,
        )  # of one block: always set together
        self._snapshot = Snapshot(-1, 0, ())
        self._mempool = {
            transaction.signature: Waiting(transaction, verify(transaction, self._key), lands_at)
            for transaction, lands_at in state.mempool
        }
        self._inbox: dict[str, Waiting] = {}
        self._shocks: deque[tuple[str, bool, int]] = deque()
        self._landed: dict[str, Landed] = {}
        self._listeners: list[Callable[[int], None]] = []
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._make_blocks, name="chain", daemon=True)
        if state.market is None and start != CALM:
            self.choose(start)

    # what the engine sees

    def snapshot(self) -> Snapshot:
        """All pools as of the newest block."""
        height, pools, listings = self._seen
        found = self._snapshot
        if found.height != height:
            named = [
                PoolListing(each.dex, each.address, each.token_a, each.token_b, pools[each.address])
                for each in listings
            ]
            found = self._snapshot = Snapshot(height, _block_time(height), tuple(named), NETWORK_FEE)
        return found

    def build(self, ask: Ask, legs: tuple[Leg, ...], limit: int, nonce: str) -> Transaction:
        """The signed swap along these legs, valid for some slots from now. Raises VenueUnavailable where a fault says so."""
        self._clock.sleep_ms(max(self._faults.building(dex, ask, nonce) for dex in venues_of(legs)))
        most, least = (ask.amount, limit) if ask.exact == "in" else (limit, ask.amount)
        last = self._height + self._timing.valid_slots
        return sign(
            Instruction(nonce, ask.input_token, ask.output_token, most, least, last, legs, ask.exact), self._key
        )

    def send(self, transaction: Transaction) -> None:
        """Takes a signed transaction into the mempool. Raises Refused for bytes that the wallet did not sign, OutcomeUnknown
        where a fault loses the answer."""
        signature = transaction.signature
        if signature in self._mempool or signature in self._landed:
            return
        try:
            asked = verify(transaction, self._key)
        except BadTransaction as error:
            raise Refused(f"The chain refuses the transaction: {error}", code="transaction_rejected") from error
        fate = self._faults.sending(signature)
        if not fate.swallowed:
            lands_at = self._height + self._landing_slots(signature) + fate.late_slots
            self._inbox[signature] = Waiting(transaction, asked, lands_at, fate.rejected)
            self._wake.set()
        if fate.answer_lost:
            raise OutcomeUnknown(f"no answer came to the sending of {signature[:8]}…")

    def look_up(self, signature: str) -> Landed | None:
        """What landed under this signature, or None."""
        self._faults.looking_up(signature)
        found = self._landed.get(signature)
        if found is not None or signature in self._mempool or signature in self._inbox:
            return found
        return self._ledger.landed(signature)

    def height(self) -> int:
        """The newest block."""
        return self._height

    def balances(self) -> Mapping[str, int]:
        """What the wallet holds, in base units."""
        return {token: self._balances.get((WALLET, token), 0) for token in TOKENS}

    def on_block(self, listener: Callable[[int], None]) -> None:
        """Calls `listener` with each new height."""
        self._listeners.append(listener)

    def accounts(self) -> Mapping[Account, int]:
        """Everybody's balances, in base units: what must always add up."""
        return self._balances

    # what its venues see

    def pool(self, address: str) -> AnyPool:
        """A pool as it is after the newest block."""
        return self._pools[address]

    def block_time(self) -> int:
        """Unix seconds of the newest block, by the chain's own clock."""
        return _block_time(self._height)

    def prices(self, address: str) -> Sequence[Price]:
        """What a pool cost since the chain was started, oldest first: an entry for each of the latest blocks that moved it."""
        return tuple(self._prices.get(address, ()))

    # decisions from outside

    def fair_values_ppm(self) -> Mapping[str, int]:
        """What each token is worth to the rest of the market, over its reference price, in millionths."""
        return self._flow.values_ppm(self._height)

    @property
    def coming(self) -> Sequence[Opening]:
        """The pools that open at a later height, the next one first."""
        return sorted(self._coming.values(), key=lambda opening: (opening.height, opening.listing.address))

    def choose(self, regime: Regime) -> "Future[int]":
        """From the next block on the rest of the market behaves so. The height of that block, once it is on disk."""
        return self._decide(regime)

    def import_pools(self, plan: Plan) -> "Future[int]":
        """Opens these pools in the next block, or puts those that are there already in this state; later where they say so.

        All or none: the result is the height of that block once it is on disk, or Refused, and nothing is changed.
        """
        return self._decide(plan)

    def _decide(self, what: Regime | Plan) -> "Future[int]":
        decided: Future[int] = Future()
        self._decisions.append((what, decided))
        self._wake.set()
        return decided

    # blocks

    def shock(self, address: str, a_to_b: bool, ppm: int) -> None:
        """In the next block somebody moves this pool's price by about `ppm` millionths, as far as it has liquidity."""
        self._shocks.append((address, a_to_b, ppm))

    def start(self) -> None:
        """Begins to make blocks."""
        self._thread.start()

    def stop(self) -> None:
        """Makes no more blocks, and closes the file."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._ledger.close()

    def _make_blocks(self) -> None:
        slot_ms = self._timing.slot_ms
        missed = max(self._clock.now_ms() - self._made_at, 0) // slot_ms if slot_ms else 0
        due = self._clock.steady_ms() - min(missed, CATCH_UP_SLOTS) * slot_ms
        while not self._stopping:
            if slot_ms:
                due = max(due + slot_ms, self._clock.steady_ms() - CATCH_UP_SLOTS * slot_ms)
                self._rest(due - self._clock.steady_ms())
            elif not self._mempool and not self._inbox and not self._decisions:
                self._wake.wait(IDLE_MS / 1_000)
                self._wake.clear()
            if not self._stopping:
                try:
                    self.make_block()
                except Exception:
                    _log.exception("a block could not be made; the chain stands still for a slot")
                    self._clock.sleep_ms(slot_ms or IDLE_MS)

    def _rest(self, duration_ms: float) -> None:
        until = self._clock.steady_ms() + duration_ms
        while not self._stopping and (left := until - self._clock.steady_ms()) > 0:
            self._wake.wait(left / 1_000)
            self._wake.clear()

    def make_block(self) -> None:
        """Makes the next block: others' trades, then what is due in the mempool; writes it down; only then shows it."""
        height = self._height + 1
        arrived = {signature: self._inbox[signature] for signature in list(self._inbox)}
        waiting = self._mempool | arrived
        world = _Tally(self._pools, self._balances)
        block = Block(height, arrived=[(each.transaction, each.lands_at) for each in arrived.values()])
        now = _block_time(height)
        decided = self._take_decisions(block, world) if self._decisions else []
        if self._coming:
            self._open(block, world)
        while self._shocks:
            address, a_to_b, ppm = self._shocks.popleft()
            world.trade(self._listing[address], MARKET, a_to_b, world.pools[address].depth(a_to_b, ppm), now)
        if height % PROVIDING_BLOCKS == 0:
            self._provide(height, world)
        flow = self._flow if block.market is None else Flow(self._seed, self.listings, block.market)
        for trade in flow.trades(height, world.pools, now):
            listing = self._listing[trade.address]
            world.trade(listing, MARKET, trade.a_to_b, trade.amount_in, now)
        for each in sorted(waiting.values(), key=lambda each: each.lands_at):
            signature = each.transaction.signature
            if each.asked.last_valid_height < height:
                block.left.append(signature)
            elif each.lands_at <= height:
                block.left.append(signature)
                if not self._ledger.has(signature):  # sent again, after it had landed
                    block.landed.append((each.asked, self._execute(each, world, height)))
        block.pools, block.balances = world.changed_pools, world.changed_balances
        made_at = self._clock.now_ms()
        try:
            self._ledger.write_block(block, made_at)
        except Exception as error:
            for future in decided:
                future.set_exception(error)
            raise
        failpoint("on-chain", "landed" if block.landed else None)
        self._show(block, waiting, made_at)
        for future in decided:
            future.set_result(height)

    def _take_decisions(self, block: Block, world: "_Tally") -> "list[Future[int]]":
        """What was decided since the last block, in its order. Those that are refused are told at once."""
        taken: list[Future[int]] = []
        while self._decisions:
            what, decided = self._decisions.popleft()
            before = block.market or Market(self.market.regime, block.height, self._flow.values_ppm(block.height))
            if isinstance(what, Regime):
                block.market = Market(what, block.height, before.values_ppm)
            else:
                listings = self._listing | {listing.address: listing for listing in block.opened}
                known = self._openings | {opening.listing.address: opening for opening in block.planned}
                try:
                    opened = checked(what, listings, world.pools, known, world.balance, before.values_ppm)
                except Refused as refused:
                    decided.set_exception(refused)
                    continue
                for opening in opened:
                    self._plan(opening, block, world)
                now_open = [opening for opening in opened if opening.height <= block.height]
                if now_open:  # the regime begins anew, at the prices of the file
                    block.market = Market(before.regime, block.height, fair_values(now_open, before.values_ppm))
            taken.append(decided)
        return taken

    def _plan(self, opening: Opening, block: Block, world: "_Tally") -> None:
        """Takes the providers' money for a pool: what it lacks into the pool's account, what is too much out of it. One that
        opens later has it there already."""
        listing = opening.listing
        there = world.pools.get(listing.address)
        has = (0, 0) if there is None else there.reserves
        pool = open_pool(opening, _block_time(block.height))
        if not world.lay(listing, has, opening.reserves if there is None else pool.reserves):
            raise ValueError(f"nobody pays for the pool {listing.address}")  # it was checked
        if there is None and opening.height <= block.height:
            block.opened.append(listing)
        if there is not None or opening.height <= block.height:
            world.put(listing.address, pool)
        block.planned.append(opening)

    def _open(self, block: Block, world: "_Tally") -> None:
        """The pools whose height has come."""
        for opening in self.coming:
            if opening.height <= block.height:
                world.put(opening.listing.address, open_pool(opening, _block_time(block.height)))
                block.opened.append(opening.listing)

    def _provide(self, height: int, world: "_Tally") -> None:
        """The providers of one pool look after it, as far as the market can pay."""
        listing = self.listings[height // PROVIDING_BLOCKS % len(self.listings)]
        opening, pool = self._openings.get(listing.address), world.pools[listing.address]
        if opening is None:
            return
        fair = self._flow.fair(listing, height)
        found = refilled(pool, opening, self.market.regime.liquidity_percent, fair)
        if found is not None and world.lay(listing, pool.reserves, found.reserves):
            world.put(listing.address, found)

    def _show(self, block: Block, waiting: dict[str, "Waiting"], made_at: int) -> None:
        """Makes a written block visible: what landed first, the height last."""
        self._pools = self._pools | block.pools
        for address, pool in block.pools.items():
            prices = self._prices.setdefault(address, deque(maxlen=PRICES))
            prices.append(Price(block.height, made_at, pool.spot_price(True)))
        if block.opened or block.planned or block.market is not None:
            self._show_decisions(block)
        self._balances = self._balances | block.balances
        for _, landed in block.landed:
            self._landed[landed.signature] = landed
        while len(self._landed) > REMEMBERED:
            del self._landed[next(iter(self._landed))]
        gone = set(block.left)
        self._mempool = {signature: each for signature, each in waiting.items() if signature not in gone}
        for transaction, _ in block.arrived:
            self._inbox.pop(transaction.signature, None)
        self._made_at = made_at
        self._seen = (block.height, self._pools, self.listings)
        self._height = block.height
        for listener in self._listeners:
            listener(block.height)

    def _show_decisions(self, block: Block) -> None:
        for opening in block.planned:
            self._openings[opening.listing.address] = opening
            if opening.listing.address not in self._listing and opening.listing not in block.opened:
                self._coming[opening.listing.address] = opening
        for listing in block.opened:
            self._coming.pop(listing.address, None)
        self.market = block.market or self.market
        self._listing = self._listing | {listing.address: listing for listing in block.opened}
        self.listings = sorted(self._listing.values(), key=lambda listing: listing.address)
        self._flow = Flow(self._seed, self.listings, self.market)

    def _execute(self, each: Waiting, world: "_Tally", height: int) -> Landed:
        """A transaction in its block: its swaps, or the failure that the ledger keeps. The network fee is paid in both cases."""
        signature, asked = each.transaction.signature, each.asked
        fee = min(NETWORK_FEE, world.balance(WALLET, NATIVE))
        world.move(WALLET, NETWORK, NATIVE, fee)
        if each.rejected is not None:
            return _refused(signature, height, fee, "a scripted fault says so", each.rejected)
        try:
            done = run(asked, self._listing, world.pools, _block_time(height))
        except SwapRefused as refused:
            return _refused(signature, height, fee, f"the pool refused the swap: {refused}")
        if done.amount_out < asked.min_out or done.amount_in > asked.amount_in:
            return _refused(signature, height, fee, _beyond(asked, done), "slippage_exceeded")
        if world.balance(WALLET, asked.input_token) < done.amount_in:
            return _refused(
                signature, height, fee, f"the wallet has less than {_text(done.amount_in, asked.input_token)}"
            )
        for listing, a_to_b, swap in done.steps:
            world.settle(listing, WALLET, a_to_b, swap)
        fills = done.fills
        paid, token = fees(fills)
        return Landed(signature, height, fee, done.amount_out, paid, token, amount_in=done.amount_in, fills=fills)

    def _landing_slots(self, signature: str) -> int:
        low, high = self._timing.landing_slots_min, self._timing.landing_slots_max
        dice = hashlib.blake2b(f"{self._seed} {signature}".encode(), digest_size=4).digest()
        return low + int.from_bytes(dice, "big") % (high - low + 1)


class _Tally:
    """Pools and balances as a block changes them, apart from those that are shown."""

    def __init__(self, pools: Mapping[str, AnyPool], balances: Mapping[Account, int]) -> None:
        self.pools = dict(pools)
        self._balances = balances
        self.changed_pools: dict[str, AnyPool] = {}
        self.changed_balances: dict[Account, int] = {}

    def balance(self, account: str, token: str) -> int:
        """What an account has by now."""
        key = (account, token)
        return self.changed_balances.get(key, self._balances.get(key, 0))

    def move(self, giver: str, taker: str, token: str, units: int) -> None:
        """Both sides of an entry at once: nothing appears and nothing vanishes."""
        left = self.balance(giver, token) - units
        if left < 0:
            raise ValueError(f"{giver} has {left + units} {token}, cannot give {units}")
        self.changed_balances[giver, token] = left
        self.changed_balances[taker, token] = self.balance(taker, token) + units

    def trade(self, listing: Listing, trader: str, a_to_b: bool, amount_in: int, now: int) -> None:
        """A swap, if the pool takes it and the trader can pay; otherwise nothing."""
        if amount_in <= self.balance(trader, listing.token_a if a_to_b else listing.token_b):
            try:
                swap = self.pools[listing.address].swap_exact_in(amount_in, a_to_b, now)
            except SwapRefused:
                return
            self.settle(listing, trader, a_to_b, swap)

    def settle(self, listing: Listing, trader: str, a_to_b: bool, swap: Swap[AnyPool]) -> None:
        """Moves both amounts between trader and pool, and the pool to where the swap leaves it."""
        token_in, token_out = (listing.token_a, listing.token_b) if a_to_b else (listing.token_b, listing.token_a)
        self.move(trader, listing.address, token_in, swap.amount_in)
        self.move(listing.address, trader, token_out, swap.amount_out)
        self.put(listing.address, swap.after)

    def put(self, address: str, pool: AnyPool) -> None:
        """A pool as it is from now on."""
        self.pools[address] = self.changed_pools[address] = pool

    def lay(self, listing: Listing, has: tuple[int, int], wants: tuple[int, int]) -> bool:
        """Moves what a pool's liquidity changes by between its providers and its account. False, and nothing, if they cannot."""
        changes = list(zip((listing.token_a, listing.token_b), has, wants, strict=True))
        if any(want - have > self.balance(MARKET, token) for token, have, want in changes):
            return False
        for token, have, want in changes:
            giver, taker = (MARKET, listing.address) if want > have else (listing.address, MARKET)
            self.move(giver, taker, token, abs(want - have))
        return True


def _refused(signature: str, height: int, fee: int, error: str, code: str = "transaction_rejected") -> Landed:
    return Landed(signature, height, fee, error_code=code, error=f"The chain refused: {error}. Nothing was sold.")


def _beyond(asked: Instruction, done: Run) -> str:
    if asked.exact == "out":
        return (
            f"the pools would have taken {_text(done.amount_in, asked.input_token)}, "
            f"the order's maximum was {_text(asked.amount_in, asked.input_token)}"
        )
    return (
        f"the pool would have paid {_text(done.amount_out, asked.output_token)}, "
        f"the order's minimum was {_text(asked.min_out, asked.output_token)}"
    )


def _block_time(height: int) -> int:
    return EPOCH_S + height * 2 // 5  # a slot is nominally 400 ms, whatever the speed


def _text(units: int, token: str) -> str:
    return f"{format_amount(units, TOKENS[token].decimals)} {token}"
