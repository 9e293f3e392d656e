"""The same routing problem put to a general convex solver: `python -m tests.routing.convex [--count N]`.

cvxpy with Clarabel knows nothing of prices, paths or splits: it sees flows through concave pieces and the balance of every
token, and maximises what is left of the output token. It is the reference on a sample, and needed by tests only.
"""

import argparse
from math import sqrt

import cvxpy

from order_engine.routes import Plan, Terms
from order_engine.routing.certificate import PRICE_ONE, certify
from order_engine.routing.hops import route_in
from order_engine.routing.pieces import Curve, pieces
from order_engine.venues.snapshot import ends
from tests.routing.networks import MODELS, NOW, Question, question


def solved(asked: Question, prices: dict[str, int]) -> float:
    """The most output by the solver's own account. `prices` only scale its variables, so that all are about 1."""
    scale = prices[asked.token_in] * asked.amount / PRICE_ONE  # base units of output
    balances: dict[str, list[cvxpy.Expression]] = {asked.token_in: [cvxpy.Constant(1.0)]}
    limits = []
    for each in asked.listings:
        for a_to_b in (True, False):
            source, target = ends(each, a_to_b)
            if source not in prices or target not in prices:
                continue
            per_in, per_out = prices[source] / PRICE_ONE / scale, prices[target] / PRICE_ONE / scale
            reach = 0.0
            for piece in pieces(each.state, a_to_b, NOW):
                flow = cvxpy.Variable(nonneg=True)
                if isinstance(piece, Curve):
                    a, b = piece.in_num / piece.in_den * per_in, piece.out_num / piece.out_den * per_out
                    price, room = b / a, a * (piece.end_num / piece.end_den - 1) if piece.end_den else 1e9
                    out = price * (
                        flow - cvxpy.quad_over_lin(flow / sqrt(a), 1 + flow / a)
                    )  # price · a·flow / (a + flow)
                else:
                    price = piece.price_num / piece.price_den * per_out / per_in
                    room = piece.out_num / piece.out_den * per_out / price
                    out = price * flow
                if price < 0.9 or reach > 4:  # never of use: a tenth below the price, or four times the amount away
                    break
                reach += room
                limits.append(flow <= min(room, 10.0))
                balances.setdefault(source, []).append(-flow)
                balances.setdefault(target, []).append(out)
    limits += [sum(each) >= 0 for token, each in balances.items() if token != asked.token_out]
    problem = cvxpy.Problem(cvxpy.Maximize(sum(balances[asked.token_out])), limits)
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    return float(problem.value) * scale


def difference_ppb(seed: int, models: tuple[str, ...] = MODELS) -> float | None:
    """Our plan's output less the solver's in parts of 10^9; None for a question without a plan."""
    asked = question(seed, models=models)
    terms = Terms(max_hops=len({token for each in asked.listings for token in each[2:4]}))
    plan = route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW, terms)
    if not isinstance(plan, Plan):
        return None
    theirs = solved(asked, certify(plan, asked.listings, NOW, 1, terms).proof.prices)
    return (plan.amount_out - theirs) / theirs * 1e9


def main() -> None:
    """The sample."""
    parser = argparse.ArgumentParser(prog="python -m tests.routing.convex", description="Our plans against cvxpy.")
    parser.add_argument("--count", type=int, default=40)
    for seed in range(parser.parse_args().count):
        found = difference_ppb(seed)
        print(
            f"seed {seed:>3}: " + ("no plan" if found is None else f"{found:>10.1f} ppb = {found / 1e5:.5f} bps"),
            flush=True,
        )


if __name__ == "__main__":
    main()
