"""What is drawn, as text: cards, strips, tables, outcomes, and what a hostile string cannot do."""

import pytest

from cli import cards, live, render, topics
from cli.commands.events import STATES
from cli.paint import LOOKS, Line, Paint, clean, state_of, wrap
from cli.story import Story
from cli.times import ms_of
from tests.cli import records
from tests.cli.records import CANCELLED, CONFIRMED, FAILED, ID, UNKNOWN, paint

NOW = ms_of("2026-11-20T09:41:05.160Z")


def told(*events: records.Record, order: records.Record | None = None) -> Story:
    story = Story(ID, order)
    for event in events:
        story.add(event)
    return story


def text(lines: list[Line], paint: Paint) -> str:
    return "\n".join(paint.text(line) for line in lines)


def test_the_card_of_an_order_that_is_over() -> None:
    story = told(*records.LIFE, order=CONFIRMED)
    assert text(cards.card(story, paint(), 80, NOW), paint()) == (
        "994627  Sell 1.5 SOL for USDC (limit 50bps)\n"
        "  ● pending ─ ● routing ─ ● building ─ ● submitted ─ ● confirmed\n"
        "    0ms         12ms        61ms         140ms         1.9s\n"
        "  raydium  224.40221  USDC  -22.7bps  impact 2bps\n"
        "  meteora  224.913401 USDC  ◂ chosen  impact 1bps\n"
        "  orca     no quote: no answer within 400 ms\n"
        "  tx 4sGjTq…Wm2e\n"
        "  ● confirmed  got 224.841213 USDC on meteora, 3.2bps worse than quoted\n"
        "    at 149.894142 USDC per SOL, fee 0.003 SOL"
    )


def test_the_card_of_an_order_on_its_way_says_for_how_long_and_until_when() -> None:
    drawn = text(cards.card(told(*records.LIFE[:4]), paint(), 80, NOW), paint())
    assert "● building ─ ◕ submitted ─ ○ confirmed" in drawn
    assert "2.0s…" in drawn
    assert "tx 4sGjTq…Wm2e, can land until height 230" in drawn


def test_an_order_whose_answer_is_lost_is_unknown_and_says_what_not_to_do() -> None:
    drawn = text(cards.card(told(*records.LIFE[:4], records.UNANSWERED), paint(), 80, NOW), paint())
    assert "● building ─ ? unknown ─ ○ confirmed" in drawn
    assert "may still land until height 230; do not resubmit; oee wait 994627" in " ".join(drawn.split())


def test_a_second_attempt_says_what_ended_the_first() -> None:
    drawn = text(cards.card(told(*records.LIFE[:4], records.AGAIN), paint(), 80, NOW), paint())
    assert "● pending ─ ◔ routing ─ ○ building" in drawn
    assert "attempt 2; the one before ended with slippage_exceeded: moved 62 bps" in drawn
    assert "meteora" not in drawn


def test_a_failed_order_ends_its_strip_there() -> None:
    story = told(records.PENDING, records.ROUTING, records.GIVEN_UP, order=FAILED)
    assert "● pending ─ ● routing ─ ✗ failed\n" in text(cards.card(story, paint(), 80, NOW), paint())


def test_a_narrow_terminal_gets_symbols_and_one_word() -> None:
    drawn = text(cards.strip(told(*records.LIFE[:4]), paint(), 40, NOW), paint())
    assert drawn == "  ●●●◕○ submitted 2.0s"


def test_ascii_has_a_letter_for_every_symbol() -> None:
    plain = paint(OEE_ASCII="1")
    drawn = text(cards.card(told(*records.LIFE, order=CONFIRMED), plain, 80, NOW), plain)
    assert drawn.isascii()
    assert "+ pending - + routing - + building - + submitted - + confirmed" in drawn
    assert "< chosen" in drawn


def test_nothing_is_wider_than_the_terminal() -> None:
    for width in (30, 40, 60, 80):
        for line in cards.card(told(*records.LIFE, order=CONFIRMED), paint(), width, NOW):
            assert len(paint().text(line)) <= width


@pytest.mark.parametrize(("count", "height"), [(1, 24), (2, 24), (3, 24), (30, 24), (500, 24), (3, 8), (1, 4)])
def test_a_frame_always_fits(count: int, height: int) -> None:
    stories = [told(*records.LIFE[:4]) for _ in range(count)]
    lines = live.frame(stories, paint(), 80, height, NOW)
    assert 0 < len(lines) < height


