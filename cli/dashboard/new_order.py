"""The card for a new order: what is asked for, the route that it would get right now, and the same as a shell command.

What is typed is read by the rules of the shell; an amount that begins with = is what is to be got, exactly. Quotes are asked for
in a thread of their own, once typing pauses and again every few seconds; an answer to something that is not asked any more is
dropped. A refusal stays in the card.
"""

import shlex
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.timer import Timer
from textual.widgets import Input, Label

from cli import bps, render, routes
from cli.cards import less
from cli.dashboard import cells
from cli.dashboard.desk import Desk, Record
from cli.dashboard.keymap import bindings
from cli.dashboard.keys import EVERY_KEY, Key, named
from cli.dashboard.link import Hands
from cli.dashboard.painted import Painted, link
from cli.dashboard.scrolled import Wheel
from cli.dashboard.themes import symbols
from cli.paint import Line, wrap
from order_engine.amounts import BPS, InvalidAmount, div_ceil, div_floor, format_amount, parse_amount
from order_engine.client import Client, new_key
from order_engine.errors import EngineError, Malformed, OutcomeUnknown
from order_engine.tokens import TOKENS, resolve

PAUSE_S = 0.25  # after the last key, before the venues are asked
RENEW_S = 2.0
RECEIVE = "="  # before an amount: it is to be got, not sold
INSIDE = 62  # cells of a line in the card
OFFERS = 3  # lines for quotes
SAYS_MIN, SAYS_MAX = 2, 6  # lines for what is wrong: it grows with what there is to say


class Draft(NamedTuple):
    """What stands in the fields."""

    amount: str
    sell: str
    buy: str
    limit: str

    @property
    def empty(self) -> bool:
        """True before anything was typed."""
        return not self.amount.strip()


def read(draft: Draft) -> Record:
    """The order that the fields ask for. Raises Malformed, with the field, for anything that is not understood."""
    sell, buy = resolve(draft.sell.strip(), "sell"), resolve(draft.buy.strip(), "buy")
    if sell == buy:
        raise Malformed(f"Both are {sell.symbol}.", code="same_token", field="buy")
    amount = draft.amount.strip()
    receives = amount.startswith(RECEIVE)
    amount = amount.removeprefix(RECEIVE).strip()
    try:
        parse_amount(amount, buy.decimals if receives else sell.decimals)
    except InvalidAmount as error:
        raise Malformed(f"{error}.", code="invalid_amount", field="amount") from error
    order: Record = {"inputToken": sell.symbol, "outputToken": buy.symbol, "receive" if receives else "amount": amount}
    limit = bps.read(draft.limit.strip() or None, "limit")
    return order if limit is None else order | {"slippageBps": limit}


def shell(order: Record) -> str:
    """The command that places the same order."""
    much = ["--receive", order["receive"]] if "receive" in order else [order["amount"]]
    words = ["oee", "submit", order["inputToken"], order["outputToken"], *much]
    if "slippageBps" in order:
        words += ["--slippage", f"{order['slippageBps']}bps"]
    return shlex.join(words)


def worst(order: Record, quote: Record) -> str | None:
    """What would be paid at least, or taken at most, where the order says a limit: the route's amount with that, in words.

    Rounded for the user: what is paid up, what is taken down.
    """
    best = next((offer for offer in quote["quotes"] if offer["dex"] == quote["best"]), None)
    if best is None or "slippageBps" not in order:
        return None
    receives = "receive" in order
    symbol = order["inputToken" if receives else "outputToken"]
    amount = quote.get("quotedInput" if receives else "quotedOutput") or best["amountIn" if receives else "amountOut"]
    if (token := TOKENS.get(symbol)) is None:
        return None
    units, limit = parse_amount(amount, token.decimals), int(order["slippageBps"])
    if receives:
        return f"at most {format_amount(div_floor(units * (BPS + limit), BPS), token.decimals)} {symbol}"
    return f"at least {format_amount(div_ceil(units * (BPS - limit), BPS), token.decimals)} {symbol}"


def route(quote: Record, width: int) -> list[Line]:
    """The route that the order would get, on one line: what it comes to, and where."""
    if not quote.get("route"):
        return []
    receives = bool(quote.get("receive"))
    amount = quote["quotedInput" if receives else "quotedOutput"]
    said = f" {amount} {quote['inputToken' if receives else 'outputToken']} by {routes.in_short(quote['route'], quote['best'])}"
    return [[("▸", "confirmed"), (cells.fit(said, width - 1).rstrip(), "strong")]]


