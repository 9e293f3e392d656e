"""Bodies and messages gone wrong, each from a seed; and what a strict reader of our own makes of those that are still orders.

The reader shares nothing with the engine's: it stands on `json` and `Decimal`, so that an amount both understand is understood.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from random import Random  # noqa: TID251 - seeded
from typing import Any

from order_engine.tokens import TOKENS

Pairs = list[tuple[str, str]]  # name and JSON text of each field

LITERALS = (
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "1e400",
        "1e-400",
        "1e999999999",
        "-1e999999999",
        "-0",
        "0",
        "00",
        "01",
        "+1",
    ),
    *(
        "-1",
        "1.",
        ".1",
        "1e",
        "0x10",
        "1_000",
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[1]",
        '{"a": 1}',
        '""',
        '" 1 "',
        '"1,5"',
    ),
    *(
        '"NaN"',
        '"1e2"',
        '"１２"',
        '"١٢"',
        '"१"',
        '"1\u200b"',
        '"\u202e1"',
        '"−1"',
        '"0.0１"',
        '"1\\u0000"',
        '"\\ud800"',
    ),
    *(
        "9" * 400,
        "0." + "1" * 400,
        "1" + "0" * 60,
        '"' + "9" * 400 + '"',
        "18446744073709551616",
        "0.0000000001",
        "1e-9",
    ),
    *("1E-2", "0.01e0", "10e-3", "0.010", "1.5e1", "12345678901234567890.123456789"),
)
CONTROLS = (
    "\x00",
    "\x07",
    "\x08",
    "\x1b[2J",
    "\x1b]0;x\x07",
    "\n",
    "\r",
    "\t",
    "\x7f",
    "\x85",
    "\u2028",
    "\u202e",
    "\u200d",
    "\ufeff",
)
BAD_UTF8 = (b"\xff", b"\xfe\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\x80")
BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
TOKEN_NAMES = {name: token.symbol for token in TOKENS.values() for name in (token.symbol.upper(), token.mint)}


def order_pairs(random: Random, key: str) -> Pairs:
    """A good order, in one of the ways in which it can be written."""
    names = random.choice((("inputToken", "outputToken"), ("input_token", "output_token"), ("tokenIn", "tokenOut")))
    tokens = random.choice((("SOL", "USDC"), ("USDC", "SOL"), ("SOL", "USDT"), ("sol", "usdc")))
    pairs = [(name, json.dumps(token)) for name, token in zip(names, tokens, strict=True)]
    amount = random.choice(("0.01", '"0.01"', "1e-2", '"0.010000"', "0.012345", f'"0.0{random.randrange(1, 100_000)}"'))
    pairs += [("amount", amount), ("clientOrderId", json.dumps(key))]
    pairs += random.choice(([], [("slippageBps", "75")], [("slippage", "0.01")], [("maxImpactBps", "200")]))
    random.shuffle(pairs)
    return pairs


def message_pairs(random: Random, order_id: str) -> Pairs:
    """A good message to `/ws`."""
    kind = random.choice(("ping", "subscribe", "subscribe", "unsubscribe"))
    pairs = [("type", json.dumps(kind))]
    if kind != "ping":
        pairs.append(("orderId", json.dumps(random.choice((order_id, "*")))))
    if kind == "subscribe" and random.random() < 0.5:
        pairs.append(("since", str(random.randrange(3))))
    return pairs


def written(pairs: Pairs) -> bytes:
    """The object with these fields."""
    return ("{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in pairs) + "}").encode()


def _flip(random: Random, pairs: Pairs) -> bytes:
    body = bytearray(written(pairs))
    for _ in range(random.choice((1, 1, 2, 8))):
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    return bytes(body)


def _truncate(random: Random, pairs: Pairs) -> bytes:
    body = written(pairs)
    return body[: random.randrange(len(body))]


def _splice(random: Random, pairs: Pairs) -> bytes:
    body = written(pairs)
    start, end = sorted(random.randrange(len(body)) for _ in range(2))
    return random.choice((body[:end] + body[start:], body[:start] + body[end:], body + body[start:end], body + body))


def _repeat(random: Random, pairs: Pairs) -> bytes:
    name, text = random.choice(pairs)
    again = random.choice((text, "2", json.dumps("SOL")))
    return written([*pairs, (name, again)] if random.random() < 0.5 else [(name, again), *pairs])


def _nest(random: Random, pairs: Pairs) -> bytes:
    depth = random.choice((2, 60, 1_500, 30_000))
    opening, closing = random.choice((("[", "]"), ('{"a":', "}")))
    whole = opening * depth + "1" + (closing * depth if random.random() < 0.5 else "")
    if random.random() < 0.3:
        return whole.encode()[:65_000]
    return _with(random, pairs, whole)


def _literal(random: Random, pairs: Pairs) -> bytes:
    return _with(random, pairs, random.choice(LITERALS))


def _wrong_type(random: Random, pairs: Pairs) -> bytes:
    return _with(
        random, pairs, random.choice(("true", "null", "[]", "{}", "1", "-1.5", '"x"', '""', "[[]]", '["SOL"]'))
    )


def _control(random: Random, pairs: Pairs) -> bytes:
    nasty = random.choice(CONTROLS)
    raw = written(pairs).decode()
    at = random.randrange(len(raw))
    if random.random() < 0.5:
        return (raw[:at] + nasty + raw[at:]).encode()
    return _with(random, pairs, json.dumps(nasty + random.choice(("SOL", "1", ""))))


def _bad_utf8(random: Random, pairs: Pairs) -> bytes:
    body = written(pairs)
    at = random.randrange(len(body))
    return body[:at] + random.choice(BAD_UTF8) + body[at:]


def _bom(random: Random, pairs: Pairs) -> bytes:
    body = written(pairs)
    return random.choice((random.choice(BOMS) + body, body + random.choice(BOMS), body.decode().encode("utf-16")))


def _name(random: Random, pairs: Pairs) -> bytes:
    at = random.randrange(len(pairs))
    name, text = pairs[at]
    wrong = random.choice((name.upper(), name + " ", name + "\x00", "__proto__", "", name[:-1], "a" * 3_000, "amоunt"))
    return written([*pairs[:at], (wrong, text), *pairs[at + 1 :]])


def _padding(random: Random, pairs: Pairs) -> bytes:
    blank = random.choice((b" ", b"\n", b"\t", b"\r\n", b"\x0c", b"\xc2\xa0")) * random.choice((1, 50, 5_000, 70_000))
    return random.choice((blank + written(pairs), written(pairs) + blank))


def _intact(_: Random, pairs: Pairs) -> bytes:
    return written(pairs)


def _with(random: Random, pairs: Pairs, text: str) -> bytes:
    at = random.randrange(len(pairs))
    return written([*pairs[:at], (pairs[at][0], text), *pairs[at + 1 :]])


FAMILIES: dict[str, Callable[[Random, Pairs], bytes]] = {
    "bytes flipped": _flip,
    "cut off": _truncate,
    "spliced": _splice,
    "a field twice": _repeat,
    "deep nesting": _nest,
    "odd number": _literal,
    "wrong type": _wrong_type,
    "control character": _control,
    "bad UTF-8": _bad_utf8,
    "byte order mark": _bom,
    "odd name": _name,
    "padding": _padding,
    "intact": _intact,
}


def misread(body: bytes, record: dict[str, Any]) -> str | None:
    """How this accepted order differs from what the body says, or None. Whatever is no plain JSON object may not be accepted."""
    try:
        fields = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_once,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_no_constant,
        )
        said = _meaning(fields)
    except (ValueError, KeyError, ArithmeticError, TypeError) as error:
        return f"accepted, though {type(error).__name__}: {error}"
    heard = {name: record[name] for name in ("inputToken", "outputToken", "clientOrderId")}
    heard |= {name: Decimal(record[name]) for name in ("amount", "slippageBps", "maxImpactBps")}
    heard["minOutput"] = None if record["minOutput"] is None else Decimal(record["minOutput"])
    return None if heard == said else f"said {said}, heard {heard}"


def _meaning(fields: dict[str, Any]) -> dict[str, Any]:
    rest = dict(fields)
    tokens = [
        TOKEN_NAMES[name.upper() if name.upper() in TOKEN_NAMES else name]
        for names in (("inputToken", "input_token", "tokenIn"), ("outputToken", "output_token", "tokenOut"))
        for (name,) in [[rest.pop(each) for each in names if each in rest]]
    ]
    slippage, slippage_bps = rest.pop("slippage", None), rest.pop("slippageBps", None)
    if slippage is not None:
        slippage_bps = Decimal(slippage) * 10_000
    impact, key = rest.pop("maxImpactBps", None), rest.pop("clientOrderId", None)
    least = rest.pop("minOutput", None)
    said = {
        "inputToken": tokens[0],
        "outputToken": tokens[1],
        "clientOrderId": key,
        "amount": _decimal(rest.pop("amount")),
        "slippageBps": Decimal(50) if slippage_bps is None else slippage_bps,
        "maxImpactBps": Decimal(300) if impact is None else impact,
        "minOutput": None if least is None else _decimal(least),
    }
    if rest.pop("type", None) not in (None, "market") or rest:
        raise ValueError(f"unknown {list(rest)}")
    if said["amount"] <= 0 or (key is not None and type(key) is not str):
        raise ValueError("not an order")
    return said


def _decimal(value: object) -> Decimal:
    if type(value) is Decimal:
        return value
    if type(value) is not str or not value.isascii() or value.strip("0123456789."):
        raise ValueError(f"{value!a} is no amount")
    return Decimal(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a field twice")
    return dict(pairs)


def _no_constant(text: str) -> Any:
    raise ValueError(text)
