"""Writes the parts of the documents that the code already knows, so that they cannot drift: `python -m docs.generate`.

A part stands between `<!-- made: NAME -->` and `<!-- end -->`. A test runs the same and fails where a file would change.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from cli.exits import MEANINGS
from cli.registry import COMMANDS, Group
from order_engine.errors import ERROR_CODES
from order_engine.lifecycle import TRANSITIONS
from order_engine.orders import FINAL, Status
from order_engine.settings import Settings

ROOT = Path(__file__).parent.parent
PIPE = r"\|"  # inside a table
FILES = ("README.md", "docs/reference.md")
PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def lifecycle() -> str:
    """The life of an order, drawn from the table that changes its status."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> pending"]
    for (before, event), after in TRANSITIONS.items():
        told = event.__name__.lower()
        lines.append(f"    {before} --> {after}" + ("" if told == after else f" : {told}"))
    lines += [f"    {status} --> [*]" for status in Status if status in FINAL]
    return "\n".join([*lines, "```"])


def commands() -> str:
    """Every command with its one line of help."""
    rows = []
    for name, entry in COMMANDS.items():
        words = f"{name} {PIPE.join(entry.commands)}" if isinstance(entry, Group) else name
        rows.append(f"| `oee {words}` | {entry.help} |")
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def exits() -> str:
    """The exit codes."""
    rows = [
        f"| {code.value} | {code.name.lower()} | {means.text} | {means.advice} |" for code, means in MEANINGS.items()
    ]
    return "\n".join(["| exit | name | meaning | a script should |", "|---|---|---|---|", *rows])


def errors() -> str:
    """The error codes."""
    rows = [f"| `{code}` | {meaning} |" for code, meaning in ERROR_CODES.items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def settings() -> str:
    """The settings with their built-in values."""
    defaults = Settings()
    names = Settings.__struct_fields__
    rows = [
        f"| `{name}` | {'none' if (value := getattr(defaults, name)) is None else f'`{value}`'} |" for name in names
    ]
    return "\n".join(["| setting | built-in value |", "|---|---|", *rows])


PARTS: dict[str, Callable[[], str]] = {
    "lifecycle": lifecycle,
    "commands": commands,
    "exits": exits,
    "errors": errors,
    "settings": settings,
}


def made(text: str) -> str:
    """`text` with every part made anew."""
    return PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}\n{part[3]}", text)


def main() -> None:
    """Rewrites the files that would change, and names them."""
    for name in FILES:
        path = ROOT / name
        before = path.read_text(encoding="utf-8")
        if (after := made(before)) != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
