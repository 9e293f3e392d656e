"""Obeying: does what the command line says, on the screen or to orders. What the words mean is in `command_line`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli import routes
from cli.dashboard import command_line, keys
from cli.dashboard.acting import Acting
from cli.dashboard.acts import Outcome
from cli.dashboard.desk import Desk
from cli.dashboard.filters import SORTS
from cli.dashboard.finding import Finding
from cli.render import exchange
from cli.story import Story
from order_engine.client import new_key
from order_engine.errors import Malformed

QUOTE_S = 12  # that a quote stays on the screen


class Obeying:
    """Does what was said."""

    def __init__(self, screen: Finding, acting: Acting, export: Callable[[Path | None], None]) -> None:
        self._screen, self._acting, self._export = screen, acting, export

    def obey(self, said: command_line.Said) -> None:
        """Does what was said, or tells why not."""
        screen = self._screen
        if page := command_line.page_of(said.name):
            if page == keys.LOG:
                screen.whole_log.filter(" ".join(said.words))
            screen.go(page)
            return
        match said.name:
            case "q" | "quit":
                screen.app.exit()
            case "help":
                screen.action_help()
            case "theme":
                self.theme(said.words[0])
            case "filter" | "list":
                self._filter(" ".join(said.words))
            case "sort":
                self._sort(said.words[0])
            case "show":
                self._found(said.words, lambda stories: screen.open_order(stories[0].order_id))
            case "export":
                self._export(Path(said.words[0]).expanduser() if said.words else None)
            case "status":
                screen.tell(Outcome(_status_words(screen.desk)))
            case "quote":
                screen.ask(
                    lambda client: client.quote(*said.words, **(said.order or {})),
                    lambda quote: screen.tell(_quoted(quote), QUOTE_S),
                )
            case _ if self._acting.may():
                self._act(said)

    def _act(self, said: command_line.Said) -> None:
        match said.name:
            case "submit":
                order = dict(said.order or {})
                key = str(order.pop("clientOrderId", None) or new_key())
                self._acting.place(order, key)
            case "cancel":
                self._found(said.words, self._acting.cancel)
            case "retry":
                self._found(said.words, lambda stories: self._acting.retry(stories, said.slippage_bps))
            case "halt":
                self._acting.halt(cancel_open="--cancel-open" in said.words)
            case "resume":
                self._acting.resume()

    def theme(self, name: str) -> None:
        """Changes the theme."""
        app = self._screen.app
        if name not in app.available_themes:
            self._screen.tell(Outcome(f"No theme {name[:30]}. ctrl+p lists them.", "warning"))
            return
        app.theme = name

    def _filter(self, text: str) -> None:
        try:
            self._screen.listing.filter(text)
        except Malformed as error:
            self._screen.tell(Outcome(error.message, "warning"))
            return
        self._screen.go(keys.ORDERS)

    def _sort(self, name: str) -> None:
        if name not in SORTS:
            self._screen.tell(Outcome(f"Cannot sort by {name[:20]}. Known: {', '.join(SORTS)}", "warning"))
            return
        self._screen.sort_so(name)

    def _found(self, ends: tuple[str, ...], then: Callable[[list[Story]], None]) -> None:
        """The orders whose ids end so, asking the daemon for those that are not here; none named: those that are meant."""
        if not ends:
            then(self._screen.meant())
            return
        here = [self._ending(end) for end in ends]
        if all(story is not None for story in here):
            then([story for story in here if story is not None])
            return

        def take(orders: list[dict[str, Any]]) -> None:
            known = self._screen.desk.stories
            stories = []
            for order in orders:
                story = known.get(str(order["orderId"])) or Story.of(order)
                known.setdefault(story.order_id, story)
                stories.append(story)
            then(stories)

        self._screen.ask(lambda client: [client.find(end) for end in ends], take)

    def _ending(self, end: str) -> Story | None:
        found = [story for story in self._screen.desk.stories.values() if story.order_id.endswith(end.lower())]
        return found[0] if len(found) == 1 and len(end) >= 4 else None


def _quoted(quote: dict[str, Any]) -> Outcome:
    receives, several = bool(quote.get("receive")), len(quote.get("route") or ()) > 1
    lines = [exchange(quote) if receives else f"{quote['amount']} {quote['inputToken']} → {quote['outputToken']}"]
    if several:
        lines.append(f"{'route':<9}{quote['quotedInput' if receives else 'quotedOutput']}  ◂ best")
        lines.append(f"  {routes.in_short(quote['route'], quote['best'])}")
    for offer in quote["quotes"]:
        if "amountOut" in offer:
            best = "  ◂ best" if offer["dex"] == quote["best"] and not several else ""
            amount = offer["amountIn" if receives else "amountOut"]
            lines.append(f"{offer['dex']:<9}{amount}  impact {offer['priceImpactBps']} bps{best}")
        else:
            lines.append(f"{offer['dex']:<9}no quote: {offer['reason']}")
    return Outcome("\n".join(lines))


def _status_words(desk: Desk) -> str:
    status = desk.status
    today = ", ".join(f"{count} {name}" for name, count in status.get("today", {}).items())
    return (
        f"daemon {status.get('version')} {status.get('status')}, {status.get('speed')} market\n"
        f"open {desk.open_count}, queue {status.get('queue')}\ntoday {today}\nlog {status.get('seq')} events"
    )
