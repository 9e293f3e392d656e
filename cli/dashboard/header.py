"""The two lines on top, on every page: which market, how the daemon and the link are, what needs somebody; and the key bar."""

from collections.abc import Sequence

from cli.dashboard import keys
from cli.dashboard.cells import age, fit
from cli.dashboard.desk import CONNECTING, RECONNECTING, Desk
from cli.dashboard.keys import Key
from cli.dashboard.listing import Listing
from cli.dashboard.painted import Painted, link
from cli.paint import Line, Paint, Span
from cli.render import short_id

TITLES = {keys.ORDERS: "Orders", keys.VENUES: "Venues", keys.WALLET: "Wallet", keys.LOG: "Log"}


def first_line(desk: Desk, paint: Paint, width: int, *, readonly: bool) -> Line:
    """The market, the daemon, the link, the counts; what has no room is left out, the least needed first."""
    line: Line = []
    for spared in range(4):
        line = _mode(desk, readonly=readonly) + _link(desk, paint, spared)
        counts = _counts(desk, spared)
        room = width - sum(len(text) for text, _ in line + counts) - 1
        if room >= 2:
            return [*line, (" " * room, ""), *counts]
    return [*line, ("  ", ""), *_counts(desk, 3)]


def _mode(desk: Desk, *, readonly: bool) -> Line:
    line: Line = [(" oee ", "strong"), ("[PAPER]", "band")]
    if readonly:
        line.append((" read-only", "dim"))
    if desk.halted:
        line += [(" ", ""), (" HALTED ", "halted")]
    return [*line, (" ", "")]


def _link(desk: Desk, paint: Paint, spared: int) -> Line:
    version = desk.status.get("version") or desk.daemon.get("version")
    daemon = f"daemon {version} " if version and not spared else ""
    waiting = "◌" if not paint.ascii else "."
    if desk.link.phase == RECONNECTING:
        return [(daemon, "dim"), (f"{waiting} reconnecting {age(desk.now_ms - desk.link.since_ms)}", "warn")]
    if desk.link.phase == CONNECTING:
        return [(f"{waiting} connecting", "dim")]
    good = desk.status.get("status", "ok") == "ok" or desk.halted
    up = desk.uptime_ms()
    state: Span = (paint.symbol("ok"), "ok") if good else (f"{paint.symbol('warn')} {desk.status['status']}", "warn")
    return [(daemon, "dim"), state, (f" up {age(up)}" if up is not None and spared < 2 else "", "dim")]


def _counts(desk: Desk, spared: int) -> Line:
    needs = len(desk.needs_you())
    need: Span = (f"need you {needs}", link("warn", "screen.next_need") if needs else "dim")
    line: Line = [(f"open {desk.open_count}", "" if desk.open_count else "dim"), (" · ", "dim"), need]
    return line if spared > 2 else [*line, (" · ", "dim"), (f"filled today {desk.filled_today}", "")]


def tabs(page: str) -> Line:
    """The pages with their numbers; a click goes there."""
    line: Line = []
    for number, name in enumerate(keys.PAGES, 1):
        on = name == page
        line += [
            (" ", ""),
            (str(number), link("key", f"screen.page('{name}')")),
            (f" {TITLES[name]}", link("on" if on else "dim", f"screen.page('{name}')")),
        ]
        line.append((" ", ""))
    return line


def second_line(page: str, right: Line, width: int, order_id: str | None) -> Line:
    """The pages, and on the right what holds for the one that is seen."""
    left = tabs(page)
    if page == keys.DETAIL and order_id is not None:
        left = [(" Orders", link("dim", "screen.back")), (" › ", "dim"), (order_id, "strong")]
        if width < 60:
            left[-1] = (short_id(order_id), "strong")
    used = sum(len(text) for text, _ in left) + sum(len(text) for text, _ in right)
    return [*left, (" " * max(width - used - 1, 1), ""), *right]


TABS_WIDTH = sum(len(title) + 4 for title in TITLES.values())


def beside_orders(listing: Listing, of_all: int, width: int) -> Line:
    """How the table is sorted and filtered, and what is marked; what has no room is left out, the least telling first."""
    pieces: list[Line] = []
    if listing.marks:
        pieces.append([(f"{len(listing.marks)} marked (u)", "mark")])
    if listing.frozen:
        pieces.append([("frozen (f)", "mark")])
    sort: Line = [(f"sort {listing.sort}{'↑' if listing.reversed else '↓'}", "dim")]
    room = width - TABS_WIDTH - 3
    if listing.filter_text:
        shown = f"  {len(listing.rows)} of {of_all}"
        text = fit(listing.filter_text, min(len(listing.filter_text), max(room - len(shown) - 8, 8)))
        filtered: Line = [("filter: ", "dim"), (text, "mark"), (shown, "dim")]
    else:
        filtered = [("filter: none (/)", "dim")]
    spare = [filtered] if listing.filter_text else pieces
    return _first_that_fits([[*pieces, sort, filtered], [*pieces, filtered], spare or [filtered]], room)


def beside_log(position: str, filter_text: str, width: int, *, follow: bool) -> Line:
    """Which part of the log is seen, and whether it follows."""
    words = fit(filter_text, min(len(filter_text), max(width - TABS_WIDTH - 12, 8)))
    filtered: Line = [("filter: ", "dim"), (words, "mark")] if filter_text else [("filter: none (/)", "dim")]
    state: Line = [("follow", "dim") if follow else ("frozen (f)", "mark")]
    room = width - TABS_WIDTH - 3
    return _first_that_fits([[[(position, "dim")], state, filtered], [state, filtered], [filtered]], room)


def _first_that_fits(choices: list[list[Line]], room: int) -> Line:
    line: Line = []
    for pieces in choices:
        line = []
        for piece in pieces:
            line += [("   ", ""), *piece] if line else piece
        if sum(len(text) for text, _ in line) <= room:
            break
    return line


def key_bar(page: str, width: int, known: Sequence[Key] = keys.KEYS, *, readonly: bool) -> Line:
    """The keys for what is seen, each clickable, as many as fit; help is never left out."""
    shown = [key for key in keys.bar(page, known) if not (readonly and key.action in keys.ASKS_TO_ACT)]
    pieces = [
        (key.shown.split()[0], key.bar, f"{'app' if key.name in _OF_APP else 'screen'}.{key.action}") for key in shown
    ]
    while sum(len(name) + len(word) + 3 for name, word, _ in pieces) > width and len(pieces) > 2:
        keep = [piece for piece in pieces if piece[1] not in ("Help", "Open", "Back")]
        pieces.remove(keep[-1] if keep else pieces[-1])
    line: Line = []
    for name, word, action in pieces:
        line += [(" ", ""), (name, link("key", action)), (f" {word} ", link("", action))]
    return line


_OF_APP = ("palette", "quit")


class Header(Painted):
    """The top of the screen."""


class KeyBar(Painted):
    """The bottom of the screen."""
