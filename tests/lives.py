"""What the life of an order that ends well looks like from outside."""

import re
from collections.abc import Iterable

_CONFIRMED = re.compile(r"pending(?: routing building submitted)+ confirmed")


def is_confirmed_life(statuses: Iterable[str]) -> bool:
    """Whether these are all the steps of such a life. There may be a second attempt: the market moves while an order waits."""
    return _CONFIRMED.fullmatch(" ".join(statuses)) is not None
