"""A general convex solver finds nothing better than our plans."""

import pytest

from tests.routing.convex import difference_ppb
from tests.routing.networks import CONSTANT_PRODUCT, MODELS


@pytest.mark.parametrize("models", [CONSTANT_PRODUCT, MODELS], ids=["constant product", "mixed"])
@pytest.mark.parametrize("seed", range(6))
def test_our_plans_are_as_good_as_the_solvers(models: tuple[str, ...], seed: int) -> None:
    difference = difference_ppb(seed, models)
    assert difference is not None
    assert (
        -5_000 <= difference <= 100
    )  # 0.05 bps below for whole units, a thousandth above for the solver's own tolerance
