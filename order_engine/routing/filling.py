"""How far each pool is filled when all are filled to one marginal price: in floats, which choose only where to look.

Pieces are taken best price first. Those being filled act as one curve: with s = √(a·b) and the price λ, they take
Σ s/√λ − Σ a and pay Σ b − √λ·Σ s. So the price at which an amount is reached is a closed form once it is known which pieces
are open, and that is found by going down the prices at which pieces begin and end.
"""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heapreplace
from math import inf, sqrt
from typing import NamedTuple

from order_engine.routing.pieces import Curve, Flat, Piece


class Filling(NamedTuple):
    """About what each pool takes (or pays, where the output was given), and the marginal price reached, out per in.

    `deepest` is the pool in which a unit more or less moves the price least: it takes up what rounding leaves.
    `worth` is what each pool adds, in output at that price: what would be lost, at least, without it.
    """

    amounts: list[float]
    price: float
    deepest: int
    worth: list[float]


def fill_in(pools: Sequence[Iterable[Piece]], amount: float) -> Filling | None:
    """The filling that takes `amount` of input altogether; None if the pools cannot take as much."""
    return _fill(pools, amount, True)


def fill_out(pools: Sequence[Iterable[Piece]], amount: float) -> Filling | None:
    """The filling that pays `amount` of output altogether; None if the pools do not hold as much."""
    return _fill(pools, amount, False)


def _fill_curves(curves: list[tuple[float, int, float, float]], amount: float, exact_in: bool) -> Filling | None:
    """The same for pools that are one curve without end each: (best price, pool, a, b)."""
    count = len(curves)
    amounts, worth = [0.0] * count, [0.0] * count
    s = a = b = 0.0
    used: list[tuple[int, float, float, float]] = []
    for first, number, own_a, own_b in sorted(curves, reverse=True):
        root = sqrt(first)
        if s / root - a >= amount if exact_in else b - s * root >= amount:
            break
        own_s = own_a * root  # √(a·b), since the best price is b/a
        used.append((number, own_s, own_a, own_b))
        s, a, b = s + own_s, a + own_a, b + own_b
    if not exact_in and b <= amount:
        return None
    root = s / (amount + a) if exact_in else (b - amount) / s
    price = root * root
    deepest, depth = -1, 0.0
    for number, own_s, own_a, own_b in used:
        taken, paid = own_s / root - own_a, own_b - own_s * root
        amounts[number] = taken if exact_in else paid
        worth[number] = paid - price * taken
        if own_s > depth:
            deepest, depth = number, own_s
    return Filling(amounts, price, deepest, worth)


def _fill(pools: Sequence[Iterable[Piece]], amount: float, exact_in: bool) -> Filling | None:
    curves = []
    for number, each in enumerate(pools):
        if type(each) is not tuple or len(each) != 1:
            break
        one = each[0]
        if type(one) is not Curve or one.end_den:
            break
        own_a, own_b = one.in_num / one.in_den, one.out_num / one.out_den
        curves.append((own_b / own_a, number, own_a, own_b))
    else:
        return _fill_curves(curves, amount, exact_in)
    sources = [iter(each) for each in pools]
    heap: list[tuple[float, int, Piece | None]] = []  # minus the price, the pool, and its piece (None: it ends)
    for number, source in enumerate(sources):
        piece = next(source, None)
        if piece is not None:
            heap.append((-_first_price(piece), number, piece))
    heapify(heap)
    count = len(sources)
    taken, paid = [0.0] * count, [0.0] * count  # by pieces that are full
    opened: dict[int, tuple[float, float, float, Curve]] = {}
    s = a = b = full_in = full_out = 0.0
    price, flat = 0.0, -1
    while heap:
        head, number, piece = heap[0]
        level = -head
        root = sqrt(level)
        if s and (s / root - a + full_in >= amount if exact_in else b - s * root + full_out >= amount):
            break
        if piece is None:  # a curve has come to its end
            own_s, own_a, own_b, curve = opened.pop(number)
            s, a, b = (s - own_s, a - own_a, b - own_b) if opened else (0.0, 0.0, 0.0)
            stretch = curve.end_num / curve.end_den
            gone_in, gone_out = own_a * (stretch - 1), own_b * (1 - 1 / stretch)
        elif type(piece) is Curve:
            own_a, own_b = piece.in_num / piece.in_den, piece.out_num / piece.out_den
            own_s = sqrt(own_a * own_b)
            opened[number] = (own_s, own_a, own_b, piece)
            s, a, b = s + own_s, a + own_a, b + own_b
            if piece.end_den:
                heapreplace(heap, (-level * (piece.end_den / piece.end_num) ** 2, number, None))
            else:
                heappop(heap)
            continue
        else:
            gone_out = piece.out_num / piece.out_den
            gone_in = gone_out / level
            here = s / root - a + full_in if exact_in else b - s * root + full_out
            if here + (gone_in if exact_in else gone_out) >= amount:
                price, flat = level, number
                share = (amount - here) / (gone_in if exact_in else gone_out)
                gone_in, gone_out = gone_in * share, gone_out * share
        full_in, full_out = full_in + gone_in, full_out + gone_out
        taken[number] += gone_in
        paid[number] += gone_out
        if flat >= 0:
            break
        following = next(sources[number], None)
        if following is None:
            heappop(heap)
        else:
            heapreplace(heap, (-_first_price(following), number, following))
    else:
        if not s:
            return None
    if flat < 0:
        if exact_in:
            price = (s / (amount + a - full_in)) ** 2
        else:
            if b + full_out <= amount:
                return None
            price = ((b + full_out - amount) / s) ** 2
    root = sqrt(price)
    deepest, depth = flat, inf if flat >= 0 else 0.0
    for number, (own_s, own_a, own_b, _) in opened.items():
        taken[number] += max(own_s / root - own_a, 0.0)
        paid[number] += max(own_b - own_s * root, 0.0)
        if own_s > depth:
            deepest, depth = number, own_s
    worth = [out - price * into for into, out in zip(taken, paid, strict=True)]
    return Filling(taken if exact_in else paid, price, deepest, worth)


def _first_price(piece: Piece) -> float:
    if type(piece) is Flat:
        return piece.price_num / piece.price_den
    return (piece.out_num * piece.in_den) / (piece.out_den * piece.in_num)  # type: ignore[union-attr]
