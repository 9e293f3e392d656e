"""What the engine asks for every order: the best plan, and the proof of how good it is.

It finds what `hops` and `certificate` find, in a tenth of the time, because it looks at the easy answer first. As long as no
circle pays, the prices of the first units are a proof already: when the single path on which a first unit gets most pays as
much for the whole amount, nothing is left to be found. Else the blocks on the way are solved once, and their prices serve the
plan and its proof alike. Circles are found once per block of the chain and run by any plan that passes by and gains by it:
exact-in through pools that are used again on the way, exact-out only through others, because there each pool is used once.

The prices that a search ended with are kept for its block: they often prove at once that the simple plan for another amount leaves
nothing to be found. So an answer may depend, by less than matters, on what was asked of the same block before.

What cannot be worth half of what sending costs is not searched for, nor are more swaps made for it: of plans that are as good, the
one with the fewest legs is taken, and none is worse than the best single swap. An order that moves pools far is given a few plans
to choose from and no more, so that its answer takes milliseconds; what may be left to be found is stated in the proof.
"""

import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from order_engine.routes import SWAPS_PER_POOL, Exact, NoPlan, Plan, Proof, Terms
from order_engine.routing.blocks import too_far
from order_engine.routing.certificate import bounds_from, certify, gap_ppb
from order_engine.routing.chain import Chain
from order_engine.routing.circles import Circle
from order_engine.routing.hops import Blocked, Course, Crowded, Routing, route_in, route_out
from order_engine.routing.market import Market, Priced
from order_engine.routing.network import Flow, Solution, Way
from order_engine.routing.split import split_in, split_out
from order_engine.routing.walks import Walk, best_walk
from order_engine.venues.snapshot import Snapshot

_ENOUGH_PPB = 2_000  # 0.02 bps: a plan that is as near to its bound is not looked at again
_TRIED = 4  # circles tried at most per plan
_PLANS = 5  # made of one order at most by leaving ways out: a large one takes milliseconds in a pool of many bins
_NARROWER = 24  # networks tried at most
_UNITS_MATTER = 10_000_000  # below so many units a single one is more than a thousandth of a bps
_KEPT = 2  # snapshots: orders of one block may still be answered when those of the next begin
_REMEMBERED = 1_024  # answers about one of them


class Found(msgspec.Struct, frozen=True):
    """A plan, and the proof that no other is better by more than its gap."""

    plan: Plan
    proof: Proof


def best_plan(
    snapshot: Snapshot, token_in: str, token_out: str, amount: int, exact: Exact, terms: Terms
) -> Found | NoPlan:
    """The plan that sells (exact "in") or buys (exact "out") `amount` base units at the best net, and its proof.

    Any thread may ask; one is answered at a time. What belongs to a snapshot is kept for the next question about it.
    """
    with _lock:
        known = _known(snapshot)
        question = _Question(token_in, token_out, amount, exact, terms)
        answer = known.answers.get(question)
        if answer is None:
            answer = _Search(known.market, token_in, token_out, amount, exact == "in", terms).found()
            if len(known.answers) < _REMEMBERED:
                known.answers[question] = answer
        return answer


def forget() -> None:
    """From now on nothing is known of any snapshot: what is answered next depends on no question of before."""
    with _lock:
        _latest.clear()


class _Question(NamedTuple):
    """What is asked of a snapshot. The same question has the same answer."""

    token_in: str
    token_out: str
    amount: int
    exact: Exact
    terms: Terms


class _Known(NamedTuple):
    """What is known of a snapshot."""

    market: Market
    answers: dict[_Question, Found | NoPlan]


_lock = threading.Lock()  # beside it the interpreter's own would let no two of them run anyway
_latest: list[_Known] = []  # the one asked for last is last


def _known(snapshot: Snapshot) -> _Known:
    """What is known of this snapshot."""
    for number, known in enumerate(_latest):
        if known.market.snapshot is snapshot or known.market.snapshot == snapshot:
            if number < len(_latest) - 1:
                _latest.append(_latest.pop(number))
            return known
    known = _Known(Market(snapshot, _latest[-1].market if _latest else None), {})
    _latest.append(known)
    del _latest[:-_KEPT]
    return known


