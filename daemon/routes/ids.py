"""Order ids as they come in from outside: a UUID, or there is no such order."""

import re

from order_engine.errors import NotFound

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def read_id(text: str) -> str:
    """The id in lower case. Raises NotFound for what cannot be one, without asking anybody."""
    found = text.lower()
    if len(text) != 36 or _UUID.fullmatch(found) is None:
        raise NotFound(f"{text[:40]!a} is not an order id.", hint="Ids are UUIDs; see them: oee list", field="orderId")
    return found
