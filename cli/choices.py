"""Words of which one is meant: a wrong one is refused, with the one that is close or else with all there are."""

from collections.abc import Iterable
from difflib import get_close_matches

from order_engine.errors import Malformed


def one_of(text: str, known: Iterable[str], option: str) -> str:
    """`text` itself, if it is known. Raises Malformed, naming the option, otherwise."""
    words = list(known)
    if text in words:
        return text
    raise Malformed(f"{option}: {text[:40]!a} is not known. {meant(text, words)}", field=option)


def each_of(text: str, known: Iterable[str], option: str) -> list[str]:
    """The words of a comma list, each of them known. Raises Malformed otherwise."""
    words = list(known)
    return [one_of(part.strip(), words, option) for part in text.split(",")]


def meant(text: str, known: Iterable[str]) -> str:
    """What may be meant by an unknown word, as a sentence: one that is close, or all."""
    words = list(known)
    near = get_close_matches(text.lower(), words, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(words)}."
