"""`python -m cli` is `oee`."""

from cli.main import main

main()
