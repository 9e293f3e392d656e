"""The command line of the dashboard: `:` and then the words that the shell knows, so that nothing has to be learned twice.

Here the words become a plain value; the screen does what it says.
"""

import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from cli import bps
from cli.asking import asked
from cli.dashboard import keys
from order_engine.errors import Malformed


class Said(NamedTuple):
    """A command that was understood: its name and what it was given."""

    name: str
    words: tuple[str, ...] = ()
    order: Mapping[str, Any] | None = None  # for submit; for quote what is said beside the words
    slippage_bps: int | None = None  # for retry


class Word(NamedTuple):
    """A word of the command line."""

    usage: str
    help: str


WORDS: Mapping[str, Word] = {
    "submit": Word("submit IN OUT AMOUNT|--receive N [--slippage 50bps] [--min-out N] [--key K]", "place an order"),
    "quote": Word("quote IN OUT AMOUNT|--receive N", "the route, and what the venues offer"),
    "cancel": Word("cancel [ID...]", "cancel these orders, or those marked"),
    "retry": Word("retry [ID...] [--slippage 80bps]", "place these again, or those marked"),
    "show": Word("show ID", "open an order"),
    "list": Word("list [FILTER]", "the orders, filtered"),
    "filter": Word("filter [FILTER]", "filter the orders; nothing: all"),
    "sort": Word("sort age|pair|sell|status|venue|slip", "sort the orders"),
    "orders": Word("orders", "go to the orders"),
    "venues": Word("venues", "go to the venues"),
    "pools": Word("pools", "go to the pools"),
    "balances": Word("balances", "go to the wallet"),
    "wallet": Word("wallet", "go to the wallet"),
    "log": Word("log [FILTER]", "go to the log"),
    "events": Word("events [FILTER]", "go to the log"),
    "export": Word("export [FILE]", "write what is on show as CSV"),
    "status": Word("status", "how the engine is doing"),
    "halt": Word("halt [--cancel-open]", "take no new orders"),
    "resume": Word("resume", "take orders again"),
    "theme": Word("theme NAME", "change the colours"),
    "help": Word("help", "the keys and these words"),
    "q": Word("q", "quit; the orders go on"),
    "quit": Word("quit", "quit; the orders go on"),
}

_PAGES = {
    "orders": keys.ORDERS, "venues": keys.VENUES, "pools": keys.VENUES, "balances": keys.WALLET, "wallet": keys.WALLET,
    "log": keys.LOG, "events": keys.LOG,
}  # fmt: skip


def read(text: str) -> Said | None:
    """What a line says; None for nothing. Raises Malformed with what is not understood and what may be meant."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Malformed(f"A quotation mark is missing: {error}.") from error
    if words[:1] == ["oee"]:  # as pasted from a shell
        words = words[1:]
    if not words:
        return None
    name, *rest = words
    if name not in WORDS:
        near = get_close_matches(name, WORDS, n=1)
        raise Malformed(f'No command "{name[:30]}".' + (f' Did you mean "{near[0]}"?' if near else " ? lists them."))
    if name in ("log", "events", "list", "filter"):
        return Said(name, tuple(rest))
    given, options = _options(name, rest)
    match name:
        case "submit":
            return _submit(given, options)
        case "quote":
            return _quote(given, options)
        case "retry":
            return Said(name, tuple(given), slippage_bps=bps.read(options.get("--slippage"), "--slippage"))
        case "cancel":
            return Said(name, tuple(given))
        case "export":
            _count(name, given, min(len(given), 1))
            return Said(name, tuple(given))
        case "show" | "theme" | "sort":
            _count(name, given, 1)
            return Said(name, tuple(given))
        case "halt":
            return Said(name, ("--cancel-open",) if "--cancel-open" in options else ())
        case _:
            _count(name, given, 0)
            return Said(name)


def page_of(name: str) -> str | None:
    """The page that a word goes to."""
    return _PAGES.get(name)


_TAKES = {
    "submit": ("--receive", "--slippage", "--min-out", "--max-in", "--max-impact", "--route", "--key"),
    "quote": ("--receive", "--route"),
    "retry": ("--slippage",),
    "halt": (),
}
_FLAGS = {"halt": ("--cancel-open",)}


def _options(name: str, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    given: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            given.append(word)
            continue
        option, equals, value = word.partition("=")
        if option in _FLAGS.get(name, ()):
            options[option] = ""
            continue
        if option not in _TAKES.get(name, ()):
            raise Malformed(f"{option[:30]} is no option of {name}. It reads: {WORDS[name].usage}")
        if not equals:
            value = next(rest, "")
        if not value:
            raise Malformed(f"{option} needs a value after it.")
        options[option] = value
    return given, options


def _submit(given: list[str], options: Mapping[str, str]) -> Said:
    _count("submit", given, 2 if "--receive" in options else 3)
    order: dict[str, Any] = {"inputToken": given[0], "outputToken": given[1]} | asked(
        given[2] if len(given) > 2 else None,
        options.get("--receive"),
        min_out=options.get("--min-out"),
        max_in=options.get("--max-in"),
        routing=options.get("--route"),
    )
    limit = bps.read(options.get("--slippage"), "--slippage")
    impact = bps.read(options.get("--max-impact"), "--max-impact")
    more = {"slippageBps": limit, "maxImpactBps": impact, "clientOrderId": options.get("--key")}
    return Said("submit", tuple(given), order | {name: value for name, value in more.items() if value is not None})


def _quote(given: list[str], options: Mapping[str, str]) -> Said:
    _count("quote", given, 2 if "--receive" in options else 3)
    amount = given[2] if len(given) > 2 else None
    question = asked(amount, options.get("--receive"), routing=options.get("--route"))
    question.pop("amount", None)
    return Said("quote", (given[0].upper(), given[1].upper(), *given[2:]), question or None)


def _count(name: str, given: Sequence[str], count: int) -> None:
    if len(given) != count:
        raise Malformed(f"It reads: {WORDS[name].usage}")
