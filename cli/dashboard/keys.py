"""Every key: what it does, where it counts, how help words it. The bindings, the key bar, the help screen and
`oee help keys` are all made from these tables. It imports nothing, because `oee help` reads it too.

Each has a name, by which a home's keymap.toml gives it other keys: `cancel = "ctrl+x"`. `rebound` makes the tables that hold then.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

KEYMAP = "keymap.toml"  # beside config.toml

ORDERS, VENUES, WALLET, LOG, DETAIL = "orders", "venues", "wallet", "log", "detail"
PAGES = (ORDERS, VENUES, WALLET, LOG)  # those that have a number; the detail page belongs to an order
CARD, HELP = "new order", "help"  # what lies on top of a page
LISTS = frozenset({ORDERS, LOG})
AN_ORDER = frozenset({ORDERS, DETAIL, LOG})  # where one order is meant
EVERYWHERE = frozenset({*PAGES, DETAIL})
ON_CARD, ON_HELP = frozenset({CARD}), frozenset({HELP})


class Key(NamedTuple):
    """One key. `keys` are Textual's names; `bar` is its word in the key bar, or nothing where it is not shown there."""

    name: str
    keys: str
    action: str
    help: str
    section: str
    pages: frozenset[str] = EVERYWHERE
    bar: str = ""

    @property
    def shown(self) -> str:
        """The keys as people know them: j ↓, ^d pgdn, ?."""
        return " ".join(_shown(name) for name in self.keys.split(",") if name not in _TWINS)


_TWINS = ("ctrl+at",)  # what a terminal sends for another of the same line
_SIGNS = {
    "slash": "/", "colon": ":", "question_mark": "?", "exclamation_mark": "!", "down": "↓", "up": "↑", "escape": "esc",
    "pagedown": "pgdn", "pageup": "pgup", "full_stop": ".", "comma": ",", "semicolon": ";", "minus": "-", "plus": "+",
}  # fmt: skip


def _shown(name: str) -> str:
    modifiers, _, last = name.rpartition("+")
    sign = _SIGNS.get(last, last.upper() if last[:1] == "f" and last[1:].isdigit() else last)
    return f"^{sign}" if modifiers == "ctrl" else f"{modifiers}+{sign}" if modifiers else sign


MOVE, FIND, ACT, COPY, REST = "Move", "Find", "Act on orders", "Copy and export", "Leave"
CARD_SECTION, HELP_SECTION = "On the card for a new order", "In the help"

KEYS = (
    Key("orders", "1", "page('orders')", "orders", MOVE),
    Key("venues", "2", "page('venues')", "venues and pools", MOVE),
    Key("wallet", "3", "page('wallet')", "wallet", MOVE),
    Key("log", "4", "page('log')", "log", MOVE),
    Key("next-pane", "tab", "next_pane(1)", "the next pane", MOVE),
    Key("pane-before", "shift+tab", "next_pane(-1)", "the pane before", MOVE),
    Key("down", "j,down", "move(1)", "down", MOVE),
    Key("up", "k,up", "move(-1)", "up", MOVE),
    Key("top", "g,home", "top", "to the top, and stay with the newest", MOVE),
    Key("bottom", "G,end", "bottom", "to the bottom", MOVE),
    Key("half-down", "ctrl+d,pagedown", "half(1)", "half a page down", MOVE),
    Key("half-up", "ctrl+u,pageup", "half(-1)", "half a page up", MOVE),
    Key("open", "enter", "open", "open the order", MOVE, LISTS, "Open"),
    Key("back", "escape", "back", "back; clears filter and marks", MOVE, EVERYWHERE, "Back"),
    Key("new-order", "n", "new_order", "new order, with live quotes", ACT, EVERYWHERE, "New"),
    Key("cancel", "x", "cancel", "cancel the order, or those marked", ACT, AN_ORDER, "Cancel"),
    Key("retry", "r", "retry", "place it again, or those marked", ACT, AN_ORDER, "Retry"),
    Key("seen", "d", "seen", "seen: it needs you no longer, nor do those marked", ACT, AN_ORDER),
    Key("mark", "space", "mark", "mark the order", ACT, frozenset({ORDERS}), "Mark"),
    Key("mark-range", "ctrl+space,ctrl+at", "mark_range", "mark from the last mark to here", ACT, frozenset({ORDERS})),
    Key("unmark", "u", "unmark", "clear the marks", ACT, frozenset({ORDERS})),
    Key("halt", "H", "halt", "halt: no new orders; undo with :resume", ACT),
    Key("filter", "slash", "filter", "filter: status:failed venue:ray >30bps text", FIND, LISTS, "Filter"),
    Key("command", "colon", "command", "command line, with the words of the shell", FIND),
    Key("help", "question_mark,f1", "help", "this help", FIND, EVERYWHERE, "Help"),
    Key(
        "palette",
        "ctrl+p",
        "command_palette",
        "palette: every action, open order and theme",
        FIND,
        EVERYWHERE,
        "Commands",
    ),
    Key("sort", "s", "sort(1)", "sort by the next column", FIND, frozenset({ORDERS})),
    Key("reverse", "S", "reverse", "turn the sorting round", FIND, frozenset({ORDERS})),
    Key("next-need", "exclamation_mark", "next_need", "the next order that needs you", FIND),
    Key("log-of-order", "l", "log_of_order", "the log of this order; again: the whole log", FIND, AN_ORDER, "Log"),
    Key("freeze", "f", "freeze", "freeze or follow", FIND, LISTS, "Freeze"),
    Key("copy-json", "y", "copy('json')", "the order as JSON", COPY, AN_ORDER, "JSON"),
    Key("copy-id", "c", "copy('id')", "the order's id", COPY, AN_ORDER, "Id"),
    Key("copy-tx", "t", "copy('tx')", "the transaction's id", COPY, AN_ORDER, "Tx"),
    Key("export", "e", "export", "what is on show, as a CSV file", COPY, EVERYWHERE, "Export"),
    Key("leave", "q", "leave", "back; on the orders: quit, the orders go on", REST),
    Key("quit", "ctrl+q", "quit", "quit at once", REST),
    Key("hint", "ctrl+c", "hint", "says how to quit", REST),
)