def offers(quote: Record, width: int) -> list[Line]:
    """One line per venue, the chosen one marked; where the route is better than all of them, by how much worse each is."""
    receives, several = bool(quote.get("receive")), len(quote.get("route") or ()) > 1
    best = next((offer for offer in quote["quotes"] if offer["dex"] == quote["best"] and not several), None)
    against = routes.total(quote) if several else best
    of, symbol = ("amountIn", quote["inputToken"]) if receives else ("amountOut", quote["outputToken"])
    amounts = render.on_the_point([str(offer.get(of, "")) for offer in quote["quotes"]])
    wide = max(map(len, amounts), default=0)
    drawn: list[Line] = []
    for offer, amount in zip(quote["quotes"], amounts, strict=True):
        name = f" {cells.fit(str(offer['dex']), 8)} "
        if "amountOut" not in offer:
            drawn.append([(f" {name}", ""), (cells.fit(f"no quote: {offer['reason']}", width - len(name) - 1), "dim")])
            continue
        chosen = offer is best
        tone = "strong" if chosen else ""
        drawn.append(
            [
                ("▸" if chosen else " ", "confirmed"),
                (f"{name}{amount:>{wide}} {symbol}", tone),
                (f"  {'best' if chosen else less(offer, against, receives=receives):>9}", tone),
                (f"  impact {offer['priceImpactBps']} bps", "dim"),
            ]
        )
    return drawn


