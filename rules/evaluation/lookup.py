"""Which rules may match an event, found without looking at the others, however many there are.

The rules are divided step by step: by the type that they watch, by source, by subject, by what their conditions demand;
each time by what tells most of them apart. Few rules that are left together are looked at one by one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from rules.condition_text import Path
from rules.evaluation.guards import Guards, value_at
from rules.topics import TopicTrie, levels_match
from rules.types.base import Watch
from spaces.services import OWN_EVENTS

# Looking at a rule costs some 0.2 µs for each thing that it demands, a division 1 µs.
_FEW: Final = 4
# Rules with long lists would make divisions of divisions of all of them: they are gone through as often as this, and
# beyond what two rounds take, so many things that they demand are looked at, which takes about a second.
_ROUNDS: Final = 32
_MOST: Final = 1_000_000
_MAX_GUARDS: Final = 8  # by which rules are divided, one after the other

Envelope = dict[str, Any]
Test = Callable[[Envelope], bool]
Demand = tuple[str | Path, tuple[str, ...]]  # an attribute and its patterns, or a path and its texts


class Watcher(Protocol):
    """A rule, as far as it matters here. It is hashed by identity."""

    @property
    def watch(self) -> Watch: ...

    @property
    def guards(self) -> Guards: ...


RuleT = TypeVar("RuleT", bound=Watcher)


class Lookup(Generic[RuleT]):
    """Finds the rules whose types, sources, subjects and guards all let an event pass."""

    def __init__(self, rules: Sequence[RuleT]) -> None:
        made: dict[Demand, Test] = {}
        named = [_Entry(rule, made) for rule in rules if rule.watch.event_types]
        # Without types a watch covers all that come in, or nothing at all.
        others = [_Entry(rule, made) for rule in rules if not rule.watch.event_types and rule.watch.covers_type("")]
        weight = sum(entry.weight for entry in (*named, *others))
        work = _Work(min(_ROUNDS * weight, 2 * weight + _MOST))
        self._by_name = _divided(named, frozenset(_TEXTS), work)
        self._others = _divided(others, frozenset(_TEXTS), work)

    def candidates(self, envelope: Envelope) -> list[RuleT]:
        """Return each rule that may match the event, once, in no particular order."""
        found: list[RuleT] = []
        self._by_name.collect(envelope, found)
        if not envelope["type"].startswith(OWN_EVENTS):
            self._others.collect(envelope, found)
        return found


class _Work:
    """How much of the work is left that may be spent on dividing."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, amount: int) -> bool:
        self._left -= amount
        return self._left >= 0


# --- What one rule demands ---

_TYPE: Final = "type"
_SOURCE: Final = "source"
_SUBJECT: Final = "subject"
_TEXTS: Final = (_TYPE, _SOURCE, _SUBJECT)


class _Entry(Generic[RuleT]):
    """A rule with what it demands: patterns by attribute, of which one has to fit, and its guards."""

    __slots__ = ("_made", "_tests", "guards", "patterns", "rule", "weight")

    def __init__(self, rule: RuleT, made: dict[Demand, Test]) -> None:
        """``made`` has the tests of all rules: those that demand the same share one."""
        self.rule = rule
        self.patterns: dict[str, Sequence[str]] = {}
        for name, patterns in ((_TYPE, rule.watch.event_types), (_SOURCE, rule.watch.sources)):
            if patterns:
                self.patterns[name] = _disjoint(patterns)
        if rule.watch.subjects:
            self.patterns[_SUBJECT] = rule.watch.subjects
        self.guards = rule.guards
        self._made = made
        self._tests: dict[str | Path, Test] = {}
        # How much work it is to divide it.
        self.weight = 1 + sum(map(len, self.patterns.values())) + sum(map(len, self.guards.values()))

    def tests(self, open_names: frozenset[str], settled: frozenset[Path]) -> tuple[Test, ...]:
        """Return what has still to be asked of an event."""
        texts = (self._test(name) for name in self.patterns if name in open_names)
        guards = (self._test(path) for path in self.guards if path not in settled)
        return (*texts, *guards)

    def _test(self, name: str | Path) -> Test:
        if name not in self._tests:
            wanted = self.patterns[name] if isinstance(name, str) else sorted(self.guards[name])
            demand = (name, tuple(wanted))
            if demand not in self._made:
                self._made[demand] = _test(demand)
            self._tests[name] = self._made[demand]
        return self._tests[name]


