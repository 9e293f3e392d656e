"""Two files that tell the same story, and what is said of each way in which they can differ."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from order_engine.home import Home
from order_engine.reconcile import imbalances, wrong_outcomes
from tests.order_engine.given import SOL, a_request, an_engine
from tests.waiting import until


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A home with a confirmed order and one that failed, and their ids."""
    root = tmp_path_factory.mktemp("traded")
    with an_engine(root) as engine:
        done = engine.submit(a_request()).result(10).order.order_id
        dead = engine.submit(a_request(amount_in=100 * SOL, max_impact_bps=0)).result(10).order.order_id
        until(lambda: engine.order(done).status.final and engine.order(dead).status.final)
        assert (engine.order(done).status, engine.order(dead).status) == ("confirmed", "failed")
    return root, done, dead


@pytest.fixture
def home(traded: tuple[Path, str, str], tmp_path: Path) -> Home:
    """A copy of it that may be damaged."""
    home = Home.at(tmp_path)
    home.make()
    for name in ("journal.db", "chain.db"):
        (home.data_dir / name).write_bytes((Home.at(traded[0]).data_dir / name).read_bytes())
    return home


def change(path: Path, sql: str, *arguments: object) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(sql, arguments)
        db.commit()


def test_a_home_that_only_traded_has_nothing_to_reconcile(home: Home) -> None:
    assert [*wrong_outcomes(home.journal, home.chain)] == []
    assert [*imbalances(home.chain)] == []


def test_an_order_executed_twice_is_found(home: Home, traded: tuple[Path, str, str]) -> None:
    columns = "height, nonce, pool, token_in, token_out, amount_in, amount_out, fee, fee_token, network_fee, error_code, error"
    change(home.chain, f"INSERT INTO ledger (signature, {columns}) SELECT 'again', {columns} FROM ledger LIMIT 1")  # noqa: S608
    assert [*wrong_outcomes(home.journal, home.chain)] == [f"order {traded[1]} was executed 2 times"]


def test_an_order_that_was_executed_and_called_dead_is_found(home: Home, traded: tuple[Path, str, str]) -> None:
    change(home.chain, "UPDATE ledger SET nonce = ?", f"{traded[2]}/1")
    found = [*wrong_outcomes(home.journal, home.chain)]
    assert f"order {traded[2]} was executed, and is failed" in found


def test_a_swap_that_nobody_ordered_is_found(home: Home) -> None:
    change(home.chain, "UPDATE ledger SET nonce = 'nobody/1'")
    assert "order nobody was executed, and is not in the journal" in [*wrong_outcomes(home.journal, home.chain)]


@pytest.mark.parametrize(
    "sql", ["DELETE FROM ledger", "UPDATE ledger SET amount_out = amount_out + 1", "UPDATE ledger SET error_code = 'x'"]
)
def test_a_confirmation_that_the_ledger_does_not_bear_out_is_found(
    home: Home, traded: tuple[Path, str, str], sql: str
) -> None:
    change(home.chain, sql)
    found = [*wrong_outcomes(home.journal, home.chain)]
    assert found == [f"order {traded[1]} is confirmed, and the ledger has no such swap"]


def test_one_unit_too_much_is_found(home: Home) -> None:
    change(home.chain, "UPDATE balances SET units = units + 1 WHERE account = 'wallet' AND token = 'USDC'")
    (found,) = imbalances(home.chain)
    assert "units of USDC" in found
