import pytest

from order_engine.errors import UnknownToken
from order_engine.tokens import TOKENS, Token, network_fee_in, resolve


@pytest.mark.parametrize("token", TOKENS.values(), ids=str)
def test_a_token_is_found_by_symbol_in_any_case_and_by_mint(token: Token) -> None:
    assert {resolve(text) for text in (token.symbol, token.symbol.lower(), token.symbol.upper(), token.mint)} == {token}


@pytest.mark.parametrize(
    "text", ["", "SOLX", "so11111111111111111111111111111111111111112", "ＳＯＬ", "SOL ", "\x1b[31m", "ß"]
)
def test_what_is_not_in_the_list_is_no_token(text: str) -> None:
    with pytest.raises(UnknownToken) as refusal:
        resolve(text, "inputToken")
    assert refusal.value.field == "inputToken"
    assert refusal.value.message.isprintable()


def test_close_symbols_are_named() -> None:
    with pytest.raises(UnknownToken, match=r"Close: (USDC, USDT|USDT, USDC)"):
        resolve("USDX")


def test_symbols_and_mints_are_unambiguous() -> None:
    assert len({token.symbol.upper() for token in TOKENS.values()}) == len(TOKENS)
    assert len({token.mint for token in TOKENS.values()}) == len(TOKENS)


@pytest.mark.parametrize("token", TOKENS.values(), ids=str)
def test_the_network_fee_is_never_flattered(token: Token) -> None:
    exact = 5_000 * TOKENS["SOL"].usd_nanos * 10**token.decimals / (token.usd_nanos * 10**9)
    assert exact <= network_fee_in(token, 5_000) < exact + 1
