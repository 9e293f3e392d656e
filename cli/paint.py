"""What the terminal can show: colour or not, symbols or letters, how wide. State is symbol + word + colour, never colour alone.

Lines are made of spans, a text with a tone; they become plain text, ANSI or (in the live view) Rich. It imports neither Rich
nor anything slow, because every command prints.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TextIO

Span = tuple[str, str]  # a text and its tone
Line = list[Span]


class Look(NamedTuple):
    """How a state or a tone is shown: symbol, its ASCII twin, and the colour for deep, 256 and 16 colour terminals."""

    symbol: str
    letter: str
    rgb: str
    shade: int
    ansi: str  # SGR codes
    name: str  # what Rich calls that 16-colour one


# Okabe and Ito's hues, which people see apart whatever their colour vision; 16-colour terminals use the user's own palette.
LOOKS: Mapping[str, Look] = {
    "pending": Look("○", ".", "#999999", 246, "90", "bright_black"),
    "routing": Look("◔", "r", "#56B4E9", 74, "36", "cyan"),
    "building": Look("◑", "b", "#56B4E9", 74, "36", "cyan"),
    "submitted": Look("◕", "s", "#0072B2", 25, "34", "blue"),
    "confirmed": Look("●", "+", "#009E73", 36, "32", "green"),
    "failed": Look("✗", "x", "#D55E00", 166, "31", "red"),
    "unknown": Look("?", "?", "#E69F00", 214, "1;33", "bold yellow"),
    "cancelled": Look("⊘", "-", "#999999", 246, "90", "bright_black"),
    "expired": Look("⊘", "-", "#999999", 246, "90", "bright_black"),
    # tones that are no state
    "dim": Look("", "", "#999999", 246, "90", "bright_black"),
    "strong": Look("", "", "", -1, "1", "bold"),
    "ok": Look("●", "+", "#009E73", 36, "32", "green"),
    "warn": Look("!", "!", "#E69F00", 214, "1;33", "bold yellow"),
    "fail": Look("✗", "x", "#D55E00", 166, "31", "red"),
}

_LETTERS = {"─": "-", "◂": "<", "…": "...", "→": "->", "▸": ">", "≈": "~"}

# What a terminal obeys instead of showing: C0, DEL, C1, and the marks that turn the direction of text around.
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def clean(text: str) -> str:
    """The text without anything that could move a cursor, change a colour or hide what it says."""
    return text.translate(_CONTROLS)


def state_of(record: Mapping[str, Any]) -> str:
    """The word for where an order stands: its status, or "unknown" while the answer of its venue is lost."""
    status = str(record["status"])
    return "unknown" if status == "submitted" and record.get("settlement") == "unknown" else status


def colors_wanted(choice: str, environment: Mapping[str, str], terminal: bool) -> bool:
    """Colour or not. The first that says something decides: --color, OEE_COLOR, NO_COLOR, FORCE_COLOR, the terminal."""
    for said in (choice, environment.get("OEE_COLOR", "")):
        if said in ("always", "never"):
            return said == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return terminal and environment.get("TERM") != "dumb"


def wrap(line: Line, width: int, indent: str) -> list[Line]:
    """The line broken between words where it is wider than `width`; what follows the first part is indented."""
    lines: list[Line] = [[]]
    used = 0
    for text, tone in line:
        for piece in re.findall(r" *[^ ]+| +$", clean(text)):
            if used + len(piece) > width and used > len(indent) and piece.strip():
                lines.append([(indent, "")])
                used, piece = len(indent), piece.lstrip()
            before, same = lines[-1][-1] if lines[-1] else ("", None)
            if same == tone:
                lines[-1][-1] = (before + piece, tone)
            else:
                lines[-1].append((piece, tone))
            used += len(piece)
    return lines


class Paint:
    """What one stream can show."""

    def __init__(
        self, stream: TextIO | None, choice: str = "auto", environment: Mapping[str, str] = os.environ
    ) -> None:
        self.terminal = stream is not None and stream.isatty()
        self.dumb = environment.get("TERM") == "dumb"
        self.ascii = environment.get("OEE_ASCII", "0") not in ("", "0") or not _speaks_unicode(stream)
        self.depth = _depth(environment) if colors_wanted(choice, environment, self.terminal) else 0

    @property
    def width(self) -> int | None:
        """The columns of the terminal, or None where there is none: then nothing is cut."""
        return self._size()[0] if self.terminal else None

    @property
    def height(self) -> int:
        """The rows of the terminal."""
        return self._size()[1]

    def symbol(self, state: str) -> str:
        """The one character of a state."""
        look = LOOKS.get(state)
        if look is None:
            return "?"
        return look.letter if self.ascii else look.symbol

    def state(self, state: str) -> Span:
        """Symbol and word of a state, in its colour."""
        return f"{self.symbol(state)} {state}", state if state in LOOKS else ""

    def plain(self, text: str) -> str:
        """The text without signs that this terminal has not."""
        if self.ascii:
            for sign, letters in _LETTERS.items():
                text = text.replace(sign, letters)
        return text

    def text(self, line: Line, *, cut: bool = True) -> str:
        """The line as it is to be written: clean, coloured as far as the stream can, cut where the terminal ends."""
        left = self.width if cut and self.width is not None else None
        parts = []
        for text, tone in line:
            text = self.plain(clean(text))
            if left is not None:
                text = text[:left]
                left -= len(text)
            parts.append(self._colored(text, tone))
        return "".join(parts).rstrip()

    def style(self, tone: str) -> str:
        """What Rich calls the colour of a tone."""
        look = LOOKS.get(tone)
        if look is None or not self.depth:
            return ""
        return look.name if self.depth == 16 or not look.rgb else look.rgb

    def _colored(self, text: str, tone: str) -> str:
        look = LOOKS.get(tone)
        if look is None or not self.depth or not text:
            return text
        if self.depth == 16 or not look.rgb:
            codes = look.ansi
        elif self.depth == 256:
            codes = f"38;5;{look.shade}"
        else:
            codes = f"38;2;{int(look.rgb[1:3], 16)};{int(look.rgb[3:5], 16)};{int(look.rgb[5:7], 16)}"
        return f"\x1b[{codes}m{text}\x1b[0m"

    def _size(self) -> tuple[int, int]:
        from shutil import get_terminal_size

        return get_terminal_size((80, 24))


def _speaks_unicode(stream: TextIO | None) -> bool:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").startswith("utf")


def _depth(environment: Mapping[str, str]) -> int:
    if environment.get("COLORTERM") in ("truecolor", "24bit"):
        return 2**24
    return 256 if "256" in environment.get("TERM", "") else 16
