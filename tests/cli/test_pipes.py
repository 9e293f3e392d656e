"""Real pipes: readers that leave, readers that are slow, and the pipelines of `oee help pipelines`."""

import shutil

import pytest

from tests.cli.conftest import Oee
from tests.conftest import RunningDaemon

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


@pytest.fixture(scope="module", autouse=True)
def some_orders(oee: Oee, daemon: RunningDaemon) -> None:
    """Enough that a listing of them does not fit into a pipe."""
    line = '{"in":"SOL","out":"USDC","amount":"0.001"}\n'
    assert oee("batch", "-", "-q", stdin=line * 300).code == 0
    daemon.settle()


@pytest.mark.parametrize(
    "command", ["events --since 1h --json", "list --limit 300 --json", "list --limit 300 --field txHash"]
)
def test_a_reader_that_leaves_ends_the_command_quietly(oee: Oee, command: str) -> None:
    done = oee.shell(f"oee {command} | head -n 1; echo ${{PIPESTATUS[0]}}")
    assert done.out.splitlines()[-1] == "141"
    assert done.err == ""


def test_a_follower_whose_reader_leaves_ends_too(oee: Oee) -> None:
    done = oee.shell("oee events -f --since 0 --json | head -n 2 | wc -l; echo ${PIPESTATUS[0]}")
    assert done.out.split() == ["2", "141"]


def test_a_log_is_followed_while_it_is_written(oee: Oee) -> None:
    until_mine = 'oee daemon logs -f -n 0 --json | grep -m 1 "order confirmed"'
    done = oee.shell(f"{until_mine} & oee submit SOL USDC 0.01 --wait -q; wait")
    order_id, line = done.out.splitlines()
    assert order_id in line


def test_a_full_disk_is_an_error(oee: Oee) -> None:
    done = oee.shell("oee list --limit 300 --json > /dev/full")
    assert done.code == 1
    assert "No space left on device" in done.err
    assert "Traceback" not in done.err


def test_a_closed_stdout_is_no_error(oee: Oee) -> None:
    assert oee.shell("oee list >&-").code == 0


def test_ids_go_from_one_command_to_the_next(oee: Oee) -> None:
    made = """for i in 1 2 3; do echo '{"in":"SOL","out":"USDC","amount":"0.001"}'; done"""
    done = oee.shell(f"{made} | oee batch - -q | oee wait - --timeout 20s -q")
    assert (done.code, len(done.out.split())) == (0, 3)
    assert oee.shell("oee list --limit 3 --json | oee show - -q").out == oee.shell("oee list --limit 3 -q").out


def test_selling_what_came_in(oee: Oee) -> None:
    done = oee.shell('got=$(oee submit SOL USDC 0.01 --wait --field amountOut) && oee submit USDC SOL "$got" --wait -q')
    assert done.code == 0


def test_deciding_by_the_exit_code(oee: Oee) -> None:
    line = 'oee submit SOL USDC 0.01 {} --wait >/dev/null 2>&1; case $? in 0) echo filled;; 5|6) echo "no fill";; esac'
    assert oee.shell(line.format("")).out == "filled\n"
    assert oee.shell(line.format("--min-out 9999")).out == "no fill\n"


@needs_jq
def test_jq_reads_every_record(oee: Oee) -> None:
    done = oee.shell("oee quote SOL USDC 50 --json | jq -r '.quotes[]|[.dex,.amountOut,.priceImpactBps]|@tsv'")
    assert [line.split("\t")[0] for line in done.out.splitlines()] == ["raydium", "meteora"]
    done = oee.shell("oee events --since 1h --json | jq -r .seq | sort -n | uniq -d")
    assert (done.code, done.out) == (0, "")


def test_curl_needs_nothing_but_two_paths(oee: Oee) -> None:
    line = 'curl -s -f -H @"$(oee config path auth-header)" "$(oee daemon status --field url)/api/orders?limit=1"'
    done = oee.shell(line)
    assert done.code == 0
    assert '"items":[{"schema":"oee.order/1"' in done.out