class TokenField(Wheel, Input):
    """A token by its symbol: typed, completed, or taken with the arrows or the wheel from those there are."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(named("token-before", "next-token"))

    def __init__(self, value: str, symbols_known: Sequence[str], *, id: str) -> None:
        super().__init__(
            value, compact=True, id=id, max_length=44, suggester=SuggestFromList(symbols_known, case_sensitive=False)
        )
        self._known = list(symbols_known)

    def action_step(self, by: int) -> None:
        """The next token of the list, or the one before."""
        here = next((n for n, symbol in enumerate(self._known) if symbol.upper() == self.value.strip().upper()), -by)
        self.value = self._known[(here + by) % len(self._known)]
        self.cursor_position = len(self.value)

    def turn(self, by: int) -> None:
        """The wheel does what the arrows do."""
        self.action_step(by)


class NewOrder(ModalScreen[Record | None]):
    """The card. Ends with the order that was placed, or with None."""

    DEFAULT_CSS = """
    NewOrder { align: center middle; }
    NewOrder #card {
        width: 66; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
        border: solid $primary; border-title-color: $foreground; background: $surface;
    }
    NewOrder Horizontal { height: 1; }
    NewOrder Label { width: 7; color: $text-muted; }
    NewOrder #limit-label { margin-left: 2; }
    NewOrder Input { width: 18; margin-right: 1; background: $panel; }
    NewOrder Input:focus { background: $primary 30%; }
    NewOrder TokenField { width: 10; }
    NewOrder #limit { width: 9; }
    NewOrder #free { width: 1fr; }
    NewOrder #offers { height: 3; margin-top: 1; }
    NewOrder #route { height: 1; }
    NewOrder #says { height: 2; }
    NewOrder #same, NewOrder #acts { height: 1; }
    NewOrder #acts { margin-top: 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(named("card-close", "card-submit"))

    def __init__(
        self,
        desk: Desk,
        client_for: Callable[[], Client],
        known: Sequence[Key] = EVERY_KEY,
        /,
        *,
        sell: str = "SOL",
        buy: str = "USDC",
        amount: str = "",
    ) -> None:
        super().__init__()
        self._desk = desk
        self._client_for = client_for
        self._begins = Draft(amount, sell, buy, "")
        self._known = known
        self._paint = symbols()
        self._order: Record | None = None  # what the fields ask for, if that is understood
        self._quote: Record | None = None
        self._asked: Record | None = None  # what the venues are being asked for
        self._says: list[Line] = []
        self._unheard = False  # what it says is that nobody quoted
        self._placing = False
        self._keys: dict[str, str] = {}  # by command: an order that is sent again is the same order
        self._pause: Timer | None = None
        self._asking: Hands | None = None
        self._placer: Hands | None = None

    # what is on it

    def compose(self) -> ComposeResult:
        """The fields, the quotes, what is wrong, the command, what can be done."""
        known = [str(token["symbol"]) for token in self._desk.tokens] or list(TOKENS)
        with Vertical(id="card") as card:
            card.border_title = "New order"
            with Horizontal():
                yield Label("Sell", markup=False)
                yield Input(self._begins.amount, placeholder="1.5, or =200", compact=True, id="amount", max_length=40)
                yield TokenField(self._begins.sell, known, id="sell")
                yield Painted(id="free")
            with Horizontal():
                yield Label("For", markup=False)
                yield TokenField(self._begins.buy, known, id="buy")
                yield Label("limit", markup=False, id="limit-label")
                yield Input(placeholder="default", compact=True, id="limit", max_length=12)
                yield Label("bps", markup=False)
            yield Painted(id="offers")
            yield Painted(id="route")
            yield Painted(id="says")
            yield Painted(id="same")
            yield Painted(id="acts")

    def on_mount(self) -> None:
        """Begins with the amount, and asks for quotes from now on."""
        self._asking = Hands(self._client_for, self.app.call_from_thread)
        self._placer = Hands(self._client_for, self.app.call_from_thread)
        self.set_interval(RENEW_S, self._renew)
        self.query_one("#amount", Input).focus()
        self._changed()

    def on_unmount(self) -> None:
        """Lets the threads go."""
        for hands in (self._asking, self._placer):
            if hands is not None:
                hands.stop()

    def show(self, desk: Desk) -> None:
        """Takes over what is free now."""
        self._desk = desk
        self._draw()

    @property
    def draft(self) -> Draft:
        """What stands in the fields."""
        texts = [self.query_one(f"#{name}", Input).value for name in ("amount", "sell", "buy", "limit")]
        return Draft(*texts)

    # quotes

    @on(Input.Changed)
    def _changed(self) -> None:
        """The fields say something else: the quotes here are of something else, and the venues are asked once typing pauses."""
        self._says = []
        try:
            self._order = None if self.draft.empty else read(self.draft)
        except Malformed as error:
            self._order = None
            self._say(error.message, "warn")
        if self._quote is not None and not (self._order and _same_ask(self._quote, self._order)):
            self._quote = None
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE_S, self._ask) if self._order is not None and self._quote is None else None
        self._draw()

    def _renew(self) -> None:
        """Asks again, unless an answer is still to come: prices move, and a daemon comes back."""
        if self._asked is None and not self._placing:
            self._ask()

    def _ask(self) -> None:
        order = self._order
        if order is None or self._asking is None:
            return
        self._asked = order

        def quote(client: Client) -> Record | None:
            if self._asked is not order:  # typed on while this waited
                return None
            return client.quote(
                order["inputToken"], order["outputToken"], order.get("amount"), receive=order.get("receive")
            )

        self._asking.ask(
            quote, lambda answer: self._quoted(order, answer), lambda error: self._not_quoted(order, error)
        )
        self._draw()

    def _quoted(self, order: Record, quote: Record | None) -> None:
        """Takes up an answer, if it is one to what is asked for now."""
        if self._asked is not order:
            return
        self._asked = None
        if self._unheard:
            self._unheard, self._says = False, []
        if quote is not None and self._order is not None and _same_ask(quote, self._order):
            self._quote = quote
        self._draw()

    def _not_quoted(self, order: Record, error: EngineError) -> None:
        if self._asked is not order:
            return
        self._asked = None
        if not self._placing:
            self._unheard = True
            self._say(_worded(error), "fail")
        self._draw()

    # what can be done

    def action_leave(self) -> None:
        """Closes the card. What was sent before stays so."""
        self.dismiss(None)

    def action_submit(self) -> None:
        """Places the order that the fields ask for."""
        if self._placing or self._placer is None:
            return
        if self._order is None:
            if self.draft.empty:
                self._say("How much is to be sold? Or, with = before it, to be got?", "warn")
                self.query_one("#amount", Input).focus()
            self._draw()
            return
        order = self._order
        key = self._keys.setdefault(shell(order), new_key())
        self._placing = True
        self._say("placing …", "dim")
        self._draw()
        self._placer.ask(lambda client: client.place(order, key=key), self._placed, self._refused)

    def _placed(self, answer: tuple[Record, bool]) -> None:
        if self.is_current:
            self.dismiss(answer[0])

    def _refused(self, error: EngineError) -> None:
        """Nothing closes: what was typed is still there, and why it was refused. Sending the same again is harmless."""
        self._placing = self._unheard = False
        again = "ctrl+s asks again, and never for a second order. " if isinstance(error, OutcomeUnknown) else ""
        self._say(f"{again}{_worded(error)}", "fail")
        self._draw()

    # drawing

    def _say(self, text: str, tone: str) -> None:
        symbol = {"fail": self._paint.symbol("fail"), "warn": self._paint.symbol("warn")}.get(tone, " ")
        self._says = [[(f" {symbol} {text}", tone)]]

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        width = min(INSIDE, max(self.size.width - 4, 20))
        self._put("free", [self._free()])
        self._put("offers", self._offers(width)[:OFFERS])
        self._put("route", [] if self._quote is None else route(self._quote, width))
        said = [part for line in self._says or self._verdict() for part in wrap(line, width, "   ")]
        self.query_one("#says").styles.height = min(max(len(said), SAYS_MIN), SAYS_MAX)
        self._put("says", said)
        command = shell(self._order) if self._order else "-"
        self._put("same", [[(" Same as: ", "dim"), (command, "" if self._order else "dim")]])
        self._put("acts", [self._acts(width)])

    def _put(self, name: str, lines: list[Line]) -> None:
        self.query_one(f"#{name}", Painted).put(lines)

    def _free(self) -> Line:
        """What can be sold, and whether that is enough."""
        symbol = self.draft.sell.strip().upper()
        balance = next((b for b in self._desk.balances if str(b["token"]).upper() == symbol), None)
        if balance is None:
            return []
        needed = (self._order or {}).get("amount") or (self._quote or {}).get("quotedInput")
        if needed is not None and Decimal(needed) > Decimal(balance["free"]):
            return [(f"{self._paint.symbol('warn')} only {balance['free']} free", "warn")]
        return [(f"free {balance['free']}", "dim")]

    def _offers(self, width: int) -> list[Line]:
        if self._quote is not None:
            return offers(self._quote, width)
        if self._order is not None:
            return [[("   asking the venues …", "dim")]]
        return [[("   Every venue's offer stands here once there is an amount.", "dim")]]

    def _verdict(self) -> list[Line]:
        """What the quotes come to: how much there is at least, or why nobody would get the order."""
        if self._quote is None or self._order is None:
            return []
        if self._quote["best"] is None:
            why = self._quote["reason"]
            if not any("amountOut" in offer for offer in self._quote["quotes"]):  # each says above why not
                why = f"No venue makes an offer for {self._order['inputToken']} to {self._order['outputToken']}."
            return [[(f" {self._paint.symbol('fail')} {why}", "fail")]]
        limit = worst(self._order, self._quote)
        near = routes.gap(self._quote)
        said = "; ".join(words for words in (limit, near) if words)
        return [[(f"   {said}", "")]] if said else []

    def _acts(self, width: int) -> Line:
        key_of = {key.name: key.shown.split()[0] for key in self._known}
        leave, submit = f"[ Cancel  {key_of['card-close']} ]", f"[ Submit  {key_of['card-submit']} ]"
        other = f"{key_of['token-before']}{key_of['next-token']} other token"
        return [
            (leave, link("", "screen.leave")),
            (other.center(width - len(leave) - len(submit)), "dim"),
            (submit, link("key" if self._order is not None and not self._placing else "dim", "screen.submit")),
        ]


def _same_ask(quote: Record, order: Record) -> bool:
    """True when the quote is of this order. Amounts are compared as numbers: 1.50 is answered as 1.5."""
    tokens = quote["inputToken"] == order["inputToken"] and quote["outputToken"] == order["outputToken"]
    name = "receive" if "receive" in order else "amount"
    return tokens and quote.get(name) is not None and Decimal(quote[name]) == Decimal(order[name])


def _worded(error: EngineError) -> str:
    return f"{error.message} {error.hint or ''}".strip()