def _disjoint(patterns: Sequence[str]) -> Sequence[str]:
    """Return the patterns without those that a shorter one covers, so that one of them at most fits a text."""
    if len(patterns) == 1:
        return patterns
    beginnings: list[str] = []
    for beginning in sorted(pattern[:-1] for pattern in patterns if pattern.endswith("*")):
        # What begins with a text follows it in this order.
        if not beginnings or not beginning.startswith(beginnings[-1]):
            beginnings.append(beginning)
    covered = tuple(beginnings)
    exact = [each for each in dict.fromkeys(patterns) if not each.endswith("*") and not each.startswith(covered)]
    return exact + [f"{beginning}*" for beginning in beginnings]


def _test(demand: Demand) -> Test:
    """Return what is asked of an event for this demand."""
    name, wanted = demand
    if isinstance(name, tuple):
        return _guard_test(name, frozenset(wanted))
    return _subject_test(wanted) if name == _SUBJECT else _text_test(name, wanted)


def _text_test(name: str, patterns: Sequence[str]) -> Test:
    exact = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
    beginnings = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    if not beginnings:
        return lambda envelope: envelope[name] in exact
    return lambda envelope: envelope[name] in exact or envelope[name].startswith(beginnings)


def _subject_test(filters: Sequence[str]) -> Test:
    if len(filters) > _FEW:
        return _many_subjects_test(filters)
    wanted = [topic_filter.split("/") for topic_filter in filters]

    def test(envelope: Envelope) -> bool:
        if not (subject := envelope.get(_SUBJECT)):
            return False
        levels = subject.split("/")
        return any(levels_match(each, levels) for each in wanted)

    return test


def _many_subjects_test(filters: Sequence[str]) -> Test:
    trie: TopicTrie[str] | None = None

    def test(envelope: Envelope) -> bool:
        nonlocal trie
        if trie is None:  # most of thousands are never asked
            trie = TopicTrie((each, each) for each in filters)
        return any(trie.of(envelope.get(_SUBJECT, "")))

    return test


def _guard_test(path: Path, values: frozenset[str]) -> Test:
    def test(envelope: Envelope) -> bool:
        value = value_at(envelope, path)
        return type(value) is str and value in values

    return test


# --- The divided rules ---


class _Part(Protocol[RuleT]):
    """Some of the rules."""

    def collect(self, envelope: Envelope, found: list[RuleT]) -> None:
        """Add those that may match the event."""


class _Few(Generic[RuleT]):
    """Rules that are looked at one by one; those that demand the same, together."""

    __slots__ = ("_asked", "_sure")

    def __init__(self, entries: Iterable[_Entry[RuleT]], open_names: frozenset[str], settled: frozenset[Path]) -> None:
        alike: dict[tuple[Test, ...], list[RuleT]] = {}
        for entry in entries:
            alike.setdefault(entry.tests(open_names, settled), []).append(entry.rule)
        self._sure = alike.pop((), [])
        self._asked = list(alike.items())

    def collect(self, envelope: Envelope, found: list[RuleT]) -> None:
        found += self._sure
        for tests, rules in self._asked:
            for test in tests:
                if not test(envelope):
                    break
            else:
                found += rules


class _ByText(Generic[RuleT]):
    """Rules divided by the types, or the sources, that they watch."""

    __slots__ = ("_beginnings", "_exact", "_name", "_rest")

    def __init__(self, name: str, parts: dict[str, _Part[RuleT]], rest: _Part[RuleT] | None) -> None:
        self._name = name
        self._rest = rest
        self._exact: dict[str, _Part[RuleT]] = {}
        by_length: dict[int, dict[str, _Part[RuleT]]] = {}
        for pattern, part in parts.items():
            if pattern.endswith("*"):
                by_length.setdefault(len(pattern) - 1, {})[pattern[:-1]] = part
            else:
                self._exact[pattern] = part
        self._beginnings = sorted(by_length.items())

    def collect(self, envelope: Envelope, found: list[RuleT]) -> None:
        text = envelope[self._name]
        if part := self._exact.get(text):
            part.collect(envelope, found)
        for length, parts in self._beginnings:
            if length > len(text):
                break
            if part := parts.get(text[:length]):
                part.collect(envelope, found)
        if self._rest:
            self._rest.collect(envelope, found)


class _BySubject(Generic[RuleT]):
    """Rules divided by their topic filters."""

    __slots__ = ("_is_simple", "_rest", "_trie")

    def __init__(self, parts: dict[str, _Part[RuleT]], rest: _Part[RuleT] | None, is_simple: bool) -> None:
        self._trie = TopicTrie(parts.items())
        self._rest = rest
        self._is_simple = is_simple  # no rule has two filters, which could both match

    def collect(self, envelope: Envelope, found: list[RuleT]) -> None:
        if self._rest:
            self._rest.collect(envelope, found)
        if not (subject := envelope.get(_SUBJECT)):
            return
        if self._is_simple:
            for part in self._trie.of(subject):
                part.collect(envelope, found)
            return
        several: list[RuleT] = []
        for part in self._trie.of(subject):
            part.collect(envelope, several)
        found += dict.fromkeys(several)


