"""How the dashboard looks: three themes in hues that everybody can tell apart, and letters for terminals without symbols.

The hues are Okabe and Ito's, as in cli.paint; each theme moves their lightness so far that words read well on its ground.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter, Monochrome, NoColor
from textual.theme import Theme

from cli.paint import LOOKS, Paint

DARK, LIGHT, CONTRAST, PLAIN = "oee-dark", "oee-light", "oee-contrast", "ansi-dark"

THEMES = (
    Theme(
        DARK, primary="#56B4E9", secondary="#009E73", warning="#E69F00", error="#F0722B", success="#14B886",
        accent="#E69F00", foreground="#D8DEE6", background="#0F1419", surface="#161D24", panel="#24303C", dark=True,
    ),
    Theme(
        LIGHT, primary="#00558A", secondary="#00724F", warning="#8A5A00", error="#B34700", success="#00724F",
        accent="#8A5A00", foreground="#1B1F24", background="#FBFBF9", surface="#F0F1EE", panel="#DCE3E8", dark=False,
    ),
    Theme(
        CONTRAST, primary="#7CCBFF", secondary="#2FE0A8", warning="#FFC93D", error="#FF8A3D", success="#2FE0A8",
        accent="#FFC93D", foreground="#FFFFFF", background="#000000", surface="#000000", panel="#303A46", dark=True,
    ),
)  # fmt: skip

_ON_DARK = {
    "dim": "#93A0AD", "routing": "#56B4E9", "building": "#56B4E9", "submitted": "#4C9BF5", "confirmed": "#14B886",
    "failed": "#F0722B", "unknown": "bold #E69F00", "key": "bold #56B4E9", "head": "#93A0AD", "cursor": "on #24303C",
    "cursor-blurred": "on #1A232C", "mark": "bold #E69F00", "halted": "bold #0F1419 on #E69F00", "band": "bold",
}  # fmt: skip
_ON_LIGHT = {
    "dim": "#4E5760", "routing": "#0A6A9E", "building": "#0A6A9E", "submitted": "#0B4F9E", "confirmed": "#00724F",
    "failed": "#B34700", "unknown": "bold #8A5A00", "key": "bold #00558A", "head": "#4E5760", "cursor": "on #CFDDE8",
    "cursor-blurred": "on #E3E9ED", "mark": "bold #8A5A00", "halted": "bold #FFFFFF on #8A5A00", "band": "bold",
}  # fmt: skip
_IN_CONTRAST = {
    "dim": "#D0D0D0", "routing": "#7CCBFF", "building": "#7CCBFF", "submitted": "bold #7CB0FF", "confirmed": "#2FE0A8",
    "failed": "bold #FF8A3D", "unknown": "bold #FFC93D", "key": "bold underline #FFFFFF", "head": "bold #FFFFFF",
    "cursor": "bold on #303A46", "cursor-blurred": "on #20262E", "mark": "bold #FFC93D", "band": "bold",
    "halted": "bold #000000 on #FFC93D",
}  # fmt: skip
_IN_ANSI = {state: look.name for state, look in LOOKS.items()} | {
    "key": "bold cyan", "head": "bright_black", "cursor": "reverse", "cursor-blurred": "bold", "mark": "bold yellow",
    "halted": "bold reverse yellow", "band": "bold",
}  # fmt: skip
_WITHOUT_COLOR = {
    "dim": "dim", "head": "dim", "unknown": "bold", "failed": "bold", "key": "bold", "cursor": "reverse",
    "cursor-blurred": "bold", "mark": "bold", "halted": "bold reverse", "band": "bold",
}  # fmt: skip
_ALWAYS = {"strong": "bold", "on": "bold underline"}
_SAME = {  # tones that look like another
    "pending": "dim", "cancelled": "dim", "expired": "dim", "ok": "confirmed", "warn": "unknown", "fail": "failed",
}  # fmt: skip

# One for one, so that no column moves.
_LETTERS = {
    ord(sign): letter
    for letter, signs in {
        "-": "─━–—−▔⊘", "|": "│┃▌▐▏▎▍▕", "+": "┌┐└┘├┤┬┴┼●◆", "#": "█▇▓", "*": "▆▅■", "=": "▄▃", "_": "▂▁",
        ">": "→▸›▶", "<": "←◂‹◀", "v": "↓▾▼", "^": "↑▴▲", ".": "·○◌░", "~": "≈…", "x": "×✗", "r": "◔", "b": "◑", "s": "◕",
        ":": "▒", "@": "▊▉▋",
    }.items()
    for sign in signs
}  # fmt: skip


class AsciiOnly(LineFilter):
    """Letters instead of symbols in all that is painted, also in what Textual draws itself."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - Textual's signature
        """The same segments with the same widths, in ASCII."""
        return [Segment(text if text.isascii() else _ascii(text), style, control) for text, style, control in segments]


def _ascii(text: str) -> str:
    return text.translate(_LETTERS).encode("ascii", "replace").decode("ascii")


def dress(app: App[Any], paint: Paint, wanted: str | None) -> str:
    """Gives the app our themes and returns the name of the one to begin with."""
    for theme in THEMES:
        app.register_theme(theme)
    if app.no_color:  # Textual chose one that turns the terminal's own colours into black, before it knew our theme
        app._filters[:] = [each for each in app._filters if not isinstance(each, Monochrome)] + [NoColor()]
    if paint.ascii:
        app._filters.append(AsciiOnly())
    if app.no_color:
        return PLAIN
    if wanted in app.available_themes:
        return str(wanted)
    return DARK if paint.depth > 16 else PLAIN


def tones_of(app: App[Any], stale: bool) -> Callable[[str], Style]:
    """What style a tone has in the theme of this app. A tone `dim@app.quit` is `dim`, and clicking it quits."""
    theme = app.current_theme
    if app.no_color:
        table = _WITHOUT_COLOR
    elif theme.ansi:
        table = _IN_ANSI
    elif theme.name == CONTRAST:
        table = _IN_CONTRAST
    else:
        table = _ON_DARK if theme.dark else _ON_LIGHT
    dimmed = Style(dim=True) if stale else Style()

    @cache
    def style(tone: str) -> Style:
        name, _, action = tone.partition("@")
        name = _SAME.get(name, name) if name not in table else name
        found = table.get(name) or _ALWAYS.get(name, "")
        meta = Style(meta={"@click": action}) if action else Style()
        return Style.parse(found) + dimmed + meta

    return style


def symbols() -> Paint:
    """What this terminal can show, asked of the environment alone: the app has its own way to standard output."""
    import sys

    return Paint(sys.__stdout__, os.environ.get("OEE_COLOR", "auto"))
