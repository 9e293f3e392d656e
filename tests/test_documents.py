"""Documents say what the code does: the generated parts are current, and what README types works."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import FILES, PARTS, ROOT, made
from tests.conftest import RunningDaemon

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_the_generated_parts_are_current(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert made(text) == text, "run: python -m docs.generate"


def test_every_generated_part_stands_in_some_document() -> None:
    texts = "".join((ROOT / name).read_text(encoding="utf-8") for name in FILES)
    assert [part for part in PARTS if f"<!-- made: {part} -->" not in texts] == []


def _shell_lines(section: str) -> list[str]:
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.mark.parametrize(
    "line",
    [
        line
        for part in ("Use it", "Routes with a proof", "From your own program", "Prove it yourself")
        for line in _shell_lines(part)
    ],
)
def test_what_the_readme_types_works(line: str, daemon: RunningDaemon) -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        env=daemon.env | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_the_python_example_of_the_readme_works(daemon: RunningDaemon) -> None:
    example = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)[0]
    done = subprocess.run(
        [sys.executable, "-c", example], env=daemon.env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("confirmed ")


def test_the_quick_start_has_its_two_lines() -> None:
    submit, tests = _shell_lines("Quick start")
    assert shlex.split(submit)[-6:] == [".venv/bin/oee", "submit", "SOL", "USDC", "1.5", "--wait"]
    assert shlex.split(tests)[-5:] == [".venv/bin/python", "-m", "pytest", "-n", "auto"]
