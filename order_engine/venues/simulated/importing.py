"""Pools from a file of public pool records: today's real reserves in the simulated market, all of them or none.

Understood are the records of the public interfaces of Raydium (api-v3, `pools/info`), Meteora (datapi for DLMM and DAMM v2, and
the older `pair/all`) and Orca (v2 `pools`), and those of our own genesis.json, which can name a height to open at. In whatever
they are wrapped, they are found. What these records do not say (how liquidity is spread over prices, the variable fee) is
ours. Numbers are read digit by digit: no float decides a price or an amount, and amounts are rounded down to base units.
Raw accounts of the chain, as `solana account` writes them, say everything: those pools open exactly as they are (`accounts`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from order_engine.amounts import U64_MAX, div_floor
from order_engine.errors import Malformed, Refused
from order_engine.tokens import TOKENS
from order_engine.venues import meteora, orca, raydium
from order_engine.venues.pool import Pool, SwapRefused
from order_engine.venues.simulated.accounts import is_account, read_accounts
from order_engine.venues.simulated.accounts.raydium import AMM_V4, CLMM, CPMM
from order_engine.venues.simulated.genesis import MARKET
from order_engine.venues.simulated.located import Digits, Record, Value, read_located
from order_engine.venues.simulated.market import PPM, Listing, fair_price, stray_ppm
from order_engine.venues.simulated.openings import BEGAN_S, Opening, open_pool

POOLS_MAX = 200
TIMES_OFF = 100  # a price farther from the market's is a mistake of the file: another unit, or the tokens changed about
HEIGHT_MAX = 10**12
NEAR = ([-50, 50, 15, 15], [-100, 100, 25, 25], [-200, 200, 25, 25], [-1000, 1000, 15, 15], [-2000, 2000, 10, 10],
        [-50000, 50000, 10, 10])  # fmt: skip
BINS_EACH_SIDE = 70
BINS_MAX = 1_000
POSITIONS_MAX = 50
TICK_MAX = 443_636
U128_MAX = (1 << 128) - 1
TICK_SPACING_MAX = 32_768
BIN_STEP_MAX = 400

_OURS = ("address", "dex", "model", "tokenA", "tokenB", "reserveA", "reserveB", "parameters", "price", "height", "source",
         "chosenByUs")  # fmt: skip
_WRAPPERS = ("result", "value", "data", "pools", "items")
_MODELS: Mapping[str, Mapping[str, object]] = {
    raydium.NAME: raydium.MODELS,
    meteora.NAME: meteora.MODELS,
    orca.NAME: orca.MODELS,
}


class Plan(NamedTuple):
    """Pools to open, and the line of the file from which each comes."""

    openings: tuple[Opening, ...]
    lines: tuple[int, ...]


def read_pools(text: str, height: int = 0) -> Plan:
    """The pools of a file; those that do not say when open at `height`. Raises Malformed by line and field for all the rest."""
    found = [record for value in read_located(text) for record in _records(value, "")]
    accounts = [record for record in found if is_account(record.fields)]
    records = [record for record in found if not is_account(record.fields)]
    if len(records) > POOLS_MAX:
        raise _too_many(len(records))
    pools = [(_tested(_opening(record), record, height), record) for record in records]
    if accounts:
        pools += [(_tested(opening, record, height), record) for opening, record in read_accounts(accounts)]
    if not pools:
        raise Malformed("The file has no pool. Nothing was changed.", field="line 1")
    if len(pools) > POOLS_MAX:
        raise _too_many(len(pools))
    openings: dict[str, Opening] = {}
    for opening, record in pools:
        if opening.listing.address in openings:
            raise record.wrong(f"the pool {opening.listing.address} is there twice")
        openings[opening.listing.address] = opening
    return Plan(tuple(openings.values()), tuple(record.line for _, record in pools))


def _too_many(pools: int) -> Malformed:
    return Malformed(f"The file has {pools} pools, the limit is {POOLS_MAX}. Nothing was changed.", field="line 1")


def checked(
    plan: Plan,
    listings: Mapping[str, Listing],
    pools: Mapping[str, Pool],
    known: Mapping[str, Opening],
    balance: Callable[[str, str], int],
    values_ppm: Mapping[str, int],
) -> Sequence[Opening]:
    """The plan's pools, without those that are planned just so already.

    Raises Refused, by line, where one contradicts the chain or what tokens are worth there (in millionths of their reference
    prices), or where the market could not pay for all.
    """
    needed: dict[str, int] = {}
    new: list[Opening] = []
    for opening, line in zip(plan.openings, plan.lines, strict=True):
        listing, address = opening.listing, opening.listing.address
        there = listings.get(address)
        if there is not None and there != listing:
            pair = f"{there.token_a}/{there.token_b}"
            raise _refused(line, f"{address} is a pool of {there.dex} for {pair}, and stays one")
        if there is not None and pools[address].model != opening.model:
            raise _refused(line, f"{address} is a pool of the model {pools[address].model}, and stays one")
        if there is None and known.get(address) == opening:
            continue
        if there is None and address in known:
            raise _refused(line, f"{address} opens at height {known[address].height} already")
        if there is not None and opening.height:
            raise _refused(line, f"{address} is open already; only a new pool can open at a height")
        fair = fair_price(listing.token_a, listing.token_b, values_ppm[listing.token_a], values_ppm[listing.token_b])
        if not PPM // TIMES_OFF <= PPM + stray_ppm(open_pool(opening), fair) <= PPM * TIMES_OFF:
            raise _refused(line, f"the price of {address} is more than {TIMES_OFF} times off what the market pays")
        new.append(opening)
        has = (0, 0) if there is None else pools[address].reserves
        for token, units, held in zip((listing.token_a, listing.token_b), opening.reserves, has, strict=True):
            needed[token] = needed.get(token, 0) + units - held
    for token, units in needed.items():
        if units > balance(MARKET, token):
            raise _refused(plan.lines[0], f"the market has less {token} than all these pools need")
    return new


def fair_values(openings: Sequence[Opening], values_ppm: Mapping[str, int]) -> dict[str, int]:
    """What tokens are worth by the prices of these pools, over their reference prices, in millionths rounded down.

    Dollars are what they were; the deepest pool decides; where nothing says what SOL costs, it too is what it was.
    """
    values = dict(values_ppm)
    settled = {"USDC", "USDT"}
    for _ in range(2 * len(TOKENS)):
        found = _next_value(openings, values, settled)
        if found is None:
            if "SOL" in settled:
                break
            settled.add("SOL")
        else:
            token, values[token] = found
            settled.add(token)
    return values


def _next_value(openings: Sequence[Opening], values: Mapping[str, int], settled: set[str]) -> tuple[str, int] | None:
    """A token's value by the deepest pool that has it against a settled one."""
    best: tuple[int, str, int] | None = None
    for opening in openings:
        listing = opening.listing
        if (listing.token_a in settled) == (listing.token_b in settled):
            continue
        flipped = listing.token_a in settled
        token, other = (listing.token_b, listing.token_a) if flipped else (listing.token_a, listing.token_b)
        numerator, denominator = open_pool(opening).spot_price(not flipped)  # of the other per token
        one, two = TOKENS[token], TOKENS[other]
        dollars = div_floor(opening.reserves[0 if flipped else 1] * two.usd_nanos, 10**two.decimals)
        value = div_floor(
            values[other] * two.usd_nanos * numerator * 10**one.decimals,
            denominator * 10**two.decimals * one.usd_nanos,
        )
        best = max(best or (0, "", 0), (dollars, token, max(value, 1)))
    return None if best is None else (best[1], best[2])


