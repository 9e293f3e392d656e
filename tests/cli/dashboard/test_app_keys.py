"""Every key does what its line in the table says. What needs a daemon to be done is in test_app_daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.events import MouseScrollDown
from textual.pilot import Pilot
from textual.widgets import Input

from cli.dashboard import keys
from cli.dashboard.app import Dashboard
from cli.dashboard.commands import Everything
from cli.dashboard.help_screen import HelpScreen
from cli.dashboard.orders import OrdersTable
from cli.dashboard.workspace import Workspace
from tests.cli.dashboard.scene import (
    Teller,
    an_app,
    an_id,
    play,
    press,
    screen_text,
    send,
    settled,
    soon,
    toasts,
    type_in,
)

PRESSED: set[str] = set()  # the names of keys that some test here has pressed


@pytest.fixture(autouse=True, scope="module")
def every_key_is_pressed_by_some_test(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    ran = {
        item.originalname
        for item in request.session.items
        if item.path == request.path and hasattr(item, "originalname")
    }
    if request.session.testsfailed or not ran >= ALL_TESTS:
        return
    missing = [name for key in keys.KEYS for name in key.keys.split(",") if name not in PRESSED | _ELSEWHERE]
    assert not missing, f"no test presses {missing}"


_ELSEWHERE = {"y", "ctrl+at"}  # y asks a daemon; ctrl+at is what terminals send for ctrl+space


def the(pilot: Pilot[None]) -> Workspace:
    workspace = pilot.app.screen
    assert isinstance(workspace, Workspace)
    return workspace


async def hit(pilot: Pilot[None], *names: str) -> Workspace:
    """Presses keys by their names in the table."""
    PRESSED.update(names)
    await press(pilot, *names)
    app = pilot.app
    assert isinstance(app, Dashboard)
    return app.workspace


def here(workspace: Workspace) -> int:
    """The last digits of the order under the cursor."""
    assert workspace.listing.selected is not None
    return int(workspace.listing.selected.order_id[-6:])


def test_numbers_go_to_the_pages() -> None:
    async def script(pilot: Pilot[None]) -> None:
        for name, page in (("2", "venues"), ("3", "wallet"), ("4", "log"), ("1", "orders")):
            workspace = await hit(pilot, name)
            assert workspace.page == page
            assert [each.id for each in workspace.query(".page.on")] == [f"{page}-page"]

    play(an_app(), script)


def test_tab_goes_round_the_panes_and_back() -> None:
    async def script(pilot: Pilot[None]) -> None:
        seen = [the(pilot).focused.id]  # type: ignore[union-attr]
        for _ in range(3):
            workspace = await hit(pilot, "tab")
            seen.append(workspace.focused.id)  # type: ignore[union-attr]
        assert seen == ["orders", "panel", "tail", "orders"]
        workspace = await hit(pilot, "shift+tab")
        assert workspace.focused is not None
        assert workspace.focused.id == "tail"

    play(an_app(), script, (120, 40))


@pytest.mark.parametrize(("down", "up"), [("j", "k"), ("down", "up")])
def test_the_cursor_moves_down_and_up(down: str, up: str) -> None:
    async def script(pilot: Pilot[None]) -> None:
        assert here(await hit(pilot, down, down, down)) == 100004
        assert here(await hit(pilot, up)) == 100003
        assert here(await hit(pilot, *[up] * 9)) == 100001

    play(an_app(), script)


def many() -> Teller:
    teller = Teller()
    for number in range(1, 101):
        teller.order(number, "confirmed", 600_000 - number)
    return teller


@pytest.mark.parametrize(
    ("names", "top", "bottom", "down", "up"),
    [("letters", "g", "G", "ctrl+d", "ctrl+u"), ("others", "home", "end", "pagedown", "pageup")],
)
def test_long_ways_are_short(names: str, top: str, bottom: str, down: str, up: str) -> None:
    async def script(pilot: Pilot[None]) -> None:
        assert here(await hit(pilot, bottom)) == 1
        assert here(await hit(pilot, top)) == 100
        workspace = await hit(pilot, down)
        half = workspace.table.page_rows // 2
        assert here(workspace) == 100 - half
        assert here(await hit(pilot, up)) == 100

    play(an_app(many().events), script)


def test_enter_opens_the_order_and_escape_goes_back() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = await hit(pilot, "j", "enter")
        assert workspace.page == keys.DETAIL
        assert an_id(100002) in screen_text(pilot)
        assert (await hit(pilot, "escape")).page == keys.ORDERS
        assert here(workspace) == 100002

    play(an_app(), script)


def test_a_failure_that_was_opened_needs_nobody_any_more() -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        assert "need you 2" in screen_text(pilot)
        await hit(pilot, "exclamation_mark", "enter")
        assert "need you 1" in screen_text(pilot)

    play(app, script)


def test_the_filter_is_obeyed_while_it_is_typed_stays_on_enter_and_goes_on_escape() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = await hit(pilot, "slash")
        assert workspace.prompt.is_open
        await press(pilot, *"status", "colon", *"failed")
        assert [story.order_id for story in workspace.listing.rows] == [an_id(100005)]
        await press(pilot, "enter")
        assert not workspace.prompt.has_class("on")
        assert "filter: status:failed  1 of 9" in screen_text(pilot)
        await press(pilot, "escape")
        assert len(workspace.listing.rows) == 9
        await press(pilot, "slash", *"zzz", "escape")
        assert len(workspace.listing.rows) == 9

    play(an_app(), script)


def test_a_filter_that_is_not_understood_says_so_and_stays_open() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "slash")
        await type_in(pilot, "stauts:failed")
        assert "Did you mean status:?" in screen_text(pilot)
        assert the(pilot).prompt.is_open

    play(an_app(), script)


def test_letters_typed_right_behind_the_colon_are_never_taken_for_keys() -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        send(pilot, ":xHrq n/:")
        field = the(pilot).prompt.query_one(Input)
        await soon(pilot, lambda: field.value == "xHrq n/:", "all letters")
        assert toasts(pilot) == ""

    play(app, script)


def test_the_command_line_goes_to_pages_sorts_and_filters() -> None:
    async def script(pilot: Pilot[None]) -> None:
        for line, page in (("venues", "venues"), ("log failed", "log"), ("balances", "wallet"), ("orders", "orders")):
            workspace = await hit(pilot, "colon")
            await type_in(pilot, line)
            assert workspace.page == page
        await hit(pilot, "colon")
        await type_in(pilot, "list status:failed")
        assert len(workspace.listing.rows) == 1
        await hit(pilot, "colon")
        await type_in(pilot, "filter")
        await hit(pilot, "colon")
        await type_in(pilot, "sort status")
        assert here(workspace) == 100006
        await hit(pilot, "colon")
        await type_in(pilot, "show 100007")
        assert workspace.page == keys.DETAIL
        await hit(pilot, "colon")
        await type_in(pilot, "theme oee-contrast")
        assert pilot.app.theme == "oee-contrast"
        await hit(pilot, "colon")
        await type_in(pilot, "sumbit SOL USDC 1")
        assert 'Did you mean "submit"?' in screen_text(pilot)

    play(an_app(), script)


def test_the_command_line_remembers() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, "colon")
        await type_in(pilot, "venues")
        workspace = await hit(pilot, "1", "colon", "up")
        assert workspace.prompt.query_one(Input).value == "venues"

    play(an_app(), script)


@pytest.mark.parametrize("name", ["question_mark", "f1"])
def test_help_names_every_key_of_the_page(name: str) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, name)
        assert pilot.app.screen.query("#help-card")
        seen = screen_text(pilot)
        for _ in range(9):
            await press(pilot, "pagedown")
            seen += screen_text(pilot)
        for key in keys.of_page(keys.ORDERS):
            assert key.help in seen
        await press(pilot, "escape")
        assert not pilot.app.screen.query("#help-card")

    play(an_app(), script, (100, 30))


def test_the_palette_finds_actions_orders_and_themes() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = await hit(pilot, "ctrl+p")
        assert not isinstance(pilot.app.screen, Workspace)
        words = [words for words, _, _ in Everything(workspace)._entries()]
        assert "Theme: oee-light" in words
        assert any(word.startswith("Order 100001: 1.5 SOL→USDC") for word in words)
        assert any(word.startswith("Cancel the order") for word in words)
        await press(pilot, "escape")
        do = next(do for words, _, do in Everything(workspace)._entries() if words.startswith("Order 100006"))
        do()
        await settled(pilot)
        assert workspace.page == keys.DETAIL
        do = next(do for words, _, do in Everything(workspace)._entries() if words == "Log")
        do()
        await settled(pilot)
        assert workspace.page == keys.LOG

    play(an_app(), script)


def test_marks_are_set_spread_and_cleared() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = await hit(pilot, "space")
        assert workspace.listing.marks == {an_id(100001)}
        await hit(pilot, "j", "ctrl+space")
        assert workspace.listing.marks == {an_id(number) for number in (100001, 100002, 100003)}
        assert "3 marked (u)" in screen_text(pilot)
        await hit(pilot, "u")
        assert workspace.listing.marks == set()

    play(an_app(), script)


@pytest.mark.parametrize(
    ("page", "names"),
    [("1", ["oee-orders"]), ("2", ["oee-pools", "oee-venues"]), ("3", ["oee-wallet"]), ("4", ["oee-log"])],
)
def test_e_writes_what_is_on_show_to_files(
    page: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, page, "e")
        for name in names:
            assert f"{name}-20261120-094120.csv" in toasts(pilot)

    play(an_app(), script)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}-20261120-094120.csv" for name in names]


def test_a_key_that_is_held_down_fills_the_screen_with_one_toast_only() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, *["ctrl+c"] * 5)
        assert len(pilot.app._notifications) == 1
        await hit(pilot, "3", "x")
        assert len(pilot.app._notifications) == 2

    play(an_app(), script)


def test_d_takes_what_was_seen_off_the_list_but_not_what_may_still_land() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = the(pilot)
        assert [story.state for story in workspace.desk.needs_you()] == ["failed", "unknown"]
        await hit(pilot, "space", "G", "ctrl+space", "d")
        assert [story.state for story in workspace.desk.needs_you()] == ["unknown"]
        assert "1 order may still land" in toasts(pilot)
        assert workspace.listing.marks == set()

    play(an_app(), script)


def test_s_sorts_by_the_next_column_and_shift_s_turns_it_round() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = await hit(pilot, "s")
        assert "sort pair↓" in screen_text(pilot)
        await hit(pilot, "S")
        assert "sort pair↑" in screen_text(pilot)
        assert workspace.listing.rows[0].request["inputToken"] == "BONK"

    play(an_app(), script)


def test_f_freezes_the_table_and_the_log() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, "f")
        assert "frozen (f)" in screen_text(pilot)
        await hit(pilot, "f")
        assert "frozen (f)" not in screen_text(pilot)
        workspace = await hit(pilot, "4", "f")
        assert not workspace.whole_log.follow
        assert "frozen (f)" in screen_text(pilot)

    play(an_app(), script)


def test_the_exclamation_mark_goes_round_what_needs_somebody() -> None:
    async def script(pilot: Pilot[None]) -> None:
        assert here(await hit(pilot, "exclamation_mark")) == 100005
        assert here(await hit(pilot, "exclamation_mark")) == 100006
        assert here(await hit(pilot, "exclamation_mark")) == 100005
        await press(pilot, "slash")
        await type_in(pilot, "status:confirmed")
        assert here(await hit(pilot, "3", "exclamation_mark")) == 100005  # a filter does not hide it

    play(an_app(), script)


def test_l_shows_the_log_of_the_order_and_again_the_whole() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = await hit(pilot, "j", "l")
        assert workspace.page == keys.LOG
        assert "filter: order:100002" in screen_text(pilot)
        assert "100001" not in screen_text(pilot)
        await hit(pilot, "l")
        assert "100001" in screen_text(pilot)
        await hit(pilot, "enter")
        assert workspace.page == keys.DETAIL

    play(an_app(), script)


def test_the_id_and_the_transaction_are_copied() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, "c")
        assert pilot.app.clipboard == an_id(100001)
        await hit(pilot, "t")
        assert pilot.app.clipboard.startswith("1000014sGj")
        await hit(pilot, "j", "t")
        assert "nothing was sent" in toasts(pilot)

    play(an_app(), script)


def test_a_key_that_cannot_act_says_why() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, "x")
        assert "Cannot cancel: already sent to meteora." in toasts(pilot)
        await hit(pilot, "r")
        assert "Cannot retry: it is still submitted." in toasts(pilot)
        await hit(pilot, "3", "x", "c")
        assert "There is no order here." in toasts(pilot)

    play(an_app(), script)


@pytest.mark.parametrize("name", ["n", "x", "r", "H"])
def test_read_only_refuses_what_acts(name: str) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, "j", name)
        assert "read-only" in toasts(pilot)
        assert isinstance(pilot.app.screen, Workspace)
        assert "read-only" in screen_text(pilot).split("\n")[0]

    play(an_app(readonly=True), script)


@pytest.mark.parametrize("line", ["submit SOL USDC 1", "cancel 100002", "retry 100005", "halt", "resume"])
def test_read_only_refuses_words_that_act(line: str) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, "colon")
        await type_in(pilot, line)
        assert "read-only" in toasts(pilot)

    play(an_app(readonly=True), script)


def test_n_opens_the_card_and_escape_closes_it() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, "n")
        assert "New order" in screen_text(pilot)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, Workspace)

    play(an_app(), script)


def test_q_goes_back_and_from_the_orders_out() -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        workspace = await hit(pilot, "enter", "q")
        assert workspace.page == keys.ORDERS
        await hit(pilot, "3", "q")
        assert workspace.page == keys.ORDERS
        assert not app._exit
        PRESSED.add("q")
        await pilot.press("q")
        assert app._exit

    play(app, script)


def test_ctrl_q_quits_at_once_also_while_somebody_types() -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        PRESSED.add("ctrl+q")
        await press(pilot, "colon")
        await pilot.press("ctrl+q")
        assert app._exit

    play(app, script)


def test_ctrl_c_only_says_how_to_leave() -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        await hit(pilot, "ctrl+c")
        assert "q or ctrl+q leaves" in toasts(pilot)
        assert not app._exit

    play(app, script)


# the mouse


def test_a_click_selects_a_second_opens_and_at_the_left_it_marks() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = the(pilot)
        await pilot.click(OrdersTable, offset=(10, 5))
        assert here(workspace) == 100004
        await pilot.click(OrdersTable, offset=(1, 6))
        await settled(pilot)
        assert workspace.listing.marks == {an_id(100005)}
        await pilot.click(OrdersTable, offset=(10, 3), times=2)
        await settled(pilot)
        assert workspace.page == keys.DETAIL

    play(an_app(), script)


def test_headings_tabs_and_the_key_bar_can_be_clicked() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = the(pilot)
        row = screen_text(pilot).split("\n")[3]
        await pilot.click(OrdersTable, offset=(row.index("STATUS"), 1))
        await settled(pilot)
        assert workspace.listing.sort == "status"
        await pilot.click("#header", offset=(screen_text(pilot).split("\n")[1].index("Wallet"), 1))
        await settled(pilot)
        assert workspace.page == keys.WALLET
        await pilot.click("#bar", offset=(screen_text(pilot).split("\n")[-1].index("Help"), 0))
        await settled(pilot)
        assert isinstance(pilot.app.screen, HelpScreen)

    play(an_app(), script)


def test_every_word_of_the_key_bar_does_what_its_key_does() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.click("#bar", offset=(screen_text(pilot).split("\n")[-1].index("Commands"), 0))
        await soon(pilot, lambda: not isinstance(pilot.app.screen, Workspace), "the palette")

    play(an_app(), script, (120, 40))


def test_the_wheel_scrolls_the_table() -> None:
    async def script(pilot: Pilot[None]) -> None:
        workspace = the(pilot)
        for _ in range(4):
            await pilot._post_mouse_events([_scroll()], OrdersTable, offset=(5, 5))
        await settled(pilot)
        assert workspace.listing.top > 0

    play(an_app(many().events), script)


def _scroll() -> type:
    return MouseScrollDown


ALL_TESTS = {name for name in globals() if name.startswith("test_")}
