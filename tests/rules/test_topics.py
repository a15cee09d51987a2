"""Topic filters mean what MQTT 5 says in section 4.7, whether asked one by one or all at once."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.topics import TopicTrie, check_filter, matches
from rules.types.event.event import EventParams


@pytest.mark.parametrize(
    ("topic_filter", "matched", "not_matched"),
    [
        ("sport/tennis/player1/#", ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/a/b"],
         ["sport/tennis", "sport/tennis/player11", "sport/tennis/player2/a"]),
        ("sport/#", ["sport", "sport/", "sport/a"], ["sports", "Sport", "/sport"]),
        ("#", ["a", "/", "/a/b", "a$/b"], ["$SYS", "$SYS/a", ""]),
        ("sport/tennis/+", ["sport/tennis/player1", "sport/tennis/"], ["sport/tennis", "sport/tennis/player1/ranking"]),
        ("sport/+", ["sport/", "sport/$a"], ["sport"]),
        ("+", ["finance"], ["/finance", "", "$SYS"]),
        ("+/+", ["/finance", "a/b"], ["finance", "$SYS/monitor", "a/b/c"]),
        ("/+", ["/finance"], ["finance", "a/finance"]),
        ("+/tennis/#", ["a/tennis", "/tennis/b/c"], ["$a/tennis/b", "tennis/a"]),
        ("+/monitor/Clients", ["a/monitor/Clients"], ["$SYS/monitor/Clients"]),
        ("$SYS/#", ["$SYS", "$SYS/a"], ["SYS/a", "$SYSTEM"]),
        ("$SYS/monitor/+", ["$SYS/monitor/Clients"], ["$SYS/monitor"]),
        ("/", ["/"], ["", "a", "//"]),
        ("a//b", ["a//b"], ["a/b", "a/x/b"]),
        ("exact", ["exact"], ["exact/", "EXACT", "exac"]),
        ("a/+", ["a/+", "a/#", "a/b"], ["a"]),
    ],
)  # fmt: skip
def test_wildcards_stand_for_levels(topic_filter: str, matched: list[str], not_matched: list[str]) -> None:
    assert [topic for topic in matched if not matches(topic_filter, topic)] == []
    assert [topic for topic in not_matched if matches(topic_filter, topic)] == []


@pytest.mark.parametrize(
    "topic_filter", ["", "a#", "#/a", "a/#/b", "##", "a/b+", "+a", "a\0b", "$share/group/a", "a/+#"]
)
def test_what_is_no_filter_is_refused(topic_filter: str) -> None:
    with pytest.raises(ValueError, match=r"level|character|share"):
        check_filter(topic_filter)


_LEVELS = st.sampled_from(["a", "b", "", "+", "$s", "#"])
_TOPICS = st.lists(_LEVELS, min_size=1, max_size=4).map("/".join)


def _is_filter(text: str) -> bool:
    try:
        return bool(check_filter(text))
    except ValueError:
        return False


@given(filters=st.sets(_TOPICS.filter(_is_filter), max_size=12), topic=_TOPICS | st.just(""))
@example(filters={"a/+"}, topic="a/+")
@example(filters={"+/#", "#", "$s/#"}, topic="$s/a")
def test_a_trie_finds_what_matches_and_each_once(filters: set[str], topic: str) -> None:
    trie = TopicTrie((each, each) for each in filters)
    assert sorted(trie.of(topic)) == sorted(each for each in filters if matches(each, topic))


def test_a_topic_of_many_levels_overflows_nothing() -> None:
    trie = TopicTrie([("+/" * 511 + "#", "deep"), ("#", "all")])
    assert sorted(trie.of("/" * 1023)) == ["all", "deep"]


def test_filters_are_kept_once_and_as_they_are() -> None:
    assert EventParams(subjects=["a/+", " a", "a/+"]).subjects == ["a/+", " a"]
