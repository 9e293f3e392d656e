"""A row of the reference vectors, and what a model makes of it."""

from typing import Any

Row = dict[str, Any]
Fields = dict[str, Any]
