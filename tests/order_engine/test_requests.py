"""Text from outside becomes an order exactly, or is refused with the field at fault."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_engine.amounts import format_amount
from order_engine.errors import ERROR_CODES, EngineError, Malformed
from order_engine.orders import OrderRequest
from order_engine.quotes import Ask
from order_engine.requests import Number, read_ask, read_json, read_order, read_retry
from order_engine.settings import Settings

SETTINGS = Settings(slippage_bps=50, max_impact_bps=300)
PAIR = '"inputToken": "SOL", "outputToken": "USDC"'


def _order(text: str) -> OrderRequest:
    return read_order(read_json(text), SETTINGS)


def _with(more: str) -> str:
    return f'{{{PAIR}, "amount": 1, {more}}}'


def _amount(text: str) -> str:
    return f'{{{PAIR}, "amount": {text}}}'


def _buys(text: str) -> str:
    return f'{{{PAIR}, "receive": {text}}}'


def _refusal(text: str | bytes) -> EngineError:
    with pytest.raises(EngineError) as caught:
        read_order(read_json(text), SETTINGS)
    assert caught.value.code in ERROR_CODES
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300
    return caught.value


def _refused(text: str) -> EngineError | None:
    try:
        _order(text)
    except EngineError as error:
        return error
    return None


def test_an_order_takes_what_it_does_not_say_from_the_settings() -> None:
    assert _order(_amount("1.5")) == OrderRequest("SOL", "USDC", 1_500_000_000, 50, 300, routing="best")


def test_an_order_can_say_everything() -> None:
    text = _with(
        '"slippageBps": 0, "minOutput": "162.5", "maxImpactBps": 10000, "clientOrderId": "a-1", "type": "market", '
        '"routing": "single"'
    )
    assert _order(text) == OrderRequest("SOL", "USDC", 1_000_000_000, 0, 10_000, 162_500_000, "a-1")


def test_an_order_may_say_what_it_receives_instead_of_what_it_sells() -> None:
    order = _order(_buys('"2.5", "maxInput": 0.02'))
    assert order == OrderRequest("SOL", "USDC", 0, 50, 300, receive=2_500_000, max_in=20_000_000, routing="best")
    assert order.ask == Ask("SOL", "USDC", 2_500_000, "out")
    assert _order(_buys("2.5")).max_in is None


def test_the_settings_say_how_the_route_of_a_silent_order_is_sought() -> None:
    single = Settings(routing="single")
    assert read_order(read_json(_amount("1")), single).routing == "single"
    assert read_order(read_json(_with('"routing": "best"')), single).routing == "best"


@pytest.mark.parametrize(
    "names", [("inputToken", "outputToken"), ("input_token", "output_token"), ("tokenIn", "tokenOut")]
)
def test_each_spelling_of_the_tokens_is_the_same_order(names: tuple[str, str]) -> None:
    order = {names[0]: "sol", names[1]: "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "amount": "1"}
    assert read_order(order, SETTINGS) == OrderRequest("SOL", "USDC", 1_000_000_000, 50, 300, routing="best")


@pytest.mark.parametrize(
    ("written", "units"),
    [
        ("1", 1_000_000_000),
        ('"1"', 1_000_000_000),
        ("1.500", 1_500_000_000),
        ("0.000000001", 1),
        ("1e-9", 1),
        ("1E-9", 1),
        ("1.5e1", 15_000_000_000),
        ("150e-2", 1_500_000_000),
        ("1e+2", 100_000_000_000),
        ("0.1", 100_000_000),  # which no binary fraction is
        ("18446744073.709551615", 2**64 - 1),
    ],
)
def test_an_amount_is_taken_exactly(written: str, units: int) -> None:
    assert _order(_amount(written)).amount_in == units


@pytest.mark.parametrize(
    "written",
    [
        "0", "0.0", "-1", "-0", "1e-10", "0.0000000001", "1e400", "1e1000000", "1e-1000000", "1e99", "9" * 400,
        "0." + "1" * 400, "18446744073.709551616", "true", "[]", "{}", "[1]", '""', '" 1 "', '"+1"', '"-1"', '"1e2"',
        '"1_000"', '"1,5"', '".5"', '"5."', '"01"', '"0x10"', '"NaN"', '"Infinity"', '"１２"', '"١"', '"1\\n"', '"1\\u0000"',
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused_by_name(written: str) -> None:
    refusal = _refusal(_amount(written))
    assert (refusal.code, refusal.field) == ("invalid_amount", "amount")


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity"])
def test_what_only_javascript_calls_a_number_is_refused_by_name(written: str) -> None:
    refusal = _refusal(_amount(written))
    assert (refusal.code, refusal.field) == ("invalid_request", "amount")


REFUSED = {
    "no amount": (f"{{{PAIR}}}", "invalid_request", "amount"),
    "amount null": (_amount("null"), "invalid_request", "amount"),
    "no input": ('{"outputToken": "USDC", "amount": 1}', "invalid_request", "inputToken"),
    "no output": ('{"inputToken": "SOL", "amount": 1}', "invalid_request", "outputToken"),
    "nothing": ("{}", "invalid_request", "inputToken"),
    "unknown token": ('{"inputToken": "BONKK", "outputToken": "USDC", "amount": 1}', "unknown_token", "inputToken"),
    "unicode token": ('{"inputToken": "ЅOL", "outputToken": "USDC", "amount": 1}', "unknown_token", "inputToken"),
    "empty token": ('{"inputToken": "", "outputToken": "USDC", "amount": 1}', "unknown_token", "inputToken"),
    "half a surrogate": (
        '{"inputToken": "\\ud800", "outputToken": "USDC", "amount": 1}',
        "unknown_token",
        "inputToken",
    ),
    "an escape sequence": ('{"tokenIn": "\\u001b[2J", "tokenOut": "USDC", "amount": 1}', "unknown_token", "tokenIn"),
    "a number for a token": ('{"inputToken": 1, "outputToken": "USDC", "amount": 1}', "invalid_request", "inputToken"),
    "a list for a token": (
        '{"inputToken": ["SOL"], "outputToken": "USDC", "amount": 1}',
        "invalid_request",
        "inputToken",
    ),
    "same token": ('{"inputToken": "SOL", "outputToken": "sol", "amount": 1}', "same_token", "outputToken"),
    "two spellings": (_with('"tokenIn": "SOL"'), "invalid_request", "tokenIn"),
    "unknown field": (_with('"slipage": 1'), "invalid_request", "slipage"),
    "a field in colours": (_with('"\\u001b[31m": 1'), "invalid_request", "\\x1b[31m"),
    "slippage as text": (_with('"slippageBps": "50"'), "invalid_amount", "slippageBps"),
    "slippage as a fraction of bps": (_with('"slippageBps": 0.5'), "invalid_amount", "slippageBps"),
    "negative slippage": (_with('"slippageBps": -1'), "invalid_amount", "slippageBps"),
    "too much slippage": (_with('"slippageBps": 5001'), "invalid_amount", "slippageBps"),
    "slippage of 400 digits": (_with(f'"slippageBps": {"1" * 400}'), "invalid_amount", "slippageBps"),
    "slippage true": (_with('"slippageBps": true'), "invalid_amount", "slippageBps"),
    "slippage twice": (_with('"slippageBps": 50, "slippage": 0.005'), "invalid_request", "slippage"),
    "a fraction of a bp": (_with('"slippage": 0.00001'), "invalid_amount", "slippage"),
    "a fraction above a half": (_with('"slippage": 0.51'), "invalid_amount", "slippage"),
    "too much impact": (_with('"maxImpactBps": 10001'), "invalid_amount", "maxImpactBps"),
    "neither amount nor receive": (f'{{{PAIR}, "receive": null}}', "invalid_request", "amount"),
    "amount and receive": (_with('"receive": 1'), "invalid_request", "receive"),
    "to receive nothing": (_buys("0"), "invalid_amount", "receive"),
    "to receive less than a unit": (_buys('"0.0000001"'), "invalid_amount", "receive"),
    "a ceiling for what is sold": (_with('"maxInput": 2'), "invalid_request", "maxInput"),
    "a floor for what is received": (_buys('1, "minOutput": 1'), "invalid_request", "minOutput"),
    "a ceiling of nothing": (_buys('1, "maxInput": 0'), "invalid_amount", "maxInput"),
    "a ceiling finer than the token": (_buys('1, "maxInput": "1e-10"'), "invalid_amount", "maxInput"),
    "another routing": (_with('"routing": "worst"'), "invalid_request", "routing"),
    "a number for a routing": (_with('"routing": 1'), "invalid_request", "routing"),
    "a floor of nothing": (_with('"minOutput": 0'), "invalid_amount", "minOutput"),
    "a floor finer than the token": (_with('"minOutput": "0.0000001"'), "invalid_amount", "minOutput"),
    "an empty key": (_with('"clientOrderId": ""'), "invalid_request", "clientOrderId"),
    "a long key": (_with(f'"clientOrderId": "{"k" * 129}"'), "invalid_request", "clientOrderId"),
    "a key with a space": (_with('"clientOrderId": "a b"'), "invalid_request", "clientOrderId"),
    "a key with a line feed": (_with('"clientOrderId": "a\\n"'), "invalid_request", "clientOrderId"),
    "a key that is no ASCII": (_with('"clientOrderId": "é"'), "invalid_request", "clientOrderId"),
    "a number for a key": (_with('"clientOrderId": 1'), "invalid_request", "clientOrderId"),
    "another type": (_with('"type": "limit"'), "invalid_request", "type"),
    "a type that is none": (_with('"type": {}'), "invalid_request", "type"),
    "a field twice": (f'{{{PAIR}, "amount": 1, "amount": 2}}', "invalid_request", "amount"),
    "a field twice, deeper": (_with('"type": {"a": 1, "a": 2}'), "invalid_request", "a"),
}


@pytest.mark.parametrize(("text", "code", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_order_is_refused_by_name(text: str, code: str, field: str) -> None:
    refusal = _refusal(text)
    assert (refusal.code, refusal.field) == (code, field)


def test_a_mistyped_field_is_told_the_right_one() -> None:
    assert "Did you mean slippage?" in _refusal(_with('"slipage": 1')).message
    assert "Close: BONK" in _refusal('{"inputToken": "BONKK", "outputToken": "USDC", "amount": 1}').message


def test_null_is_as_good_as_silence_for_what_is_optional() -> None:
    silent = ("slippageBps", "minOutput", "maxImpactBps", "clientOrderId", "type", "receive", "maxInput", "routing")
    assert _order(_with(", ".join(f'"{name}": null' for name in silent))) == _order(_amount("1"))


@pytest.mark.parametrize(("written", "bps"), [("0.01", 100), ('"0.01"', 100), ("1e-2", 100), ("0", 0), ("0.5", 5_000)])
def test_slippage_may_be_a_fraction(written: str, bps: int) -> None:
    assert _order(_with(f'"slippage": {written}')).slippage_bps == bps


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"\n", b"null", b"1", b'"text"', b"[]", b"[{}]", b"{", b"}", b"{}{}", b"{'a': 1}", b'{"a": 1,}', b'{"a"}',
        b'{"a": 01}', b'{"a": .5}', b'{"a": +1}', b'{"a": 1.}', b'{"a": 0x1}', b'{"a": 1 /* c */}', b'{"a": "\n"}', b'{"a": "\\x"}',
        b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b'{"a": "\xff"}', b'{"a": "\xc0\xaf"}', b'{"a": "\xed\xa0\x80"}', b"NaN", b"\x00",
        b"[" * 60_000, b'{"a":' * 10_000, b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
    ids=lambda raw: repr(raw[:12]),
)  # fmt: skip
def test_what_is_no_json_object_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_order(read_json(raw), SETTINGS)


def test_numbers_keep_their_digits() -> None:
    fields = read_json('{"a": 1.10, "b": 1e400, "c": -0, "d": "1"}')
    assert fields == {"a": "1.10", "b": "1e400", "c": "-0", "d": "1"}
    assert [type(value) for value in fields.values()] == [Number, Number, Number, str]


def test_an_ask_is_read_like_an_order() -> None:
    pair = {"tokenIn": "SOL", "tokenOut": "USDC"}
    sold, bought = Ask("SOL", "USDC", 2_000_000_000), Ask("SOL", "USDC", 2_000_000, "out")
    assert read_ask({**pair, "amount": "2"}, SETTINGS) == (sold, "best")
    assert read_ask({**pair, "receive": "2", "routing": "single"}, SETTINGS) == (bought, "single")
    with pytest.raises(Malformed, match="slippageBps"):
        read_ask({**pair, "amount": "2", "slippageBps": Number("1")}, SETTINGS)


def test_a_retry_can_only_change_the_slippage() -> None:
    assert read_retry(read_json("{}")) is None
    assert read_retry(read_json('{"slippageBps": 200}')) == 200
    with pytest.raises(Malformed, match="amount"):
        read_retry(read_json('{"amount": 1}'))


@given(st.integers(1, 2**64 - 1))
def test_every_amount_comes_back_as_it_was_written(units: int) -> None:
    text = format_amount(units, 9)
    assert _order(_amount(text)).amount_in == units
    assert _order(_amount(f'"{text}"')).amount_in == units


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
       | st.dictionaries(st.text(), inner, max_size=3)))  # fmt: skip
def test_no_value_of_any_field_is_a_surprise(value: object) -> None:
    for name in (
        "inputToken",
        "amount",
        "slippageBps",
        "slippage",
        "minOutput",
        "maxImpactBps",
        "clientOrderId",
        "type",
        "receive",
        "maxInput",
        "routing",
    ):
        order = {"inputToken": "SOL", "outputToken": "USDC", "amount": 1, name: value}
        refusal = _refused(json.dumps(order))
        assert refusal is None or (refusal.field is not None and refusal.message.isprintable())


@given(st.binary(max_size=200))
def test_no_bytes_are_a_surprise(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_order(read_json(raw), SETTINGS)
