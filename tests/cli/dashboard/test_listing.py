import pytest

from cli.dashboard.desk import Desk
from cli.dashboard.listing import Listing
from order_engine.errors import Malformed
from tests.cli.dashboard.scene import Teller, a_desk, an_id


def ids(listing: Listing) -> list[int]:
    return [int(story.order_id[-6:]) for story in listing.rows]


def a_listing(count: int) -> tuple[Teller, Desk, Listing]:
    teller = Teller()
    for number in range(1, count + 1):
        teller.order(number, "confirmed", 100_000 - number)
    desk = a_desk(teller.events)
    listing = Listing()
    listing.update(desk)
    return teller, desk, listing


def test_the_newest_order_is_on_top() -> None:
    _, _, listing = a_listing(3)
    assert ids(listing) == [3, 2, 1]


def more(teller: Teller, desk: Desk, listing: Listing, number: int) -> None:
    before = len(teller.events)
    teller.order(number, "routing", 10)
    for event in teller.events[before:]:
        desk.take(event)
    listing.update(desk)


def test_on_the_first_row_the_cursor_stays_with_what_is_newest() -> None:
    teller, desk, listing = a_listing(3)
    more(teller, desk, listing, 4)
    assert listing.selected is not None
    assert listing.selected.order_id == an_id(4)


def test_elsewhere_the_cursor_holds_on_to_its_order_and_to_its_line() -> None:
    teller, desk, listing = a_listing(30)
    listing.move(3)
    listing.window(10)
    line = listing.cursor - listing.top
    for number in range(31, 36):
        more(teller, desk, listing, number)
        listing.window(10)
    assert listing.selected is not None
    assert listing.selected.order_id == an_id(27)
    assert listing.cursor - listing.top == line


def test_a_frozen_list_stands_still_while_its_orders_go_on() -> None:
    teller, desk, listing = a_listing(2)
    more(teller, desk, listing, 3)
    listing.frozen = True
    teller.say(an_id(3), 1, "cancelled", reason="on request")
    desk.take(teller.events[-1])
    more(teller, desk, listing, 4)
    assert ids(listing) == [3, 2, 1]
    assert listing.rows[0].state == "cancelled"
    listing.frozen = False
    listing.update(desk)
    assert ids(listing) == [4, 3, 2, 1]


def test_the_cursor_is_always_in_the_window() -> None:
    _, _, listing = a_listing(50)
    for by in (7, 30, -12, 100, -100):
        listing.move(by)
        seen = listing.window(9)
        assert listing.selected in seen
        assert len(seen) == 9


def test_a_range_is_marked_from_the_last_mark_to_the_cursor() -> None:
    _, _, listing = a_listing(9)
    listing.mark()
    listing.move(2)
    listing.mark_range()
    assert listing.marks == {an_id(number) for number in (9, 8, 7, 6)}
    listing.unmark()
    assert listing.meant() == [listing.selected]


def test_a_bad_filter_leaves_the_good_one() -> None:
    _, desk, listing = a_listing(3)
    listing.filter("id:000002")
    with pytest.raises(Malformed):
        listing.filter("nonsense:1")
    listing.update(desk)
    assert ids(listing) == [2]


def test_a_heading_sorts_and_again_turns_it_round() -> None:
    desk = a_desk()
    listing = Listing()
    listing.sort_by("status")
    listing.update(desk)
    assert [story.state for story in listing.rows][:3] == ["unknown", "failed", "submitted"]
    listing.sort_by("status")
    listing.update(desk)
    assert [story.state for story in listing.rows][-2:] == ["failed", "unknown"]
    listing.sort_by("slip")
    listing.update(desk)
    assert ids(listing)[0] == 100008  # slipped most
