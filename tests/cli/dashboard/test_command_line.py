import pytest

from cli.dashboard import acts, command_line, keys
from cli.dashboard.command_line import Said
from order_engine.errors import Malformed
from tests.cli.dashboard.scene import a_desk, an_id


def test_submit_takes_what_the_shell_takes() -> None:
    said = command_line.read("submit SOL USDC 1.5 --slippage 0.5% --min-out 200 --key dca-7")
    assert said is not None
    assert said.order == {
        "inputToken": "SOL", "outputToken": "USDC", "amount": "1.5", "slippageBps": 50, "minOutput": "200",
        "clientOrderId": "dca-7",
    }  # fmt: skip


def test_submit_takes_an_amount_to_receive() -> None:
    said = command_line.read("submit SOL USDC --receive 200 --max-in 1.3 --route best")
    assert said is not None
    assert said.order == {
        "inputToken": "SOL", "outputToken": "USDC", "receive": "200", "maxInput": "1.3", "routing": "best",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", None),
        ("   ", None),
        ("oee quote SOL USDC 1", Said("quote", ("SOL", "USDC", "1"))),  # as pasted from a shell
        (
            "quote sol usdc --receive 200 --route single",
            Said("quote", ("SOL", "USDC"), {"receive": "200", "routing": "single"}),
        ),
        ("cancel c5a0f1 9f2de0", Said("cancel", ("c5a0f1", "9f2de0"))),
        ("retry c5a0f1 --slippage=80bps", Said("retry", ("c5a0f1",), slippage_bps=80)),
        ("halt --cancel-open", Said("halt", ("--cancel-open",))),
        ("halt", Said("halt")),
        ("filter status:failed >30bps", Said("filter", ("status:failed", ">30bps"))),
        ("q", Said("q")),
    ],
)
def test_a_line_becomes_what_it_says(text: str, said: Said | None) -> None:
    assert command_line.read(text) == said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sumbit SOL USDC 1", 'Did you mean "submit"?'),
        ("submit SOL USDC", "submit IN OUT AMOUNT"),
        ("submit SOL USDC 1 --receive 2", "It reads: submit"),
        ("submit SOL USDC 1 --max-in 2", "--max-in goes with --receive"),
        ("quote SOL USDC 1 --route bset", "Did you mean best?"),
        ("submit SOL USDC 1 --wait", "--wait is no option of submit"),
        ("submit SOL USDC 1 --key", "needs a value"),
        ("submit SOL USDC 1 --slippage much", "--slippage"),
        ("quote 'SOL USDC 1", "quotation"),
        ("resume now", "It reads: resume"),
    ],
)
def test_what_is_not_understood_says_what_would_be(text: str, says: str) -> None:
    with pytest.raises(Malformed) as error:
        command_line.read(text)
    assert says in error.value.message


def test_every_word_of_the_command_line_that_is_a_page_goes_to_one() -> None:
    pages = {page for word in command_line.WORDS if (page := command_line.page_of(word))}
    assert pages == set(keys.PAGES)


@pytest.mark.parametrize(
    ("number", "cancel", "retry"),
    [
        (1, "already sent to meteora", "still submitted"),
        (2, None, "still routing"),
        (5, "it is failed", None),
        (6, "no answer came yet", "it may still land"),
        (7, "it is confirmed", "it is confirmed"),
        (9, "it is cancelled", None),
    ],
)
def test_what_cannot_be_done_to_an_order_says_why(number: int, cancel: str | None, retry: str | None) -> None:
    story = a_desk().stories[an_id(100_000 + number)]
    for reason, says in ((acts.why_not_cancel(story), cancel), (acts.why_not_retry(story), retry)):
        assert (reason is None) == (says is None)
        assert says is None or says in str(reason)


def test_no_key_is_bound_twice() -> None:
    for table in (keys.KEYS, keys.of_page(keys.CARD, keys.ON_TOP), keys.of_page(keys.HELP, keys.ON_TOP)):
        bound = [name for key in table for name in key.keys.split(",")]
        assert len(bound) == len(set(bound))


def test_no_two_keys_have_one_name() -> None:
    names = [key.name for key in keys.EVERY_KEY]
    assert len(names) == len(set(names))
