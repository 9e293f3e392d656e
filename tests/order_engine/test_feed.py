import sys
from threading import Thread

from order_engine.events import Recorded
from order_engine.feed import Feed
from tests.order_engine.given import PENDING, an_order

SOMETHING = [Recorded(1, PENDING, an_order())]


def test_every_listener_hears_until_it_unsubscribes() -> None:
    feed, first, second = Feed(), list[Recorded](), list[Recorded]()
    leave = feed.subscribe(first.extend)
    feed.subscribe(second.extend)
    feed.publish(SOMETHING)
    leave()
    leave()
    feed.publish(SOMETHING)
    assert (len(first), len(second)) == (1, 2)


def test_no_listener_is_lost_when_many_subscribe_at_once() -> None:
    feed, heard = Feed(), list[int]()

    def subscribe() -> None:
        for n in range(200):
            feed.subscribe(lambda _, n=n: heard.append(n))  # type: ignore[misc]
            feed.subscribe(lambda _: None)()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [Thread(target=subscribe) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    feed.publish(SOMETHING)
    assert len(heard) == 1_600
