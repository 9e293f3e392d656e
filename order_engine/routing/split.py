"""The best split of one swap over the pools of its pair: filled to one marginal price, then settled in whole units.

Floats say about how much each pool takes. What is chosen is compared by the pools' own integer swaps, adds up to the
asked amount exactly, and is never worse than the best single pool.
"""

from collections.abc import Iterable, Sequence
from itertools import permutations

from order_engine.routes import FREE, Leg, NoPlan, Plan, Terms
from order_engine.routing.filling import Filling, fill_in, fill_out
from order_engine.routing.pieces import PIECES, Piece, Remembered
from order_engine.venues.pool import SwapRefused
from order_engine.venues.snapshot import Listing

_WORTH_A_MOVE = 10_000_000  # below so many units per leg a single unit is more than a thousandth of a bps
_SMALL = 1_000  # units per leg below which every one of them is looked at
_CLOSE = 1e-9  # relative; floats that differ by less are left to the integers
_LESS = (20, 14, 10)  # binary places of a share by which it is lowered, one after the other, where a pool refuses it
_EXCHANGES = 400  # fillings tried at most when the cap on legs leaves pools out

Swaps = dict[int, tuple[int, int]]  # (input, output) by the pool's place among the pools of the pair


def split_in(
    listings: Iterable[Listing], token_in: str, token_out: str, amount_in: int, now: int, terms: Terms = FREE
) -> Plan | NoPlan:
    """The plan that sells exactly `amount_in` for the most output net of costs; pools of other pairs are ignored."""
    return _Split(listings, token_in, token_out, amount_in, now, terms, True).plan()


def split_out(
    listings: Iterable[Listing], token_in: str, token_out: str, amount_out: int, now: int, terms: Terms = FREE
) -> Plan | NoPlan:
    """The plan that buys exactly `amount_out` for the least input including costs, to two millionths of it."""
    return _Split(listings, token_in, token_out, amount_out, now, terms, False).plan()


