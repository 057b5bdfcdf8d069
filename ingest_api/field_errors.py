"""What is wrong with the fields of a body, each named and said in the words of JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ingest_api.envelope import RefusedError, RequestError
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


B = TypeVar("B", bound=BaseModel)


def checked(kind: type[B], fields: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> B:
    """Return the body asked for; refuse (400) it with everything that is wrong with it."""
    try:
        return kind.model_validate(fields, context=context)
    except ValidationError as error:
        raise RefusedError(*field_errors(error)) from None


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
