import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from msgspec.structs import replace

from order_engine.errors import Refused
from order_engine.orders import Transaction
from order_engine.quotes import Ask
from order_engine.tokens import TOKENS
from order_engine.venues.simulated.chain import NETWORK_FEE, SimulatedChain, Timing
from order_engine.venues.simulated.ledger import Ledger
from order_engine.venues.venue import Landed
from tests.order_engine.given import AT_ONCE, SOL, USDC, HandClock, a_chain, a_swap, rows, venues_of

PAPER = Timing(slot_ms=400, landing_slots_min=6, landing_slots_max=7, valid_slots=150)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain.db"


@pytest.fixture
def chain(path: Path) -> Iterator[SimulatedChain]:
    with a_chain(path) as chain:
        yield chain


def blocks(chain: SimulatedChain, count: int) -> None:
    for _ in range(count):
        chain.make_block()


def landed(chain: SimulatedChain, transaction: Transaction) -> Landed:
    found = chain.look_up(transaction.signature)
    assert found is not None
    return found


def sums(path: Path) -> list[tuple[str, int]]:
    return rows(path, "SELECT token, sum(units) FROM balances GROUP BY token ORDER BY token")


def genesis(path: Path) -> list[tuple[str, int]]:
    return rows(path, "SELECT token, units FROM genesis ORDER BY token")


# landing and expiry


def test_a_swap_lands_pays_its_price_and_its_network_fee(chain: SimulatedChain) -> None:
    before = dict(chain.balances())
    transaction = a_swap(chain)
    assert chain.look_up(transaction.signature) is None
    chain.send(transaction)
    assert chain.look_up(transaction.signature) is None
    chain.make_block()
    found = landed(chain, transaction)
    assert (found.error_code, found.height, found.network_fee) == (None, 1, NETWORK_FEE)
    after = chain.balances()
    assert after["SOL"] == before["SOL"] - SOL - NETWORK_FEE
    assert after["USDC"] == before["USDC"] + found.amount_out
    assert found.fee > 0


