"""Topic filters, as MQTT 5 has them in section 4.7: ``+`` stands for any one level, ``#`` for all that follow."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, Generic, TypeVar

from pydantic import AfterValidator, StringConstraints

MAX_TOPIC: Final = 1024  # of an event's subject, which is as long

Item = TypeVar("Item")


def check_filter(topic_filter: str) -> str:
    """Return the filter; raise ValueError that says what is wrong with it."""
    if not topic_filter:
        raise ValueError("A topic filter has at least one character.")
    if topic_filter.startswith("$share/"):
        raise ValueError("Write what follows $share/<group>/: only a source shares a subscription.")
    levels = topic_filter.split("/")
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        raise ValueError("# stands alone on the last level, as in site/#")
    if any("+" in level and level != "+" for level in levels):
        raise ValueError("+ stands alone on its level, as in site/+/temperature")
    if "\0" in topic_filter:
        raise ValueError("A topic has no character U+0000.")
    return topic_filter


TopicFilter = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TOPIC), AfterValidator(check_filter)]


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a filter that was checked matches the topic. Nothing matches an empty one."""
    return bool(topic) and levels_match(topic_filter.split("/"), topic.split("/"))


def levels_match(wanted: Sequence[str], levels: Sequence[str]) -> bool:
    """Return whether the levels of a filter match those of a topic."""
    if wanted[0] in ("+", "#") and levels[0].startswith("$"):
        return False  # what a server tells of itself, such as $SYS, is asked for by name
    if wanted[-1] == "#":
        wanted = wanted[:-1]  # site/# is site as well
        if len(levels) < len(wanted):
            return False
        levels = levels[: len(wanted)]
    elif len(levels) != len(wanted):
        return False
    return all(want in ("+", level) for want, level in zip(wanted, levels, strict=True))


class _Node(Generic[Item]):
    """What is known of the filters that begin with the same levels."""

    __slots__ = ("below", "ending", "open_ended")

    def __init__(self) -> None:
        self.below: dict[str, _Node[Item]] = {}
        self.ending: Item | None = None  # of the filter that ends here
        self.open_ended: Item | None = None  # of the one that goes on with # only


class TopicTrie(Generic[Item]):
    """Items by topic filter. Finding those of a topic takes its levels, however many filters there are."""

    __slots__ = ("_root",)

    def __init__(self, items: Iterable[tuple[str, Item]]) -> None:
        """Take one item for each filter, which was checked."""
        self._root: _Node[Item] = _Node()
        for topic_filter, item in items:
            self._add(topic_filter.split("/"), item)

    def _add(self, levels: list[str], item: Item) -> None:
        node = self._root
        is_open = levels[-1] == "#"
        for level in levels[:-1] if is_open else levels:
            following = node.below.get(level)
            if following is None:
                following = node.below[level] = _Node()
            node = following
        if is_open:
            node.open_ended = item
        else:
            node.ending = item

    def of(self, topic: str) -> Iterator[Item]:
        """Yield the items whose filters match the topic; none for an empty one."""
        if not topic:
            return
        levels = topic.split("/")
        nodes = [self._root]
        is_own = levels[0].startswith("$")
        if not is_own and self._root.open_ended is not None:
            yield self._root.open_ended
        for depth, level in enumerate(levels):
            following: list[_Node[Item]] = []
            for node in nodes:
                if exact := node.below.get(level):
                    following.append(exact)
                # A topic has no wildcards, but a subject may hold anything: "+" is then found once.
                if level != "+" and not (is_own and depth == 0) and (any_level := node.below.get("+")):
                    following.append(any_level)
            nodes = following
            if not nodes:
                return
            for node in nodes:
                if node.open_ended is not None:
                    yield node.open_ended
        for node in nodes:
            if node.ending is not None:
                yield node.ending
