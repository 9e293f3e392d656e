"""Compiles the two C files that get between a process and its disk, and says how to start a process with one of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent
COMPILER = shutil.which("cc") or shutil.which("gcc")
WHY_NOT = (
    "THE DISK IS NOT PROVED HERE: power cuts and failing disks need Linux and a C compiler (cc or gcc), "
    f"found {sys.platform} and {COMPILER or 'no compiler'}"
)
POSSIBLE = sys.platform == "linux" and COMPILER is not None


def compiled(name: str, folder: Path) -> Path:
    """The shared object of `name`.c, built in `folder`."""
    assert COMPILER is not None, WHY_NOT
    made = folder / f"{name}.so"
    source = str(SOURCES / f"{name}.c")
    subprocess.run(
        [COMPILER, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(made), source, "-ldl", "-lpthread"],
        check=True,
    )
    return made


def environment(shim: Path, **more: str) -> dict[str, str]:
    """An environment in which the next process has the shim in front of its C library."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OEE_")}
    return inherited | {"LD_PRELOAD": str(shim)} | more
