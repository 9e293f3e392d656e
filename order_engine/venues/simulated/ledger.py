"""The simulated chain's file: what landed, who owns what, how the pools stand. A block is one transaction."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from order_engine import database
from order_engine.errors import VenueUnavailable
from order_engine.orders import Transaction
from order_engine.routes import Fill
from order_engine.venues.simulated.genesis import Account, genesis
from order_engine.venues.simulated.instruction import Instruction
from order_engine.venues.simulated.market import Listing, Market
from order_engine.venues.simulated.openings import Opening
from order_engine.venues.snapshot import AnyPool
from order_engine.venues.venue import Landed

APPLICATION_ID = 0x6F656563  # "oeec"
MIGRATIONS = Path(__file__).parent / "migrations"
CHECKPOINT_BLOCKS = 500

_NEWEST_MARKET = "SELECT state FROM market ORDER BY since DESC LIMIT 1"

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_pool = msgspec.json.Decoder(AnyPool).decode
_market = msgspec.json.Decoder(Market).decode
_opening = msgspec.json.Decoder(Opening).decode
_fills = msgspec.json.Decoder(tuple[Fill, ...]).decode


class State(NamedTuple):
    """The world as the ledger has it."""

    seed: int
    height: int
    made_at: int
    listings: list[Listing]
    pools: dict[str, AnyPool]
    balances: dict[Account, int]
    mempool: list[tuple[Transaction, int]]  # and the height at which each wants to land
    market: Market | None = None  # none: never chosen
    openings: Mapping[str, Opening] = {}  # of pools that came after the beginning, or will


class Block(msgspec.Struct):
    """Everything one block changes. `arrived` and `left` are the mempool's comings and goings, `opened` are pools that were
    not there before, `market` and `planned` what was decided about the rest of the market from outside."""

    height: int
    pools: dict[str, AnyPool] = {}
    balances: dict[Account, int] = {}
    landed: list[tuple[Instruction, Landed]] = []
    arrived: list[tuple[Transaction, int]] = []
    left: list[str] = []
    opened: list[Listing] = []
    market: Market | None = None
    planned: list[Opening] = []

    @property
    def promised(self) -> bool:
        """True when somebody is told of it: of something of ours that landed or died, or that his decision holds."""
        return bool(self.left or self.planned or self.market is not None)


class Book(Protocol):
    """What the chain needs of its ledger: the world as it was, and a place for each block."""

    def load(self) -> State:
        """The world as of the newest block."""

    def write_block(self, block: Block, now_ms: int) -> None:
        """Puts a block down, whole or not at all."""

    def has(self, signature: str) -> bool:
        """True when this signature has landed."""

    def landed(self, signature: str) -> Landed | None:
        """What landed under this signature."""

    def close(self) -> None:
        """No more blocks."""


class Ledger:
    """The only door to the file. `write_block` is called by one thread; looking up is safe from any.

    `on_fatal` is called when it is unknown what of a block is on disk: the next look at the file must be that of a new start.
    """

    def __init__(self, path: Path, seed: int, now_ms: int, on_fatal: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._on_fatal = on_fatal or _log.critical
        self._db = database.open_writer(path, MIGRATIONS, APPLICATION_ID)
        self._blocks = 0
        with database.usable(path):
            self._db.execute("PRAGMA wal_autocheckpoint = 0")  # it would keep to itself what the disk says
            if self._db.execute("SELECT count(*) FROM chain").fetchone()[0] == 0:
                self._begin(seed, now_ms)
        self._reader = database.open_reader(path)
        self._reading = threading.Lock()

    def _begin(self, seed: int, now_ms: int) -> None:
        world = genesis()
        sums: dict[str, int] = {}
        for (_, token), units in world.balances.items():
            sums[token] = sums.get(token, 0) + units
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("INSERT INTO chain (seed, height, made_at) VALUES (?, 0, ?)", (seed, now_ms))
        self._db.executemany("INSERT INTO genesis (token, units) VALUES (?, ?)", sums.items())
        self._db.executemany(
            "INSERT INTO pools (address, dex, token_a, token_b, state) VALUES (?, ?, ?, ?, ?)",
            [(*msgspec.structs.astuple(each), _text(world.pools[each.address])) for each in world.listings],
        )
        self._put_balances(world.balances)
        self._db.execute("COMMIT")

    def load(self) -> State:
        """The world as of the newest block."""
        seed, height, made_at = self._db.execute("SELECT seed, height, made_at FROM chain").fetchone()
        rows = self._db.execute("SELECT address, dex, token_a, token_b, state FROM pools ORDER BY address").fetchall()
        waiting = self._db.execute("SELECT signature, wire, lands_at FROM mempool ORDER BY lands_at, rowid").fetchall()
        return State(
            seed,
            height,
            made_at,
            [Listing(*row[:4]) for row in rows],
            {row[0]: _pool(row[4]) for row in rows},
            {
                (who, token): units
                for who, token, units in self._db.execute("SELECT account, token, units FROM balances")
            },
            [(Transaction(signature, 0, wire), lands_at) for signature, wire, lands_at in waiting],
            _market(found[0]) if (found := self._db.execute(_NEWEST_MARKET).fetchone()) else None,
            {address: _opening(text) for address, text in self._db.execute("SELECT address, opening FROM openings")},
        )

    def write_block(self, block: Block, now_ms: int) -> None:
        """Puts a block on disk, whole or not at all. Synced when somebody is told of it; else with a later one."""
        self._db.execute("PRAGMA synchronous = FULL" if block.promised else "PRAGMA synchronous = NORMAL")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("UPDATE chain SET height = ?, made_at = ?", (block.height, now_ms))
            if block.opened or block.promised:
                self._put_decisions(block)
            self._db.executemany(
                "UPDATE pools SET state = ? WHERE address = ?",
                [(_text(p), address) for address, p in block.pools.items()],
            )
            self._put_balances(block.balances)
            self._db.executemany(
                "INSERT INTO ledger (signature, height, nonce, pool, token_in, token_out, amount_in, amount_out, fee, "
                "fee_token, network_fee, error_code, error, fills) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(instruction, landed) for instruction, landed in block.landed],
            )
            gone = set(block.left)
            self._db.executemany(  # what comes and goes in one block is never there
                "INSERT OR IGNORE INTO mempool (signature, wire, lands_at) VALUES (?, ?, ?)",
                [
                    (each.signature, each.wire, lands_at)
                    for each, lands_at in block.arrived
                    if each.signature not in gone
                ],
            )
            self._db.executemany("DELETE FROM mempool WHERE signature = ?", [(signature,) for signature in block.left])
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._on_fatal(f"a block could not be written to {self._path} ({error}); what is on disk is unknown")
            raise
        self._blocks += 1
        if self._blocks % CHECKPOINT_BLOCKS == 0:
            self._checkpoint()

    def _checkpoint(self) -> None:
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if database.is_failed_sync(error):
                # Blocks without anything of ours wait in the log for a later sync. After a failed one that proves nothing.
                self._on_fatal(f"{self._path} could not be synced: {error}")
            _log.error("the chain's log could not be taken in", extra={"facts": {"error": str(error)}})

    def has(self, signature: str) -> bool:
        """True when this signature has landed. For the thread that writes blocks."""
        return self._db.execute("SELECT 1 FROM ledger WHERE signature = ?", (signature,)).fetchone() is not None

    def landed(self, signature: str) -> Landed | None:
        """What the file says of a signature."""
        try:
            row = self._row_of(signature)
        except sqlite3.Error as error:
            raise VenueUnavailable(f"the ledger cannot be read: {error}") from error
        if row is None:
            return None
        taken = row[8] if row[6] is None else 0  # the row of a failure says what it was to take
        return msgspec.structs.replace(Landed(*row[:8]), amount_in=taken, fills=_fills(row[9]) if row[9] else ())

    def _row_of(self, signature: str) -> tuple[Any, ...] | None:
        with self._reading:
            row: tuple[Any, ...] | None = self._reader.execute(
                "SELECT signature, height, network_fee, amount_out, fee, fee_token, error_code, error, amount_in, fills "
                "FROM ledger WHERE signature = ?",
                (signature,),
            ).fetchone()
        return row

    def close(self) -> None:
        """Brings everything into the main file and closes it."""
        self._reader.close()
        try:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            self._on_fatal(f"{self._path} could not be closed: {error}")
        self._db.close()

    def _put_decisions(self, block: Block) -> None:
        if block.market is not None:
            self._db.execute("INSERT INTO market (since, state) VALUES (?, ?)", (block.height, _text(block.market)))
        self._db.executemany(
            "INSERT INTO openings (address, opening) VALUES (?, ?) "
            "ON CONFLICT (address) DO UPDATE SET opening = excluded.opening",
            [(opening.listing.address, _text(opening)) for opening in block.planned],
        )
        self._db.executemany(
            "INSERT INTO pools (address, dex, token_a, token_b, state) VALUES (?, ?, ?, ?, ?)",
            [(*msgspec.structs.astuple(each), _text(block.pools[each.address])) for each in block.opened],
        )

    def _put_balances(self, balances: Mapping[Account, int]) -> None:
        rows: Iterable[tuple[str, str, int]] = [(who, token, units) for (who, token), units in balances.items()]
        self._db.executemany(
            "INSERT INTO balances (account, token, units) VALUES (?, ?, ?) "
            "ON CONFLICT (account, token) DO UPDATE SET units = excluded.units",
            rows,
        )


def _text(value: AnyPool | Market | Opening) -> str:
    return _encode(value).decode()


def _row(asked: Instruction, landed: Landed) -> tuple[object, ...]:
    amount_in, fills = (landed.amount_in, _encode(landed.fills).decode()) if landed.fills else (asked.amount_in, None)
    return (
        landed.signature, landed.height, asked.nonce, asked.path[0].pool, asked.input_token, asked.output_token, amount_in,
        landed.amount_out, landed.fee, landed.fee_token, landed.network_fee, landed.error_code, landed.error, fills,
    )  # fmt: skip
