"""What the sample has to tell: each figure of the report shows a pattern (contract §9)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from statistics import mean, median

import pytest

from cat_lab.sample import generator, rhythm, talks, users
from lab.sample import reading
from lab.sample.reading import FALLBACK, Item, Talk, instant, kind, plain, plain_form

ORDINARY = generator.ordinary()


def of_kind(name: str) -> list[Item]:
    return [item for item in ORDINARY if kind(item) == name]


TALKS = [reading.talk(item) for item in of_kind("CONVERSATION")]
WAITS = [(talk, wait) for talk in TALKS for wait in talk.replies() if wait is not None]
PLACES = {item["PK"]["S"]: plain(item["UserData"]) for item in ORDINARY if "UserData" in item}


def share(talks: Iterable[Talk], has: Callable[[Talk], bool]) -> float:
    return mean(map(has, talks))


def nearest_rank(values: Iterable[float], percent: int) -> float:
    ranked = sorted(values)
    return ranked[-(-len(ranked) * percent // 100) - 1]


def week(at: datetime) -> date:
    return (at - timedelta(days=at.weekday())).date()


def by_place(member: str) -> dict[str, list[Talk]]:
    found = defaultdict(list)
    for talk in TALKS:
        if name := (PLACES.get(talk.user, {}).get(member) or "").split(" (")[0].strip():
            found[name].append(talk)
    return {name: talks for name, talks in found.items() if len(talks) >= 60}


def test_all_days_lie_before_the_run_date() -> None:
    instants = [talk.at for talk in TALKS] + [at for talk in TALKS for *_, at in talk.messages if at]
    instants += map(instant, of_kind("FEEDBACK"))
    assert max(instants) < datetime(2025, 9, 15) == rhythm.END
    assert max(talk.at for talk in TALKS).date() == date(2025, 9, 14)


def test_conversations_grow_over_the_days_with_a_rhythm_of_the_week() -> None:
    days = Counter(talk.at.date() for talk in TALKS)
    assert (rhythm.END - rhythm.START).days - 12 <= len(days)
    weekdays = sum(count for day, count in days.items() if day.weekday() < 5) / (5 * rhythm.WEEKS)
    assert weekdays > 2 * sum(count for day, count in days.items() if day.weekday() > 4) / (2 * rhythm.WEEKS)
    weeks = [count for _, count in sorted(Counter(week(talk.at) for talk in TALKS).items())]
    assert len(weeks) == rhythm.WEEKS
    assert sum(weeks[-4:]) > 1.2 * sum(weeks[-8:-4])
    assert weeks[-1] > 1.5 * weeks[0]


def test_working_days_have_two_humps() -> None:
    hours = Counter(talk.at.hour for talk in TALKS if rhythm.is_working_day(talk.at))
    noon = hours[12]
    assert min(hours[10], hours[15]) > 1.6 * noon
    assert noon > hours[19]


@pytest.mark.parametrize("member", ["ciudad", "gerencia"])
def test_places_differ_in_volume_reply_time_and_unanswered_share(member: str) -> None:
    places = by_place(member)
    assert len(places) >= 4
    volumes = [len(talks) for talks in places.values()]
    assert max(volumes) > 1.5 * min(volumes)
    medians = [median(wait for talk in talks for wait in talk.replies() if wait) for talks in places.values()]
    assert max(medians) > 1.5 * min(medians)
    unanswered = [share(talks, lambda talk: talk.unanswered) for talks in places.values()]
    assert max(unanswered) > 2 * min(unanswered)


def test_retention_falls_and_then_levels() -> None:
    weeks = defaultdict(set)
    for talk in TALKS:
        weeks[talk.user].add(week(talk.at))
    last = max(map(max, weeks.values()))

    def retention(later: int) -> float:
        """Return the share of users active so many weeks after their first one, of those with such a week."""
        then = timedelta(weeks=later)
        return mean(min(own) + then in own for own in weeks.values() if min(own) + then <= last)

    assert 0.35 < retention(1) < 0.8
    assert retention(1) > retention(2) > retention(4)
    assert abs(retention(4) - retention(6)) < 0.1
    assert retention(6) > 0.15


def test_new_and_returning_users_are_both_many_in_the_last_28_days() -> None:
    first = {}
    for talk in sorted(TALKS, key=lambda talk: talk.at):
        first.setdefault(talk.user, talk.at)
    since = rhythm.END - timedelta(days=28)
    active = {talk.user for talk in TALKS if talk.at >= since}
    new = {user for user in active if first[user] >= since}
    assert len(active) > 150
    assert 0.2 < len(new) / len(active) < 0.6


def test_reply_times_have_a_long_tail_and_are_slower_at_busy_hours() -> None:
    waits = [wait for _, wait in WAITS]
    assert 1 < median(waits) < 10
    assert nearest_rank(waits, 95) > 4 * median(waits)
    assert max(waits) > 120
    busy = median(wait for talk, wait in WAITS if talk.at.weekday() < 5 and talk.at.hour in (9, 10, 14, 15))
    assert busy > 1.4 * median(wait for talk, wait in WAITS if talk.at.hour in (7, 8, 12, 13, 17, 18))


def test_one_day_is_slow() -> None:
    slow = [wait for talk, wait in WAITS if talk.at.date() == rhythm.SLOW_DAY]
    assert len(slow) > 20
    assert median(slow) > 3 * median(wait for _, wait in WAITS)
    talks = [talk for talk in TALKS if talk.at.date() == rhythm.SLOW_DAY]
    assert share(talks, lambda talk: talk.unanswered) > 0.15


def test_shares_of_conversations() -> None:
    assert 0.06 <= share(TALKS, lambda talk: talk.unanswered) <= 0.09
    assert 0.04 <= share(TALKS, lambda talk: talk.not_understood) <= 0.07
    assert 0.9 < share(TALKS, lambda talk: bool(talk.questions)) < 0.98
    replies = [wait for talk in TALKS for wait in talk.replies()]
    assert 0.85 < len(WAITS) / len(replies) < 0.95
    assert {len({at is None for *_, at in talk.messages}) for talk in TALKS} == {1}


def test_only_answers_for_what_was_not_understood_match_the_patterns() -> None:
    answers = {text for dialogue in generator.dialogues() for text in dialogue[1::2]}
    assert not [text for text in {*answers, talks.GREETING} if FALLBACK.search(text)]
    assert all(map(FALLBACK.search, talks.NOT_UNDERSTOOD))


def test_many_users_ask_the_same_in_several_spellings() -> None:
    asked, spellings = defaultdict(set), defaultdict(Counter)
    for talk in TALKS:
        for text in talk.questions:
            if len(plain_form(text).split()) > 1:
                asked[plain_form(text)].add(talk.user)
                spellings[plain_form(text)][text] += 1
    often = [form for form, people in asked.items() if len(people) >= 3 and len(spellings[form]) >= 2]
    assert len(often) >= 30
    top = sorted(often, key=lambda form: -len(asked[form]))[:10]
    neat = {text for dialogue in generator.dialogues() for text in dialogue}
    assert min(len(asked[form]) for form in top) > 20
    assert sum(spellings[form].most_common(1)[0][0] in neat for form in top) > len(top) / 2
    assert all(len(spellings[form]) >= 3 for form in top)


@pytest.mark.parametrize("spelling", users.SPELLINGS)
def test_a_spelling_keeps_the_plain_form(spelling: str) -> None:
    for text in {text for dialogue in generator.dialogues() for text in dialogue[::2]}:
        assert plain_form(talks.spelled(text, spelling)) == plain_form(text)


def test_likes_become_more_over_the_weeks_and_both_have_comments() -> None:
    given = [(instant(item), plain(item["Feedback"])) for item in of_kind("FEEDBACK")]
    middle = rhythm.START + timedelta(weeks=rhythm.WEEKS / 2)
    likes = [
        [each["type"] == "like" for at, each in given if (at < middle) is early] for early in (True, False)
    ]
    assert mean(likes[1]) > mean(likes[0]) + 0.05
    comments = {
        liking: {each["comment"] for _, each in given if each["type"] == liking and "comment" in each}
        for liking in ("like", "dislike")
    }
    assert min(map(len, comments.values())) >= 10
    assert not comments["like"] & comments["dislike"]
    assert any("@" in text for text in comments["dislike"])
    assert any(re.search(r"\d{5}", text) for text in comments["dislike"])


def test_feedback_belongs_to_a_conversation_by_its_key_by_its_time_or_not_at_all() -> None:
    times = defaultdict(list)
    for talk in TALKS:
        times[talk.user].append(talk.at)
    found = Counter[str]()
    for item in of_kind("FEEDBACK"):
        at, own = instant(item), times[item["PK"]["S"]]
        near = any(timedelta() <= at - each <= timedelta(hours=24) for each in own)
        found["key" if at in own else "time" if near else "none"] += 1
    assert min(found["key"], found["time"]) > 0.3 * found.total()
    assert 3 <= found["none"] < 0.06 * found.total()


def test_between_a_fifth_and_two_fifths_of_the_conversations_are_rated() -> None:
    assert 0.2 < len(of_kind("FEEDBACK")) / len(TALKS) < 0.4