ON_TOP = (
    Key("card-submit", "ctrl+s", "submit", "place the order", CARD_SECTION, ON_CARD),
    Key("card-close", "escape", "leave", "close the card", CARD_SECTION, ON_CARD),
    Key("token-before", "up", "step(-1)", "the token before", CARD_SECTION, ON_CARD),
    Key("next-token", "down", "step(1)", "the next token", CARD_SECTION, ON_CARD),
    Key("help-down", "j,down", "scroll(1)", "down", HELP_SECTION, ON_HELP),
    Key("help-up", "k,up", "scroll(-1)", "up", HELP_SECTION, ON_HELP),
    Key("help-close", "escape,q,question_mark,f1,enter", "dismiss", "close the help", HELP_SECTION, ON_HELP),
    Key("help-page-down", "space,ctrl+d,pagedown", "scroll(10)", "a page down", HELP_SECTION, ON_HELP),
    Key("help-page-up", "ctrl+u,pageup", "scroll(-10)", "a page up", HELP_SECTION, ON_HELP),
    Key("help-top", "g,home", "scroll(-1000)", "to the top", HELP_SECTION, ON_HELP),
    Key("help-bottom", "G,end", "scroll(1000)", "to the end", HELP_SECTION, ON_HELP),
)

EVERY_KEY = KEYS + ON_TOP

ASKS_TO_ACT = ("new_order", "cancel", "retry", "halt")  # what --readonly refuses


def rebound(keys: Iterable[Key], keymap: Mapping[str, str]) -> tuple[Key, ...]:
    """The table with other keys for the names in the keymap."""
    return tuple(key._replace(keys=keymap.get(key.name, key.keys)) for key in keys)


def named(*names: str) -> list[Key]:
    """The lines of these names."""
    return [key for key in EVERY_KEY if key.name in names]


def of_page(page: str, keys: Iterable[Key] = KEYS) -> list[Key]:
    """The keys that count on a page."""
    return [key for key in keys if page in key.pages]


_BARS = {  # what is done most often first; what does not fit is left out from the end, but for help
    ORDERS: ("Open", "New", "Cancel", "Retry", "Mark", "Filter", "Log", "Help", "Commands"),
    LOG: ("Open", "Back", "Filter", "Log", "Freeze", "Help", "Export", "Commands"),
    DETAIL: ("Back", "Cancel", "Retry", "Log", "JSON", "Id", "Tx", "Help", "Commands"),
}
_BAR = ("Back", "New", "Export", "Help", "Commands")


def bar(page: str, keys: Iterable[Key] = KEYS) -> list[Key]:
    """The keys that the bar at the bottom of a page names."""
    named = {key.bar: key for key in of_page(page, keys) if key.bar}
    return [named[word] for word in _BARS.get(page, _BAR)]