class _Split:
    """One question while it is being answered. `exact_in` says which side of the swaps is given."""

    __slots__ = ("amount", "exact_in", "listings", "now", "pieces", "terms", "token_in", "token_out", "ways")

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
        chosen: list[Listing] = []
        ways: list[bool] = []
        made: list[Iterable[Piece]] = []
        for each in listings:
            a_to_b = each.token_a == token_in
            if (each.token_b if a_to_b else each.token_a) == token_out and (a_to_b or each.token_b == token_in):
                chosen.append(each)
                ways.append(a_to_b)
                found = PIECES[type(each.state)](each.state, a_to_b, now)
                made.append(found if type(found) is tuple else Remembered(found))
        self.listings, self.ways, self.pieces = chosen, ways, made
        self.token_in, self.token_out, self.amount = token_in, token_out, amount
        self.now, self.terms, self.exact_in = now, terms, exact_in

    def plan(self) -> Plan | NoPlan:
        """The best plan, or why there is none."""
        if self.amount <= 0:
            return NoPlan("zero_amount", "the amount must be greater than zero")
        if not self.listings:
            return NoPlan("no_pool", f"no pool trades {self.token_in} for {self.token_out}")
        relaxed = self.fill(range(len(self.listings)))
        if relaxed is None:
            return NoPlan("too_large", f"the pools of {self.token_in} and {self.token_out} do not hold as much")
        chosen = self.choose(relaxed)
        swaps = None if chosen is None else self.settle(chosen)
        best = None if swaps is None else self.as_plan(self.mended(swaps))
        for number in self.rivals(relaxed, best):
            alone = self.swap(number, self.amount)
            if alone is not None:
                plan = self.as_plan({number: alone})
                best = plan if best is None or plan.net > best.net else best
        return best or NoPlan("too_small", f"{self.amount} base units are too few, or too many, for every pool")

    def fill(self, among: Sequence[int]) -> Filling | None:
        """All pools, or those in `among`, filled to one marginal price."""
        count = len(self.listings)
        chosen = self.pieces if len(among) == count else [self.pieces[number] for number in among]
        found = fill_in(chosen, self.amount) if self.exact_in else fill_out(chosen, self.amount)
        if found is None or len(among) == count:
            return found
        amounts, worth = [0.0] * count, [0.0] * count
        for number, amount, each in zip(among, found.amounts, found.worth, strict=True):
            amounts[number], worth[number] = amount, each
        return Filling(amounts, found.price, among[found.deepest], worth)

    # Which pools

    def choose(self, relaxed: Filling) -> Filling | None:
        """The filling with the best net among those that are found by leaving out the least worthy pool time and again.

        Leaving out a pool loses at least its worth. So when every used pool is worth its cost, no further pool need go:
        the choice among these is proven, not searched.
        """
        terms, best, score = self.terms, None, float("-inf")
        among, filling = list(range(len(self.listings))), relaxed
        while True:
            used = [number for number in among if filling.amounts[number] >= 1]
            fits = terms.max_legs is None or len(used) <= terms.max_legs
            if fits and (new := self.score(filling, len(used))) > score:
                best, score = filling, new
            if len(used) <= 1:
                break
            value = 1.0 if self.exact_in else filling.price  # of a unit of the cost, in output
            weakest = min(used, key=filling.worth.__getitem__)
            if fits and filling.worth[weakest] >= terms.leg_cost * value + 1:  # a leg rounds away up to a unit
                break
            among.remove(weakest)
            narrower = self.fill(among)
            if narrower is None:
                break
            filling = narrower
        if (terms.max_legs is None and not terms.leg_cost) or len(among) == len(self.listings):
            return best
        alone = [found for number in range(len(self.listings)) if (found := self.fill([number])) is not None]
        starts = [max(alone, key=lambda found: self.score(found, 1))] if alone else []
        if best:
            starts.append(best)
        improved = [self.exchanged(start) for start in starts]
        return max(improved, key=lambda found: self.score(found, self.legs(found)), default=None)

    def exchanged(self, best: Filling) -> Filling:
        """Tries one pool more, one fewer, and every used pool against every unused one, while that helps."""
        tries, limit = 0, self.terms.max_legs or len(self.listings)
        score, improved = self.score(best, self.legs(best)), True
        while improved and tries < _EXCHANGES:
            improved = False
            used = {number for number, amount in enumerate(best.amounts) if amount >= 1}
            idle = [number for number in range(len(self.listings)) if number not in used]
            more = [used | {into} for into in idle if len(used) < limit]
            fewer = [used - {out} for out in used if len(used) > 1]
            swaps = [used - {out} | {into} for into in idle for out in used]
            for among in (*more, *fewer, *swaps):
                tries += 1
                found = self.fill(sorted(among))
                if found is None:
                    continue
                new = self.score(found, self.legs(found))
                if new > score + _CLOSE * abs(score):
                    best, score, improved = found, new, True
                    break
        return best

    def legs(self, filling: Filling) -> int:
        """How many pools are used."""
        return sum(amount >= 1 for amount in filling.amounts)

    def score(self, filling: Filling, legs: int) -> float:
        """About the net of a filling: what it pays, or minus what it takes, less the legs' costs."""
        if self.exact_in:
            return filling.price * self.amount + sum(filling.worth) - self.terms.leg_cost * legs
        return (sum(filling.worth) - self.amount) / filling.price - self.terms.leg_cost * legs

    def rivals(self, relaxed: Filling, best: Plan | None) -> list[int]:
        """The pools that alone might beat `best`: by weak duality none pays more than price · amount + its worth."""
        numbers = range(len(self.listings))
        if best is None:
            return sorted(numbers, key=relaxed.worth.__getitem__, reverse=True)
        price, amount, leg_cost, net = relaxed.price, self.amount, self.terms.leg_cost, best.net
        if len(best.legs) == 1:
            net += 1  # itself is one of them
        net += self.terms.plan_cost
        if self.exact_in:
            level = (net + leg_cost - price * amount) * (1 - _CLOSE)
        else:
            level = ((net + leg_cost) * price + amount) * (1 - _CLOSE)
        if max(relaxed.worth) < level:
            return []
        return [number for number in numbers if relaxed.worth[number] >= level]

    # Whole units

    def settle(self, filling: Filling) -> Swaps | None:
        """The filling in whole units that add up to the amount, as the pools themselves swap them; None if they refuse.

        A pool that refuses its share is left out, and the others are filled anew.
        """
        among = [number for number, amount in enumerate(filling.amounts) if amount > 0]
        while True:
            swaps: Swaps = {}
            refused, left = -1, self.amount
            shares = self.whole(filling)
            for number, share in shares.items():
                if len(swaps) + 1 == len(shares):
                    share = left
                swap = self.swap(number, share)
                for bits in _LESS if share < left else ():  # one that is to be emptied may hold less than floats say
                    if swap is None:
                        share -= (share >> bits) + 1
                        swap = self.swap(number, share) if share > 0 else None
                if swap is None:
                    refused = number
                    break
                swaps[number] = swap
                left -= share
            if refused < 0:
                return swaps
            if refused not in among or len(among) == 1:
                return None
            among.remove(refused)
            narrower = self.fill(among)
            if narrower is None:
                return None
            filling = narrower

    def whole(self, filling: Filling) -> dict[int, int]:
        """The amounts rounded down, and what that leaves over for the deepest pool, which comes last."""
        shares = {number: int(amount) for number, amount in enumerate(filling.amounts) if amount >= 1}
        left = self.amount - sum(shares.values())
        taker = filling.deepest if filling.deepest in shares or not shares else max(shares, key=shares.__getitem__)
        share = shares.pop(taker, 0) + left
        while share <= 0:  # floats of very deep pools may be as far off
            taker = max(shares, key=shares.__getitem__)
            share += shares.pop(taker)
        shares[taker] = share
        return shares

    def swap(self, number: int, share: int) -> tuple[int, int] | None:
        """(input, output) of the pool's swap of the given side; None where it pays nothing or the program rejects."""
        try:
            if self.exact_in:
                done = self.listings[number].state.swap_exact_in(share, self.ways[number], self.now)
            else:
                done = self.listings[number].state.swap_exact_out(share, self.ways[number], self.now)
        except SwapRefused:
            return None
        if not done.amount_out or (done.amount_in if self.exact_in else done.amount_out) != share:
            return None  # Whirlpool may pay nothing, and takes less where the prices end
        return done.amount_in, done.amount_out

    # Unit by unit

    def mended(self, swaps: Swaps) -> Swaps:
        """Better by a few units where a few units matter: what rounding leaves unused goes where it is of use."""
        total = sum(swap[1 if self.exact_in else 0] for swap in swaps.values())
        if min(total, self.amount) >= len(swaps) * _WORTH_A_MOVE or len(swaps) < 2:
            return swaps
        swaps = self.gathered(swaps)
        return self.moved(swaps) if self.amount < _SMALL * len(swaps) else swaps

    def gathered(self, swaps: Swaps) -> Swaps:
        """Every pool gives up the units that change nothing for it; the one with the largest share takes them all."""
        given = 0 if self.exact_in else 1
        taker = max(swaps, key=lambda number: swaps[number][given])
        better, spare = dict(swaps), 0
        for number, swap in swaps.items():
            needless = self.needless(number, swap) if number != taker else 0
            tighter = self.swap(number, swap[given] - needless) if needless else None
            if tighter is not None and not self.worse(tighter, swap):
                better[number], spare = tighter, spare + needless
        taken = self.swap(taker, swaps[taker][given] + spare) if spare else None
        if taken is None:
            return swaps
        better[taker] = taken
        return better if self.better(better, swaps) else swaps

    def needless(self, number: int, swap: tuple[int, int]) -> int:
        """How much less this pool could be given (exact-in), or more be asked for (exact-out: below 0), for the same."""
        state, way = self.listings[number].state, self.ways[number]
        try:
            if self.exact_in:
                return swap[0] - state.swap_exact_out(swap[1], way, self.now).amount_in
            return swap[1] - state.swap_exact_in(swap[0], way, self.now).amount_out
        except SwapRefused:
            return 0

    def moved(self, swaps: Swaps) -> Swaps:
        """Single units from pool to pool while that is better, for amounts so small that one counts."""
        given = 0 if self.exact_in else 1
        for _ in range(4 * len(swaps)):
            best = swaps
            for giver, taker in permutations(swaps, 2):
                less = self.swap(giver, swaps[giver][given] - 1)
                more = self.swap(taker, swaps[taker][given] + 1)
                if less is None or more is None:
                    continue
                new = {**swaps, giver: less, taker: more}
                if self.better(new, best):
                    best = new
            if best is swaps:
                break
            swaps = best
        return swaps

    def worse(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether one swap of a pool pays less, or takes more, than the other."""
        return one[1] < other[1] if self.exact_in else one[0] > other[0]

    def better(self, one: Swaps, other: Swaps) -> bool:
        """Whether swaps together pay more, or take less, than others."""
        if self.exact_in:
            return sum(swap[1] for swap in one.values()) > sum(swap[1] for swap in other.values())
        return sum(swap[0] for swap in one.values()) < sum(swap[0] for swap in other.values())

    def as_plan(self, swaps: Swaps) -> Plan:
        """The plan that does these swaps."""
        listings, token_in, token_out = self.listings, self.token_in, self.token_out
        legs = []
        amount_in = amount_out = 0
        for number, (into, out) in swaps.items():
            each = listings[number]
            legs.append(Leg(each.dex, each.pool, token_in, token_out, into, out))
            amount_in, amount_out = amount_in + into, amount_out + out
        cost = self.terms.plan_cost + self.terms.leg_cost * len(legs)
        return Plan("in" if self.exact_in else "out", token_in, token_out, amount_in, amount_out, cost, tuple(legs))
