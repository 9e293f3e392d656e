"""The best route over the token graph: several paths at once, sharing pools, in one transaction.

The network's prices (`network`) say about how much every pool takes. Then the legs are put in an order in which each
token is spent only once it is there, and are settled one after the other by the pools' own integer swaps, the last leg out
of a token taking all that is left of it. What is chosen is compared by those integers: never worse than the best single
path that is found, nor than the best split over the direct pools. What whole units leave undone is at most about what one unit
of what each leg buys is worth: so much more, and no more, a split in any other shares may pay.

Where pools disagree by more than their fees, the best route also trades them against each other: a circle, which a plan
runs once from a token that it holds, as far as it holds enough, before it goes on with more of it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from order_engine.routes import FREE, SWAPS_PER_POOL, Leg, NoPlan, Plan, Terms
from order_engine.routing.network import Flow, Network, Solution, Way
from order_engine.routing.split import split_in, split_out
from order_engine.venues.pool import Pool, Swap, SwapRefused
from order_engine.venues.snapshot import Listing, ends

_TRIFLE = 1e-7  # of what is at stake; a tenth of a hundredth of a basis point
_STEPS = (8, 12, 16, 20)  # binary places of a leg's share by which shares are moved
_MOVES = 8  # of one size at most
_EVENED = 8  # legs at most: with more it would take longer than the search
_LABELS = 16  # amounts of a token that are tried on a path where the best one alone leads nowhere
_LAST = 2  # ways of which each is left out in its turn, those that carry least and those that are worth least
_NARROWER = 40  # networks tried at most, each with less in it, when costs, caps or refusals leave pools out


def route_in(
    listings: Iterable[Listing], token_in: str, token_out: str, amount_in: int, now: int, terms: Terms = FREE
) -> Plan | NoPlan:
    """The plan that sells exactly `amount_in` for the most output net of costs."""
    return Routing(listings, token_in, token_out, amount_in, now, terms, True).plan()


def route_out(
    listings: Iterable[Listing], token_in: str, token_out: str, amount_out: int, now: int, terms: Terms = FREE
) -> Plan | NoPlan:
    """The plan that buys exactly `amount_out` for the least input including costs. Circles are not part of it: `best` adds
    them."""
    return Routing(listings, token_in, token_out, amount_out, now, terms, False).plan()


_Label = tuple[int, list[Leg]]  # how much there is of a token, and the legs that lead there


class Blocked(NamedTuple):
    """Ways that have to be left out for there to be a plan; one whose pool `refused` may do with a little less."""

    ways: list[Way]
    refused: bool = False


class Crowded(NamedTuple):
    """More legs than are allowed: about so many."""

    legs: int


class Searched(Protocol):
    """What is asked for prices: a `network.Network`, or something that answers like it."""

    ways: list[Way]

    def solve(
        self, amount: float, exact_in: bool, without: Collection[Way] = (), start: dict[str, float] | None = None
    ) -> Solution | None:
        """See `network.Network.solve`."""

    def ease(self, way: Way) -> bool:
        """See `network.Network.ease`."""


class Routing:
    """One question while it is being answered. `exact_in` says which side of the swaps is given."""

    def __init__(
        self,
        listings: Iterable[Listing],
        token_in: str,
        token_out: str,
        amount: int,
        now: int,
        terms: Terms,
        exact_in: bool,
    ) -> None:
        self.listings = list(listings)
        self.token_in, self.token_out, self.amount = token_in, token_out, amount
        self.now, self.terms, self.exact_in = now, terms, exact_in

    def plan(self) -> Plan | NoPlan:
        """The best plan, or why there is none."""
        if self.amount <= 0:
            return NoPlan("zero_amount", "the amount must be greater than zero")
        network = Network(self.listings, self.token_in, self.token_out, self.terms.max_hops, self.now)
        if not network.ways:
            hops = self.terms.max_hops
            return NoPlan("no_pool", f"no path of at most {hops} pools leads from {self.token_in} to {self.token_out}")
        split = split_in if self.exact_in else split_out
        direct = split(self.listings, self.token_in, self.token_out, self.amount, self.now, self.terms)
        best = direct if isinstance(direct, Plan) else None
        for plan in (self.path(network.ways), *self.spread(network)):
            if plan is not None and (best is None or plan.net > best.net):
                best = plan
        return self.none(direct) if best is None else self.evened(best, network)

    def none(self, direct: Plan | NoPlan) -> NoPlan:
        """Why there is no plan where there are pools; `direct` is what the pools of the pair alone say."""
        if isinstance(direct, NoPlan) and direct.reason == "too_small":
            return direct
        return NoPlan("too_large", f"the pools from {self.token_in} to {self.token_out} do not hold as much")

    # Several paths at once

    def spread(self, network: Searched) -> list[Plan]:
        """Plans over the whole network, then over ever fewer ways through it while costs or caps ask for fewer."""
        plans: list[Plan] = []
        without: set[Way] = set()
        near: dict[str, float] | None = None
        narrowed = False
        for _ in range(_NARROWER):
            solution = network.solve(self.amount, self.exact_in, without, near)
            if solution is None or not solution.flows:
                break
            near = solution.prices
            found = self.settle(solution)
            if isinstance(found, Blocked):
                if not (found.refused and network.ease(found.ways[0])):
                    without.update(found.ways)
                continue
            legs = self.legs(found)
            if not isinstance(found, Crowded) and legs <= (self.terms.max_legs or legs):
                plans.append(self.as_plan(found))
            elif not narrowed:
                narrowed = True
                plans += self.narrowed(network, solution)
            weak = self.weak(solution, legs)
            if not weak or legs == 1:
                break
            without.update(weak)
        return plans

    def narrowed(self, network: Searched, solution: Solution) -> list[Plan]:
        """Plans over what a solution uses and nothing else, less the ways that carry least, until the cap is kept.

        A flat piece carries much and is worth little, and where it is missing others pay much less for as much. Which way is
        the last one to go is tried out.
        """
        kept = {flow[:2] for flow in solution.flows}
        for _ in range(len(kept)):
            found = self.settle(solution)
            beyond = 0 if isinstance(found, Blocked) else self.legs(found) - (self.terms.max_legs or self.legs(found))
            if isinstance(found, Blocked):
                if not (found.refused and network.ease(found.ways[0])):
                    kept.difference_update(found.ways)
            elif beyond <= 0 and not isinstance(found, Crowded):
                return [self.as_plan(found)]
            elif beyond == 1:
                last = [*self.by_carried(solution)[:_LAST], *self.by_loss(solution)[:_LAST]]
                if plans := self.without_one(network, kept, list(dict.fromkeys(flow[:2] for flow in last))):
                    return plans
                kept.discard(last[0][:2])
            else:
                kept.difference_update(flow[:2] for flow in self.by_carried(solution)[: beyond // 2])
            narrower = self.among(network, kept)
            if narrower is None:
                break
            solution = narrower
        return []

    def without_one(self, network: Searched, kept: Collection[Way], last: Sequence[Way]) -> list[Plan]:
        """Plans over these ways less one of the last, each in its turn."""
        plans: list[Plan] = []
        for way in last:
            solution = self.among(network, set(kept) - {way})
            found = None if solution is None else self.settle(solution)
            if isinstance(found, list) and len(found) <= (self.terms.max_legs or len(found)):
                plans.append(self.as_plan(found))
        return plans

    def legs(self, found: list[Leg] | Crowded) -> int:
        """How many there are."""
        return found.legs if isinstance(found, Crowded) else len(found)

    def among(self, network: Searched, kept: Collection[Way]) -> Solution | None:
        """The solution over these ways alone; None where they do not take the amount."""
        solution = network.solve(self.amount, self.exact_in, [way for way in network.ways if way not in kept])
        return solution if solution and solution.flows else None

    def by_carried(self, solution: Solution) -> list[Flow]:
        """The flows by how much goes through them, the least first."""
        return sorted(solution.flows, key=lambda flow: flow.amount_in * solution.prices[self.tokens_of(flow)[0]])

    def weak(self, solution: Solution, legs: int) -> list[Way]:
        """The ways to try without: those that are hardly worth their cost, the least worthy one at a time.

        Without a way at least its worth is lost. So where all are worth their costs no narrower network need be tried.
        """
        prices, terms, cost = solution.prices, self.terms, self.terms.leg_cost
        flows = self.by_loss(solution)
        beyond = 0 if terms.max_legs is None else legs - terms.max_legs
        found: list[Way] = []
        for number, flow in enumerate(flows[:-1]):
            rounded = sum(prices[token] for token in ends(self.listings[flow.listing], flow.a_to_b))
            trifle = flow.worth < rounded and rounded > _TRIFLE * solution.value  # what rounding takes would matter
            hopeless = trifle or (flow.worth < cost / 8 and number < len(flows) // 2)
            surplus = number < beyond // 2
            if hopeless or surplus or (not found and (flow.worth < cost or beyond > 0)):
                found.append((flow.listing, flow.a_to_b))
        return found

    def by_loss(self, solution: Solution) -> list[Flow]:
        """The flows by what is lost without them, the least first.

        One through which most of all goes, and which is alone between its tokens, would only be replaced by another there.
        """
        prices, many = solution.prices, Counter(self.tokens_of(flow) for flow in solution.flows)
        most = abs(solution.value) / 2

        def loss(flow: Flow) -> float:
            pair = self.tokens_of(flow)
            carried = flow.amount_in * prices[pair[0]]
            return carried if many[pair] == 1 and carried > most else flow.worth

        return sorted(solution.flows, key=loss)

    def tokens_of(self, flow: Flow) -> tuple[str, str]:
        """What is sold and what is bought."""
        return ends(self.listings[flow.listing], flow.a_to_b)

    def settle(self, solution: Solution) -> list[Leg] | Blocked | Crowded:
        """The legs in whole units and in the order in which they run, or what stands in their way.

        Swaps are what takes time, so none is tried where there are too many without any circle.
        """
        wanted = {(flow.listing, flow.a_to_b): flow for flow in solution.flows if min(flow[2:4]) >= 1}
        if not wanted:
            weakest = min(solution.flows, key=lambda flow: flow.worth)
            return Blocked([(weakest.listing, weakest.a_to_b)])
        circles = []
        left = {way: flow.amount_in * solution.prices[self.source(way)] for way, flow in wanted.items()}
        while circle := self.circle(left):
            part = min(left[way] for way in circle)
            if not self.exact_in or len(circle) > self.terms.max_hops:
                return Blocked([min(circle, key=left.__getitem__)])
            circles.append((circle, part))
            left = {way: worth - part if way in circle else worth for way, worth in left.items()}
            left = {way: worth for way, worth in left.items() if worth > 1e-9 * part}
        order, depth = self.order(left)
        if depth > self.terms.max_hops:
            return Blocked(self.too_deep(left))
        if self.terms.max_legs is not None and len(left) > self.terms.max_legs:
            return Crowded(len(left) + sum(len(circle) for circle, _ in circles))
        if self.exact_in:
            return self.settle_in(solution.prices, wanted, left, circles, order)
        return self.settle_out(wanted, order)

    def settle_in(
        self,
        prices: Mapping[str, float],
        wanted: Mapping[Way, Flow],
        left: Mapping[Way, float],
        circles: Sequence[tuple[list[Way], float]],
        order: Sequence[str],
    ) -> list[Leg] | Blocked:
        """Token by token: circles first, then everything that is there of it goes on in the wanted proportions."""
        course = Course(self.listings, self.now)
        course.held[self.token_in] = self.amount
        waiting = list(circles)
        for token in order:
            for circle, part in [each for each in waiting if any(self.source(way) == token for way in each[0])]:
                if course.held.get(token, 0):
                    waiting.remove((circle, part))
                    start = next(number for number, way in enumerate(circle) if self.source(way) == token)
                    price = prices[token]
                    cost = int(self.terms.leg_cost * len(circle) / price)
                    course.run([*circle[start:], *circle[:start]], part / price, cost)
            if token == self.token_out:
                continue
            amount = course.held.get(token, 0)
            going = [way for way in left if self.source(way) == token]
            if not amount:
                continue
            if not going:
                return Blocked([min(left or wanted, key=lambda way: wanted[way].worth)])
            going.sort(key=lambda way: wanted[way].give)
            shares = _shares(amount, [max(wanted[way].amount_in - course.taken.get(way, 0), 0.0) for way in going])
            for way, share in zip(going, shares, strict=True):
                if share > 0 and not course.swap(way, share):
                    return Blocked([way], refused=True)
        return course.legs

    def settle_out(
        self, wanted: Mapping[Way, Flow], order: Sequence[str], circles: Sequence[tuple[list[Way], float]] = ()
    ) -> list[Leg] | Blocked:
        """Token by token from the last to the first: what is needed of it comes out of circles, about so much from each, as
        far as they gain it, and what they take and do not pay is bought in the wanted proportions.

        Each pool is swapped with once, since what a swap asks of a pool is not known before all later ones are.
        """
        needed, legs = {self.token_out: self.amount}, list[Leg]()
        for token in reversed(order):
            amount = needed.get(token, 0)
            for circle, about in circles:
                if amount and self.target(circle[-1]) == token:
                    share = min(int(about), amount)
                    turned = self.bought_along(circle, share) if share else None
                    if turned and turned[0].amount_in + self.terms.leg_cost * len(circle) < share:
                        legs += reversed(turned)
                        amount += turned[0].amount_in - share
            if token == self.token_in or not amount:
                continue
            coming = [way for way in wanted if self.target(way) == token]
            if not coming:
                return Blocked([min(wanted, key=lambda way: wanted[way].worth)])
            coming.sort(key=lambda way: wanted[way].give)
            shares = _shares(amount, [wanted[way].amount_out for way in coming])
            for way, share in zip(coming, shares, strict=True):
                if share <= 0:
                    continue
                swap = _bought(self.listings[way[0]].state, share, way[1], self.now)
                if swap is None:
                    return Blocked([way], refused=True)
                legs.append(_leg(self.listings[way[0]], way[1], swap))
                needed[self.source(way)] = needed.get(self.source(way), 0) + swap.amount_in
        return legs[::-1]

    def bought_along(self, ways: Sequence[Way], amount: int) -> list[Leg] | None:
        """The legs that buy so much one after the other, each what the next one sells; None where a pool refuses."""
        legs = list[Leg]()
        for way in reversed(ways):
            swap = _bought(self.listings[way[0]].state, amount, way[1], self.now)
            if swap is None:
                return None
            legs.append(_leg(self.listings[way[0]], way[1], swap))
            amount = swap.amount_in
        return legs[::-1]

    # The order of things

    def source(self, way: Way) -> str:
        """What is sold."""
        return ends(self.listings[way[0]], way[1])[0]

    def target(self, way: Way) -> str:
        """What is bought."""
        return ends(self.listings[way[0]], way[1])[1]

    def circle(self, ways: Collection[Way]) -> list[Way]:
        """Ways that lead from some token back to it; empty if there are none."""
        leading: dict[str, list[Way]] = {}
        for way in ways:
            leading.setdefault(self.source(way), []).append(way)
        done: set[str] = set()

        def follow(token: str, trail: list[Way]) -> list[Way]:
            for way in leading.get(token, ()):
                target = self.target(way)
                before = [self.source(each) for each in trail] + [token]
                if target in before:
                    return [*trail, way][before.index(target) :]
                if target not in done and (found := follow(target, [*trail, way])):
                    return found
            done.add(token)
            return []

        for token in list(leading):
            if token not in done and (found := follow(token, [])):
                return found
        return []

    def order(self, ways: Collection[Way]) -> tuple[list[str], int]:
        """Tokens, each after all that are sold for it, and the length of the longest path from the first one."""
        tokens = {self.token_in: 0, self.token_out: 0}
        tokens.update({token: 0 for way in ways for token in (self.source(way), self.target(way))})
        edges = {(self.source(way), self.target(way)) for way in ways}
        for _ in tokens:
            for source, target in edges:
                tokens[target] = max(tokens[target], tokens[source] + 1)
        return sorted(tokens, key=tokens.__getitem__), tokens[self.token_out]

    def too_deep(self, left: Mapping[Way, float]) -> list[Way]:
        """All ways between two tokens, which are what makes a path long, between which least flows: both are on the way, or,
        where only single hops are allowed, one of them."""
        between: dict[tuple[str, str], list[Way]] = {}
        for way in left:
            ends_apart = self.source(way) != self.token_in, self.target(way) != self.token_out
            if all(ends_apart) or (self.terms.max_hops == 1 and any(ends_apart)):
                between.setdefault((self.source(way), self.target(way)), []).append(way)
        return min(between.values(), key=lambda ways: sum(left[way] for way in ways))

    # One path

    def path(self, ways: Sequence[Way]) -> Plan | None:
        """The best plan that is a single path, found by the pools' own swaps.

        The most that can be had of a token may be more than any pool takes of it: then smaller amounts are tried too.
        """
        return self.path_by(ways, 1) or self.path_by(ways, _LABELS)

    def path_by(self, ways: Sequence[Way], count: int) -> Plan | None:
        """The same by so many amounts of each token at each hop, half of them the best ones and half the worst."""
        start, goal = (self.token_in, self.token_out) if self.exact_in else (self.token_out, self.token_in)
        reached: dict[str, list[_Label]] = {start: [(self.amount, [])]}
        best: Plan | None = None
        for _ in range(min(self.terms.max_hops, self.terms.max_legs or self.terms.max_hops)):
            further: dict[str, list[_Label]] = {}
            for number, way in ways:
                each = self.listings[number]
                source, target = ends(each, way) if self.exact_in else ends(each, way)[::-1]
                if source not in reached or source == goal or target == start:
                    continue
                for amount, legs in reached[source]:
                    if any(leg.pool == each.pool and leg.dex == each.dex for leg in legs):
                        continue
                    swap = (_sold if self.exact_in else _bought)(each.state, amount, way, self.now)
                    if swap is None:
                        continue
                    got = swap.amount_out if self.exact_in else swap.amount_in
                    known = further.setdefault(target, [])
                    if count > 1 or not known or (got > known[0][0]) == self.exact_in:
                        leg = _leg(each, way, swap)
                        known.append((got, [*legs, leg] if self.exact_in else [leg, *legs]))
                        if len(known) > count:
                            known.sort(key=lambda label: label[0], reverse=self.exact_in)
                            del known[(count + 1) // 2]
            reached = further
            for _, legs in reached.get(goal, ()):
                plan = self.as_plan(legs)
                best = plan if best is None or plan.net > best.net else best
        return best

    # Unit by unit

    def evened(self, plan: Plan, network: Network) -> Plan:
        """The plan with shares moved between its legs out of one token, in ever smaller steps, while that pays more than units.

        Floats see flat pieces as a little sloped and stop some parts of 10^9 before the best; whole swaps see the rest.
        Where there are only endless curves floats see all of it. Plans with circles or many legs, and
        exact-out, stay as they are.
        """
        pools = {(leg.dex, leg.pool) for leg in plan.legs}
        if not self.exact_in or len(pools) < len(plan.legs) or not 2 <= len(plan.legs) <= _EVENED:
            return plan
        places = {(each.dex, each.pool): number for number, each in enumerate(self.listings)}
        ways = []
        for leg in plan.legs:
            number = places[leg.dex, leg.pool]
            ways.append((number, leg.token_in == self.listings[number].token_a))
        if all(way in network.simple for way in ways):
            return plan
        last = {self.source(way): number for number, way in enumerate(ways)}  # of each token's legs: it takes the rest
        for number, way in enumerate(ways):
            if last[self.source(way)] != number:
                for bits in _STEPS:
                    plan = self.moved(plan, ways, number, bits)
        return plan

    def moved(self, plan: Plan, ways: Sequence[Way], number: int, bits: int) -> Plan:
        """The plan with so many 2^-`bits` of one leg's share given to or taken from its token's last one as pay more."""
        step = plan.legs[number].amount_in >> bits
        for change in (step, -step) if step else ():
            begun = plan
            for _ in range(_MOVES):
                shares = [leg.amount_in for leg in plan.legs]
                shares[number] += change
                other = self.run(ways, shares)
                if other is None or other.net <= plan.net + len(ways):  # by less than rounding makes of nothing
                    break
                plan = other
            if plan is not begun:
                break
        return plan

    def run(self, ways: Sequence[Way], shares: Sequence[int]) -> Plan | None:
        """The plan that sells about these shares, the last leg out of a token all that there is; None where that fails."""
        course = Course(self.listings, self.now)
        course.held[self.token_in] = self.amount
        last = {self.source(way): number for number, way in enumerate(ways)}
        for number, way in enumerate(ways):
            held = course.held.get(self.source(way), 0)
            share = held if last[self.source(way)] == number else shares[number]
            if not 0 < share <= held or not course.swap(way, share):
                return None
        return self.as_plan(course.legs)

    def as_plan(self, legs: Sequence[Leg]) -> Plan:
        """The plan of legs in the order in which they run."""
        taken = sum(leg.amount_in for leg in legs if leg.token_in == self.token_in)
        taken -= sum(leg.amount_out for leg in legs if leg.token_out == self.token_in)
        paid = sum(leg.amount_out for leg in legs if leg.token_out == self.token_out)
        paid -= sum(leg.amount_in for leg in legs if leg.token_in == self.token_out)
        cost = self.terms.plan_cost + self.terms.leg_cost * len(legs)
        return Plan("in" if self.exact_in else "out", self.token_in, self.token_out, taken, paid, cost, tuple(legs))


class Course:
    """Swaps one after the other: what is held of each token, the pools as they are by then, and the legs so far."""

    def __init__(self, listings: Sequence[Listing], now: int) -> None:
        self.listings, self.now = listings, now
        self.held: dict[str, int] = {}
        self.taken: dict[Way, int] = {}
        self.states: dict[int, Pool] = {}
        self.legs: list[Leg] = []

    def swap(self, way: Way, amount: int) -> bool:
        """Sells so much through one pool; False, and nothing done, where it refuses."""
        each = self.listings[way[0]]
        swap = _sold(self.states.get(way[0], each.state), amount, way[1], self.now)
        if swap is None:
            return False
        leg = _leg(each, way[1], swap)
        self.legs.append(leg)
        self.states[way[0]] = swap.after
        self.taken[way] = self.taken.get(way, 0) + amount
        self.held[leg.token_in] -= amount
        self.held[leg.token_out] = self.held.get(leg.token_out, 0) + leg.amount_out
        return True

    def run(self, circle: Sequence[Way], about: float, least: int) -> None:
        """Goes round once with about so much, or what there is of it. Undone unless more than `least` is gained."""
        used = [leg.pool for leg in self.legs]
        if any(used.count(self.listings[number].pool) >= SWAPS_PER_POOL - 1 for number, _ in circle):
            return  # the last swap of a pool is for the way on
        token = ends(self.listings[circle[0][0]], circle[0][1])[0]
        held, taken, states, legs = dict(self.held), dict(self.taken), dict(self.states), len(self.legs)
        going = min(int(about), self.held[token])
        for way in circle:
            if going < 1 or not self.swap(way, going):
                going = 0
                break
            going = self.legs[-1].amount_out
        if not going or self.held[token] <= held[token] + least:
            self.held, self.taken, self.states = held, taken, states
            del self.legs[legs:]


def _shares(amount: int, wanted: Sequence[float]) -> list[int]:
    """What is wanted in whole units, and for the last whatever there is besides; in proportion where that is not enough."""
    shares = [int(each) for each in wanted]
    shares[-1] += amount - sum(shares)
    if shares[-1] >= 0 or len(shares) == 1:
        return shares
    total = sum(wanted)
    shares = [int(amount * (each / total)) for each in wanted]
    shares[-1] += amount - sum(shares)
    return shares


def _sold(state: Pool, amount: int, a_to_b: bool, now: int) -> Swap[Pool] | None:
    try:
        swap = state.swap_exact_in(amount, a_to_b, now)
    except SwapRefused:
        return None
    return swap if swap.amount_out and swap.amount_in == amount else None


def _bought(state: Pool, amount: int, a_to_b: bool, now: int) -> Swap[Pool] | None:
    try:
        swap = state.swap_exact_out(amount, a_to_b, now)
    except SwapRefused:
        return None
    return swap if swap.amount_in and swap.amount_out == amount else None


def _leg(listing: Listing, a_to_b: bool, swap: Swap[Pool]) -> Leg:
    token_in, token_out = ends(listing, a_to_b)
    return Leg(listing.dex, listing.pool, token_in, token_out, swap.amount_in, swap.amount_out)
