"""Load, short: readers miss nothing, orders all end, limits refuse instead of collapsing. Long: `tests.proofs.load`."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import RunningDaemon
from tests.proofs.load import limits, orders, readers, repeats

Start = Callable[..., RunningDaemon]


def test_readers_that_never_read_cost_the_others_nothing_and_little_memory(start_daemon: Start) -> None:
    found = readers.crowd(start_daemon(), 100, 100, 10)
    assert found.violations == []
    assert found.messages == found.events * 100
    assert found.cut_off == 100
    assert found.rss_peak < found.rss_before + 120


def test_readers_that_leave_and_come_back_read_the_whole_log(start_daemon: Start) -> None:
    found = readers.come_and_go(start_daemon(), 10, 1)
    assert found.violations == []
    assert found.connections > 20
    assert found.lags > 0


@pytest.mark.parametrize("read", [[5, 6, 8], [5, 6, 6, 7], [6, 7], [5, 7, 6]])
def test_the_checker_knows_a_gap_and_a_double(read: list[int]) -> None:
    assert readers.gaps([5, 6, 7], 4) == []
    assert readers.gaps(read, 4)


def test_three_thousand_orders_all_end_and_the_journal_adds_up(start_daemon: Start) -> None:
    daemon = start_daemon()
    found = orders.many(daemon, 3_000, 5)
    assert found.violations == []
    assert found.confirmed + found.failed == 3_000
    assert found.refolded == 600
    assert found.rss_peak < 150
    daemon.stop()
    with closing(sqlite3.connect(daemon.home.journal)) as journal, journal:  # and the checker knows one that does not
        journal.execute("UPDATE orders SET state = json_set(state, '$.amount_out', 1) WHERE n = 5")
        journal.execute(
            "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events WHERE order_id = (SELECT id FROM orders WHERE n = 10))"
        )
    wrong = orders.examine(daemon, 5)[3]
    assert len([text for text in wrong if text.startswith("order ")]) == 2
    assert len([text for text in wrong if " events, the last is number " in text]) == 1


def test_over_the_limit_orders_are_told_to_wait_and_the_admitted_ones_end(start_daemon: Start, tmp_path: Path) -> None:
    found = limits.flood_orders(start_daemon, tmp_path, 400)
    assert found.violations == []
    assert found.accepted >= limits.OPEN_MAX
    assert found.accepted + found.told_to_wait == found.posts
    assert found.told_to_wait > 0


def test_more_bytes_than_there_is_memory_are_refused(start_daemon: Start) -> None:
    found = limits.flood_bytes(start_daemon(), 24, 256)
    assert found.violations == []
    assert found.refused > 0
    assert found.rss_peak < found.rss_before + 256


def test_more_sockets_than_there_are_files_leave_the_store_at_work(start_daemon: Start, tmp_path: Path) -> None:
    found = limits.run_out_of_files(start_daemon, tmp_path, 64, 200, 60)
    assert found.violations == []
    assert found.ended == found.in_flight == 60
    assert found.log_lines < 60  # one in a second, not one for every try


def test_a_thousand_posts_under_one_key_are_one_order(start_daemon: Start) -> None:
    found = repeats.same_key(start_daemon(), 1_000, "same")
    assert found.violations == []
    assert found.statuses == {202: 1, 200: 999}


def test_posts_under_one_key_are_one_order_over_a_crash(start_daemon: Start, tmp_path: Path) -> None:
    _, found = repeats.same_key_over_a_crash(start_daemon, tmp_path, 100, "crashed")
    assert found.violations == []
    assert found.orders == 1


@pytest.fixture(scope="module")
def cut(start_daemon: Start, tmp_path_factory: pytest.TempPathFactory) -> repeats.Cut:
    return repeats.cut_connections(start_daemon(), tmp_path_factory.mktemp("behind"), 7)


def test_an_order_exists_if_and_only_if_it_was_committed_wherever_the_connection_breaks(cut: repeats.Cut) -> None:
    assert cut.violations == []
    assert cut.in_request > 20
    assert cut.in_answer > 50


def test_the_client_asks_again_wherever_the_connection_breaks(cut: repeats.Cut) -> None:
    assert cut.given_up == []