def _refused(line: int, why: str) -> Refused:
    return Refused(f"line {line}: {why}. Nothing was changed.", code="invalid_request", field=f"line {line}")


def _records(value: Value, place: str) -> Iterator[Record]:
    """The pool records inside: lists and wrappers are opened, whatever else stands beside them."""
    content = value.content
    if isinstance(content, list):
        for number, each in enumerate(content):
            yield from _records(each, f"{place.removesuffix('.')}[{number}].")
    elif isinstance(content, dict):
        if is_account(content):
            yield Record(content, value.line, place)
            return
        wrapped = next((name for name in _WRAPPERS if _wraps(content.get(name))), None)
        if wrapped is None:
            yield Record(content, value.line, place)
        elif "pubkeys" in content:
            yield from _addressed(content["pubkeys"], content[wrapped], place)
        else:
            yield from _records(content[wrapped], f"{place}{wrapped}.")
    else:
        raise Malformed(
            f"line {value.line}: {place or 'this '}is not a pool. Nothing was changed.", field=place or None
        )


def _addressed(pubkeys: Value, answer: Value, place: str) -> Iterator[Record]:
    """The accounts of getMultipleAccounts, whose answer does not say which they are, with the addresses beside it."""
    while isinstance(answer.content, dict) and "value" in answer.content:
        answer = answer.content["value"]
    accounts = answer.content if isinstance(answer.content, list) else []
    if not isinstance(pubkeys.content, list) or len(pubkeys.content) != len(accounts):
        raise Malformed(
            f"line {pubkeys.line}: {place}pubkeys: a list of {len(accounts)} addresses is needed, one for each account. "
            "Nothing was changed.",
            field=f"{place}pubkeys",
        )
    for number, (pubkey, account) in enumerate(zip(pubkeys.content, accounts, strict=True)):
        yield Record({"pubkey": pubkey, "account": account}, account.line, f"{place}[{number}].")


