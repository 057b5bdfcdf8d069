"""What the operations of the OpenAPI document are put together from. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from ingest_api.openapi_schemas import COUNT, TEXT, Schema, array_of, object_of, ref
from schemas.outcomes import HTTP_CODES, HttpCode

_RETRY_AFTER: Final[Schema] = {"description": "seconds", "schema": COUNT}
BATCH: Final = "66f2a9c1d4e5b60718293a4b"
"""The batch of all examples."""

LOCATION: Final[Schema] = {"Location": {"description": "path of the report", "schema": TEXT}}
PREFERENCE_APPLIED: Final[Schema] = {
    "Preference-Applied": {"description": "what of Prefer was heeded (RFC 7240)", "schema": TEXT}
}
_EXTRAS: Final = frozenset({HttpCode.NO_VALID_RECORD})


def _envelope(status: int, data: Schema, *, ok: bool) -> Schema:
    return object_of(
        {
            "message": TEXT,
            "status": {"const": ok},
            "code": {"const": status},
            "errorMessage": TEXT,
            "data": data,
        }
    )


def answer_of(
    status: int, description: str, data: Schema, example: Any, *, message: str, ok: bool = True, error: str = ""
) -> Schema:
    """Return an answer in the envelope; `message` and `error` are those of the example."""
    body = {"message": message, "status": ok, "code": status, "errorMessage": error, "data": example}
    return json_of(description, _envelope(status, data, ok=ok), body)


def json_of(description: str, schema: Schema, example: Any) -> Schema:
    content: Schema = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def errors_of(*codes: HttpCode) -> dict[str, Schema]:
    """Return the error answers of a route by HTTP status, with the codes that each may carry."""
    by_status: dict[int, list[HttpCode]] = {}
    for code in codes:
        by_status.setdefault(HTTP_CODES[code][0], []).append(code)
    return {str(status): _error(status, of_status) for status, of_status in sorted(by_status.items())}


def _error(status: int, codes: list[HttpCode]) -> Schema:
    meaning = "; ".join(f"`{code}`: {HTTP_CODES[code][1]}" for code in codes)
    first = {"code": str(codes[0]), "message": HTTP_CODES[codes[0]][1]}
    more: dict[str, Schema] = {}
    if _EXTRAS & set(codes):
        more = {"submissionId": TEXT, "failedChunks": array_of(ref("FailedChunk"))}
    schema = _envelope(status, object_of({"errors": array_of(ref("Error"))}, more), ok=False)
    example = {"message": HTTPStatus(status).phrase, "status": False, "code": status, "errorMessage": first["message"]}
    answer = json_of(meaning, schema, {**example, "data": {"errors": [first]}})
    if status in (429, 503):
        answer["headers"] = {"Retry-After": _RETRY_AFTER}
    if HttpCode.IDEMPOTENCY_IN_PROGRESS in codes:
        answer["headers"] = {"Retry-After": _RETRY_AFTER, **LOCATION}
    return answer


ASKING: Final = (HttpCode.UNSUPPORTED_OPTION, HttpCode.FORBIDDEN, HttpCode.INTERNAL, HttpCode.BUS_UNAVAILABLE)
SENDING: Final = (
    HttpCode.BAD_REQUEST,
    HttpCode.INVALID_JSON,
    HttpCode.FIELD_INVALID,
    HttpCode.BODY_TOO_LARGE,
    HttpCode.UNSUPPORTED_MEDIA_TYPE,
    HttpCode.OVERLOADED,
)


REPEATING: Final = (
    HttpCode.IDEMPOTENCY_IN_PROGRESS,
    HttpCode.IDEMPOTENCY_BODY_DIFFERS,
    HttpCode.STORE_UNAVAILABLE,
)
"""What a route that takes an Idempotency-Key answers besides."""

IDEMPOTENCY_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {**TEXT, "pattern": "^[!-~]{1,255}$"},
    "description": "the same request with the same key gets the first answer again, and causes no second call",
    "example": "order-17",
}


def body_of(name: str, example: Any) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": ref(name), "example": example}}}


def path_id(of: str, example: str) -> Schema:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {**TEXT, "minLength": 1},
        "description": f"id of {of}",
        "example": example,
    }


def query_of(name: str, default: int, most: int) -> Schema:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return {"name": name, "in": "query", "schema": schema}
