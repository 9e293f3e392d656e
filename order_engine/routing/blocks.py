"""The token graph taken apart at single tokens: what has only one token in common has only that token's price in common.

A block is a set of pools of which no single token can be taken away so that it falls in two (a biconnected component). From
one token to another every path goes through the same blocks in the same order, so these can be solved one after the other,
each with a price or two; all others hang on a token and do not see the order at all. It knows only which pools trade what.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from order_engine.routing.network import Way, ways_between

Pairs = tuple[tuple[str, str], ...]  # the two tokens of every pool, in their order


class Block(NamedTuple):
    """Its tokens, and its pools in both directions."""

    tokens: frozenset[str]
    ways: tuple[Way, ...]


class Hung(NamedTuple):
    """A block by its number, and the token through which it hangs on what is nearer to the root."""

    block: int
    token: str


class Passed(NamedTuple):
    """A block by its number, and the tokens through which a path comes and goes."""

    block: int
    entry: str
    exit: str


@lru_cache(maxsize=16)
def blocks(pairs: Pairs) -> tuple[Block, ...]:
    """All blocks, each pool in one of them."""
    found = []
    for edges in _components(pairs):
        ways = [
            (number, a_to_b)
            for number, pair in enumerate(pairs)
            if frozenset(pair) in edges
            for a_to_b in (True, False)
        ]
        found.append(Block(frozenset().union(*edges), tuple(ways)))
    return tuple(found)


@lru_cache(maxsize=1_024)
def hanging(pairs: Pairs, root: str) -> tuple[Hung, ...]:
    """All blocks that can be reached from `root`, each after the one that it hangs on."""
    found: list[Hung] = []
    rim, seen, all_blocks = [root], {root}, blocks(pairs)
    while rim:
        token = rim.pop(0)
        for number, block in enumerate(all_blocks):
            if token in block.tokens and all(each.block != number for each in found):
                found.append(Hung(number, token))
                rim += sorted(block.tokens - seen)
                seen |= block.tokens
    return tuple(found)


@lru_cache(maxsize=1_024)
def passed(pairs: Pairs, token_in: str, token_out: str) -> tuple[Passed, ...]:
    """The blocks on every path from one token to another, in their order; none if there is no path."""
    found: list[Passed] = []
    hung, all_blocks, token = hanging(pairs, token_out), blocks(pairs), token_in
    while token != token_out:
        each = next((each for each in hung if token in all_blocks[each.block].tokens and token != each.token), None)
        if each is None:
            return ()
        found.append(Passed(each.block, token, each.token))
        token = each.token
    return tuple(found)


@lru_cache(maxsize=1_024)
def too_far(pairs: Pairs, token_in: str, token_out: str, max_hops: int) -> frozenset[Way]:
    """The ways in the blocks between two tokens that no path of so many hops comes by, nor a circle on one."""
    near = set(ways_between(pairs, token_in, token_out, max_hops))
    all_blocks = blocks(pairs)
    ways = (way for each in passed(pairs, token_in, token_out) for way in all_blocks[each.block].ways)
    return frozenset(way for way in ways if way not in near)


def _components(pairs: Pairs) -> list[set[frozenset[str]]]:
    """The biconnected components of the graph in which each pair of tokens is one edge (Hopcroft and Tarjan, 1973)."""
    near: dict[str, list[str]] = {}
    for a, b in dict.fromkeys(tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1]):
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    depth: dict[str, int] = {}
    low: dict[str, int] = {}
    found: list[set[frozenset[str]]] = []
    trail: list[frozenset[str]] = []
    for start in near:
        if start in depth:
            continue
        depth[start] = low[start] = 0
        path: list[tuple[str, str, Iterator[str]]] = [(start, "", iter(near[start]))]
        while path:
            token, parent, others = path[-1]
            other = next(others, None)
            if other is None:
                path.pop()
                if path:
                    low[parent] = min(low[parent], low[token])
                    if low[token] >= depth[parent]:
                        cut = trail.index(frozenset((parent, token)))
                        found.append(set(trail[cut:]))
                        del trail[cut:]
            elif other not in depth:
                depth[other] = low[other] = depth[token] + 1
                trail.append(frozenset((token, other)))
                path.append((other, token, iter(near[other])))
            elif other != parent and depth[other] < depth[token]:
                trail.append(frozenset((token, other)))
                low[token] = min(low[token], depth[other])
    return found