def _wraps(value: Value | None) -> bool:
    return value is not None and isinstance(value.content, list | dict)


def _opening(record: Record) -> Opening:
    """The pool of a record."""
    for mark, read in _SHAPES.items():
        if mark in record.fields:
            return read(record)
    raise record.wrong("this is no pool record of Raydium, Meteora, Orca or of our own")


def _tested(opening: Opening, record: Record, height: int) -> Opening:
    """The pool of a record, which can be opened and trades."""
    if opening.listing.token_a == opening.listing.token_b:
        raise record.wrong(f"both tokens are {opening.listing.token_a}")
    try:
        _check_parameters(opening.parameters)
        pool = open_pool(opening)
        _try_out(pool, opening.state is None)
        # A real pool may stand where all of its liquidity is on one side.
        has = any if opening.state is not None else all
        whole = has(held > 0 for held in pool.reserves) and all(part > 0 for part in pool.spot_price(True))
        fits = all(held <= put for held, put in zip(pool.reserves, opening.reserves, strict=True))
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise record.wrong(f"the pool cannot be opened: {error}") from error
    if not whole or not fits:
        raise record.wrong("the pool cannot be opened: its price and its reserves do not fit together")
    return msgspec.structs.replace(opening, height=opening.height or height)


def _check_parameters(parameters: Mapping[str, Any]) -> None:
    """Raises ValueError for what no pool has: below zero, beyond all bounds, or more bins and positions than anybody lays."""
    for name, value in parameters.items():
        if name == "positions":
            if len(value) > POSITIONS_MAX:
                raise ValueError(f"more than {POSITIONS_MAX} positions")
            for below, above, percent_a, percent_b in value:
                if not (-TICK_MAX <= below < above <= TICK_MAX and 0 <= percent_a <= 100 and 0 <= percent_b <= 100):
                    raise ValueError(f"{name} are [ticks below, ticks above, per cent of A, per cent of B]")
            if any(sum(each[place] for each in value) > 100 for place in (2, 3)):
                raise ValueError(f"{name} take more than there is")
        elif isinstance(value, dict):
            _check_parameters(value)
        elif not 0 <= int(value) <= U128_MAX or (name == "bins_each_side" and value > BINS_MAX):
            raise ValueError(f"{name} is out of its range")


