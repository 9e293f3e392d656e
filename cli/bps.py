"""Limits in basis points as people write them: 50bps, 50, 0.5%."""

from order_engine.errors import Malformed


def read(text: str | None, option: str) -> int | None:
    """The basis points that `text` stands for, None for None. Raises Malformed, naming the option."""
    if text is None:
        return None
    from order_engine.amounts import InvalidAmount, parse_slippage  # most orders name no limit

    try:
        return parse_slippage(text)
    except InvalidAmount as error:
        raise Malformed(f"{option}: {error}", code="invalid_amount", field=option) from error