class _Place(Generic[RuleT]):
    """What the rules want to find at one path, and at those below it."""

    __slots__ = ("below", "parts")

    def __init__(self) -> None:
        self.below: dict[str, _Place[RuleT]] = {}
        self.parts: dict[str, _Part[RuleT]] = {}


class _ByGuard(Generic[RuleT]):
    """Rules divided by one guard of each."""

    __slots__ = ("_rest", "_root")

    def __init__(self, parts: dict[tuple[Path, str], _Part[RuleT]], rest: _Part[RuleT] | None) -> None:
        self._rest = rest
        self._root: _Place[RuleT] = _Place()
        for (path, value), part in parts.items():
            place = self._root
            for name in path:
                place = place.below.setdefault(name, _Place())
            place.parts[value] = part

    def collect(self, envelope: Envelope, found: list[RuleT]) -> None:
        if self._rest:
            self._rest.collect(envelope, found)
        waiting: list[tuple[_Place[RuleT], Any]] = [(self._root, envelope)]
        while waiting:
            place, value = waiting.pop()
            if type(value) is str:
                if part := place.parts.get(value):
                    part.collect(envelope, found)
            elif type(value) is dict and (below := place.below):
                # Whichever is shorter: neither many rules nor a large event make it slow.
                names = below if len(below) <= len(value) else value
                waiting += [(below[name], value[name]) for name in names if name in below and name in value]


# --- Dividing ---

_Keys = dict[Any, list[_Entry[RuleT]]]


def _divided(
    entries: list[_Entry[RuleT]], open_names: frozenset[str], work: _Work, settled: frozenset[Path] = frozenset()
) -> _Part[RuleT]:
    """Return the rules, divided by what is open: the attributes with these names, and guards on paths not settled."""
    if len(entries) <= _FEW or not work.take(sum(entry.weight for entry in entries)):
        return _Few(entries, open_names, settled)
    best: tuple[float, str, _Keys[RuleT], list[_Entry[RuleT]]] = (len(entries), "", {}, [])
    for name in (*(name for name in _TEXTS if name in open_names), ""):
        keys, rest = _by_pattern(entries, name) if name else _by_guard(entries, settled)
        expected = len(rest) + _expected(keys)
        if keys and expected < best[0]:
            best = (expected, name, keys, rest)
    _, name, keys, rest = best
    if not keys:
        return _Few(entries, open_names, settled)
    others = _divided(rest, open_names - {name}, work, settled) if rest else None
    if name:
        parts = {key: _divided(each, open_names - {name}, work, settled) for key, each in keys.items()}
        if name != _SUBJECT:
            return _ByText(name, parts, others)
        return _BySubject(parts, others, all(len(entry.patterns.get(name, ())) < 2 for entry in entries))
    guarded = {key: _divided(each, open_names, work, settled | {key[0]}) for key, each in keys.items()}
    return _ByGuard(guarded, others)


def _expected(keys: _Keys[RuleT]) -> float:
    """Return how many rules an event finds, as a rule, when most events are of the kinds that most rules watch."""
    sizes = [len(entries) for entries in keys.values()]
    return sum(size * size for size in sizes) / max(1, sum(sizes))


def _by_pattern(entries: list[_Entry[RuleT]], name: str) -> tuple[_Keys[RuleT], list[_Entry[RuleT]]]:
    keys: _Keys[RuleT] = {}
    rest: list[_Entry[RuleT]] = []
    for entry in entries:
        if patterns := entry.patterns.get(name):
            for pattern in patterns:
                keys.setdefault(pattern, []).append(entry)
        else:
            rest.append(entry)
    return keys, rest


def _by_guard(entries: list[_Entry[RuleT]], settled: frozenset[Path]) -> tuple[_Keys[RuleT], list[_Entry[RuleT]]]:
    """Return the rules by one guard of each: of its open ones that which the fewest share."""
    if len(settled) >= _MAX_GUARDS:
        return {}, entries
    # How many rules demand the same text at the same path.
    alike = Counter(
        (path, value)
        for entry in entries
        for path, values in entry.guards.items()
        if path not in settled
        for value in values
    )
    keys: _Keys[RuleT] = {}
    rest: list[_Entry[RuleT]] = []
    for entry in entries:
        paths = [path for path in entry.guards if path not in settled]
        if not paths:
            rest.append(entry)
            continue
        path = min(paths, key=lambda path: max(alike[path, value] for value in entry.guards[path]))
        for value in entry.guards[path]:
            keys.setdefault((path, value), []).append(entry)
    return keys, rest
