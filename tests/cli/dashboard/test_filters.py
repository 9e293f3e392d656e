import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.dashboard import cells, filters
from cli.dashboard.desk import Desk
from order_engine.errors import Malformed
from tests.cli.dashboard.scene import a_desk


@pytest.fixture(scope="module")
def desk() -> Desk:
    return a_desk()


def found(desk: Desk, text: str) -> set[int]:
    """The last digits of the orders that a filter shows."""
    test = filters.parse(text)
    return {int(story.order_id[-1]) for story in desk.stories.values() if test(story)}


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ("", {1, 2, 3, 4, 5, 6, 7, 8, 9}),
        ("status:failed", {5}),
        ("status:fail", {5}),
        ("status:failed,unknown", {5, 6}),
        ("status:open", {1, 2, 3, 4, 6}),
        ("venue:ray", {3, 5, 8}),
        ("venue:ray status:confirmed", {8}),
        ("pair:SOL/USDC", {1, 2, 4, 6, 7, 8}),  # in either direction
        ("pair:bonk", {5}),
        ("!status:confirmed !status:open", {5, 9}),
        ("!!status:failed", {5}),
        (">30bps", {8}),
        ("<30bps", {7}),
        (">=0bps", {7, 8}),
        ("id:100003", {3}),
        ("100003", {3}),
        ("slippage", {5}),
        ("key:bot-10000", {1, 2, 3, 4, 5, 6, 7, 8, 9}),
        ("tx:1000014", {1}),
        ("error:62", {5}),
        ("JUP", {3, 9}),
    ],
)
def test_a_filter_shows_what_all_its_words_mean(desk: Desk, text: str, orders: set[int]) -> None:
    assert found(desk, text) == orders


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stauts:failed", "Did you mean status:?"),
        ("status:confrimed", "Did you mean confirmed?"),
        ("status:", "needs a value"),
        (">30", "such as >30bps"),
        ("!", "needs a word"),
        ("colour:red", "Known: status:, venue:"),
    ],
)
def test_a_word_that_is_not_understood_says_what_would_be(text: str, says: str) -> None:
    with pytest.raises(Malformed) as error:
        filters.parse(text)
    assert says in f"{error.value.message} {error.value.hint}"


@given(st.text(max_size=30))
def test_no_text_breaks_a_filter(text: str) -> None:
    desk = a_desk()
    try:
        test = filters.parse(text)
    except Malformed:
        return
    for story in desk.stories.values():
        test(story)


@given(st.lists(st.sampled_from(["status:failed", "venue:ray", "pair:SOL", ">30bps", "bonk"]), max_size=4))
def test_turning_a_filter_round_shows_exactly_the_others(words: list[str]) -> None:
    desk = a_desk()
    for word in words:
        assert found(desk, word) ^ found(desk, f"!{word}") == set(range(1, 10))


# the cells


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("1.5", 10, "       1.5"),
        ("1.123456789", 10, "1.1234567…"),
        ("9100000", 7, "9100000"),
        ("9100000.123", 8, "9.10e6"),
        (None, 4, "   -"),
    ],
)
def test_a_number_is_cut_behind_its_point_only_and_says_so(text: str | None, width: int, shown: str) -> None:
    assert cells.number(text, width).strip() == shown.strip()
    assert len(cells.number(text, width)) == width


@given(st.decimals(min_value=0, max_value=10**18, allow_nan=False, places=9), st.integers(8, 20))
def test_every_number_fills_its_cell_exactly(value: object, width: int) -> None:
    assert len(cells.number(f"{value:f}", width)) == width
    assert len(cells.price(f"{value:f}", max(width, 10))) == max(width, 10)


def test_prices_have_six_digits_that_mean_something() -> None:
    assert cells.price("163.47267", 11).strip() == "163.473"
    assert cells.price("0.0000000905560332707", 11).strip() == "9.05560e-8"
    assert cells.price("2", 11).strip() == "2.00000"
