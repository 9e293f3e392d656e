"""Real pipes: readers that leave, readers that are slow, and the pipelines of `oee help pipelines`."""

import shutil
import subprocess

import pytest

from tests.cli.conftest import COMMAND, Oee
from tests.conftest import ROOT, RunningDaemon

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


@pytest.fixture(scope="module", autouse=True)
def some_orders(oee: Oee, daemon: RunningDaemon) -> None:
    """Enough that a listing of them does not fit into a pipe."""
    line = '{"in":"SOL","out":"USDC","amount":"0.001"}\n'
    assert oee("batch", "-", "-q", stdin=line * 300).code == 0
    daemon.settle()


@pytest.mark.parametrize("command", ["events --since 1h --json", "list --limit 300 --json"])
def test_a_reader_that_leaves_ends_the_command_quietly(oee: Oee, command: str) -> None:
    done = oee.shell(f"oee {command} | head -n 1; echo ${{PIPESTATUS[0]}}")
    assert done.out.splitlines()[-1] == "141"
    assert done.err == ""


def test_a_follower_whose_reader_leaves_ends_too(oee: Oee) -> None:
    done = oee.shell("oee events -f --since 0 --json | head -n 2 | wc -l; echo ${PIPESTATUS[0]}")
    assert done.out.split() == ["2", "141"]


def test_a_log_is_followed_while_it_is_written_and_begun_anew(fresh: Oee) -> None:
    fresh("daemon", "start")
    words = [*COMMAND, "daemon", "logs", "-f", "-n", "1", "--json"]
    with subprocess.Popen(words, cwd=ROOT, env=fresh.env, stdout=subprocess.PIPE, text=True) as logs:
        assert logs.stdout is not None
        logs.stdout.readline()  # the last one that was there: from here on it follows
        order_id = fresh("submit", "SOL", "USDC", "0.01", "--wait", "-q").out.strip()
        assert any(order_id in line and "order confirmed" in line for line in logs.stdout)
        fresh.home.log_file.rename(fresh.home.log_dir / "daemon.log.1")
        fresh.home.log_file.write_text("a new file\n")
        assert any(line == "a new file\n" for line in logs.stdout)
        logs.terminate()
    assert logs.returncode == 143


def test_a_full_disk_is_an_error(oee: Oee) -> None:
    done = oee.shell("oee list --limit 300 --json > /dev/full")
    assert done.code == 1
    assert "No space left on device" in done.err
    assert "Traceback" not in done.err


def test_closed_streams_are_no_bugs(oee: Oee) -> None:
    assert oee.shell("oee list >&-").code == 0
    assert oee.shell("oee list 2>&-").code == 0
    assert oee.shell("oee show nope 2>&-").code == 3
    for command in ("oee wait - <&-", "oee batch - <&-"):
        done = oee.shell(command)
        assert (done.code, done.err.splitlines()[0]) == (2, "Standard input is closed.")


def test_an_error_is_an_error_even_when_the_reader_has_left(oee: Oee) -> None:
    done = oee.shell("oee quote BONK USDC 1 --route single --json | true; echo ${PIPESTATUS[0]}")
    assert done.out in ("5\n", "141\n")
    assert "Exception ignored" not in done.err


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
    assert [line.split("\t")[0] for line in done.out.splitlines()] == ["raydium", "meteora", "orca"]
    done = oee.shell("oee events --since 1h --json | jq -r .seq | sort -n | uniq -d")
    assert (done.code, done.out) == (0, "")


def test_curl_needs_nothing_but_two_paths(oee: Oee) -> None:
    line = 'curl -s -f -H @"$(oee config path auth-header)" "$(oee daemon status --field url)/api/orders?limit=1"'
    done = oee.shell(line)
    assert done.code == 0
    assert '"items":[{"schema":"oee.order/1"' in done.out
