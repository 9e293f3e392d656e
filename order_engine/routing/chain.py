"""The blocks on an order's way solved one after the other: what comes out of one goes into the next.

It answers as `network.Network` does, for the same search (`hops`), but each block has only a price or two to be found, and
what was found for a block is kept while others are tried anew.
"""

from collections.abc import Collection

from order_engine.routing.blocks import passed
from order_engine.routing.market import Market
from order_engine.routing.network import STAGES, Flow, Network, Solution, Way

_NEAR = (STAGES[0], (1e-7, 1e-8))  # from prices nearby: a single stage, as fine as whole units need it
_NOISE = 1e-9  # of the whole: what a coarse stage lets through where nothing should go

_Key = tuple[int, float, frozenset[Way]]


class Chain:
    """One order's question to a market, while it is being answered."""

    def __init__(self, market: Market, token_in: str, token_out: str) -> None:
        self.market = market
        self.passed = passed(market.pairs, token_in, token_out)
        self.networks = [market.network(*each) for each in self.passed]
        self.ways: list[Way] = [way for each in self.passed for way in market.blocks[each.block].ways]
        self._solved: dict[_Key, Solution | None] = {}
        self._near: dict[int, dict[str, float]] = {}
        self._eased: list[Way] = []

    def solve(
        self,
        amount: float,
        exact_in: bool,
        without: Collection[Way] = (),
        start: dict[str, float] | None = None,  # noqa: ARG002 - each block begins near its own prices
    ) -> Solution | None:
        """As `Network.solve`: prices relative to the output token for exact-in, to the input token for exact-out."""
        found: dict[int, Solution] = {}
        numbers = range(len(self.networks))
        for number in numbers if exact_in else reversed(numbers):
            solution = self._block(number, amount, exact_in, without)
            if solution is None:
                return None
            found[number] = solution
            amount = abs(solution.value)
        prices: dict[str, float] = {}
        flows: list[Flow] = []
        scale = 1.0
        for number in reversed(numbers) if exact_in else numbers:  # from the fixed token on
            solution, each = found[number], self.passed[number]
            prices |= {token: price * scale for token, price in solution.prices.items()}
            flows += (
                [flow._replace(worth=flow.worth * scale) for flow in solution.flows] if scale != 1 else solution.flows
            )
            scale = prices[each.entry if exact_in else each.exit]
        value = found[numbers[-1] if exact_in else 0].value
        source, least = self.market.source, _NOISE * abs(value)
        return Solution(prices, [flow for flow in flows if flow[2] * prices[source(flow[:2])] > least], value)

    def _block(self, number: int, amount: float, exact_in: bool, without: Collection[Way]) -> Solution | None:
        network = self.networks[number]
        left_out = frozenset(without).intersection(network.ways) if without else frozenset[Way]()
        key = (number, amount, left_out)
        if key not in self._solved:
            near = self._near.get(number)
            solution = network.solve(amount, exact_in, left_out, near, _NEAR)
            if solution is None and near is not None:
                solution = network.solve(amount, exact_in, left_out)
            self._solved[key] = solution
            if solution is not None:
                self._near[number] = solution.prices
        return self._solved[key]

    def ease(self, way: Way) -> bool:
        """As `Network.ease`."""
        network = self.network_of(way)
        if not network.ease(way):
            return False
        self._eased.append(way)
        self._solved.clear()
        return True

    def network_of(self, way: Way) -> Network:
        """The network of the block that a way is in."""
        return next(network for network in self.networks if way in network.ways)

    def close(self) -> None:
        """Leaves the market as it was found."""
        for way in self._eased:
            self.network_of(way).ladders[way].size = 1.0
