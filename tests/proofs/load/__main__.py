"""`python -m tests.proofs.load [PART…]`: load on daemons of its own, as figures.

Parts: readers, returning, orders, admission, memory, files, repeats; all of them unless some are named. Exit code 1 when
anything was lost, doubled, skipped, misfolded or not as admitted. `orders` alone takes some minutes.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.proofs.load import limits, orders, readers, repeats
from tests.proofs.parts import Part, Place, run_parts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.load", description=__doc__.split("\n")[0])
    parser.add_argument("--orders", type=int, default=200_000, help="through one home")
    parser.add_argument("--readers", type=int, default=1_000, help="live ones, and as many that never read")
    parser.add_argument("--runs", type=int, default=100, help="of readers that leave and come back")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same moments of leaving")
    return run_parts(parser, PARTS)


def _readers(place: Place, given: argparse.Namespace) -> Sequence[str]:
    found = readers.crowd(place.start(), given.readers, given.readers, 40)
    print(
        f"readers: {found.live:,} live and {found.stalled:,} stalled: {found.events} events to each live one, {found.messages:,} "
        f"messages, p50 {found.p50_ms} ms, p99 {found.p99_ms} ms, max {found.max_ms} ms; {found.cut_off:,} cut off; "
        f"memory {found.rss_before} MiB before, {found.rss_peak} MiB at most"
    )
    return found.violations


def _returning(place: Place, given: argparse.Namespace) -> Sequence[str]:
    found = readers.come_and_go(place.start(), given.runs, given.seed)
    print(
        f"returning: {found.runs} runs, {found.connections:,} connections broken off, {found.events:,} events read, "
        f"{found.lags:,} lags, gaps and doubles {len(found.violations)}"
    )
    return found.violations if found.lags or given.runs < 20 else [*found.violations, "nobody lagged"]


def _orders(place: Place, given: argparse.Namespace) -> Sequence[str]:
    found = orders.many(place.start(), given.orders, 10)
    print(
        f"orders: {found.sent:,} sent in {found.seconds:,.0f} s ({found.sent / found.seconds:,.0f}/s): {found.confirmed:,} "
        f"confirmed, {found.failed:,} failed, {found.other} other, {found.told_to_wait:,} told to wait; {found.events:,} events, "
        f"{found.refolded:,} orders folded again; memory at each tenth {found.rss} MiB, at most {found.rss_peak} MiB"
    )
    return found.violations


def _admission(place: Place, _: argparse.Namespace) -> Sequence[str]:
    found = limits.flood_orders(place.start, place.new(), 8_000)
    print(
        f"admission: {found.posts:,} posts at a limit of {limits.OPEN_MAX}: {found.accepted:,} accepted and ended, "
        f"{found.told_to_wait:,} told to wait (429, Retry-After), {found.most_open} open at most, "
        f"slowest answer {found.slowest_ms:.0f} ms"
    )
    return found.violations


def _memory(place: Place, _: argparse.Namespace) -> Sequence[str]:
    found = limits.flood_bytes(place.start(), 64, 256)
    print(
        f"memory: {found.offered:,} MiB of bodies at once, {found.room} MiB of room (RLIMIT_AS): {found.refused} of them refused "
        f"(429), memory {found.rss_before} MiB before, {found.rss_peak} MiB at most"
    )
    return found.violations


def _files(place: Place, _: argparse.Namespace) -> Sequence[str]:
    found = limits.run_out_of_files(place.start, place.new(), 64, 200, 300)
    print(
        f"files: {found.sockets} sockets at a limit of 64 files: {found.ended} of {found.in_flight} orders in flight ended "
        f"({found.transitions_per_s:.0f} transitions/s), {found.cut_off} sockets cut off, {found.waiting} left waiting; served "
        f"again {found.recovered_ms:.0f} ms after they went; {found.log_lines} lines in the log"
    )
    return found.violations


def _repeats(place: Place, _: argparse.Namespace) -> Sequence[str]:
    daemon = place.start()
    same = repeats.same_key(daemon, 1_000, "same")
    crashed, over = repeats.same_key_over_a_crash(place.start, place.new(), 1_000, "crashed")
    cut = repeats.cut_connections(daemon, place.new(), 1)
    print(
        f"repeats: {same.posts:,} posts with one key: {same.orders} order; over kill -9, {over.posts:,} posts: {over.orders}"
    )
    print(
        f"  connections cut after each of {cut.offsets:,} bytes: {cut.in_request} not stored, then made by the retry; "
        f"{cut.in_answer} stored, then found by it; {len(cut.given_up)} of these only after the client had raised"
    )
    crashed.settle()
    return [*same.violations, *over.violations, *cut.violations, *cut.given_up]


PARTS: dict[str, Part] = {
    "readers": _readers,
    "returning": _returning,
    "orders": _orders,
    "admission": _admission,
    "memory": _memory,
    "files": _files,
    "repeats": _repeats,
}

if __name__ == "__main__":
    sys.exit(main())
