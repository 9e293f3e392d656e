from cli.dashboard.desk import CONNECTED, EVENTS, RECONNECTING, STORIES, LinkState, Reading
from cli.story import Story
from tests.cli import records
from tests.cli.dashboard.scene import NOW, STATUS, Teller, a_desk, an_id


def test_an_event_that_came_twice_counts_once() -> None:
    teller = Teller()
    order_id = teller.order(1, "confirmed", 5_000)
    desk = a_desk(teller.events)
    steps = list(desk.stories[order_id].steps)
    desk.take(teller.events[-1])
    assert desk.stories[order_id].steps == steps


def test_events_that_an_order_s_record_knows_already_do_not_turn_it_back() -> None:
    order = records.CONFIRMED
    desk = a_desk([])
    desk.load([order])
    desk.take(records.SUBMITTED)
    assert desk.stories[records.ID].state == "confirmed"


def test_a_record_read_before_an_event_does_not_hide_the_event() -> None:
    desk = a_desk(records.LIFE)
    desk.load([records.order(status="routing", attempts=1, seq=2)])
    assert desk.stories[records.ID].state == "confirmed"


def test_open_orders_are_never_dropped_and_of_the_others_the_oldest() -> None:
    teller = Teller()
    opened = teller.order(1, "routing", 900_000)
    oldest = teller.order(2, "confirmed", 800_000)
    for number in range(3, STORIES + 2):
        newest = teller.order(number, "confirmed", 700_000 - number)
    desk = a_desk(teller.events)
    assert len(desk.stories) == STORIES
    assert opened in desk.stories
    assert newest in desk.stories
    assert oldest not in desk.stories


def test_the_log_keeps_the_newest_events() -> None:
    teller = Teller()
    for number in range(EVENTS):
        teller.order(number, "routing", 5_000)
    desk = a_desk(teller.events)
    assert [desk.log[0]["seq"], desk.log[-1]["seq"]] == [EVENTS + 1, 2 * EVENTS]


def test_what_is_lost_or_failed_needs_somebody_until_it_was_seen_or_retried() -> None:
    teller = Teller()
    lost, failed, retried = (
        teller.order(n, state, 9_000) for n, state in ((1, "unknown"), (2, "failed"), (3, "failed"))
    )
    teller.order(4, "routing", 1_000, retry_of=retried)
    desk = a_desk(teller.events)
    assert [story.order_id for story in desk.needs_you()] == [failed, lost]
    desk.saw(failed)
    desk.saw(lost)
    assert [story.order_id for story in desk.needs_you()] == [lost]  # looking does not settle it


def test_a_failure_of_yesterday_needs_nobody_today() -> None:
    teller = Teller()
    teller.order(1, "failed", 25 * 3_600_000)
    assert a_desk(teller.events).needs_you() == []


def test_what_was_filled_after_the_status_was_read_counts_and_only_once() -> None:
    teller = Teller()
    teller.order(1, "confirmed", 5_000)
    desk = a_desk(teller.events)  # its status was read after the events
    assert desk.filled_today == 118
    teller.order(2, "confirmed", 1_000)
    for event in teller.events[5:]:
        desk.take(event)
    assert desk.filled_today == 119
    today = {**STATUS["today"], "confirmed": 119}
    desk.refresh(Reading(NOW, status=STATUS | {"seq": teller.seq, "today": today}))
    assert desk.filled_today == 119


def test_what_was_not_read_stays_as_it_was() -> None:
    desk = a_desk()
    desk.refresh(Reading(NOW, venues=[{"dex": "raydium"}]))
    desk.refresh(Reading(NOW))
    assert desk.venues == [{"dex": "raydium"}]
    assert desk.status["version"] == "0.1.0"


def test_a_history_gives_an_order_of_before_its_steps_and_what_came_meanwhile() -> None:
    desk = a_desk([])
    desk.load([records.order(status="submitted", settlement="in_flight", attempts=1, routedDex="meteora", seq=4)])
    assert not desk.knows_all(records.ID)
    desk.take(records.LANDED)
    desk.retell(records.ID, records.LIFE[:4])
    story = desk.stories[records.ID]
    assert [state for state, _ in story.steps] == ["pending", "routing", "building", "submitted", "confirmed"]
    assert desk.knows_all(records.ID)


def test_a_history_that_is_older_than_what_is_known_changes_nothing() -> None:
    desk = a_desk([])
    desk.load([records.CONFIRMED])
    desk.retell(records.ID, records.LIFE[:2])
    assert desk.stories[records.ID].state == "confirmed"


def test_orders_whose_whole_life_is_in_the_log_know_their_steps_at_once() -> None:
    desk = a_desk([])
    desk.load([records.CONFIRMED], records.LIFE)
    assert len(desk.stories[records.ID].steps) == 5


def test_only_a_link_that_was_lost_makes_what_is_shown_stale() -> None:
    assert LinkState(RECONNECTING, 1).stale
    assert not LinkState(CONNECTED, 1).stale
    assert not LinkState().stale


def test_a_story_from_a_record_knows_how_it_ended() -> None:
    story = Story.of(records.FAILED)
    assert (story.state, story.error_code, story.attempt, story.final) == ("failed", "slippage_exceeded", 3, True)
    assert Story.of(records.UNKNOWN).state == "unknown"


def test_events_of_an_order_that_nobody_knows_go_into_the_log_only() -> None:
    teller = Teller()
    teller.order(1, "confirmed", 5_000)
    desk = a_desk(teller.events[1:])
    assert an_id(1) not in desk.stories
    assert len(desk.log) == 4


def test_what_needs_somebody_stays_when_a_thousand_others_have_come() -> None:
    teller = Teller()
    failed = teller.order(1, "failed", 600_000)
    for number in range(2, STORIES + 100):
        teller.order(number, "confirmed", 500_000)
    desk = a_desk(teller.events)
    assert len(desk.stories) == STORIES
    assert [story.order_id for story in desk.needs_you()] == [failed]
