from pathlib import Path

import pytest

from order_engine.checks import check_capacity, check_funds, check_pair, check_size, needs
from order_engine.errors import Busy, Refused
from tests.order_engine.given import SOL, USDC, a_chain, a_request, venues_of


def test_an_order_needs_its_input_and_the_network_fee_of_every_attempt() -> None:
    assert needs("USDC", 7, 3, 5_000) == {"SOL": 15_000, "USDC": 7}
    assert needs("SOL", SOL, 3, 5_000) == {"SOL": SOL + 15_000}


def test_the_last_base_unit_can_be_spent_and_not_one_more() -> None:
    check_funds({"SOL": SOL}, {"SOL": SOL})
    with pytest.raises(Refused) as refusal:
        check_funds({"SOL": SOL + 1}, {"SOL": SOL})
    assert refusal.value.code == "insufficient_balance"
    assert "has 1 SOL free, the order needs 1.000000001 with its network fees" in refusal.value.message


def test_a_token_the_wallet_never_had_counts_as_zero() -> None:
    with pytest.raises(Refused, match="has 0 JUP free"):
        check_funds({"JUP": 1}, {})


def test_the_limit_itself_is_full() -> None:
    check_capacity(9, 10)
    with pytest.raises(Busy) as refusal:
        check_capacity(10, 10)
    assert (refusal.value.code, refusal.value.retry_after_s) == ("over_capacity", 1)


def test_an_order_may_be_worth_the_limit_and_no_unit_more() -> None:
    check_size(a_request(amount_in=10 * SOL), 1_635)  # one SOL is worth 163.5 USD in our table
    check_size(a_request(amount_in=10**12 * SOL), None)
    with pytest.raises(
        Refused, match=r"10\.000000001 SOL are worth about 1636 USD, the limit for one order is 1635"
    ) as refusal:
        check_size(a_request(amount_in=10 * SOL + 1), 1_635)
    assert (refusal.value.code, refusal.value.field) == ("order_too_large", "amount")


def test_a_pair_without_a_pool_is_refused_and_every_venue_named(tmp_path: Path) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        venues = venues_of(chain)
        check_pair(a_request(input_token="USDC", output_token="SOL"), venues)
        with pytest.raises(Refused, match=r"raydium: no pool, meteora: no pool") as refusal:
            check_pair(a_request(input_token="WIF", output_token="BONK"), venues)
        assert refusal.value.code == "no_route"


def test_an_order_to_receive_may_be_worth_the_limit_and_no_unit_more() -> None:
    check_size(a_request(amount_in=0, receive=1_000 * USDC), 1_000)
    with pytest.raises(Refused) as refusal:
        check_size(a_request(amount_in=0, receive=1_000 * USDC + 1), 1_000)
    assert (refusal.value.code, refusal.value.field) == ("order_too_large", "receive")


def test_a_pair_without_a_pool_is_taken_where_a_path_leads_and_the_order_may_go_it(tmp_path: Path) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        request = a_request(input_token="WIF", output_token="BONK", routing="best")
        check_pair(request, venues_of(chain))
        with pytest.raises(Refused, match="No venue trades WIF for BONK"):
            check_pair(request, [])
