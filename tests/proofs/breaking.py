"""The engine made wrong on purpose and killed: `python -m tests.proofs.breaking NAME [KILLS | POINT]` says when it shows.

By random kills, home by home, or at one point of the matrix, cell by cell. Prints one JSON line: the kills until the first
violation, or null, and its words. A process of its own, because the mistake has to be there before the module is imported.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from order_engine.simulation import mutants
from order_engine.simulation.mutants import MUTANTS, Mutant

_JOURNAL = "order_engine.journal"

_OURS = (
    Mutant(
        "no recovery of what was sent",
        _JOURNAL,
        '        return [order_id for (order_id,) in self._read("SELECT id " + _OPEN)]',
        '        return [i for (i,) in self._read("SELECT id " + _OPEN) if self.order(i).status != "submitted"]',
    ),
    Mutant(
        "told before the commit",
        _JOURNAL,
        '        failpoint("before-commit", batch)\n',
        "        if recorded:\n            self._feed.publish(recorded)\n            recorded = []\n"
        '        failpoint("before-commit", batch)\n',
    ),
    Mutant(
        "promised before the commit",
        _JOURNAL,
        '        failpoint("before-commit", batch)\n',
        "        for write, answer in zip(batch, answers, strict=True):\n"
        "            if write.then is not None and isinstance(answer, Recorded) and answer.order.version == 1:\n"
        "                write.then(answer)\n"
        "                write.then = None\n"
        '        failpoint("before-commit", batch)\n',
    ),
)

BREAKABLE = {
    "no write-ahead": MUTANTS[0],
    "signed again before expiry": next(m for m in MUTANTS if m.name.startswith("signed again before")),
    "routed anew after a crash": next(m for m in MUTANTS if m.name.startswith("after a crash a sent order")),
    **{mutant.name: mutant for mutant in _OURS},
}


def main(name: str, how: str) -> None:
    sys.meta_path.insert(0, mutants._Finder(BREAKABLE[name]))
    from order_engine.simulation import crash, crash_life  # noqa: PLC0415 - their modules must meet the mistake

    crash_life.PATIENCE_MS = 4_000  # what does not come to its end in that time will not
    crash.KILLS_PER_HOME = 20
    kills = 0
    for job in crash.random_kills(int(how)) if how.isdigit() else crash.matrix([how]):
        report = crash.run(3, [job], Path(tempfile.mkdtemp(prefix="oee-broken-")))
        kills += report.kills
        if report.violations:
            shutil.rmtree(report.kept)
            print(json.dumps({"kills": kills, "at": job.name, "words": [words for _, words in report.violations]}))
            return
    print(json.dumps({"kills": None, "at": None, "words": []}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "200")
