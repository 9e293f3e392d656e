"""The published instances come out of our dual method as they were published."""

import pytest

from tests.routing.published import Instance, instances, value


@pytest.mark.parametrize("instance", instances(), ids=lambda each: each.name)
def test_the_published_value_is_reproduced(instance: Instance) -> None:
    assert value(instance) == pytest.approx(instance.published, abs=1e-5)
