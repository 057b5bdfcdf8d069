"""What is told of topics: how they differ from those that `dialfeed topics --create` makes, and how much it matters.

Pure. Three weights: what breaks a promise, so that no part starts; what makes a promise weaker, which is red in
`dialfeed topics` and `dialfeed doctor`; and what an operator may well have chosen, which is only told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.topics import AT_LEAST, PROMISES, READ_TOGETHER, TOPICS, Topic, TopicName, unequal

MOST_REPLICAS: Final = 3
IN_SYNC: Final = 2
"""So many of three replicas acknowledge: a record survives the loss of a broker, and one may be away."""

MISSING: Final = "the topic is missing: run `dialfeed topics --create`"
UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as Kafka has it. `replicas` is the number of those of the partition that has fewest."""

    name: str
    partitions: int
    replicas: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """One topic: `partitions` and `replicas` are 0 where it is missing; the others are sentences.

    `ok`: there are no differences. `stops`: those of them with which no part starts. Warnings are no fault.
    """

    name: str
    partitions: int
    replicas: int
    ok: bool
    stops: list[str]
    differences: list[str]
    warnings: list[str]


@dataclass(slots=True)
class _Told:
    breaking: list[str] = field(default_factory=list)
    weaker: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)


def copies(brokers: int) -> tuple[int, int]:
    """Return replicas, and how many have to acknowledge, of a topic that is made where so many brokers are."""
    replicas = min(MOST_REPLICAS, brokers)
    return replicas, IN_SYNC if replicas > IN_SYNC else 1


def statuses(found: Mapping[TopicName, Found], full_name: Callable[[str], str], brokers: int) -> list[TopicStatus]:
    """Return the status of every topic, of those that were found and of those that are missing."""
    return [
        _status(topic, found[topic.name], found, brokers)
        if topic.name in found
        else TopicStatus(full_name(topic.name), 0, 0, ok=False, stops=[MISSING], differences=[MISSING], warnings=[])
        for topic in TOPICS
    ]


def _status(topic: Topic, one: Found, found: Mapping[TopicName, Found], brokers: int) -> TopicStatus:
    told = _Told(breaking=list(_unequal(topic.name, found)), weaker=list(_weak(one, brokers)))
    for name, value in topic.settings.items():
        _tell_setting(told, one, name, value)
    if one.partitions != topic.partitions:
        told.other.append(f"{one.partitions} partitions, made with {topic.partitions}")
    differences = told.breaking + told.weaker
    return TopicStatus(
        name=one.name,
        partitions=one.partitions,
        replicas=one.replicas,
        ok=not differences,
        stops=told.breaking,
        differences=differences,
        warnings=told.other,
    )


def _tell_setting(told: _Told, one: Found, name: str, made_with: str) -> None:
    value = one.settings.get(name)
    if value == made_with or (name in AT_LEAST and _is_at_least(value, made_with)):
        return
    if name in PROMISES:
        told.breaking.append(f"{name} of {one.name} is {value}, must be {made_with}")
    else:
        told.other.append(f"{name} is {value}, made with {made_with}")


def _is_at_least(value: str | None, made_with: str) -> bool:
    return value is not None and (int(value) == UNLIMITED or int(value) >= int(made_with))


def _unequal(name: TopicName, found: Mapping[TopicName, Found]) -> Iterator[str]:
    """Yield what is wrong with the pair that a topic belongs to, if there is one."""
    for pair in READ_TOGETHER:
        if name in pair and all(each in found for each in pair):
            one, other = (found[each] for each in pair)
            if one.partitions != other.partitions:
                yield unequal(one.name, one.partitions, other.name, other.partitions)


def _weak(one: Found, brokers: int) -> Iterator[str]:
    """Yield why an acknowledged record could be lost with one broker, or none be acknowledged."""
    replicas, in_sync = copies(brokers)
    needed = int(one.settings.get("min.insync.replicas", "1"))
    if one.replicas < replicas and in_sync > 1:
        yield f"{one.replicas} replicas on {brokers} brokers, should be {replicas}"
    if one.replicas >= MOST_REPLICAS and needed < IN_SYNC:
        yield f"min.insync.replicas is {needed}, should be {IN_SYNC}: what is accepted may be on one broker only"
    if needed > one.replicas:
        yield f"min.insync.replicas is {needed} with {one.replicas} replicas: nothing can be published"
