"""What can stand at the cursor: `oee __complete WORDS...`, which the scripts of `oee completion` call at every TAB.

The last word is the one being typed, perhaps empty. One candidate per line, a tab, what it is. Commands and options come from
the registry; what only the daemon knows it is asked for, but not for long, and it is never started for that. There is no such
thing as an error here: whoever completes is in the middle of a line.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from cli.exits import Exit
from cli.flags import COLORS, flags
from cli.lazy import load
from cli.output import ORDER_FIELDS
from cli.paint import clean
from cli.registry import COMMANDS, Entry, Group
from order_engine.home import Home

FILES = ":files"  # in place of candidates: the shell knows files better
PATIENCE_S = 0.1  # for the daemon; with the start of this process, a TAB stays below 150 ms
RECENT = 30  # orders that are offered
SHORT = 6  # characters of an order id, as the tables show them


class Item(NamedTuple):
    """A candidate, and a few words about it."""

    value: str
    help: str = ""


def complete(words: Sequence[str]) -> Exit:
    """Prints the candidates for the last of these words."""
    *before, typed = words or ("",)
    with suppress(Exception):  # a message would land in the middle of somebody's line
        for item in candidates(before, typed):
            print(clean(item.value) + (f"\t{clean(item.help)}" if item.help else ""))
        sys.stdout.flush()
    return Exit.OK


def candidates(before: Sequence[str], typed: str) -> list[Item]:
    """What can stand in the place of `typed`, after these words."""
    place = _Place()
    for word in before:
        place.read(word)
    typed = "" if typed == "=" else typed  # bash takes --color=al for three words
    if place.option is not None:
        return _values(place, place.option, typed)
    if typed.startswith("-") and not place.only_arguments:
        name, given, value = typed.partition("=")
        if given:
            option = place.options.get(name)
            found = [] if option is None else _values(place, option, value)
            return [Item(f"{name}={item.value}", item.help) for item in found]
        return _starting(place.unused_options(), typed)
    if isinstance(place.entry, Group):
        return _starting([Item(name, entry.help) for name, entry in place.entry.commands.items()], typed)
    argument = place.argument()
    return [] if argument is None else _values(place, argument, typed)


class _Place:
    """Where the words so far lead: to a group or a command, of which some arguments and options are given."""

    def __init__(self) -> None:
        self.words: list[str] = []  # the names that lead here
        self.entry: Entry | Group | None = Group(COMMANDS, "")
        self.given: list[str] = []  # arguments
        self.option: Any = None  # one whose value comes next
        self.only_arguments = False  # after --
        self._used: set[str] = set()
        self._take(flags())

    def _take(self, parameters: Iterable[Any]) -> None:
        every = list(parameters)
        self._arguments = [each for each in every if each.param_type_name == "argument"]
        self._options = [each for each in every if each.param_type_name == "option"]
        self.options: dict[str, Any] = {name: each for each in self._options for name in each.opts}

    def read(self, word: str) -> None:
        """Goes on by one word."""
        if word == "=":  # between an option and its value
            return
        if self.option is not None:
            self.option = None
        elif word == "--":
            self.only_arguments = True
        elif word.startswith("-") and len(word) > 1 and not self.only_arguments:
            name, given, _ = word.partition("=")
            option = self.options.get(name)
            self._used.add(name)
            if option is not None and not option.is_flag and not given:
                self.option = option
        elif isinstance(self.entry, Group):
            self.entry = self.entry.commands.get(word)
            self.words.append(word)
            self._take(flags() if not isinstance(self.entry, Entry) else load(word, self.entry).params)
        else:
            self.given.append(word)

    def argument(self) -> Any:
        """The argument that comes next, or None."""
        if self.entry is None or not self._arguments:
            return None
        number = len(self.given)
        if number < len(self._arguments):
            return self._arguments[number]
        return self._arguments[-1] if self._arguments[-1].nargs == -1 else None

    def unused_options(self) -> list[Item]:
        """Every option that was not given yet, by its longest name."""
        unused = [option for option in self._options if not self._used.intersection(option.opts)]
        return [
            *(Item(max(option.opts, key=len), option.help or "") for option in unused),
            Item("--help", "Explain this."),
        ]


def _values(place: _Place, parameter: Any, typed: str) -> list[Item]:
    """The values of an argument or an option that begin as `typed` does."""
    name = max(parameter.opts, key=len) if parameter.param_type_name == "option" else parameter.name
    found = _VALUES.get(f"{' '.join(place.words)} {name}") or _VALUES.get(name)
    if found is None:
        return []
    if name in _LISTS:
        first, comma, last = typed.rpartition(",")
        taken = first.split(",")
        return [
            Item(first + comma + item.value, item.help)
            for item in _starting(found(place, last), last)
            if item.value not in taken
        ]
    return _starting(found(place, typed), typed)


def _starting(items: Iterable[Item], typed: str) -> list[Item]:
    begin = typed.lower()
    return [item for item in items if item.value == FILES or item.value.lower().startswith(begin)]


# what the values are

_Source = Callable[[_Place, str], Iterable[Item]]


def _words(*words: str) -> _Source:
    return lambda _place, _typed: [Item(word) for word in words]


def _files(_place: _Place, _typed: str) -> list[Item]:
    return [Item(FILES)]


def _tokens(place: _Place, _typed: str) -> list[Item]:
    from order_engine.tokens import TOKENS  # the pinned list: there are no others, whatever a daemon says

    return [Item(token.symbol, token.name) for token in TOKENS.values() if token.symbol not in place.given]


def _pairs(_place: _Place, _typed: str) -> Iterator[Item]:
    pools = _ask(lambda client: client.pools())
    yield from dict.fromkeys(Item(f"{pool['tokenA']}/{pool['tokenB']}") for pool in pools)


def _venues(_place: _Place, _typed: str) -> list[Item]:
    return [Item(venue["dex"], f"{venue['pools']} pools") for venue in _ask(lambda client: client.venues())]


def _pools(_place: _Place, _typed: str) -> list[Item]:
    pools = _ask(lambda client: client.pools())
    return [Item(pool["pool"], f"{pool['dex']} {pool['tokenA']}/{pool['tokenB']}") for pool in pools]


def _faults(place: _Place, _typed: str) -> list[Item]:
    from cli.faults import matches, what

    faults = [fault for fault in _ask(lambda client: client.faults()) if fault["faultId"] not in place.given]
    return [Item(fault["faultId"], f"{what(fault)} for {matches(fault)}") for fault in faults]


def _orders(*statuses: str | None) -> _Source:
    """Orders of the first of these statuses of which there are any."""

    def found(place: _Place, typed: str) -> list[Item]:
        for status in statuses:
            orders = _ask(lambda client, status=status: client.orders(status=status, limit=RECENT))  # type: ignore[misc]
            if items := _by_id(orders, place.given, typed):
                return items
        return []

    return found


def _by_id(orders: Sequence[Mapping[str, Any]], given: Sequence[str], typed: str) -> list[Item]:
    """By the end of the id, the newest first; by the whole id where that is what is being typed."""
    ids = [str(order["orderId"]) for order in orders]
    ends = [order_id[-SHORT:] for order_id in ids]
    names = [end if ends.count(end) == 1 else order_id for end, order_id in zip(ends, ids, strict=True)]
    if not any(name.startswith(typed.lower()) for name in names):
        names = ids
    return [
        Item(name, _about(order))
        for name, order in reversed(list(zip(names, orders, strict=True)))
        if name not in given and order["orderId"] not in given
    ]


def _about(order: Mapping[str, Any]) -> str:
    from cli.paint import state_of
    from cli.times import age

    gives = f"{order['amount']} {order['inputToken']}" if order.get("amount") else str(order["inputToken"])
    gets = f"{order['receive']} {order['outputToken']}" if order.get("receive") else str(order["outputToken"])
    return f"{state_of(order)}, {gives} for {gets}, {age(order['createdAt'])} ago"


def _kinds(_place: _Place, _typed: str) -> Iterator[Item]:
    import re
    from inspect import cleandoc  # Python 3.13 takes the indentation off by itself

    from cli.commands.sim_fault_add import add

    for kind, text in re.findall(r"^([a-z]+(?:-[a-z]+)*)  +(\S.*)$", cleandoc(add.__doc__ or ""), flags=re.MULTILINE):
        yield Item(kind, text)


def _settings(_place: _Place, _typed: str) -> list[Item]:
    from order_engine.settings import Settings

    return [Item(key) for key in Settings.__struct_fields__]


def _names(_place: _Place, _typed: str) -> list[Item]:
    from cli.commands.config_path import paths

    return [Item(name, str(path)) for name, path in paths(Home.from_environment()).items()]


def _topics(place: _Place, _typed: str) -> Iterator[Item]:
    from cli.topics import TOPICS

    entry: Entry | Group | None = Group(COMMANDS, "")
    for word in place.given:
        entry = entry.commands.get(word) if isinstance(entry, Group) else None
    if isinstance(entry, Group):
        yield from (Item(name, each.help) for name, each in entry.commands.items())
    if not place.given:
        yield from (Item(topic, "topic") for topic in TOPICS)


def _fields(place: _Place, _typed: str) -> list[Item]:
    about_orders = place.words[0] in ("submit", "batch", "list", "show", "watch", "wait", "cancel", "retry")
    return [Item(name) for name in ORDER_FIELDS] if about_orders else []


_STATES = ("pending", "routing", "building", "submitted", "confirmed", "failed", "cancelled", "expired")
_LISTS = ("--status", "--type")

# By the name of the parameter, or by the command and the name where one name means several things.
_VALUES: Mapping[str, _Source] = {
    "input_token": _tokens,
    "output_token": _tokens,
    "file": _files,
    "shell": _words("bash", "zsh", "fish"),
    "kind": _kinds,
    "words": _topics,
    "config path name": _names,
    "sim market regime": _words("calm", "choppy", "trending", "thin", "crash"),
    "config set key": _settings,
    "ids": _orders(None),
    "route receipt ids": _orders("confirmed"),
    "cancel ids": _orders("open"),
    "wait ids": _orders("open", None),
    "watch ids": _orders("open", None),
    "retry ids": _orders("failed,cancelled,expired"),
    "sim fault clear ids": _faults,
    "--order": _orders(None),
    "--status": _words(*_STATES, "open"),
    "--type": _words(*_STATES, "unknown"),
    "--at": _words(*_STATES, "unknown"),
    "wait --for": _words("final", "confirmed", "submitted"),
    "--pair": _pairs,
    "--venue": _venues,
    "--pool": _pools,
    "--field": _fields,
    "--sort": _fields,
    "--color": _words(*COLORS),
    "sim market --file": _files,
    "--format": _words("table", "json", "csv"),
    "--route": _words("best", "single"),
    "--receipt": _files,
    "--screen": _words("orders", "venues", "wallet", "log"),
    "--theme": _words("oee-dark", "oee-light", "oee-contrast"),
}


def _ask(question: Callable[[Any], Iterable[Any]]) -> list[Any]:
    """What a running daemon answers within PATIENCE_S; nothing where none runs, or none so fast."""
    from threading import Thread

    from order_engine.client import Client

    answers: list[list[Any]] = []

    def ask() -> None:
        with suppress(Exception):  # then there is nothing to offer
            answers.append(list(question(Client(autostart=False, timeout_s=PATIENCE_S, tell=lambda _: None))))

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return answers[0] if answers else []
