"""The help topics, made from the tables that the code itself uses, so that they cannot say anything else than it does."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from cli.dashboard.keys import EVERY_KEY, EVERYWHERE
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
    "OEE_SIM_MARKET": "calm, choppy, trending, thin or crash: the market that a new world begins with.",
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


class Pipeline(NamedTuple):
    """A command line to start from. A test runs every one, exactly as it stands here."""

    title: str
    line: str


PIPELINES = (
    Pipeline(
        "from CSV, with a header: in,out,amount,slippage,key", "oee batch orders.csv --wait --json > results.ndjson"
    ),
    Pipeline(
        "sell, then spend exactly what came in",
        'out=$(oee submit SOL USDC 1.5 --wait --field amountOut) && oee submit USDC JUP "$out" --wait',
    ),
    Pipeline(
        "buy exactly 25 USDC, and check that no route could have taken less",
        'id=$(oee submit SOL USDC --receive 25 --wait -q) && oee route receipt "$id" | oee route verify -',
    ),
    Pipeline(
        "every failure, live, as a table for grep",
        "oee events -f --type failed --json | jq --unbuffered -r '[.timestamp,.orderId,.errorCode,.error]|@tsv'",
    ),
    Pipeline(
        "send again, with more room, what failed by slippage",
        """oee list --status failed --since 1h --json | jq -r 'select(.errorCode=="slippage_exceeded")|.orderId' \\
 | oee retry - --slippage 80bps""",
    ),
    Pipeline(
        "slippage alarm",
        """oee events -f --type confirmed --json \\
 | jq --unbuffered -r 'select(.slippageBps > 30)|"\\(.orderId) \\(.routedDex) \\(.slippageBps) bps"' \\
 | while read -r l; do notify-send "oee slippage" "$l"; done""",
    ),
    Pipeline(
        "hourly from cron; the key makes a double run harmless (in a crontab write \\% for %)",
        'oee submit USDC SOL 25 --key "dca-$(date -u +%Y%m%dT%H)" --slippage 30bps -q --no-input',
    ),
    Pipeline(
        "ten slices, stop at the first that does not fill",
        'for i in $(seq 10); do oee submit SOL USDC 2 --wait --timeout 90s --key "exit-$$-$i" || break; sleep 60; done',
    ),
    Pipeline(
        "decide by outcome",
        """oee submit SOL USDC 1.5 --wait; case $? in 0) echo filled;; 5|6) echo "no fill";;
 7|8) echo "do NOT resend";; 9) oee doctor;; esac""",
    ),
    Pipeline(
        "compare venues",
        "oee quote SOL USDC 50 --json | jq -r '.quotes[]|[.dex,.netOutput,.priceImpactBps]|@tsv' | column -t",
    ),
    Pipeline(
        "poor man's limit order; --min-out makes the engine, not the shell, hold the limit",
        """p=$(oee quote SOL USDC 1 --watch 2s --json \\
 | jq --unbuffered -r '.quotes[]|select((.netOutput // "0"|tonumber) > 150)|.netOutput' | head -n 1)
[ -n "$p" ] && oee submit SOL USDC 10 --min-out 1495 --wait""",
    ),
    Pipeline(
        "a bot in any language: orders out on stdout, fills back as NDJSON",
        """python bot.py | oee batch - --wait --json | tee fills.ndjson | jq -s 'map(select(.status=="confirmed"))|length'""",
    ),
    Pipeline(
        "which venue serves me best: by how many bps I got less than quoted",
        """oee list --since 24h --status confirmed --limit 10000 --json \\
 | jq -s 'map({dex:.routedDex, bps:(10000*(1-(.amountOut|tonumber)/(.quotedOutput|tonumber)))})
   |group_by(.dex)|map({dex:.[0].dex, n:length, bps:(map(.bps)|add/length)})'""",
    ),
    Pipeline(
        "ten at once, then wait for all",
        """seq 10 | sed 's/.*/{"in":"SOL","out":"USDC","amount":"0.1"}/' | oee batch - -q | oee wait - --timeout 2m""",
    ),
    Pipeline(
        "into DuckDB",
        """oee list --since 30d --limit 100000 --format csv \\
 | duckdb -c "select routedDex,count(*),sum(amountOut) from read_csv('/dev/stdin') group by 1\"""",
    ),
    Pipeline(
        "into SQLite",
        "oee list --since 30d --limit 100000 --json | sqlite-utils insert trades.db orders - --nl --pk orderId",
    ),
    Pipeline(
        "webhooks, while you write their receiver",
        "oee events -f --forward-to http://localhost:3000/hook",
    ),
    Pipeline(
        "a test in CI: the bot must survive two rejections",
        "oee sim fault add slippage --venue raydium --times 2 && pytest tests/bot; oee sim fault clear --all",
    ),
    Pipeline("flatten one pair", "oee list --status open --pair SOL/USDC -q | oee cancel -"),
    Pipeline(
        "audit one order, by the end of its id",
        "oee show c5a0f1 --events --json | jq '.events[]|{timestamp,status,routedDex}'",
    ),
    Pipeline(
        "kill switch on a price feed; a feed that dies halts too (and then: oee resume)",
        "price-feed | awk '$1 < 120 {exit 1}' || oee halt --cancel-open",
    ),
    Pipeline(
        "plain curl; the token is neither in ps nor in the history",
        'curl -s -H @"$(oee config path auth-header)" "$(oee daemon status --field url)/api/orders?status=open"',
    ),
    Pipeline(
        "the best venue for each of some tokens, four asked at once",
        "printf '%s\\n' BONK JitoSOL WIF | xargs -P 4 -I {} oee quote SOL {} 1 --json | jq -r '[.outputToken,.best]|@tsv'",
    ),
)


def exit_codes() -> list[Line]:
    """Every exit code, what it means, what a script should do."""
    columns = [("EXIT", ">"), ("NAME", "<"), ("MEANING", "<"), ("A SCRIPT SHOULD", "<")]
    rows = ([str(int(code)), code.name.lower(), meaning.text, meaning.advice] for code, meaning in MEANINGS.items())
    return [
        *table(columns, rows),
        [],
        _text(
            "Of several orders the worst counts, in the order 7, 6, 10, 8, 5, 3, 0. An order that our own checks ended at"
        ),
        _text(
            "its first attempt, such as by price_impact_too_high or no_route, exits 5 with waiting too: nothing was sent."
        ),
    ]


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
    lines: list[Line] = []
    for title, line in PIPELINES:
        lines += [[(f"# {title}", "dim")], *map(_text, line.split("\n")), []]
    return lines[:-1]


def keys() -> list[Line]:
    """Every key of the dashboard."""
    rows = [
        (key.shown, key.help, key.name, "every page" if key.pages == EVERYWHERE else ", ".join(sorted(key.pages)))
        for key in EVERY_KEY
    ]
    return [
        *table([("KEY", "<"), ("DOES", "<"), ("NAME", "<"), ("ON", "<")], rows),
        [],
        _text("A key that cannot act says why. : takes the words of the shell, such as :submit SOL USDC 1."),
        _text('Other keys: a line such as  cancel = "ctrl+x"  or  open = "enter,o"  in the file that'),
        _text("oee config path keymap  names."),
    ]


_TONES = ("ok", "warn", "fail")

TOPICS: Mapping[str, Callable[[], list[Line]]] = {
    "exit-codes": exit_codes,
    "environment": environment,
    "formatting": formatting,
    "pipelines": pipelines,
    "keys": keys,
}


def _text(line: str) -> Line:
    return [(line, "")]