class _Search:
    """One question while it is being answered."""

    def __init__(
        self, market: Market, token_in: str, token_out: str, amount: int, exact_in: bool, terms: Terms
    ) -> None:
        self.market, self.terms, self.exact_in = market, terms, exact_in
        self.token_in, self.token_out, self.amount = token_in, token_out, amount
        self.swaps = SWAPS_PER_POOL if exact_in else 1  # of a pool: see `Routing.settle_out`
        self.routing = Routing(market.listings, token_in, token_out, amount, market.now, terms, exact_in)
        self.settled = False  # what was found leaves a trifle: to take fewer legs still would leave two

    def found(self) -> Found | NoPlan:
        """The best plan with its proof, or why there is none. One of fewer legs instead where more gain a trifle."""
        found = self.sought()
        if isinstance(found, NoPlan) or found.plan is self.swap or self.settled:
            return found
        plan, prices = found.plan, found.proof.prices
        return self.with_fewer_legs(max(len(plan.legs), 2), self.result(plan), prices) or found

    def sought(self) -> Found | NoPlan:
        """What the search ends with."""
        market, terms, rest, first = self.market, self.terms, None, None
        if self.amount > 0 and self.token_in != self.token_out:
            rest = market.rest(self.token_out)
            hops = min(terms.max_hops, terms.max_legs or terms.max_hops)
            legs = terms.max_legs if rest.circles else hops
            narrow = msgspec.structs.replace(terms, max_legs=legs)
            first = market.walk(self.token_in, self.token_out, narrow, self.swaps)
        if first is None or rest is None:
            return self.plainly()
        if terms.plan_cost and (found := self.with_fewer_legs(len(first.ways), self.about(first.paid))) is not None:
            return found
        plan = self.swap if len(first.ways) == 1 else self.along(first.ways)
        if plan is not None and self.is_small(plan, first.paid, rest):
            return Found(plan, self.proof(plan, [rest]))
        proof = self.proof(plan, [rest]) if plan is not None and terms.plan_cost else None
        if plan is not None and proof is not None and self.settles(plan, proof.bound):
            return Found(plan, proof)
        plans = [plan] if plan is not None else []
        if (found := self.as_before(plans)) is not None:
            return found
        if rest.circles:
            if plan is not None and self.is_best(plan, first):
                return self.proven_after(plan, first, rest)
            into = float(self.amount) if self.exact_in else self.amount / first.paid
            walk = best_walk(market.onward, market.seen, self.token_in, self.token_out, into, terms, self.swaps)
            if walk is not None and walk.ways != first.ways:
                if plan is not None and proof is not None and self.settles(plan, self.about(walk.paid)):
                    return Found(plan, proof)
                if (other := self.along(walk.ways)) is not None:
                    if self.is_best(other, walk) and (
                        plan is None or self.is_more(self.result(other), self.result(plan))
                    ):
                        return self.proven_after(other, walk, rest)
                    plans.append(other)
                    if (found := self.as_before(plans)) is not None:
                        return found
        return self.searched(plans, rest)

    def with_fewer_legs(self, legs: int, most: float, prices: dict[str, int] | None = None) -> Found | None:
        """The plan with the fewest legs, below `legs`, that leaves a trifle of `most`. Proven by `prices`, or those at rest."""
        for fewer in range(1, min(legs, self.terms.max_hops + 1)):
            plan = self.swap if fewer == 1 else self.along_walk(fewer, most)
            if plan is not None and self.settles(plan, most):
                if prices is None:
                    return Found(plan, self.proof(plan, [self.market.rest(self.token_out)]))
                return Found(plan, self.proof(plan, [Priced({}, prices, self.market.edges(prices), circles=False)]))
        return None

    @cached_property
    def swap(self) -> Plan | None:
        """The best single swap."""
        best: Plan | None = None
        for target, choice in self.market.onward.get(self.token_in, ()):
            for paid, way in choice if target == self.token_out else ():
                if best is not None and not self.is_more(self.about(paid), self.result(best)):
                    break  # nor is any after it: the first units of the first pay most
                plan = self.along([way])
                if plan is not None and (best is None or self.is_more(self.result(plan), self.result(best))):
                    best = plan
        return best

    def along_walk(self, legs: int, most: float) -> Plan | None:
        """The plan along the best walk of so many legs, if by the first unit's price it leaves a trifle of `most`."""
        narrow = msgspec.structs.replace(self.terms, max_legs=legs)
        walk = self.market.walk(self.token_in, self.token_out, narrow, self.swaps)
        return None if walk is None or not self.is_trifle(self.about(walk.paid), most) else self.along(walk.ways)

    def about(self, paid: float) -> float:
        """What all units would get (exact-out: take) if each did as well as a first one that is paid so much: none does better."""
        return self.amount * paid if self.exact_in else self.amount / paid

    def result(self, plan: Plan) -> int:
        """What a plan is judged by: the output, or exact-out the input."""
        return plan.amount_out if self.exact_in else plan.amount_in

    def is_trifle(self, result: float, most: float) -> bool:
        """Whether it would gain less than half of what sending a plan costs to get (exact-out: to take) `most` instead."""
        return 2 * (most - result if self.exact_in else result - most) <= self.terms.plan_cost

    def is_done(self, plan: Plan, most: float) -> bool:
        """Whether it leaves a trifle of `most`. Where legs cost something, several may be too many: that is for the search."""
        return (len(plan.legs) == 1 or not self.terms.leg_cost) and self.is_trifle(self.result(plan), most)

    def settles(self, plan: Plan, most: float) -> bool:
        """Whether it leaves a trifle of `most`, and several swaps gain more than one over the best single swap. If so, the search
        is at its end with it."""
        if not self.is_done(plan, most):
            return False
        if len(plan.legs) > 1 and self.swap is not None and self.is_trifle(self.result(self.swap), self.result(plan)):
            return False
        self.settled = True
        return True

    def is_more(self, result: float, other: float) -> bool:
        """Whether it is the better of two results."""
        return result > other if self.exact_in else result < other

    def is_best(self, plan: Plan, walk: Walk) -> bool:
        """Whether, after the plan along the walk, nothing pays more for a further unit."""
        if self.terms.leg_cost and len(plan.legs) > 1:
            return False
        gone, enough = _gone(walk, plan), _ENOUGH_PPB / 1e9
        return self.market.nothing_pays_more(gone, self.token_in, self.token_out, self.terms, self.swaps, enough)

    def proven_after(self, plan: Plan, walk: Walk, rest: Priced) -> Found:
        """The plan with a proof by the prices of a further unit."""
        there = self.market.after(_gone(walk, plan), self.token_in, self.token_out)
        return Found(plan, self.proof(plan, [there, rest]))

    def plainly(self) -> Found | NoPlan:
        """The same without anything that is known."""
        snapshot, plan = self.market.snapshot, self.slowly()
        if isinstance(plan, NoPlan):
            return plan
        return Found(plan, certify(plan, snapshot.listings, snapshot.now, snapshot.height, self.terms).proof)

    def slowly(self) -> Plan | NoPlan:
        """What the search over everything finds."""
        snapshot = self.market.snapshot
        route = route_in if self.exact_in else route_out
        return route(snapshot.listings, self.token_in, self.token_out, self.amount, snapshot.now, self.terms)

    def proof(self, plan: Plan, rests: Iterable[Priced]) -> Proof:
        """The proof by those prices that bound the plan best."""
        best = min(
            ((*bounds_from(rest.edges, plan, rest.prices_x64, self.terms), rest.prices_x64) for rest in rests),
            key=lambda each: each[0] if self.exact_in else -each[0],
        )
        bound, net_bound, prices = best
        snapshot = self.market.snapshot
        return Proof(
            snapshot.height,
            snapshot.now,
            self.market.digest,
            self.terms,
            prices,
            bound,
            net_bound,
            gap_ppb(plan, bound),
        )

    # One walk

    def along(self, ways: Sequence[Way]) -> Plan | None:
        """The plan that goes these ways with all that it has; None where a pool refuses."""
        market = self.market
        if self.exact_in:
            course = Course(market.listings, market.now)
            course.held[self.token_in] = self.amount
            if all(course.swap(way, course.held[market.source(way)]) for way in ways):
                return self.routing.as_plan(course.legs)
            return None
        legs = self.routing.bought_along(ways, self.amount)
        return None if legs is None else self.routing.as_plan(legs)

    def is_small(self, plan: Plan, first: float, rest: Priced) -> bool:
        """Whether the walk pays for all units about what it pays for the first, so that nothing is left to be found.

        Where each leg costs something, several of them may be too many: that is for the search.
        """
        if self.terms.leg_cost and len(plan.legs) > 1:
            return False
        best = first if rest.circles else max(first, rest.prices[self.token_in])
        at_best = best * plan.amount_in
        return (at_best - plan.amount_out - len(plan.legs)) * 1e9 <= _ENOUGH_PPB * at_best

    # All ways

    def as_before(self, known: Sequence[Plan]) -> Found | None:
        """The best of the known plans and the best single swap, if by prices that a search ended with nothing is left to be found.

        Prices prove any amount, and those of one are nearly right for others that are not much larger or smaller.
        """
        plans = [plan for plan in (*known, self.swap) if plan is not None]
        prices = self.market.searched[self.token_in, self.token_out, self.exact_in]
        if not plans or not prices:
            return None
        plan = max(plans, key=lambda each: each.net)
        most = self.most(plan, prices)
        if self.swap is not None and self.is_done(self.swap, most):
            return Found(self.swap, self.proof(self.swap, prices))
        near = gap_ppb(plan, most) <= _ENOUGH_PPB and (len(plan.legs) == 1 or not self.terms.leg_cost)
        return Found(plan, self.proof(plan, prices)) if near else None

    def most(self, plan: Plan, rests: Iterable[Priced]) -> int:
        """What no plan gets more than (exact-out: takes less), one with circles through its own pools included."""
        found = [bounds_from(each.edges, plan, each.prices_x64, self.terms, self.swaps)[0] for each in rests]
        return min(found) if self.exact_in else max(found)

    def searched(self, known: Sequence[Plan], rest: Priced) -> Found | NoPlan:
        """The best plan over the blocks on the way, and of those that are known."""
        chain = Chain(self.market, self.token_in, self.token_out)
        try:
            solution = chain.solve(self.amount, self.exact_in)
            plans = self.plans(chain, known, rest.circles)
            # To buy exactly so much is as hard as caps and costs are: other pools may have to make up for a full one.
            hard = self.is_tight() or not self.exact_in
            if hard and not rest.circles and not self.is_near(plans, chain):  # this takes its time
                plans += [plan for plan in (self.slowly(),) if isinstance(plan, Plan)]
        finally:
            chain.close()
        if not plans and solution is None:
            return self.routing.none(self.direct())
        if not plans or solution is None:
            return self.plainly()
        here = self.market.priced(self.token_in, self.token_out, solution.prices)
        self.market.searched[self.token_in, self.token_out, self.exact_in].append(here)
        plan = self.with_circles(plans, here)
        return Found(plan, self.proof(plan, [here, rest]))

    def plans(self, chain: Chain, known: Sequence[Plan], with_circles: bool) -> list[Plan]:
        """Plans over all ways, over few enough to leave room for circles, over one path, and over the direct pools."""
        found = [*known, *self.spread(chain, with_circles)]
        if with_circles and not self.exact_in:  # leaving out all that goes against the stream may be too much
            found += self.routing.spread(chain)
        few = self.is_tight()
        few |= any(min(plan.amount_in, plan.amount_out) < _UNITS_MATTER for plan in found)
        few |= not self.is_near(found, chain)
        if few:
            direct = self.direct()
            found += [direct] if isinstance(direct, Plan) else []
        if few or with_circles:
            path = self.routing.path(chain.ways)
            found += [path] if path else []
        return found

    def direct(self) -> Plan | NoPlan:
        """The best split over the pools of the pair."""
        split, market = split_in if self.exact_in else split_out, self.market
        return split(market.listings, self.token_in, self.token_out, self.amount, market.now, self.terms)

    def is_tight(self) -> bool:
        """Whether costs or the cap on legs leave so much out that the amount alone says little about the best plan."""
        most = self.terms.max_legs
        return bool(self.terms.leg_cost) or (most is not None and most < self.terms.max_hops)

    def is_near(self, plans: Sequence[Plan], chain: Chain) -> bool:
        """Whether one of the plans is about as good as if nothing limited it."""
        solution = chain.solve(self.amount, self.exact_in)
        if solution is None:
            return False
        best = (solution.value if self.exact_in else -abs(solution.value)) - self.terms.plan_cost
        return any((best - plan.net) * 1e9 <= abs(best) * _ENOUGH_PPB for plan in plans)

    def spread(self, chain: Chain, with_circles: bool) -> list[Plan]:
        """Plans over all ways, then over ever fewer while costs or caps ask for fewer, or circles for room.

        Circles do not compete with the ways for legs: once there are too many, they are left out here and tried afterwards.
        """
        plans: list[Plan] = []
        without = set(too_far(self.market.pairs, self.token_in, self.token_out, self.terms.max_hops))
        caps, narrowed = self.caps(with_circles), False
        for _ in range(_NARROWER):
            solution = chain.solve(self.amount, self.exact_in, without)
            if solution is None or not solution.flows:
                break
            routing = self.routing_by(msgspec.structs.replace(self.terms, max_legs=caps[0]))
            found = self.routing.settle(solution)
            if isinstance(found, Blocked):
                if against := self.against(chain, solution) - without:
                    without |= against
                elif not (found.refused and chain.ease(found.ways[0])):
                    without.update(found.ways)
                continue
            legs = routing.legs(found)
            if not isinstance(found, Crowded) and legs <= (self.terms.max_legs or legs):
                plans.append(routing.as_plan(found))
            elif not narrowed:
                narrowed = True
                plans += self.routing.narrowed(chain, solution)
            if len(plans) >= _PLANS and not self.is_tight():
                break
            while len(caps) > 1 and legs <= (caps[0] or legs):
                caps.pop(0)
                routing = self.routing_by(msgspec.structs.replace(self.terms, max_legs=caps[0]))
            if against := self.against(chain, solution) - without:
                without |= against
                continue
            weak = routing.weak(solution, legs)
            if not weak or legs == 1:
                break
            without.update(weak)
            if caps[0] != self.terms.max_legs and caps[0] is not None:  # only to make room: not so finely
                flows = routing.by_loss(solution)
                without.update(flow[:2] for flow in flows[: min(legs - caps[0], len(flows) - 1)])
        return plans

    def caps(self, with_circles: bool) -> list[int | None]:
        """How many legs plans may have, each in its turn, the most first."""
        most = self.terms.max_legs
        if most is None or not with_circles or not self.exact_in:
            return [most]
        return [most, *(fewer for fewer in (most - 2, most - 4) if fewer > 0)]

    def against(self, chain: Chain, solution: Solution) -> set[Way]:
        """Where pools are used both ways between two tokens: all ways between these against the stream."""
        market, streams = self.market, dict[tuple[str, str], float]()
        for flow in solution.flows:
            pair = market.source(flow[:2]), market.target(flow[:2])
            streams[pair] = streams.get(pair, 0.0) + flow.amount_in * solution.prices[pair[0]]
        weaker = {(a, b) for (a, b), worth in streams.items() if worth <= streams.get((b, a), 0.0)}
        if not weaker:
            return set()
        return {way for way in chain.ways if (market.source(way), market.target(way)) in weaker}

    def routing_by(self, terms: Terms) -> Routing:
        """The same question on other terms."""
        market = self.market
        return Routing(market.listings, self.token_in, self.token_out, self.amount, market.now, terms, self.exact_in)

    # Circles

    def with_circles(self, plans: Sequence[Plan], rest: Priced) -> Plan:
        """The best of the plans once each has run the circles that it gains by."""
        best: dict[int, Plan] = {}  # by the room that they leave
        for plan in plans:
            legs = len(plan.legs)
            if legs not in best or plan.net > best[legs].net:
                best[legs] = plan
        return max((self.circled(plan, rest) for plan in best.values()), key=lambda each: each.net)

    def circled(self, plan: Plan, rest: Priced) -> Plan:
        """The plan with circles from what it holds on the way, best first, as long as it gains by it."""
        room = (self.terms.max_legs or 1_000) - len(plan.legs)
        if room < 2:
            return plan
        order, held = _held(plan)
        numbers = set[int]()  # of pools that are used as often as they may be
        if not self.exact_in:
            place = {token: number for number, token in enumerate(order)}
            if any(place[leg.token_in] > place[leg.token_out] for leg in plan.legs):
                return plan  # it has its circles
            numbers = {way[0] for way in self.ways_of(plan)}
        choice: list[tuple[float, Circle]] = []
        seen: set[tuple[Way, ...]] = set()
        for token in order:
            price = rest.prices.get(token, 0.0)
            for circle in self.market.circles(token):
                if numbers and not numbers.isdisjoint(way[0] for way in circle.ways):
                    continue
                if circle.ways not in seen and len(circle.ways) <= min(room, self.terms.max_hops):
                    seen.add(circle.ways)
                    begun = circle.begun(token)
                    gain = begun.gained(held[token], self.market.seen) * price - self.terms.leg_cost * len(circle.ways)
                    if gain > 1:
                        choice.append((gain, begun))
        best = plan
        for by_leg in (False, True):  # the largest first, or those that gain most per leg: room is what is short
            choice.sort(key=lambda each: -each[0] / (len(each[1].ways) if by_leg else 1))
            found = self.run_as_many_as_pay(plan, order, [circle for _, circle in choice], rest)
            best = max(best, found, key=lambda each: each.net)
            if len({len(circle.ways) for _, circle in choice}) < 2:
                break
        return best

    def run_as_many_as_pay(self, plan: Plan, order: Sequence[str], choice: Sequence[Circle], rest: Priced) -> Plan:
        """The plan with those of these circles, in their order, that gain something beside those before them."""
        most = self.terms.max_legs or 1_000
        best, chosen, tries = plan, list[Circle](), 0
        for circle in choice:
            pools = {way[0] for each in chosen for way in each.ways}
            if len(best.legs) + len(circle.ways) > most or any(way[0] in pools for way in circle.ways):
                continue
            tries += 1
            if tries > _TRIED:
                break
            new = self.run(plan, order, [*chosen, circle], rest)
            if new is not None and new.net > best.net and len(new.legs) <= most:
                best, chosen = new, [*chosen, circle]
        return best

    def run(self, plan: Plan, order: Sequence[str], circles: Sequence[Circle], rest: Priced) -> Plan | None:
        """The plan's way with these circles on it; None where that does not go."""
        wanted = {
            way: Flow(*way, float(leg.amount_in), float(leg.amount_out), 1.0, float(leg.amount_in))
            for way, leg in zip(self.ways_of(plan), plan.legs, strict=True)
        }
        if self.exact_in:
            left = dict.fromkeys(wanted, 1.0)
            parts = [(list(each.ways), each.amounts[0] * rest.prices[each.tokens[0]]) for each in circles]
            legs = self.routing.settle_in(rest.prices, wanted, left, parts, order)
        else:
            parts = [(list(each.ways), each.amounts[0] * (1 + each.gain)) for each in circles]
            legs = self.routing.settle_out(wanted, order, parts)
        return self.routing.as_plan(legs) if isinstance(legs, list) else None

    def ways_of(self, plan: Plan) -> list[Way]:
        """Each leg's pool and direction."""
        numbers = {(each.dex, each.pool): number for number, each in enumerate(self.market.listings)}
        return [
            (number, leg.token_in == self.market.pairs[number][0])
            for leg in plan.legs
            for number in (numbers[leg.dex, leg.pool],)
        ]


def _gone(walk: Walk, plan: Plan) -> Walk:
    """The walk as the plan goes it."""
    return walk._replace(paid=float(plan.amount_out), sold=tuple([float(leg.amount_in) for leg in plan.legs]))


def _held(plan: Plan) -> tuple[list[str], dict[str, int]]:
    """The tokens of a plan in the order in which they are there, the output last, and how much of each is sold."""
    held = {plan.token_in: 0}
    for leg in plan.legs:
        held[leg.token_in] = held.get(leg.token_in, 0) + leg.amount_in
    held[plan.token_out] = plan.amount_out
    return [*(token for token in held if token != plan.token_out), plan.token_out], held
