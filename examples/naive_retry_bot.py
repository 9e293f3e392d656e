"""A bot that pays twice. It wants to sell 0.1 SOL once, and takes silence for failure.

    python examples/naive_retry_bot.py [land-late|lose-answer]

It makes its own trouble: the transactions of its orders land late, or the answer to the sending is lost, and of nobody
else's. Then it does what many bots do: no outcome in time, so it sends the order again, as a new one. Both land.
`right_bot.py` meets the same trouble and pays once.
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
NAME = new_key()  # all orders of this run have keys that begin with it


def sell(client: Client, key: str) -> bool:
    """Sells once. False when it failed, or so the bot believes."""
    order = client.submit(ORDER, key=key)
    for event in client.follow([order["orderId"]], timeout_s=PATIENCE_S):
        print(f"  {order['orderId'][-6:]} {event['status']} {event.get('settlement', '')}")
        if event["status"] == "confirmed":
            return True
        if event["status"] == "failed" or event.get("settlement") == "unknown":
            return False  # the mistake: an unknown outcome is not a failure
    return False  # the same mistake: a time-out says nothing about the order


def main(trouble: str) -> int:
    """Sells 0.1 SOL with retries, then counts how often it was sold."""
    with Client() as client:
        fault = client.add_fault(TROUBLE[trouble] | {"pattern": f"{NAME}-*"})
        try:
            for number in range(1, TRIES + 1):
                print(f"try {number}: a new order")
                if sell(client, f"{NAME}-{number}"):  # and this makes it expensive: each try has a key of its own
                    break
            placed = [next(client.orders(key=f"{NAME}-{made}"))["orderId"] for made in range(1, number + 1)]
            for _ in client.follow(placed):
                pass  # until all of them are over
        finally:
            client.clear_fault(fault["faultId"])
        sold = [order_id for order_id in placed if client.order(order_id)["status"] == "confirmed"]
    print(f"wanted to sell 0.1 SOL once, sold it {len(sold)} times")
    return 0 if len(sold) == 1 else 1


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["land-late"])))
