"""What is asked for: so much to be sold, or so much to be received. The rules of the words, the same wherever they are typed."""

from cli.output import Record
from order_engine.errors import Malformed

ROUTINGS = ("best", "single")


def asked(
    amount: str | None,
    receive: str | None,
    *,
    min_out: str | None = None,
    max_in: str | None = None,
    routing: str | None = None,
) -> Record:
    """The fields of an order that say how much and how. Raises Malformed for words that do not go together."""
    if (amount is None) == (receive is None):
        raise Malformed(
            "How much? Give AMOUNT, to sell exactly that, or --receive N, to get exactly that."
            if amount is None
            else "Give AMOUNT or --receive, not both: what one of them is follows from the other.",
            field="AMOUNT" if amount is None else "--receive",
        )
    if max_in is not None and receive is None:
        raise Malformed("--max-in goes with --receive: an AMOUNT is what is sold, exactly.", field="--max-in")
    if min_out is not None and amount is None:
        raise Malformed("--min-out goes with AMOUNT: what --receive says is got, exactly.", field="--min-out")
    if routing is not None and routing not in ROUTINGS:
        from cli.choices import one_of

        one_of(routing, ROUTINGS, "--route")
    said = {"amount": amount, "receive": receive, "minOutput": min_out, "maxInput": max_in, "routing": routing}
    return {name: value for name, value in said.items() if value is not None}
