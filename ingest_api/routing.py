"""From a path and its handlers to a route: OPTIONS and 405 name all its methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest_api.edge import Edge

Handler = Callable[[Edge, Request], Awaitable[Response]]


def route(edge: Edge, path: str, handlers: Mapping[str, Handler]) -> Route:
    """Return the route of a path; `handlers` are by method. HEAD is GET without its body."""
    methods = [*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"]

    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(methods)})
        return await handlers["GET" if request.method == "HEAD" else request.method](edge, request)

    return Route(path, endpoint, methods=methods)
