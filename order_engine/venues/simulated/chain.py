"""The simulated chain: slots, a mempool, landing, expiry. It behaves like the real one, in the ways that hurt too.

It has its own clock of slots and its own file, and it is reached only through `venue.Chain`. What a block does follows from
the seed, the height and the transactions in it, and from nothing else. A sent transaction waits in the mempool for some slots,
and lands in a block or dies when the height has passed its last valid one. What landed is on disk before anybody can see it,
and a height is shown only after everything that landed at it: that is what makes "not found" a proof.
"""

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from order_engine.amounts import format_amount
from order_engine.clock import Clock
from order_engine.errors import OutcomeUnknown, Refused
from order_engine.failpoints import failpoint
from order_engine.orders import Transaction
from order_engine.tokens import NATIVE, TOKENS
from order_engine.venues.pool import Swap, SwapRefused
from order_engine.venues.simulated.faults import NO_FAULTS, Faults
from order_engine.venues.simulated.genesis import MARKET, NETWORK, WALLET, Account, AnyPool
from order_engine.venues.simulated.instruction import BadTransaction, Instruction, sign, verify
from order_engine.venues.simulated.ledger import Block, Book
from order_engine.venues.simulated.market import Flow, Listing
from order_engine.venues.venue import Landed

NETWORK_FEE = 5_000  # lamports per transaction, as on Solana for one signature
EPOCH_S = 1_700_000_000  # block time zero: blocks have times of their own, so that they depend on nothing else
CATCH_UP_SLOTS = 300  # after a pause the chain makes up for at most so many, two minutes' worth
IDLE_MS = 50  # with no delays, a block comes at once when there is something to do, and else so often
REMEMBERED = 20_000  # landed transactions kept in memory; older ones are read from the file

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


class SimulatedChain:
    """See `venue.Chain` for what it promises. One thread of its own makes the blocks. `faults` go wrong on purpose."""

    def __init__(self, ledger: Book, timing: Timing, clock: Clock, faults: Faults = NO_FAULTS) -> None:
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
        self._flow = Flow(state.seed, state.listings)
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

    # what the engine sees

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

    def sign(self, instruction: Instruction) -> Transaction:
        """Signs with the paper wallet's key. Sends nothing."""
        return sign(instruction, self._key)

    def last_valid_height(self) -> int:
        """Until when a transaction that is built now may land."""
        return self._height + self._timing.valid_slots

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
            elif not self._mempool and not self._inbox:
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
        while self._shocks:
            address, a_to_b, ppm = self._shocks.popleft()
            world.trade(self._listing[address], MARKET, a_to_b, world.pools[address].depth(a_to_b, ppm), now)
        for trade in self._flow.trades(height, world.pools, now):
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
        self._ledger.write_block(block, made_at)
        failpoint("on-chain", "landed" if block.landed else None)
        self._show(block, waiting, made_at)

    def _show(self, block: Block, waiting: dict[str, "Waiting"], made_at: int) -> None:
        """Makes a written block visible: what landed first, the height last."""
        self._pools = self._pools | block.pools
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
        self._height = block.height
        for listener in self._listeners:
            listener(block.height)

    def _execute(self, each: Waiting, world: "_Tally", height: int) -> Landed:
        """A transaction in its block: the swap, or the failure that the ledger keeps. The network fee is paid in both cases."""
        signature, asked = each.transaction.signature, each.asked
        listing = self._listing[asked.pool]
        fee = min(NETWORK_FEE, world.balance(WALLET, NATIVE))
        world.move(WALLET, NETWORK, NATIVE, fee)
        code, error = "transaction_rejected", None
        if each.rejected is not None:
            code, error = each.rejected, "a scripted fault says so"
        elif world.balance(WALLET, asked.input_token) < asked.amount_in:
            error = f"the wallet has less than {_text(asked.amount_in, asked.input_token)}"
        else:
            a_to_b = listing.token_a == asked.input_token
            try:
                offered = world.pools[asked.pool].swap_exact_in(asked.amount_in, a_to_b, _block_time(height))
            except SwapRefused as refused:
                error = f"the pool refused the swap: {refused}"
            else:
                if offered.amount_out < asked.min_out:
                    code = "slippage_exceeded"
                    error = (
                        f"the pool would have paid {_text(offered.amount_out, asked.output_token)}, "
                        f"the order's minimum was {_text(asked.min_out, asked.output_token)}"
                    )
                else:
                    world.settle(listing, WALLET, a_to_b, offered)
                    token = asked.input_token if offered.fee_on_input else asked.output_token
                    return Landed(signature, height, fee, offered.amount_out, offered.fee, token)
        return Landed(signature, height, fee, error_code=code, error=f"The chain refused: {error}. Nothing was sold.")

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
        self.pools[listing.address] = self.changed_pools[listing.address] = swap.after


def _block_time(height: int) -> int:
    return EPOCH_S + height * 2 // 5  # a slot is nominally 400 ms, whatever the speed


def _text(units: int, token: str) -> str:
    return f"{format_amount(units, TOKENS[token].decimals)} {token}"
