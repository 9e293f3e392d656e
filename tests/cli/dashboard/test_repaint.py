"""What is painted when: everything four times a second, and a running order that somebody looks at ten times."""

import pytest
from textual.pilot import Pilot

from cli.dashboard.app import Dashboard
from tests.cli.dashboard.scene import NOW, an_app, play, press, screen_text, settled


def later(app: Dashboard, ms: int) -> None:
    """The next beat comes so much later."""
    app._clock = lambda: NOW + ms
    app.beat()


def test_the_time_of_a_running_order_moves_between_two_ticks() -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        assert "2.0s…" in screen_text(pilot)
        later(app, 100)
        await pilot.pause()
        assert "2.1s…" in screen_text(pilot)

    play(app, script)


def test_on_the_page_of_an_order_too() -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        assert "1.8s…" in screen_text(pilot)
        later(app, 300)
        await pilot.pause()
        assert "2.1s…" in screen_text(pilot)

    play(app, script)


def test_an_order_that_is_over_costs_no_repaint(monkeypatch: pytest.MonkeyPatch) -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "G")
        monkeypatch.setattr(app.workspace, "beat", lambda: pytest.fail("painted for nothing"))
        later(app, 100)
        await settled(pilot)

    play(app, script)


def test_a_marked_order_that_runs_is_painted_wherever_the_cursor_is() -> None:
    app = an_app()

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "space", "G")
        assert app.workspace.looks_at_what_runs
        await press(pilot, "u")
        assert not app.workspace.looks_at_what_runs

    play(app, script)
