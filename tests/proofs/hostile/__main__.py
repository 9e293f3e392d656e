"""`python -m tests.proofs.hostile [PART…] [--cases N] [--seed S]`: hostile input against a daemon of its own, as figures.

Parts: specification, bodies, messages, gate, slowloris, leaks; all of them unless some are named. Exit code 1 when anything
was accepted, stored, leaked, answered with a 5xx or misunderstood.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.proofs.hostile import gate, leaks, specification, traffic
from tests.proofs.parts import Part, Place, run_parts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.hostile", description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000, help="of specification, bodies and messages each")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same bodies and messages")
    parser.add_argument("--guesses", type=int, default=5_000, help="of the token")
    return run_parts(parser, PARTS)


def _specification(place: Place, given: argparse.Namespace) -> Sequence[str]:
    found = specification.run(place.start(), given.cases)
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(found.statuses.items()))
    server_errors = sum(count for status, count in found.statuses.items() if status >= 500)
    print(f"specification: {found.cases.total():,} cases of {len(found.cases)} calls ({statuses}); 5xx {server_errors}")
    return found.violations


def _bodies(place: Place, given: argparse.Namespace) -> Sequence[str]:
    return _traffic("bodies", traffic.bodies(place.start(), given.cases, given.seed))


def _messages(place: Place, given: argparse.Namespace) -> Sequence[str]:
    return _traffic("messages", traffic.messages(place.start(), given.cases, given.seed))


def _traffic(name: str, tally: traffic.Tally) -> Sequence[str]:
    print(
        f"{name}: {tally.sent.total():,} sent on {tally.connections:,} connections; {len(tally.accepted):,} orders accepted, "
        f"each exactly as written and in the journal; slowest answer {tally.slowest_ms:.1f} ms ({tally.slowest})"
    )
    print("  " + ", ".join(f"{family} {count}" for family, count in tally.sent.items()))
    print("  " + ", ".join(f"{answer}: {count}" for answer, count in sorted(tally.answers.items())))
    return tally.violations


def _gate(place: Place, given: argparse.Namespace) -> Sequence[str]:
    daemon = place.start()
    kept_out = gate.known_good(daemon)
    probed, smuggled = gate.probe(daemon), gate.smuggle(daemon)
    print(f"gate: {probed.tries} hostile requests ({len(gate.TARGETS)} addresses), accepted {len(probed.accepted)}")
    print(f"smuggling: {smuggled.tries} requests, accepted {len(smuggled.accepted)}")
    guessed = gate.guess(daemon, given.guesses)
    print(
        f"brute force: {given.guesses:,} guesses in {guessed.seconds:.1f} s: {guessed.refused} looked at (401), "
        f"{guessed.too_many} not (429); the right token {'still' if guessed.welcome else 'NOT'} welcome"
    )
    return [
        *kept_out,
        *probed.accepted,
        *probed.wrong,
        *smuggled.accepted,
        *smuggled.wrong,
        *too_many_looked_at(guessed),
    ]


def too_many_looked_at(guessed: gate.Guessed) -> list[str]:
    """What is wrong with how guessing went."""
    allowed = 10 * (int(guessed.seconds) + 2)
    wrong = [] if guessed.refused <= allowed else [f"{guessed.refused} guesses were looked at, {allowed} may be"]
    return wrong if guessed.welcome else [*wrong, "the right token was refused"]


def _slowloris(place: Place, _: argparse.Namespace) -> Sequence[str]:
    slow = gate.slowloris(place.start(), 500)
    print(
        f"slowloris: {slow.sockets} sockets, still open after 6 s: {slow.still_open}, last closed at {slow.last_closed_s:.2f} s; "
        f"meanwhile {slow.served:,} requests, p50 {slow.p50_ms:.1f} ms, p99 {slow.p99_ms:.1f} ms"
    )
    return [f"{slow.still_open} slow sockets are open"] if slow.still_open else []


def _leaks(place: Place, _: argparse.Namespace) -> Sequence[str]:
    hunted = leaks.hunt(place.start)
    print(f"canaries: {len(hunted.looked_at)} places, token in {len(hunted.token)}, words in {len(hunted.words)}")
    daemon = place.start()
    looked, raw = leaks.raw_escapes(daemon)
    print(f"escapes: {looked} answers, outputs and files, raw in {len(raw)}")
    files, loose = leaks.modes(daemon)
    print(f"modes: {files} files and folders, open to others {len(loose)}")
    found = [f"token in {name}" for name in hunted.token] + [f"words in {name}" for name in hunted.words]
    return [*found, *raw, *loose]


PARTS: dict[str, Part] = {
    "specification": _specification,
    "bodies": _bodies,
    "messages": _messages,
    "gate": _gate,
    "slowloris": _slowloris,
    "leaks": _leaks,
}

if __name__ == "__main__":
    sys.exit(main())
