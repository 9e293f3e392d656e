"""How scripted faults read, and the fields of their record. What `oee sim fault add`, `list` and `clear` have in common."""

from collections.abc import Mapping
from typing import Any

from cli import durations

# The fields of oee.fault/1. A test keeps it like messages.py.
FIELDS = (
    "schema", "faultId", "kind", "key", "pattern", "pair", "venue", "pool", "slots", "code", "ms", "ppm", "at",
    "active", "struck", "times", "timesLeft", "forMs", "leftMs",
)  # fmt: skip

_PARAMETERS = ("slots", "code", "ms", "ppm", "at")
_ADDRESS = ("key", "pattern", "pair", "venue", "pool")


def what(fault: Mapping[str, Any]) -> str:
    """The kind with what belongs to it."""
    return " ".join([fault["kind"], *(f"{name}={fault[name]}" for name in _PARAMETERS if fault[name] is not None)])


def matches(fault: Mapping[str, Any]) -> str:
    """Whom it is for."""
    return " ".join(f"{name} {fault[name]}" for name in _ADDRESS if fault[name] is not None) or "everything"


def limits(fault: Mapping[str, Any]) -> str:
    """How long it can go on."""
    if fault["kind"] == "price-step":
        return "with the next block"
    if not fault["active"]:
        return "over"
    left = []
    if fault["timesLeft"] is not None:
        left.append(f"{fault['timesLeft']} of {fault['times']}")
    if fault["leftMs"] is not None:
        left.append(durations.short(fault["leftMs"]))
    return ", ".join(left) or "until cleared"
