"""Takes the code blocks under "Quick start" out of a README: python3 quick_start.py README.md FOLDER -> first.sh, second.sh."""

import re
import sys
from pathlib import Path

readme, folder = Path(sys.argv[1]), Path(sys.argv[2])
section = re.split(r"(?m)^## ", re.split(r"(?m)^## Quick start$", readme.read_text(encoding="utf-8"))[1])[0]
blocks = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
for name, block in zip(("first", "second"), blocks[:2], strict=True):
    (folder / f"{name}.sh").write_text(block, encoding="utf-8")
