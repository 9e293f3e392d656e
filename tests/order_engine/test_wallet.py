from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest

from order_engine.errors import Refused
from order_engine.wallet import Wallet
from tests.order_engine.given import SOL


class Purse:
    """A chain's balances, and nothing else of a chain."""

    def __init__(self, **units: int) -> None:
        self.units = dict(units)
        self.on_look: Callable[[], None] = lambda: None

    def balances(self) -> dict[str, int]:
        found = dict(self.units)
        self.on_look()
        return found


def wallet(purse: Purse) -> Wallet:
    return Wallet(purse, attempts=3, network_fee=5_000)  # type: ignore[arg-type]  # balances are all that is asked for


def test_what_one_order_holds_another_cannot_have() -> None:
    purse = wallet(Purse(SOL=SOL + 15_000))
    purse.hold("one", "SOL", SOL)
    assert purse.balances() == {"SOL": (0, SOL + 15_000)}
    with pytest.raises(Refused):
        purse.hold("two", "SOL", 1)
    purse.release("one")
    purse.hold("two", "SOL", SOL)


def test_a_refused_hold_holds_nothing() -> None:
    purse = wallet(Purse(SOL=SOL))
    with pytest.raises(Refused):
        purse.hold("one", "SOL", SOL)
    assert (len(purse), purse.balances()) == (0, {"SOL": (SOL, 0)})


def test_releasing_twice_or_nothing_is_harmless() -> None:
    purse = wallet(Purse(SOL=2 * SOL))
    purse.hold("one", "SOL", SOL)
    for order_id in ("one", "one", "nobody"):
        purse.release(order_id)
    assert purse.balances() == {"SOL": (2 * SOL, 0)}


def test_what_was_accepted_before_a_restart_is_held_whether_it_is_there_or_not() -> None:
    purse = wallet(Purse(SOL=1))
    purse.hold("one", "SOL", SOL, checked=False)
    assert purse.balances() == {"SOL": (0, SOL + 15_000)}


def test_many_at_once_cannot_spend_more_than_there_is() -> None:
    purse = wallet(Purse(SOL=10 * (SOL + 15_000)))

    def hold(n: int) -> bool:
        try:
            purse.hold(str(n), "SOL", SOL)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(hold, range(200))) == 10
    assert purse.balances() == {"SOL": (0, 10 * (SOL + 15_000))}


def test_a_landing_between_the_look_and_the_hold_frees_nothing_that_is_spent() -> None:
    chain = Purse(SOL=SOL + 15_000)
    purse = wallet(chain)
    purse.hold("one", "SOL", SOL)
    ended = Event()

    def lands_and_ends() -> None:
        chain.units["SOL"] = 10_000
        purse.release("one")
        ended.set()

    def meanwhile() -> None:
        chain.on_look = lambda: None
        Thread(target=lands_and_ends).start()
        ended.wait(0.2)  # a wallet that holds its breath while it looks makes this wait in vain

    chain.on_look = meanwhile
    with pytest.raises(Refused):
        purse.hold("two", "SOL", SOL)
    assert ended.wait(20)
