"""Outside words to inside values: JSON text to an OrderRequest or an Ask, exactly, or a refusal that names the field.

The edges (HTTP, WebSocket, batch lines, query strings) all read through here, so that an order means the same wherever
it comes from. It stands alone because it is the one place that meets hostile text: digits are kept as they were written
until `amounts` turns them into whole numbers, and no number, however long, is computed before its size is known.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from order_engine.amounts import BPS, MAX_SLIPPAGE_BPS, InvalidAmount, parse_amount, parse_slippage_fraction
from order_engine.errors import Malformed
from order_engine.orders import OrderRequest
from order_engine.quotes import Ask
from order_engine.routes import Routing
from order_engine.settings import Settings
from order_engine.tokens import Token, resolve

Fields = Mapping[str, Any]

_INPUT = ("inputToken", "input_token", "tokenIn")
_OUTPUT = ("outputToken", "output_token", "tokenOut")
_ASK = (*_INPUT, *_OUTPUT, "amount", "receive", "routing")
_ORDER = (*_ASK, "slippageBps", "slippage", "minOutput", "maxInput", "maxImpactBps", "clientOrderId", "type")
_RETRY = ("slippageBps",)
_HALT = ("cancelOpen",)

_ROUTINGS: Mapping[str, Routing] = {name: name for name in get_args(Routing)}

_KEY = re.compile(r"[!-~]{1,128}")
_DIGITS = re.compile(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?(?:[eE]([+-]?[0-9]{1,2}))?")
_WHOLE = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.0{1,18})?")


class Number(str):
    """A JSON number, with its digits as they were written."""

    __slots__ = ()


class _Constant(str):
    """NaN, Infinity or -Infinity: what JavaScript has and JSON has not."""

    __slots__ = ()


def read_order(fields: Fields, settings: Settings) -> OrderRequest:
    """The order that these fields ask for, with the home's own settings where they are silent.

    Raises Malformed or UnknownToken, with `field`, for anything that is not understood completely.
    """
    refuse_unknown(fields, _ORDER)
    token_in, token_out = _pair(fields)
    kind = fields.get("type")
    if kind is not None and kind != "market":
        raise Malformed(f"type {_shown(kind)} is not known. Only market orders are taken.", field="type")
    amount, receive = _how_much(fields, token_in, token_out)
    _belongs(fields, "minOutput", "amount", receive is None)
    _belongs(fields, "maxInput", "receive", receive is not None)
    slippage_bps = _slippage(fields)
    impact_bps = whole_number(fields, "maxImpactBps", 0, BPS)
    return OrderRequest(
        input_token=token_in.symbol,
        output_token=token_out.symbol,
        amount_in=amount,
        slippage_bps=settings.slippage_bps if slippage_bps is None else slippage_bps,
        max_impact_bps=settings.max_impact_bps if impact_bps is None else impact_bps,
        min_out=None if fields.get("minOutput") is None else _amount(fields, "minOutput", token_out),
        client_order_id=None if (key := fields.get("clientOrderId")) is None else read_key(key, "clientOrderId"),
        receive=receive,
        max_in=None if fields.get("maxInput") is None else _amount(fields, "maxInput", token_in),
        routing=_routing(fields, settings),
    )


def read_ask(fields: Fields, settings: Settings) -> tuple[Ask, Routing]:
    """The question to the venues that these fields ask, and how its route is sought. Raises as `read_order`."""
    refuse_unknown(fields, _ASK)
    token_in, token_out = _pair(fields)
    amount, receive = _how_much(fields, token_in, token_out)
    pair = token_in.symbol, token_out.symbol
    return Ask(*pair, amount) if receive is None else Ask(*pair, receive, "out"), _routing(fields, settings)


def read_retry(fields: Fields) -> int | None:
    """The slippage in bps that a retry asks for, or None for that of the order. Raises as `read_order`."""
    refuse_unknown(fields, _RETRY)
    return whole_number(fields, "slippageBps", 0, MAX_SLIPPAGE_BPS)


def read_halt(fields: Fields) -> bool:
    """Whether a halt shall also cancel what was not sent. Raises Malformed."""
    refuse_unknown(fields, _HALT)
    value = fields.get("cancelOpen")
    if value is not None and type(value) is not bool:
        raise Malformed(f"cancelOpen {_shown(value)} is not true or false.", field="cancelOpen")
    return bool(value)


def read_key(text: object, field: str) -> str:
    """A client order id: 1 to 128 printable ASCII characters without spaces. Raises Malformed."""
    if type(text) is not str or _KEY.fullmatch(text) is None:
        raise Malformed(
            f"{field} {_shown(text)} is not 1 to 128 printable ASCII characters without spaces.", field=field
        )
    return text


def read_json(raw: bytes | str) -> dict[str, Any]:
    """The JSON object in `raw`, its numbers as Number. Raises Malformed for anything else, or for a key given twice."""
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"Not UTF-8: byte {error.start} is wrong.") from error
    if not text or text.isspace():
        raise Malformed("Empty. Send a JSON object.")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"Not JSON: {error.msg} at character {error.pos}.") from error
    except RecursionError as error:
        raise Malformed("Nested too deeply.") from error
    if type(value) is not dict:
        raise Malformed('Not a JSON object such as {"inputToken": "SOL", …}.')
    return value


def refuse_unknown(fields: Iterable[str], known: tuple[str, ...], kind: str = "field") -> None:
    """Raises Malformed, naming the first field that is not among `known` and the nearest one that is."""
    for name in fields:
        if name not in known:
            near = get_close_matches(name[:40], known, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(known)}."
            raise Malformed(f"{_shown(name)} is not a known {kind}.{hint}", field=ascii(name[:60])[1:-1])


def whole_number(fields: Fields, name: str, low: int, high: int) -> int | None:
    """The whole number in this field, or None where there is none. Raises Malformed unless it is in `low` to `high`."""
    value = fields.get(name)
    if value is None:
        return None
    match = _WHOLE.fullmatch(_plain(value)) if type(value) is Number else None
    if match is None or not low <= int(match[1]) <= high:
        raise Malformed(
            f"{name} {_shown(value)} is not a whole number from {low} to {high}.", code="invalid_amount", field=name
        )
    return int(match[1])


def _pair(fields: Fields) -> tuple[Token, Token]:
    name_in, name_out = _spelling(fields, _INPUT), _spelling(fields, _OUTPUT)
    token_in, token_out = _token(fields[name_in], name_in), _token(fields[name_out], name_out)
    if token_in is token_out:
        raise Malformed(f"Input and output are both {token_in.symbol}.", code="same_token", field=name_out)
    return token_in, token_out


def _spelling(fields: Fields, spellings: tuple[str, ...]) -> str:
    """The one of these names that was used. Two names for the same thing could disagree, so they are refused."""
    used = [name for name in spellings if name in fields]
    if len(used) > 1:
        raise Malformed(f"{used[0]} and {used[1]} say the same thing. Give one of them.", field=used[1])
    if not used:
        raise Malformed(f"{spellings[0]} is missing.", field=spellings[0])
    return used[0]


def _token(value: object, field: str) -> Token:
    if type(value) is not str:
        raise Malformed(f"{field} {_shown(value)} is not a token symbol or mint.", field=field)
    return resolve(value, field)


def _amount(fields: Fields, name: str, token: Token) -> int:
    value = fields.get(name)
    if value is None:
        raise Malformed(f"{name} is missing.", field=name)
    return _exactly(lambda text: parse_amount(text, token.decimals), value, name)


def _how_much(fields: Fields, token_in: Token, token_out: Token) -> tuple[int, int | None]:
    """(what is sold, None) or (0, what is to be received): exactly one of the two must be there."""
    if fields.get("receive") is None:
        return _amount(fields, "amount", token_in), None
    if fields.get("amount") is not None:
        raise Malformed("amount says what to sell, receive what to get. Give one of them.", field="receive")
    return 0, _amount(fields, "receive", token_out)


def _belongs(fields: Fields, name: str, to: str, there: bool) -> None:
    if fields.get(name) is not None and not there:
        raise Malformed(f"{name} goes with {to} only.", field=name)


def _routing(fields: Fields, settings: Settings) -> Routing:
    value = fields.get("routing")
    if value is None:
        return settings.routing
    found = _ROUTINGS.get(value) if type(value) is str else None
    if found is not None:
        return found
    raise Malformed(f'routing {_shown(value)} is not "best" or "single".', field="routing")


def _slippage(fields: Fields) -> int | None:
    if "slippage" in fields and "slippageBps" in fields:
        raise Malformed("slippage and slippageBps say the same thing. Give one of them.", field="slippage")
    if fields.get("slippage") is not None:
        return _exactly(parse_slippage_fraction, fields["slippage"], "slippage")
    return whole_number(fields, "slippageBps", 0, MAX_SLIPPAGE_BPS)


def _exactly(parse: Callable[[str], int], value: object, field: str) -> int:
    """What `parse` makes of a JSON number or string. Raises Malformed, code invalid_amount, where it makes nothing."""
    if type(value) is Number:
        text = _plain(value)
    elif type(value) is str:
        text = value
    else:
        raise Malformed(f"{field} {_shown(value)} is not a number such as 1.5.", code="invalid_amount", field=field)
    try:
        return parse(text)
    except InvalidAmount as error:
        raise Malformed(f"{field}: {error}", code="invalid_amount", field=field) from error


def _plain(number: Number) -> str:
    """The same number without exponent, such as 0.0000001 for the 1e-7 that JavaScript writes.

    Exponents of two digits at most, so that 1e1000000 costs nothing; what is too long stays as it is, and is refused by
    whoever reads it next.
    """
    match = _DIGITS.fullmatch(number)
    if match is None or match[4] is None:
        return str(number)
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4])
    point = len(whole) + exponent
    digits = whole + fraction
    if point <= 0:
        digits, point = "0" * (1 - point) + digits, 1
    digits = digits.ljust(point, "0")
    whole, fraction = digits[:point].lstrip("0") or "0", digits[point:].rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise Malformed(f"{_shown(name)} is given twice.", field=ascii(name[:60])[1:-1])
        if type(value) is _Constant:
            raise Malformed(f"{_shown(name)} is {value}, which is not JSON.", field=ascii(name[:60])[1:-1])
        fields[name] = value
    return fields


def _shown(value: object) -> str:
    """Hostile input, short and printable, for use inside a message. A container is named, never walked."""
    match value:
        case None | bool():
            return str(value).lower() if value is not None else "null"
        case Number():
            return str(value) if len(value) <= 40 else f"{value[:37]}..."
        case str():
            return ascii(value if len(value) <= 40 else value[:37] + "...")
        case dict():
            return "{…}"
        case _:
            return "[…]"


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=Number, parse_float=Number, parse_constant=_Constant)
