"""What a request asks for that its call does not know: refused by name if it is an option, else warned of. Pure.

A handler asks for its key first, then looks beside the body (`beside`), then into it (`in_body`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from starlette.requests import Request

from ingest_api.envelope import RefusedError, RequestError
from schemas.options import OPTIONS, FieldWarning, Option, unknown, unsupported, unsupported_header
from schemas.outcomes import FieldError, HttpCode, WarningCode

Warnings = list[FieldWarning]
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH"})
_KEY: Final = "Idempotency-Key"


def beside(
    request: Request, parameters: Collection[str] = (), options: Mapping[str, Option] = OPTIONS, *, keyed: bool = False
) -> Warnings:
    """Return warnings about what stands in the address and the headers; refuse unsupported options there.

    `parameters` are those of the call; `keyed` says whether it heeds an Idempotency-Key.
    """
    query = request.query_params
    given = {name: value or ... for name, value in query.items()}  # `?dryRun` asks for it, and nothing is left out here
    refuse([*unsupported(given, parameters, options, prefix=""), *unsupported_header(request.headers.items())])
    warnings = unknown(query, parameters, options, "", WarningCode.UNKNOWN_PARAMETER)
    if not keyed and request.method in _CHANGING and _KEY in request.headers:
        warnings.append(FieldWarning(WarningCode.HEADER_IGNORED, _KEY, f"{_KEY} has no effect on this call"))
    return warnings


def in_body(
    fields: Mapping[str, Any], known: Collection[str], options: Mapping[str, Option] = OPTIONS, prefix: str = "/"
) -> Warnings:
    """Return warnings about the fields of a body or a form; refuse unsupported options among them."""
    refuse(unsupported(fields, known, options, prefix))
    return unknown(fields, known, options, prefix)


def refuse(errors: Sequence[FieldError]) -> None:
    """Refuse the request if there is an unsupported option."""
    if errors:
        raise RefusedError(*(RequestError(HttpCode.UNSUPPORTED_OPTION, one.message, one.path) for one in errors))


def names_of(model: type[BaseModel]) -> frozenset[str]:
    """Return the names that a body has for the fields of its model."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())
