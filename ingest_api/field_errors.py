"""What is wrong with the fields of a body, each named and said in the words of JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ingest_api.envelope import RequestError
from schemas.outcomes import HttpCode

MOST_ERRORS: Final = 100
_SENTENCES: Final = {
    "missing": "is missing",
    "extra_forbidden": "is no field of this call",
    "string_type": "must be text",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
    "list_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "enum": "must be one of {expected}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} members",
    "string_pattern_mismatch": "must match {pattern}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""By pydantic's type of error; others, and those of our own validators, say it themselves."""


def field_error(location: Sequence[str | int], message: str) -> RequestError:
    """Return the error of one field of a body; of the body as a whole where the location is empty."""
    path = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)
    name = ".".join(str(part) for part in location)
    return RequestError(HttpCode.FIELD_INVALID, f"{name}: {message}" if name else message, path)


def field_errors(error: ValidationError) -> list[RequestError]:
    """Return everything that pydantic finds wrong with a body, the first 100 of it."""
    wrong = error.errors(include_url=False, include_input=False)
    return [field_error(one["loc"], _sentence(one)) for one in wrong[:MOST_ERRORS]]


def _sentence(one: ErrorDetails) -> str:
    sentence = _SENTENCES.get(one["type"])
    return one["msg"] if sentence is None else sentence.format(**one.get("ctx", {}))
