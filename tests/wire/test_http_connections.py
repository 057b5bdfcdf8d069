"""What clients without a key can hold up: nothing for long. Real sockets, the rest of the edge in memory."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support.edge import World, served, until
from tests.support.known import KEY

POST = "POST /api/call/addCallsToBatch HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
CHUNK = b"1\r\n \r\n"


async def sent_until_closed(world: World, head: bytes, piece: Callable[[int], bytes], most: int = 4000) -> int:
    """Send the head, then pieces until the server closes; return how many bytes it took."""
    reader, writer = await asyncio.open_connection(*world.address)
    writer.write(head)
    sent = 0
    with suppress(ConnectionError):
        for number in range(most):
            data = piece(number)
            writer.write(data)
            await writer.drain()
            sent += len(data)
            if reader.at_eof() or writer.is_closing():
                break
        else:
            pytest.fail(f"the server took {sent} bytes and went on")
    writer.close()
    return sent


ENDLESS = {
    "trailers": (f"{POST}\r\n1\r\n \r\n0\r\n", lambda number: f"t{number}: {'x' * 8000}\r\n".encode()),
    "one trailer": (f"{POST}\r\n0\r\nt: ", lambda _: b"x" * 8000),
    "a chunk extension": (f"{POST}\r\n1;", lambda _: b"x" * 8000),
    "chunk extensions": (f"{POST}x-api-key: {KEY}\r\n\r\n", lambda _: b"1;" + b"x" * 8000 + b"\r\n \r\n"),
    "headers": (POST, lambda number: f"h{number}: {'x' * 8000}\r\n".encode()),
    "blank lines": ("", lambda _: b"\r\n" * 4000),
    "a request line": ("GET /", lambda _: b"x" * 8000),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_what_is_no_body_has_an_end(kind: str) -> None:
    head, piece = ENDLESS[kind]
    async with served() as world:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert await sent_until_closed(world, head.encode(), piece) < 16_000_000
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
        assert (await world.http.get("/healthz")).status_code == 200


async def test_a_body_in_the_smallest_chunks_is_read() -> None:
    body = b'{"batchId": "b", "call_data": [' + b" " * 30_000 + b"]}"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    async with served() as world:
        head = f"{POST}x-api-key: {KEY}\r\nconnection: close\r\n\r\n".encode()
        assert b'"code":"field_invalid"' in await world.bytes_exchanged(head + chunks)


@pytest.mark.parametrize("begin", [b"", b"GET /healthz HTTP/1.1\r\nhost:", b"\r\n"])
async def test_a_head_that_does_not_come_closes_the_connection(begin: bytes) -> None:
    async with served(head_seconds=0.1) as world:
        await world.bytes_exchanged(begin)  # returns once the server has closed


async def answered_while_dripping(world: World, begin: str, piece: bytes) -> bytes:
    """Return what the server answers to somebody who sends a piece every 20 ms."""
    reader, writer = await asyncio.open_connection(*world.address)
    writer.write(begin.encode())

    async def drip() -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(piece)
                await asyncio.sleep(0.02)  # the pace is what is tested

    async with asyncio.timeout(10):
        dripping = asyncio.create_task(drip())
        try:
            return await reader.readuntil(b"}")
        finally:
            dripping.cancel()
            writer.close()


async def test_a_head_that_drips_is_refused() -> None:
    async with served(head_seconds=0.2) as world:
        answer = await answered_while_dripping(world, "GET /healthz HTTP/1.1\r\n", b"a: b\r\n")
    assert b"the headers did not come within" in answer


async def test_a_body_that_drips_is_refused() -> None:
    async with served(body_idle_seconds=0.3) as world:
        answer = await answered_while_dripping(world, f"{POST}x-api-key: {KEY}\r\n\r\n", CHUNK)
    assert b"came too slowly" in answer


async def test_an_answer_that_nobody_reads_is_given_up() -> None:
    async with served(write_seconds=0.2) as world:
        _, writer = await asyncio.open_connection(*world.address, limit=1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(asked_for_ever(writer), 10)


async def asked_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 50)
        await writer.drain()


async def test_beyond_the_most_connections_an_idle_one_makes_place() -> None:
    async with served(max_connections=3) as world, connections(world, 3) as idle:
        assert (await world.http.get("/healthz")).status_code == 200
        assert await asyncio.wait_for(idle[0].read(), 10) == b""


async def test_beyond_the_most_connections_that_all_work_there_is_a_503() -> None:
    async with served(max_connections=2) as world, connections(world, 2, b"GET /healthz HTTP/1.1\r\n"):
        answer = await world.bytes_exchanged(b"")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"overloaded"' in answer
        assert world.app.state.edge.metrics.registry.get_sample_value("dialfeed_http_connections_refused_total") == 1


@asynccontextmanager
async def connections(world: World, count: int, begin: bytes = b"") -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many open connections, each with the beginning of a request."""
    opened = [await asyncio.open_connection(*world.address) for _ in range(count)]
    for _, writer in opened:
        writer.write(begin)
    registry = world.app.state.edge.metrics.registry
    await until(lambda: registry.get_sample_value("dialfeed_http_connections") == count)
    try:
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.close()
