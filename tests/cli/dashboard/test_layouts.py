"""What is on the screen, character by character, at each size. `UPDATE_GOLDEN=1` writes the pictures anew: look at them."""

import os
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cli.dashboard import layout
from cli.dashboard.desk import RECONNECTING, LinkState
from cli.dashboard.orders import OrdersTable
from tests.cli.dashboard.scene import NOW, STATUS, Teller, an_app, play, press, screen_text, settled

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wish of the one who runs the tests changes the picture."""
    for name in ("NO_COLOR", "OEE_ASCII", "OEE_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")


def compare(name: str, picture: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(picture + "\n")
    assert picture + "\n" == path.read_text()


def picture(size: tuple[int, int], *keys: str, screen: str = "orders") -> str:
    seen: list[str] = []

    async def script(pilot: Pilot[None]) -> None:
        if keys:
            await press(pilot, *keys)
        seen.append(screen_text(pilot))

    play(an_app(screen=screen), script, size)
    return seen[0]


SIZES = [(60, 20), (80, 24), (120, 40), (160, 50), (200, 60)]


@pytest.mark.parametrize("size", SIZES)
def test_the_orders_at_each_size(size: tuple[int, int]) -> None:
    compare(f"orders-{size[0]}x{size[1]}", picture(size))


def test_the_order_in_full() -> None:
    compare("detail-80x24", picture((80, 24), "j", "j", "j", "j", "enter"))
    compare("detail-confirmed-120x40", picture((120, 40), *"jjjjjjj", "enter"))


def test_the_log() -> None:
    compare("log-80x24", picture((80, 24), "4"))


def test_the_help() -> None:
    compare("help-80x24", picture((80, 24), "question_mark"))


def test_in_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OEE_ASCII", "1")
    shown = picture((80, 24), "j")
    assert shown.isascii()
    compare("ascii-80x24", shown)
    assert picture((200, 60), "question_mark").isascii()


def test_without_colour_there_is_none_and_no_word_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with_colour = picture((80, 24))
    monkeypatch.setenv("NO_COLOR", "1")

    async def script(pilot: Pilot[None]) -> None:
        assert screen_text(pilot) == with_colour
        for strip in pilot.app.screen._compositor.render_strips():
            for segment in strip:
                if segment.style is not None:
                    assert segment.style.color is None or segment.style.color.is_default
                    assert segment.style.bgcolor is None or segment.style.bgcolor.is_default

    play(an_app(), script)


@pytest.mark.parametrize("size", [*SIZES, (300, 80), (79, 24), (80, 23), (200, 30), (90, 70), (20, 6)])
def test_no_line_is_wider_than_the_screen_at_any_size(size: tuple[int, int]) -> None:
    rows = picture(size).split("\n")
    assert len(rows) == size[1]
    assert max(map(len, rows)) <= size[0]


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((79, 24), layout.SMALL), ((80, 23), layout.SMALL), ((80, 24), layout.BASE), ((200, 30), layout.BASE),
        ((120, 40), layout.WIDE), ((160, 50), layout.SPLIT), ((200, 60), layout.FULL), ((199, 60), layout.SPLIT),
    ],
)  # fmt: skip
def test_the_size_decides_the_layout(size: tuple[int, int], name: str) -> None:
    assert layout.layout_for(*size) == name


def test_another_size_is_another_layout_at_once() -> None:
    async def script(pilot: Pilot[None]) -> None:
        for size, name in (((120, 40), "wide"), ((200, 60), "full"), ((60, 20), "small"), ((80, 24), "base")):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            assert pilot.app.screen.has_class(name)
            assert pilot.app.screen.query_one(OrdersTable).size.width <= size[0]

    play(an_app(), script)


def test_a_lost_link_is_said_and_nothing_is_blanked() -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        before = screen_text(pilot).split("\n")
        app.desk.link = LinkState(RECONNECTING, NOW - 3_000)
        await settled(pilot)
        after = screen_text(pilot).split("\n")
        assert "◌ reconnecting 3s" in after[0]
        assert after[1:] == before[1:]
        assert pilot.app.screen.query_one(OrdersTable).has_class("stale")

    play(app, script)


@pytest.mark.parametrize("page", ["1", "2", "3", "4"])
def test_a_halt_is_said_on_every_page(page: str) -> None:
    app = an_app()
    app.desk.status = STATUS | {"halted": True, "status": "halted"}

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, page)
        first = screen_text(pilot).split("\n")[0]
        assert " HALTED " in first
        assert "[PAPER]" in first

    play(app, script)


@pytest.mark.parametrize("theme", ["oee-dark", "oee-light", "oee-contrast"])
def test_every_state_can_be_read_in_every_theme(theme: str) -> None:
    """Contrast of at least 4.5 to 1, as the accessibility guidelines ask of text, also where the cursor is."""
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        app.theme = theme
        await settled(pilot)
        table = pilot.app.screen.query_one(OrdersTable)
        for y in range(table.size.height):
            for segment in table.render_line(y):
                if segment.text.strip() and segment.style and segment.style.color and segment.style.bgcolor:
                    assert (
                        _contrast(segment.style.color.get_truecolor(), segment.style.bgcolor.get_truecolor()) >= 4.5
                    ), segment

    play(app, script)


def _contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: tuple[int, int, int]) -> float:
    parts = [value / 255 for value in color]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_of_the_daemon_cannot_move_a_cursor_or_change_a_colour() -> None:
    teller = Teller()
    teller.order(1, "failed", 5_000)
    teller.events[-1]["error"] = "\x1b[31mred\x1b]0;title\x07 [bold]markup[/bold] [@click=app.quit]x[/]"
    app = an_app(teller.events)

    async def script(pilot: Pilot[None]) -> None:
        shown = screen_text(pilot)
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "[bold]markup" in shown

    play(app, script, (120, 40))
