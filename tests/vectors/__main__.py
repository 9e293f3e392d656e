"""See tests.vectors."""

import sys
from pathlib import Path

from tests.vectors import FILES, main

sys.exit(main([Path(name) for name in sys.argv[1:]] or sorted(FILES.glob("*.jsonl"))))
