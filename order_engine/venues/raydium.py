"""Raydium: which pool models it has, and how a pool of it is opened."""

from collections.abc import Mapping

from order_engine.venues import raydium_amm_v4, raydium_cpmm

NAME = "raydium"
MODELS = {"raydium_amm_v4": raydium_amm_v4.Pool, "raydium_cpmm": raydium_cpmm.Pool}


def open_pool(
    model: str, parameters: Mapping[str, int], reserve_a: int, reserve_b: int
) -> raydium_amm_v4.Pool | raydium_cpmm.Pool:
    """A new pool with these reserves in base units; their ratio is its price."""
    if model == "raydium_amm_v4":
        return raydium_amm_v4.Pool(reserve_a, reserve_b, **parameters)
    return raydium_cpmm.Pool(reserve_a, reserve_b, **parameters)  # type: ignore[arg-type]  # genesis.json has numbers only
