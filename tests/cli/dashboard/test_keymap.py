"""Other keys for the same actions: what a keymap may say, and that everything which names a key names the new one."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from cli.dashboard import keymap, keys
from order_engine.errors import Malformed
from tests.cli.dashboard.scene import an_app, play, press, screen_text


def test_a_home_without_a_keymap_has_the_keys_of_everybody(tmp_path: Path) -> None:
    assert keymap.read(tmp_path / "keymap.toml") == {}


def test_signs_names_and_several_keys_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "keymap.toml"
    file.write_text('cancel = "X"\nfilter = "?"\nhelp = "f2, ctrl+o"\nmark = "space"\n')
    assert keymap.read(file) == {"cancel": "X", "filter": "question_mark", "help": "f2,ctrl+o", "mark": "space"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"cancle": "X"}, "Did you mean cancel?"),
        ({"colour": "X"}, "oee help keys"),
        ({"cancel": ""}, "needs keys"),
        ({"cancel": 7}, "needs keys"),
        ({"cancel": "ctrl+"}, "is no key"),
        ({"cancel": "meta+x"}, "is no key"),
        ({"cancel": "escap"}, "is no key"),
        ({"cancel": "r"}, "r would be both cancel and retry"),
    ],
)
def test_what_a_keymap_may_not_say_is_refused_with_the_place(given: dict[str, object], says: str) -> None:
    with pytest.raises(Malformed) as error:
        keymap.checked(given, "/home/a/keymap.toml")
    assert error.value.message.startswith("/home/a/keymap.toml")
    assert says in error.value.message


def test_a_file_that_is_no_toml_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "keymap.toml"
    file.write_text("cancel = X")
    with pytest.raises(Malformed, match=r"keymap\.toml"):
        keymap.read(file)


def test_two_actions_can_change_places() -> None:
    assert keymap.checked({"cancel": "r", "retry": "x"}, "") == {"cancel": "r", "retry": "x"}


def test_the_new_key_acts_and_the_old_one_does_not() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "s")
        assert "sort age" in screen_text(pilot)
        await press(pilot, "o")
        assert "sort pair" in screen_text(pilot)
        await press(pilot, "F")
        assert pilot.app.screen.query("#prompt.on")
        await press(pilot, "o", "F", "x")
        assert "F" in screen_text(pilot).split("\n")[-1]
        assert "sort pair" in screen_text(pilot)

    play(an_app(other_keys={"sort": "o", "filter": "F"}), script)


def test_bar_help_and_card_name_the_new_keys() -> None:
    async def script(pilot: Pilot[None]) -> None:
        assert "D Cancel" in screen_text(pilot).split("\n")[-1]
        await press(pilot, "f1")
        assert "D" in [line.split()[1] for line in screen_text(pilot).split("\n") if "cancel the order" in line]
        await press(pilot, "escape", "n")
        assert "[ Submit  F5 ]" in screen_text(pilot)

    play(an_app(other_keys={"cancel": "D", "card-submit": "f5"}), script)


def test_every_name_can_be_given_another_key() -> None:
    for key in keys.EVERY_KEY:
        assert keymap.checked({key.name: "f9"}, "") == {key.name: "f9"}
