"""Whether journal and ledger tell the same story, judged from the two files by somebody who was not there.

No transaction spans the two, so each question reads first the file that may be behind: an order is in the journal before
anything of it is in the ledger, and its swap is in the ledger before the journal calls it confirmed. Asked in that order the
answers hold while a daemon is writing to both.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

_SWAPS = "SELECT substr(nonce, 1, instr(nonce, '/') - 1) AS id, amount_out FROM chain.ledger WHERE error_code IS NULL"

_TWICE = f"SELECT id, count(*) FROM ({_SWAPS}) GROUP BY id HAVING count(*) > 1"  # noqa: S608 - our own words
_NOT_ORDERED = f"""SELECT s.id, o.status FROM ({_SWAPS}) s LEFT JOIN orders o ON o.id = s.id
                   WHERE o.id IS NULL OR o.status IN ('failed', 'cancelled', 'expired')"""  # noqa: S608
_NOT_EXECUTED = """SELECT o.id FROM orders o
                   LEFT JOIN chain.ledger l ON l.signature = json_extract(o.state, '$.transaction.signature')
                   WHERE o.status = 'confirmed' AND (l.signature IS NULL OR l.error_code IS NOT NULL
                   OR l.amount_out IS NOT json_extract(o.state, '$.amount_out'))"""


def wrong_outcomes(journal: Path, chain: Path) -> Iterator[str]:
    """Every order whose outcome the ledger does not bear out: executed twice, executed and called dead, or called confirmed
    and never executed. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("ATTACH ? AS chain", (f"{chain.as_uri()}?mode=ro",))
        reader.execute("BEGIN")
        reader.execute("SELECT height FROM chain.chain").fetchone()
        for order_id, count in reader.execute(_TWICE):
            yield f"order {order_id} was executed {count} times"
        for order_id, status in reader.execute(_NOT_ORDERED):
            yield f"order {order_id} was executed, and {'is not in the journal' if status is None else f'is {status}'}"
        reader.execute("COMMIT")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM daemon").fetchone()
        for (order_id,) in reader.execute(_NOT_EXECUTED):
            yield f"order {order_id} is confirmed, and the ledger has no such swap"
        reader.execute("COMMIT")


def imbalances(chain: Path) -> Iterator[str]:
    """Every token whose accounts do not add up to what there was at the beginning. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"{chain.as_uri()}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        genesis = dict(reader.execute("SELECT token, units FROM genesis"))
        sums = dict(reader.execute("SELECT token, sum(units) FROM balances GROUP BY token"))
        for token in sorted(genesis.keys() | sums.keys()):
            if genesis.get(token) != sums.get(token):
                yield f"{sums.get(token)} units of {token}, {genesis.get(token)} at the beginning"
        for account, token, units in reader.execute("SELECT account, token, units FROM balances WHERE units < 0"):
            yield f"{account} has {units} units of {token}"