def _try_out(pool: Pool, is_ours: bool) -> None:
    """Raises what the pool would raise in the middle of a block, and ValueError for a fee that nobody can pay.

    A pool that is not ours has so much in it that it is tried out only from end to end.
    """
    small = (1, 10**6) if is_ours else ()
    for now in (0, BEGAN_S, 2_000_000_000):
        if not 0 <= pool.fee_ppm(now) <= PPM // 2:
            raise ValueError("a fee above a half of the trade")
        for a_to_b in (True, False):
            for amount in (*small, pool.depth(a_to_b, 10_000), U64_MAX):
                with suppress(SwapRefused):
                    pool.swap_exact_in(amount, a_to_b, now)
                with suppress(SwapRefused):
                    pool.swap_exact_out(amount, a_to_b, now)


def _ours(record: Record) -> Opening:
    """As in genesis.json: amounts in base units, a price in whole B per whole A, and perhaps a height."""
    for name in record.fields:
        if name not in _OURS:
            raise record.wrong("this field is not known", name)
    dex, model = record.text("dex"), record.text("model")
    if dex not in _MODELS:
        raise record.wrong(f"known are {', '.join(_MODELS)}", "dex")
    if model not in _MODELS[dex]:
        raise record.wrong(f"{dex} has {', '.join(_MODELS[dex])}", "model")
    a, b = record.token("tokenA"), record.token("tokenB")
    return Opening(
        listing=Listing(record.address("address"), dex, a.symbol, b.symbol),
        model=model,
        parameters={name: _plain(value) for name, value in _names(record, "parameters").items()},
        reserve_a=record.units("reserveA"),
        reserve_b=record.units("reserveB"),
        price=record.price("price", a, b) if record.has("price") else None,
        height=record.whole("height", 0, HEIGHT_MAX) if record.has("height") else 0,
    )


def _plain(value: Value) -> Any:
    """Nested fields as JSON values; numbers must be whole."""
    content = value.content
    if isinstance(content, Digits):
        if not content.lstrip("-").isdigit():
            raise Malformed(f"line {value.line}: {content[:40]} is not whole. Nothing was changed.", field="parameters")
        return int(content)
    if isinstance(content, list):
        return [_plain(each) for each in content]
    if isinstance(content, dict):
        return {name: _plain(each) for name, each in content.items()}
    return content


def _raydium(record: Record) -> Opening:
    program = record.text("programId")
    a, b = record.token("mintA.address"), record.token("mintB.address")
    address = record.address("id")
    reserves = record.units("mintAmountA", a), record.units("mintAmountB", b)
    price = None
    parameters: dict[str, Any]
    if program == AMM_V4:
        model, parameters = "raydium_amm_v4", {"swap_fee_numerator": record.whole("feeRate", 1, 5_000, 10_000)}
    elif program in (CPMM, CLMM):
        parameters = {
            "trade_fee_rate": record.whole("config.tradeFeeRate", 0, 500_000),
            "protocol_fee_rate": record.whole("config.protocolFeeRate", 0, PPM),
            "fund_fee_rate": record.whole("config.fundFeeRate", 0, PPM),
        }
        model = "raydium_cpmm" if program == CPMM else "raydium_clmm"
        if program == CLMM:
            price = record.price("price", a, b)
            parameters["tick_spacing"] = record.whole("config.tickSpacing", 1, TICK_SPACING_MAX)
            parameters["positions"] = NEAR
    else:
        raise record.wrong("this program of Raydium is not modelled", "programId")
    return _of(Listing(address, raydium.NAME, a.symbol, b.symbol), model, parameters, reserves, price)


