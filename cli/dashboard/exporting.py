"""Exporting: what a page shows, as rows of text, and the CSV file that they are written to.

Every value is written as the records have it, whole, whatever its column on the screen had room for.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cli import routes
from cli.dashboard import cells, keys
from cli.dashboard.desk import Desk, Record
from cli.dashboard.pages import Shown
from cli.dashboard.wallet import holdings
from cli.output import bare
from cli.paint import state_of
from cli.render import detail, short_id
from cli.story import Story
from order_engine.clock import timestamp

ORDER_COLUMNS = (
    "orderId", "clientOrderId", "inputToken", "outputToken", "amount", "slippageBps", "minOutput", "status", "routedDex",
    "quotedOutput", "amountOut", "executedPrice", "slippageBpsGot", "fee", "feeToken", "txHash", "errorCode", "error",
    "createdAt", "updatedAt", "receive", "maxInput", "quotedInput", "amountIn", "route", "gapBps",
)  # fmt: skip
EVENT_COLUMNS = ("seq", "timestamp", "orderId", "status", "detail")
BALANCE_COLUMNS = ("token", "free", "reserved", "total", "valueUsdc")


class Sheet(NamedTuple):
    """A table under the name that its file gets."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def sheets(shown: Shown) -> list[Sheet]:
    """The tables of a page; of an order's page what happened to it."""
    desk = shown.desk
    match shown.page:
        case keys.LOG:
            return [events(shown.log)]
        case keys.WALLET:
            return [wallet(desk)]
        case keys.VENUES:
            return [records("venues", desk.venues), records("pools", desk.pools)]
        case keys.DETAIL if shown.order_id is not None:
            return [events(desk.history(shown.order_id), f"order-{short_id(shown.order_id)}")]
        case _:
            return [orders(shown.orders)]


def orders(stories: Iterable[Story]) -> Sheet:
    """Orders, as far as the dashboard knows them, in the order in which they are shown."""
    return Sheet("orders", ORDER_COLUMNS, [_order(story) for story in stories])


def _order(story: Story) -> list[str]:
    asked, slip = story.request, cells.slippage(story)
    values: tuple[object, ...] = (
        story.order_id, *(asked.get(name) for name in ORDER_COLUMNS[1:6]), story.min_output or asked.get("minOutput"),
        story.state, story.routed_dex, story.quoted_output, story.amount_out, story.executed_price,
        None if slip is None else cells.bps(slip), story.fee, story.fee_token, story.tx_hash, story.error_code, story.error,
        timestamp(story.started_at), timestamp(story.updated_at), asked.get("receive"),
        story.max_input or asked.get("maxInput"), story.quoted_input, story.amount_in,
        routes.in_short(story.route, None) if story.route else None, story.gap_bps,
    )  # fmt: skip
    return [bare(value) for value in values]


def events(records: Iterable[Record], name: str = "log") -> Sheet:
    """Events, with what they say in words."""
    rows = [
        [bare(value) for value in (event["seq"], event["timestamp"], event["orderId"], state_of(event), detail(event))]
        for event in records
    ]
    return Sheet(name, EVENT_COLUMNS, rows)


def wallet(desk: Desk) -> Sheet:
    """What there is of each token, and what it is worth at the prices of now, where a pool prices it."""
    rows = [
        [
            *(bare(held.balance[name]) for name in BALANCE_COLUMNS[:4]),
            "" if held.value is None else f"{held.value:.6f}",
        ]
        for held in holdings(desk)
    ]
    return Sheet("wallet", BALANCE_COLUMNS, rows)


def records(name: str, found: Sequence[Record]) -> Sheet:
    """Records as they are, a column for each field."""
    columns = tuple(dict.fromkeys(field for record in found for field in record))
    return Sheet(name, columns, [[bare(record.get(column)) for column in columns] for record in found])


def write(sheet: Sheet, path: Path) -> Path:
    """Writes the table to a file that was not there before: `path`, or the next name that is free. Raises OSError."""
    for number in range(1, 1_000):
        free = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            with free.open("x", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(sheet.columns)
                writer.writerows(sheet.rows)
        except FileExistsError:
            continue
        return free
    raise FileExistsError(f"{path} and many like it are there already")


def file_name(sheet: Sheet, now_ms: int) -> str:
    """A name that says what and when: oee-orders-20261120-094120.csv."""
    day, _, time = timestamp(now_ms)[:19].partition("T")
    return f"oee-{sheet.name}-{day.replace('-', '')}-{time.replace(':', '')}.csv"
