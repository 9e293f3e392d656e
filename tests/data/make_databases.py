"""Makes this release's databases: `python -m tests.data.make_databases`. Run it once per release, and keep what it makes for ever.

They hold a few orders of every kind, as an engine left them that was stopped in an orderly way: `journal-VERSION.db` and
`chain-VERSION.db`. Every later version must open them.
"""

import shutil
import tempfile
from pathlib import Path

from order_engine import __version__
from order_engine.home import Home
from tests.order_engine.given import SOL, USDC, a_request, an_engine

HERE = Path(__file__).parent


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder))
        with an_engine(Path(folder), workers=2, landing_slots_max=4, valid_slots=3) as engine:
            orders = [
                *[a_request(client_order_id=f"kept-{number}", amount_in=number * SOL // 10) for number in range(1, 6)],
                *[a_request(slippage_bps=0, amount_in=SOL // number) for number in range(1, 4)],
                a_request(amount_in=40 * SOL, max_impact_bps=0),
                a_request(input_token="USDC", output_token="JUP", amount_in=25 * USDC),
            ]
            for order in orders:
                engine.submit(order).result(20)
            engine.drain(20_000)
        shutil.copyfile(home.journal, HERE / f"journal-{__version__}.db")
        shutil.copyfile(home.chain, HERE / f"chain-{__version__}.db")


if __name__ == "__main__":
    main()