def test_a_transaction_lands_within_the_landing_slots(path: Path) -> None:
    with a_chain(path, PAPER) as chain:
        sent: list[tuple[int, Transaction]] = []
        for n in range(60):
            transaction = a_swap(chain, f"order-{n}/1", ask=Ask("SOL", "USDC", SOL // 100), min_out=1)
            chain.send(transaction)
            sent.append((chain.height(), transaction))
            chain.make_block()
        blocks(chain, 7)
        slots = {landed(chain, transaction).height - height for height, transaction in sent}
        assert slots == {6, 7}


def test_nothing_is_found_before_it_lands_and_the_same_ever_after(path: Path) -> None:
    with a_chain(path, PAPER) as chain:
        transaction = a_swap(chain)
        chain.send(transaction)
        seen = []
        for _ in range(12):
            seen.append(chain.look_up(transaction.signature))
            chain.make_block()
        first = next(n for n, found in enumerate(seen) if found)
        assert seen[:first] == [None] * first
        assert len(set(seen[first:])) == 1


@pytest.mark.parametrize("late", range(10))
def test_nothing_lands_above_its_last_valid_height(path: Path, late: int) -> None:
    with a_chain(path, Timing(0, 3, 3, valid_slots=8)) as chain:
        transaction = a_swap(chain, min_out=1)
        last_valid = chain.height() + 8
        assert transaction.last_valid_height == last_valid
        blocks(chain, late)
        chain.send(transaction)
        while chain.height() <= last_valid:
            chain.make_block()
        found = chain.look_up(transaction.signature)
        assert (found is not None) == (late + 3 <= 8)
        assert found is None or found.height <= last_valid
        blocks(chain, 20)
        assert chain.look_up(transaction.signature) == found
        chain.send(transaction)  # too late now, and it stays so
        blocks(chain, 20)
        assert chain.look_up(transaction.signature) == found


# sending


def test_the_same_signature_lands_once_however_often_it_is_sent(path: Path) -> None:
    with a_chain(path, PAPER) as chain:
        before = dict(chain.balances())
        transaction = a_swap(chain)
        for _ in range(30):
            chain.send(transaction)
            chain.make_block()
            chain.send(transaction)
        assert rows(path, "SELECT count(*) FROM ledger") == [(1,)]
        assert chain.balances()["SOL"] == before["SOL"] - SOL - NETWORK_FEE


class Interrupted(Timing, frozen=True, dict=True):
    """Timing that lets something else happen right when a sender looks at it, once."""

    def __post_init__(self) -> None:
        self.__dict__["meanwhile"] = []

    def __getattribute__(self, name: str) -> object:
        if name == "landing_slots_max":
            waiting: list[Callable[[], None]] = super().__getattribute__("__dict__")["meanwhile"]
            if waiting:
                other = Thread(target=waiting.pop())
                other.start()
                other.join(0.2)  # it is right that it has to wait for the sender
        return super().__getattribute__(name)


def test_two_senders_at_once_and_a_block_in_between_land_it_once_and_the_chain_goes_on(path: Path) -> None:
    timing = Interrupted(slot_ms=0, landing_slots_min=1, landing_slots_max=1, valid_slots=150)
    with a_chain(path, timing) as chain:
        transaction = a_swap(chain)

        def another_sends_and_a_block_comes() -> None:
            chain.send(transaction)
            chain.make_block()
            landed_meanwhile.set()

        landed_meanwhile = Event()
        timing.__dict__["meanwhile"].append(another_sends_and_a_block_comes)
        chain.send(transaction)
        assert landed_meanwhile.wait(20)
        blocks(chain, 3)
        assert chain.height() == 4
        assert rows(path, "SELECT count(*) FROM ledger") == [(1,)]


def test_senders_who_never_stop_neither_double_a_landing_nor_stop_the_chain(path: Path) -> None:
    with a_chain(path) as chain:
        over = Event()
        wanted: list[Transaction] = []

        def send_all_the_time() -> None:
            while not over.is_set():
                for transaction in wanted[-2:]:
                    chain.send(transaction)

        senders = [Thread(target=send_all_the_time) for _ in range(3)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            for sender in senders:
                sender.start()
            for n in range(150):
                wanted.append(a_swap(chain, f"order-{n}/1", ask=Ask("SOL", "USDC", SOL // 1_000), min_out=1))
                chain.send(wanted[-1])
                chain.make_block()
        finally:
            over.set()
            for sender in senders:
                sender.join()
            sys.setswitchinterval(interval)
        blocks(chain, 3)
        assert rows(path, "SELECT count(*), count(DISTINCT signature) FROM ledger") == [(150, 150)]


def test_sending_again_does_not_put_the_landing_off(path: Path) -> None:
    with a_chain(path, PAPER) as chain:
        transaction = a_swap(chain)
        chain.send(transaction)
        due = chain.height() + 7
        while chain.height() < due:
            chain.send(transaction)
            chain.make_block()
            chain.send(transaction)
        assert landed(chain, transaction).height <= due


@pytest.mark.parametrize("tamper", [
    lambda t: replace(t, wire=t.wire.replace('"min_out":', '"min_out":-')),
    lambda t: replace(t, wire=t.wire + " "),
    lambda t: replace(t, wire=""),
    lambda t: replace(t, signature="1" * 87),
    lambda t: replace(t, signature=t.signature[::-1]),
    lambda t: replace(t, signature=""),
], ids=["message", "space", "empty", "signature", "reversed", "unsigned"])  # fmt: skip
def test_tampered_bytes_are_refused_and_nothing_lands(
    chain: SimulatedChain, tamper: Callable[[Transaction], Transaction]
) -> None:
    bad = tamper(a_swap(chain))
    before = dict(chain.balances())
    with pytest.raises(Refused) as refusal:
        chain.send(bad)
    assert refusal.value.code == "transaction_rejected"
    blocks(chain, 3)
    assert chain.look_up(bad.signature) is None
    assert chain.balances() == before


def test_another_wallets_signature_is_refused(path: Path, tmp_path: Path) -> None:
    with a_chain(path) as chain, a_chain(tmp_path / "other.db", seed=8) as other, pytest.raises(Refused):
        chain.send(a_swap(other))


def test_another_nonce_is_another_signature_and_the_same_one_the_same(chain: SimulatedChain) -> None:
    one, same, other = a_swap(chain, "a/1"), a_swap(chain, "a/1"), a_swap(chain, "a/2")
    assert one == same
    assert one.signature != other.signature
    assert len(one.signature) in (87, 88)


# failing on chain


def test_a_price_below_the_minimum_costs_the_network_fee_and_nothing_else(chain: SimulatedChain) -> None:
    before = dict(chain.balances())
    transaction = a_swap(chain, min_out=10**15)
    chain.send(transaction)
    chain.make_block()
    found = landed(chain, transaction)
    assert (found.error_code, found.amount_out, found.network_fee) == ("slippage_exceeded", 0, NETWORK_FEE)
    assert "the order's minimum was 1000000000 USDC" in (found.error or "")
    assert chain.balances() == before | {"SOL": before["SOL"] - NETWORK_FEE}


def test_min_out_is_enforced_to_the_last_base_unit(path: Path, tmp_path: Path) -> None:
    with a_chain(path) as chain:
        transaction = a_swap(chain, min_out=1)
        chain.send(transaction)
        chain.make_block()
        paid = landed(chain, transaction).amount_out
    for number, (min_out, code) in enumerate(((paid, None), (paid + 1, "slippage_exceeded"))):
        with a_chain(tmp_path / f"{number}.db") as chain:
            transaction = a_swap(chain, min_out=min_out)
            chain.send(transaction)
            chain.make_block()
            assert landed(chain, transaction).error_code == code


def test_a_wallet_that_cannot_pay_fails_on_chain_and_owes_nothing(chain: SimulatedChain) -> None:
    everything = chain.balances()["JUP"]
    first = a_swap(chain, "a/1", ask=Ask("JUP", "USDC", everything), min_out=1)
    second = a_swap(chain, "b/1", ask=Ask("JUP", "USDC", everything), min_out=1)
    chain.send(first)
    chain.send(second)
    chain.make_block()
    assert landed(chain, first).error_code is None
    assert landed(chain, second).error_code == "transaction_rejected"
    assert chain.balances()["JUP"] == 0


def test_the_first_transaction_of_a_block_moves_the_price_for_the_second(chain: SimulatedChain) -> None:
    ask = Ask("SOL", "USDC", 500 * SOL)
    first, second = (a_swap(chain, f"{n}/1", ask=ask, min_out=1) for n in range(2))
    chain.send(first)
    chain.send(second)
    chain.make_block()
    assert landed(chain, second).amount_out < landed(chain, first).amount_out


# blocks


def test_a_height_is_shown_only_when_what_landed_at_it_is_on_disk(path: Path) -> None:
    with a_chain(path) as chain:
        seen: list[tuple[int, int, int]] = []

        def on_block(height: int) -> None:
            on_disk = rows(path, "SELECT count(*), max(height) FROM ledger")[0]
            seen.append((height, *on_disk))
            assert chain.height() == height
            assert landed(chain, transaction).height == height

        chain.on_block(on_block)
        for n in range(5):
            transaction = a_swap(chain, f"order-{n}/1")
            chain.send(transaction)
            chain.make_block()
        assert seen == [(height, height, height) for height in range(1, 6)]


def test_while_a_block_is_being_made_nothing_of_it_is_seen(path: Path) -> None:
    clock, seen = HandClock(), list[tuple[object, ...]]()
    chain = SimulatedChain(Ledger(path, 7, 0), AT_ONCE, clock)
    transaction = a_swap(chain)
    chain.send(transaction)
    before = chain.balances()
    clock.on_look = lambda: seen.append((chain.height(), chain.look_up(transaction.signature), chain.balances()))
    chain.make_block()
    assert seen == [(0, None, before)]
    assert landed(chain, transaction)
    chain.stop()


def test_a_block_that_cannot_be_written_did_not_happen(path: Path) -> None:
    ledger = Ledger(path, 7, 0)
    chain = SimulatedChain(ledger, AT_ONCE, HandClock())
    transaction = a_swap(chain)
    chain.send(transaction)
    before = chain.balances(), chain.pool(chain.listings[0].address)
    database = ledger._db
    database.execute("CREATE TEMP TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT raise(ABORT, 'full'); END")
    for _ in range(3):
        with pytest.raises(Exception, match="full"):
            chain.make_block()
    assert (chain.height(), chain.look_up(transaction.signature)) == (0, None)
    assert (chain.balances(), chain.pool(chain.listings[0].address)) == before
    assert rows(path, "SELECT height FROM chain") == [(0,)]
    assert sums(path) == genesis(path)
    database.execute("DROP TRIGGER full")
    chain.make_block()
    assert landed(chain, transaction).height == 1
    chain.stop()


def history(path: Path, seed: int, restart_at: int | None = None) -> tuple[object, ...]:
    """The same sends at the same heights: everything that the file says afterwards."""
    chain = SimulatedChain(Ledger(path, seed, 0), PAPER, HandClock())
    for height in range(120):
        if height == restart_at:
            chain.stop()
            chain = SimulatedChain(Ledger(path, 999, 5_000), PAPER, HandClock())
        if height % 3 == 0:
            ask = Ask("SOL", "USDC", SOL) if height % 2 else Ask("USDC", "JUP", USDC)
            chain.send(a_swap(chain, f"order-{height}/1", ask=ask))
            chain.send(a_swap(chain, f"order-{height}/2", ask=ask, min_out=10**15))
        chain.make_block()
    chain.stop()
    return tuple(
        tuple(rows(path, sql))
        for sql in (
            "SELECT * FROM ledger ORDER BY signature",
            "SELECT * FROM pools ORDER BY address",
            "SELECT * FROM balances ORDER BY account, token",
            "SELECT signature, wire, lands_at FROM mempool ORDER BY signature",
            "SELECT seed, height FROM chain",
        )
    )


def test_the_same_seed_and_sends_make_the_same_world(tmp_path: Path) -> None:
    first = history(tmp_path / "first.db", 7)
    assert first == history(tmp_path / "second.db", 7)
    assert first[1] != history(tmp_path / "third.db", 8)[1]
    assert len(first[0]) > 50  # type: ignore[arg-type]


def test_a_restart_goes_on_where_it_was_with_its_mempool(tmp_path: Path) -> None:
    assert history(tmp_path / "straight.db", 7) == history(tmp_path / "restarted.db", 7, restart_at=61)


def test_what_was_sent_but_in_no_block_yet_is_forgotten_by_a_crash_and_may_be_sent_again(path: Path) -> None:
    with a_chain(path) as chain:
        transaction = a_swap(chain)
        chain.send(transaction)
    with a_chain(path) as chain:
        blocks(chain, 3)
        assert chain.look_up(transaction.signature) is None
        chain.send(transaction)
        chain.make_block()
        assert landed(chain, transaction)


def test_what_landed_is_found_after_a_restart_and_not_executed_again(path: Path) -> None:
    with a_chain(path) as chain:
        transaction = a_swap(chain)
        chain.send(transaction)
        chain.make_block()
        found = landed(chain, transaction)
    with a_chain(path) as chain:
        assert landed(chain, transaction) == found
        chain.send(transaction)
        blocks(chain, 3)
        assert rows(path, "SELECT count(*) FROM ledger") == [(1,)]


def test_nothing_appears_and_nothing_vanishes_in_thousands_of_blocks(path: Path) -> None:
    pairs = [(a, b) for a in TOKENS for b in TOKENS if a != b]
    with a_chain(path) as chain:
        venues = venues_of(chain)
        expected = dict(genesis(path))
        for height in range(3_000):
            token_in, token_out = pairs[height % len(pairs)]
            if height % 4 == 0 and any(venue.serves(token_in, token_out) for venue in venues):
                ask = Ask(token_in, token_out, max(chain.balances()[token_in] // 200, 1))
                with suppress(Refused):  # one of the two may have no such pool
                    chain.send(a_swap(chain, f"order-{height}/1", ask=ask))
            chain.make_block()
            found: dict[str, int] = {}
            for (_, token), units in chain.accounts().items():
                found[token] = found.get(token, 0) + units
                assert units >= 0
            assert found == expected, f"at height {height}"
        assert sums(path) == genesis(path)
        ended = dict(rows(path, "SELECT error_code IS NULL, count(*) FROM ledger GROUP BY 1"))
        assert ended.get(1, 0) > 100, ended


def test_every_pool_owns_at_least_what_it_says_it_holds(path: Path) -> None:
    with a_chain(path) as chain:
        blocks(chain, 500)
        for listing in chain.listings:
            reserves = chain.pool(listing.address).reserves
            owned = [chain.accounts()[listing.address, token] for token in (listing.token_a, listing.token_b)]
            assert all(has >= says > 0 for has, says in zip(owned, reserves, strict=True)), listing


def test_block_time_follows_the_height_and_not_the_wall(path: Path) -> None:
    clock = HandClock()
    chain = SimulatedChain(Ledger(path, 7, 0), AT_ONCE, clock)
    start = chain.block_time()
    for jump in (0, 10**12, -(10**12), 5):
        clock.at_ms += jump
        chain.make_block()
    blocks(chain, 6)
    assert chain.block_time() == start + 4  # ten slots of 400 ms
    chain.stop()


def test_the_height_never_goes_back_over_restarts(path: Path) -> None:
    heights = []
    for _ in range(4):
        with a_chain(path) as chain:
            heights.append(chain.height())
            blocks(chain, 5)
            heights.append(chain.height())
    assert heights == [0, 5, 5, 10, 10, 15, 15, 20]
