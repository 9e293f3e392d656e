"""The help topics, made from the tables that the code itself uses, so that they cannot say anything else than it does."""

from collections.abc import Callable, Mapping

from cli.exits import MEANINGS
from cli.paint import LOOKS, Line
from cli.render import table

ENVIRONMENT: Mapping[str, str] = {
    "OEE_HOME": "One folder for config, data, runtime files and logs; otherwise the platform's own folders.",
    "OEE_AUTOSTART": "0: never start the daemon by itself.",
    "OEE_COLOR": "always, never or auto. --color goes before it.",
    "NO_COLOR": "Set and not empty: no colour.",
    "FORCE_COLOR": "Set, and not 0: colour also where no terminal is.",
    "OEE_ASCII": "1: letters instead of symbols.",
    "OEE_NO_INPUT": "1: never wait for typing, as --no-input.",
    "OEE_SIM_SPEED": "paper or instant, when the daemon starts.",
    "OEE_PORT": "The daemon's port, when it starts; 0: a free one.",
    "OEE_WORKERS": "How many orders are worked on at once, when the daemon starts.",
    "OEE_SEED": "The seed of the simulated chain, when the daemon starts.",
    "OEE_FAULTS": "A TOML or JSON file of faults that the simulated world begins with, when the daemon starts.",
}

_FORMATTING = """stdout is data, stderr is talk. Without a flag, a command words its answer for people.

  --json         one record per line, the same bytes on a terminal and in a pipe; errors as oee.error/1 on stderr
  -q, --quiet    ids only, one per line
  --field NAME   one bare value of the record: oee submit SOL USDC 1 --wait --field amountOut
  --color WHEN   auto, always or never

Amounts and prices are decimal text, times are RFC 3339 in UTC, basis points are whole numbers. Every record names its
schema, such as oee.order/1; fields are only ever added. An order id may be shortened to its last four or more
characters; - reads ids from standard input, also out of the records of --json.

The states of an order:"""

_PIPELINES = """# sell, then spend exactly what came in
out=$(oee submit SOL USDC 1.5 --wait --field amountOut) && oee submit USDC JUP "$out" --wait

# every failure, live, as a table
oee events -f --type failed --json | jq --unbuffered -r '[.timestamp,.orderId,.errorCode,.error]|@tsv'

# hourly from cron; the key makes a double run harmless
oee submit USDC SOL 25 --key "dca-$(date -u +%Y%m%dT%H)" --slippage 30bps -q --no-input

# decide by outcome
oee submit SOL USDC 1.5 --wait; case $? in 0) echo filled;; 5|6) echo "no fill";; 7|8) echo "do NOT resend";; 9) oee doctor;; esac

# compare venues
oee quote SOL USDC 50 --json | jq -r '.quotes[]|[.dex,.amountOut,.priceImpactBps]|@tsv'

# a bot in any language: orders out on stdout, fills back as NDJSON
python bot.py | oee batch - --wait --json | tee fills.ndjson

# ten at once, then wait for all
seq 10 | sed 's/.*/{"in":"SOL","out":"USDC","amount":"0.1"}/' | oee batch - -q | oee wait - --timeout 2m

# send again what definitely failed
oee retry --failed --since 1h

# audit one order
oee show c5x0r1 --events --json | jq '.events[]|{timestamp,status,routedDex}'

# plain curl; the token is neither in ps nor in the history
curl -s -H @"$(oee config path auth-header)" "$(oee daemon status --field url)/api/orders?status=open\""""


def exit_codes() -> list[Line]:
    """Every exit code, what it means, what a script should do."""
    columns = [("EXIT", ">"), ("NAME", "<"), ("MEANING", "<"), ("A SCRIPT SHOULD", "<")]
    rows = ([str(int(code)), code.name.lower(), meaning.text, meaning.advice] for code, meaning in MEANINGS.items())
    return [*table(columns, rows), [], _text("Of several orders the worst counts, in the order 7, 6, 10, 8, 5, 3, 0.")]


def environment() -> list[Line]:
    """Every environment variable that is read."""
    return [
        *table([("VARIABLE", "<"), ("MEANING", "<")], ENVIRONMENT.items()),
        [],
        _text("A flag goes before the environment, the environment before config.toml, that before what is built in."),
    ]


def formatting() -> list[Line]:
    """What is printed where and how."""
    states = [(look.symbol, look.letter, state) for state, look in LOOKS.items() if look.symbol and state not in _TONES]
    columns = [("SYMBOL", "<"), ("OEE_ASCII", "<"), ("STATE", "<")]
    return [*map(_text, _FORMATTING.split("\n")), *table(columns, states)]


def pipelines() -> list[Line]:
    """Command lines to start from."""
    return [_text(line) for line in _PIPELINES.split("\n")]


_TONES = ("ok", "warn", "fail")

TOPICS: Mapping[str, Callable[[], list[Line]]] = {
    "exit-codes": exit_codes,
    "environment": environment,
    "formatting": formatting,
    "pipelines": pipelines,
}


def _text(line: str) -> Line:
    return [(line, "")]
