"""Which panes there are besides those that the first page begins with: each page's, made when somebody goes there, and those
that stand beside the orders where the terminal has room. Imported then, because a dashboard has to be seen at once.
"""

from collections.abc import Callable

from textual.widget import Widget

from cli.dashboard import keys
from order_engine.client import Client

EVERY = ".live, OrdersTable, DetailPane, LogPane"  # selects the panes that show the desk

FOCUS = {
    keys.ORDERS: "orders", keys.VENUES: "pools", keys.WALLET: "wallet", keys.LOG: "log", keys.DETAIL: "detail",
}  # fmt: skip


def of_page(page: str, client_for: Callable[[], Client]) -> tuple[Widget, ...]:
    """The panes of a page that is not there from the beginning."""
    if page == keys.VENUES:
        from cli.dashboard.pools import PoolsPane
        from cli.dashboard.venues import VenuesPane

        return VenuesPane(id="venues", classes="live"), PoolsPane(client_for, id="pools", classes="live")
    from cli.dashboard.wallet import WalletPane

    return (WalletPane(id="wallet", classes="live"),)


def beside(client_for: Callable[[], Client]) -> tuple[Widget, ...]:
    """The panes that stand beside the orders."""
    from cli.dashboard.pools import PoolsPane
    from cli.dashboard.venues import VenuesPane
    from cli.dashboard.wallet import WalletPane

    return (
        VenuesPane(id="venues-beside", classes="beside live"),
        PoolsPane(client_for, id="pools-beside", classes="beside live"),
        WalletPane(id="wallet-beside", classes="beside live"),
    )
