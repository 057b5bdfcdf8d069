"""The contract's envelope around every answer, and refusals with their closed codes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from schemas.options import FieldWarning
from schemas.outcomes import HTTP_CODES, HttpCode


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it is written: HTTP status, headers, and the JSON body."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RequestError:
    """One thing wrong with a request. The path is a JSON pointer into the body, or a parameter's or header's name."""

    code: HttpCode
    message: str
    path: str | None = None

    def as_json(self) -> dict[str, str]:
        shown = {"code": str(self.code), "message": self.message}
        return shown if self.path is None else {**shown, "path": self.path}


class RefusedError(Exception):
    """The request is answered with an error; the first of `errors` decides the HTTP status.

    Raised anywhere below a route, turned into an answer in one place. Nothing has been published when it is raised.
    """

    def __init__(self, *errors: RequestError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(errors[0].code)
        self.errors = errors
        self.headers = headers or {}


def refused(
    code: HttpCode, message: str | None = None, path: str | None = None, headers: Mapping[str, str] | None = None
) -> RefusedError:
    """Return a refusal for one reason; without a message the table's sentence is it."""
    return RefusedError(RequestError(code, message or HTTP_CODES[code][1], path), headers=headers)


def success(message: str, data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer that says that everything asked for was done."""
    return _answer(status, message, data, ok=True, error="", headers=headers)


def unfinished(status: int, message: str, error: str, data: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer that says that not everything asked for was done (or not yet)."""
    return _answer(status, message, data, ok=False, error=error, headers=headers)


def failure(errors: Sequence[RequestError], headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
    """Return the answer of a refused request; `more` goes beside `errors` into `data`."""
    status = HTTP_CODES[errors[0].code][0]
    data = {"errors": [error.as_json() for error in errors], **more}
    sentence = "; ".join(error.message for error in errors)
    return _answer(status, HTTPStatus(status).phrase, data, ok=False, error=sentence, headers=headers)


def with_warnings(answer: Answer, warnings: Sequence[FieldWarning]) -> Answer:
    """Return the answer with further warnings: in `data`, or beside it where `data` is no object."""
    if not warnings:
        return answer
    shown = [warning.as_json() for warning in warnings]
    data = answer.body["data"]
    if isinstance(data, dict):
        return replace(answer, body={**answer.body, "data": _warned(data, shown)})
    return replace(answer, body=_warned(answer.body, shown))


def _warned(place: dict[str, Any], shown: list[dict[str, str]]) -> dict[str, Any]:
    return {**place, "warnings": [*place.get("warnings", []), *shown]}


def _answer(status: int, message: str, data: Any, *, ok: bool, error: str, headers: Mapping[str, str] | None) -> Answer:
    body = {"message": message, "status": ok, "code": status, "errorMessage": error, "data": data}
    return Answer(status, body, headers or {})


def with_headers(answer: Answer, headers: Mapping[str, str]) -> Answer:
    """Return the answer with further headers."""
    return Answer(answer.status, answer.body, {**answer.headers, **headers})
