"""A bot that pays once, in the same trouble as `naive_retry_bot.py`.

    python examples/right_bot.py [land-late|lose-answer]

It has two rules. One intention has one key: whatever happens, it submits under that key, and the engine never makes a second
order of it. And silence is no outcome: it goes on waiting until the order is final, which the chain's height guarantees:
past its last valid height a transaction is dead. Only an order that definitely was not executed is followed by another.
"""

import os
import sys
from typing import Any

from order_engine.client import Client, new_key

ORDER = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.1"}
TROUBLE: dict[str, dict[str, Any]] = {
    "land-late": {"kind": "land-late", "slots": 15},
    "lose-answer": {"kind": "lose-answer"},
}
PATIENCE_S = float(os.environ.get("PATIENCE_S", "3"))
TRIES = 2
NAME = (
    new_key()
)  # a real bot derives it from what it wants, such as rebalance-2026-11-20, and finds it again after a crash


def sell(client: Client, key: str) -> bool:
    """Sells once. False only when the order was definitely not executed."""
    while True:
        order = client.submit(ORDER, key=key)  # the same key: the same order, however often this is called
        for event in client.follow([order["orderId"]], order["seq"], timeout_s=PATIENCE_S):
            print(f"  {order['orderId'][-6:]} {event['status']} {event.get('settlement', '')}")
        order = client.order(order["orderId"])
        if order["endedAt"]:
            return bool(order["status"] == "confirmed")
        print(f"  {order['orderId'][-6:]} may still land until height {order['lastValidHeight']}; waiting")


def main(trouble: str) -> int:
    """Sells 0.1 SOL with retries, then counts how often it was sold."""
    with Client() as client:
        fault = client.add_fault(TROUBLE[trouble] | {"pattern": f"{NAME}-*"})
        try:
            for number in range(1, TRIES + 1):
                print(f"try {number}: a new order")
                if sell(client, f"{NAME}-{number}"):
                    break
        finally:
            client.clear_fault(fault["faultId"])
        placed = [next(client.orders(key=f"{NAME}-{made}")) for made in range(1, number + 1)]
        sold = [order for order in placed if order["status"] == "confirmed"]
    print(f"wanted to sell 0.1 SOL once, sold it {len(sold)} times")
    return 0 if len(sold) == 1 else 1


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["land-late"])))