def test_a_crowded_frame_shows_what_is_not_over_and_counts_the_rest() -> None:
    stories = [told(*records.LIFE) for _ in range(20)] + [told(*records.LIFE[:4]) for _ in range(20)]
    drawn = text(live.frame(stories, paint(), 80, 24, NOW), paint())
    assert drawn.count("  submitted  ") == 20
    assert "and 18 more; of all 40: 20 submitted, 20 confirmed" in drawn


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (
            CONFIRMED,
            "● confirmed  got 224.841213 USDC on meteora, 3.2bps worse than quoted\n"
            "  at 149.894142 USDC per SOL, fee 0.003 SOL",
        ),
        (
            CONFIRMED | {"amountOut": "225", "fee": None},
            "● confirmed  got 225 USDC on meteora, 3.9bps better than quoted\n  at 149.894142 USDC per SOL",
        ),
        (
            CONFIRMED | {"amountOut": "224.913401", "fee": None},
            "● confirmed  got 224.913401 USDC on meteora, as quoted\n  at 149.894142 USDC per SOL",
        ),
        (
            FAILED,
            "✗ failed  slippage_exceeded after 3 attempts: moved 62 bps, the limit is 50 bps\n"
            "  Nothing was sold. Again with more room: oee retry 994627 --slippage 80bps",
        ),
        (CANCELLED, "⊘ cancelled  Nothing was sold."),
        (
            UNKNOWN,
            "? unknown  sent to orca as 4sGjTq…Wm2e, and no answer came.\n"
            "  It may still land until height 230; do not resubmit; oee wait 994627",
        ),
    ],
)
def test_outcomes(order: records.Record, expected: str) -> None:
    assert text(render.outcome(order, paint()), paint()) == expected
    (line,) = text([render.outcome_line(order, paint())], paint()).splitlines()
    assert line.startswith("994627  ")


def test_what_is_said_when_the_time_is_up() -> None:
    assert render.still_open(records.order(status="submitted", settlement="in_flight"), "2m") == (
        "994627: still submitted after 2m. The order goes on: oee wait 994627"
    )
    assert render.still_open(UNKNOWN, "2m") == (
        "994627: no answer after 2m. It may still land until height 230; do not resubmit; oee wait 994627"
    )


def test_numbers_stand_on_their_points() -> None:
    lines = render.table(
        [("A", "<"), ("N", "."), ("B", ">")], [["x", "1.5", "9"], ["yy", "22", "10"], ["z", "0.125", "1"]]
    )
    assert text(lines, paint()) == "A        N   B\nx    1.5     9\nyy  22      10\nz    0.125   1"


def test_every_state_has_a_symbol_of_one_cell_and_a_letter() -> None:
    for state in STATES:
        assert len(LOOKS[state].symbol) == 1
        assert LOOKS[state].letter.isascii()


def test_unknown_is_a_word_of_its_own_only_while_the_answer_is_lost() -> None:
    assert state_of(UNKNOWN) == "unknown"
    assert state_of(CONFIRMED) == "confirmed"
    assert state_of(records.order(status="routing", settlement="unknown")) == "routing"


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b31m", "\x07", "\r\n", "\u202e", "\x00", "\x7f", "\u2066"])
def test_no_string_can_command_the_terminal(hostile: str) -> None:
    assert clean(f"a{hostile}b").isprintable()
    assert paint(True, "always", TERM="xterm").text([(f"a{hostile}b", "")]).isprintable()


@pytest.mark.parametrize(
    ("choice", "environment", "terminal", "colored"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"OEE_COLOR": "always", "NO_COLOR": "1"}, False, True),
        ("auto", {"OEE_COLOR": "never"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
    ],
)
def test_who_decides_about_colour(choice: str, environment: dict[str, str], terminal: bool, colored: bool) -> None:
    assert ("\x1b" in paint(terminal, choice, **environment).text([("x", "failed")])) is colored


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"TERM": "xterm"}, "\x1b[31m"),
        ({"TERM": "xterm-256color"}, "\x1b[38;5;166m"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "\x1b[38;2;213;94;0m"),
    ],
)
def test_colours_are_as_deep_as_the_terminal(environment: dict[str, str], code: str) -> None:
    assert paint(True, **environment).text([("failed", "failed")]) == f"{code}failed\x1b[0m"


def test_wrapping_keeps_words_and_tones() -> None:
    lines = wrap([("one two ", "dim"), ("three four", "failed")], 9, "  ")
    assert [paint().text(line) for line in lines] == ["one two", "  three", "  four"]
    assert {tone for line in lines for text, tone in line if text.strip()} == {"dim", "failed"}


@pytest.mark.parametrize("topic", topics.TOPICS)
def test_every_topic_has_something_to_say(topic: str) -> None:
    assert len(topics.TOPICS[topic]()) > 5
