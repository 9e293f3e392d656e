"""Pools from raw accounts of the real chain, exactly as they are: their own ticks and bins, fees, volatility and reserves.

It stands apart from the public records of `importing`, which say less, so that there the rest is ours. Nothing is guessed
here: a pool opens with everything that belongs to it, or is refused with the account that is missing. One file reads the
accounts of each company's programs, `dump` tells accounts apart and `layouts` says what lies where in them.
"""

from collections.abc import Callable, Mapping, Sequence

from order_engine.venues.simulated.accounts import meteora, orca, raydium
from order_engine.venues.simulated.accounts.dump import TOKEN_ACCOUNT, Account, Dump, is_account
from order_engine.venues.simulated.accounts.layouts import Layout
from order_engine.venues.simulated.located import Record
from order_engine.venues.simulated.market import Listing
from order_engine.venues.simulated.openings import Opening
from order_engine.venues.snapshot import AnyPool

__all__ = ["is_account", "read_accounts"]

_READERS: Mapping[Layout, Callable[[Dump, Account], tuple[Listing, AnyPool]]] = {
    raydium.AMM_INFO: raydium.amm_v4,
    raydium.CPMM_POOL: raydium.cpmm,
    raydium.CLMM_POOL: raydium.clmm,
    meteora.PAIR: meteora.dlmm,
    meteora.POOL: meteora.damm_v2,
    orca.POOL: orca.whirlpool,
}
_BELONGINGS = (
    raydium.CPMM_CONFIG,
    raydium.CLMM_CONFIG,
    raydium.TICK_ARRAY,
    raydium.BITMAPS,
    meteora.BIN_ARRAY,
    meteora.BITMAPS,
    orca.TICK_ARRAY,
    orca.DYNAMIC_TICK_ARRAY,
    orca.ORACLE,
    TOKEN_ACCOUNT,
)


def read_accounts(records: Sequence[Record]) -> list[tuple[Opening, Record]]:
    """The pools among these accounts, each with its record. Raises Malformed, by line, unless all of them are whole."""
    dump = Dump(records, (*_READERS, *_BELONGINGS))
    found: list[tuple[Opening, Record]] = []
    for account in dump:
        reader = _READERS.get(account.layout)
        if reader is not None:
            dump.use(account)
            listing, state = reader(dump, account)
            found.append((_opening(listing, state), account.record))
    dump.check_all_used()
    return found


def _opening(listing: Listing, state: AnyPool) -> Opening:
    """The pool opens with what it can pay out. That is rounded down for each range, as each swap's output is, so that all
    swaps together never pay more."""
    a, b = state.reserves
    return Opening(listing=listing, model=state.model, parameters={}, reserve_a=a, reserve_b=b, state=state)
