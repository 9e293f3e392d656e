"""Every key: what it does, where it counts, how help words it. The bindings, the key bar, the help screen and
`oee help keys` are all made from this table. It imports nothing, because `oee help` reads it too.
"""

from typing import NamedTuple

ORDERS, VENUES, WALLET, LOG, DETAIL = "orders", "venues", "wallet", "log", "detail"
PAGES = (ORDERS, VENUES, WALLET, LOG)  # those that have a number; the detail page belongs to an order
LISTS = frozenset({ORDERS, LOG})
AN_ORDER = frozenset({ORDERS, DETAIL, LOG})  # where one order is meant
EVERYWHERE = frozenset({*PAGES, DETAIL})


class Key(NamedTuple):
    """One key. `keys` are Textual's names; `bar` is its word in the key bar, or nothing where it is not shown there."""

    keys: str
    shown: str
    action: str
    help: str
    section: str
    pages: frozenset[str] = EVERYWHERE
    bar: str = ""


MOVE, FIND, ACT, COPY, REST = "Move", "Find", "Act on orders", "Copy", "Leave"

KEYS = (
    Key("1", "1", "page('orders')", "orders", MOVE),
    Key("2", "2", "page('venues')", "venues and pools", MOVE),
    Key("3", "3", "page('wallet')", "wallet", MOVE),
    Key("4", "4", "page('log')", "log", MOVE),
    Key("tab", "tab", "next_pane(1)", "the next pane", MOVE),
    Key("shift+tab", "shift+tab", "next_pane(-1)", "the pane before", MOVE),
    Key("j,down", "j ↓", "move(1)", "down", MOVE),
    Key("k,up", "k ↑", "move(-1)", "up", MOVE),
    Key("g,home", "g home", "top", "to the top, and stay with the newest", MOVE),
    Key("G,end", "G end", "bottom", "to the bottom", MOVE),
    Key("ctrl+d,pagedown", "^d pgdn", "half(1)", "half a page down", MOVE),
    Key("ctrl+u,pageup", "^u pgup", "half(-1)", "half a page up", MOVE),
    Key("enter", "enter", "open", "open the order", MOVE, LISTS, "Open"),
    Key("escape", "esc", "back", "back; clears filter and marks", MOVE, EVERYWHERE, "Back"),
    Key("n", "n", "new_order", "new order, with live quotes", ACT, EVERYWHERE, "New"),
    Key("x", "x", "cancel", "cancel the order, or those marked", ACT, AN_ORDER, "Cancel"),
    Key("r", "r", "retry", "place it again, or those marked", ACT, AN_ORDER, "Retry"),
    Key("space", "space", "mark", "mark the order", ACT, frozenset({ORDERS}), "Mark"),
    Key("ctrl+space,ctrl+at", "^space", "mark_range", "mark from the last mark to here", ACT, frozenset({ORDERS})),
    Key("u", "u", "unmark", "clear the marks", ACT, frozenset({ORDERS})),
    Key("H", "H", "halt", "halt: no new orders; undo with :resume", ACT),
    Key("slash", "/", "filter", "filter: status:failed venue:ray >30bps text", FIND, LISTS, "Filter"),
    Key("colon", ":", "command", "command line, with the words of the shell", FIND),
    Key("question_mark,f1", "? F1", "help", "this help", FIND, EVERYWHERE, "Help"),
    Key("ctrl+p", "^p", "palette", "palette: every action, open order and theme", FIND, EVERYWHERE, "Commands"),
    Key("s", "s", "sort(1)", "sort by the next column", FIND, frozenset({ORDERS})),
    Key("S", "S", "reverse", "turn the sorting round", FIND, frozenset({ORDERS})),
    Key("exclamation_mark", "!", "next_need", "the next order that needs you", FIND),
    Key("l", "l", "log_of_order", "the log of this order; again: the whole log", FIND, AN_ORDER, "Log"),
    Key("f", "f", "freeze", "freeze or follow", FIND, LISTS, "Freeze"),
    Key("y", "y", "copy('json')", "the order as JSON", COPY, AN_ORDER, "JSON"),
    Key("c", "c", "copy('id')", "the order's id", COPY, AN_ORDER, "Id"),
    Key("t", "t", "copy('tx')", "the transaction's id", COPY, AN_ORDER, "Tx"),
    Key("q", "q", "leave", "back; on the orders: quit, the orders go on", REST),
    Key("ctrl+q", "^q", "quit", "quit at once", REST),
    Key("ctrl+c", "^c", "hint", "says how to quit", REST),
)

ASKS_TO_ACT = ("new_order", "cancel", "retry", "halt")  # what --readonly refuses


def of_page(page: str) -> list[Key]:
    """The keys that count on a page."""
    return [key for key in KEYS if page in key.pages]


_BARS = {  # what is done most often first; what does not fit is left out from the end, but for help
    ORDERS: ("Open", "New", "Cancel", "Retry", "Mark", "Filter", "Log", "Help", "Commands"),
    LOG: ("Open", "Back", "Filter", "Log", "Freeze", "Help", "Commands"),
    DETAIL: ("Back", "Cancel", "Retry", "Log", "JSON", "Id", "Tx", "Help", "Commands"),
}
_BAR = ("Back", "New", "Help", "Commands")


def bar(page: str) -> list[Key]:
    """The keys that the bar at the bottom of a page names."""
    named = {key.bar: key for key in of_page(page) if key.bar}
    return [named[word] for word in _BARS.get(page, _BAR)]