def _meteora(record: Record) -> Opening:
    a, b = record.token("token_x.address"), record.token("token_y.address")
    listing = Listing(record.address("address"), meteora.NAME, a.symbol, b.symbol)
    reserves = record.units("token_x_amount", a), record.units("token_y_amount", b)
    price = record.price("current_price", a, b)
    mode = record.whole("pool_config.collect_fee_mode", 0, 2) if record.has("pool_config.collect_fee_mode") else 0
    if "bin_step" in _names(record, "pool_config"):
        parameters = _binned(record, "pool_config.bin_step", "pool_config.base_fee_pct", "pool_config.protocol_fee_pct")
        return _of(listing, "meteora_dlmm", parameters | {"collect_fee_mode": mode}, reserves, price)
    if mode == 2:
        raise record.wrong("a compounding pool does not say its amounts here", "pool_config.collect_fee_mode")
    fee = record.whole("pool_config.base_fee_pct", 1, 500_000_000, 10_000_000)
    parameters = {
        "sqrt_price_min_x64": "4295048016",
        "sqrt_price_max_x64": "79226673521066979257578248091",
        "base_fee": {"cliff_fee_numerator": fee},
        "collect_fee_mode": mode,
    }
    return _of(listing, "meteora_damm_v2", parameters, reserves, price)


def _names(record: Record, path: str) -> Mapping[str, Value]:
    content = record.get(path).content
    if not isinstance(content, dict):
        raise record.wrong("an object is needed", path)
    return content


def _meteora_before(record: Record) -> Opening:
    a, b = record.token("mint_x"), record.token("mint_y")
    listing = Listing(record.address("address"), meteora.NAME, a.symbol, b.symbol)
    parameters = _binned(record, "bin_step", "base_fee_percentage", "protocol_fee_percentage")
    reserves = record.units("reserve_x_amount"), record.units("reserve_y_amount")
    return _of(listing, "meteora_dlmm", parameters, reserves, record.price("current_price", a, b))


def _binned(record: Record, step: str, base_fee: str, protocol_fee: str) -> dict[str, Any]:
    bin_step = record.whole(step, 1, BIN_STEP_MAX)
    rate = record.whole(base_fee, 1, 100_000_000, 10_000_000)  # per cent to 1e-9
    if rate % (bin_step * 10):
        raise record.wrong("this fee is no multiple of the bin step's", base_fee)
    return {
        "bin_step": bin_step,
        "base_factor": div_floor(rate, bin_step * 10),
        "protocol_share_bps": record.whole(protocol_fee, 0, 10_000, 100),
        "bins_each_side": BINS_EACH_SIDE,
    }


def _orca(record: Record) -> Opening:
    a, b = record.token("tokenMintA"), record.token("tokenMintB")
    listing = Listing(record.address("address"), orca.NAME, a.symbol, b.symbol)
    parameters = {
        "tick_spacing": record.whole("tickSpacing", 1, TICK_SPACING_MAX),
        "fee_rate": record.whole("feeRate", 0, 100_000),
        "protocol_fee_rate": record.whole("protocolFeeRate", 0, 2_500),
        "positions": NEAR,
    }
    root = record.whole("sqrtPrice", 4_295_048_016, 79_226_673_515_401_279_992_447_579_055)
    reserves = record.units("tokenBalanceA"), record.units("tokenBalanceB")
    return _of(listing, "orca_whirlpool", parameters, reserves, (root * root, 1 << 128))


def _of(
    listing: Listing,
    model: str,
    parameters: Mapping[str, Any],
    reserves: tuple[int, int],
    price: tuple[int, int] | None,
) -> Opening:
    return Opening(
        listing=listing, model=model, parameters=parameters, reserve_a=reserves[0], reserve_b=reserves[1], price=price
    )


_SHAPES: Mapping[str, Callable[[Record], Opening]] = {  # by a field that only this kind has
    "model": _ours,
    "programId": _raydium,
    "mintA": _raydium,
    "token_x": _meteora,
    "mint_x": _meteora_before,
    "tokenMintA": _orca,
}
