"""The name that somebody most likely meant, for a name that does not exist. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_LETTERS_PER_MISTAKE: Final = 4
_MOST_MISTAKES: Final = 3
_WORD_BORDER: Final = re.compile(r"[-_]+")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is a misspelling of, or None where none is near.

    Near is one mistake for each four letters, at least one and at most three (`distance`). Also near is the only name
    that begins with the same word and has all words of `name`, such as `kafka-sasl-password` for `kafka-password` (of
    names that only add words to one of them, that one); else
    the longest name that `name` only adds words to, such as `kafka` for `kafka-url`.
    """
    typed = _words(name)
    words = {each: _words(each) for each in sorted(known)}
    mistakes = {each: distance("-".join(typed), "-".join(words[each])) for each in words}
    best = min(mistakes, key=lambda each: mistakes[each], default=None)
    if best is not None and mistakes[best] <= _allowed(typed, words[best]):
        return best
    wider = [each for each in words if _has(words[each], typed)]
    if wider:
        shortest = min(wider, key=len)
        return shortest if all(each.startswith(shortest) for each in wider) else None
    return max((each for each in words if _has(typed, words[each])), key=len, default=None)


def distance(one: str, other: str) -> int:
    """Return the mistakes between two texts: a letter too many, missing, wrong, or swapped with its neighbor.

    This is the optimal string alignment distance.
    """
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, wanted in enumerate(other, start=1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != wanted)))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


def _words(name: str) -> list[str]:
    return [word for word in _WORD_BORDER.split(name.lower()) if word]


def _allowed(typed: Sequence[str], known: Sequence[str]) -> int:
    letters = min(sum(map(len, typed)), sum(map(len, known)))
    return max(1, min(_MOST_MISTAKES, letters // _LETTERS_PER_MISTAKE))


def _has(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether `words` begin with the first of `others` and have the rest of them in order."""
    rest = iter(words)
    return bool(others) and words[:1] == others[:1] and all(word in rest for word in others)
