"""What of the edge can be set, with bounds and help."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

MIB: Final = 1024 * 1024


class EdgeSettings(BaseModel):
    """Settings of the HTTP edge, read once at start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    body_limit_bytes: int = Field(
        default=32 * MIB, ge=1024, le=32 * MIB, description="longest body of addCallsToBatch, after inflating"
    )
    upload_limit_bytes: int = Field(
        default=64 * MIB, ge=1024, le=256 * MIB, description="longest form of upload, after inflating"
    )
    uploads_read: int = Field(
        default=2, ge=1, le=64, description="uploaded tables that are read at a time; others wait for their turn"
    )
    body_idle_seconds: float = Field(
        default=30.0, gt=0, le=600, description="longest pause between two pieces of a body"
    )
    wait_seconds: float = Field(
        default=30.0, ge=0, le=600, description="longest wait for a report before the answer is 202"
    )
    max_waiting: int = Field(
        default=256, ge=1, le=100_000, description="requests being read, published or waiting; beyond: 429"
    )
    max_held_bytes: int = Field(
        default=256 * MIB, ge=MIB, description="bytes of bodies held until they are published; beyond: 429"
    )
    retry_after_seconds: int = Field(default=2, ge=1, le=3600, description="Retry-After of 429 and 503")
    bus_seconds: float = Field(
        default=2.5, gt=0, le=60, description="longest wait for Kafka before anything is published; beyond: 503"
    )
    bus_fresh_seconds: float = Field(
        default=1.0, ge=0, le=60, description="Kafka is asked for a sign of life if the last publish is older than this"
    )
    store_seconds: float = Field(default=10.0, gt=0, le=300, description="longest wait for the store; beyond: 503")
    rehearse_seconds: float = Field(default=30.0, gt=0, le=600, description="longest dry run of a replay; beyond: 429")
    publish_again_seconds: float = Field(
        default=120.0,
        ge=40,
        le=86_400,
        description="a repeat (Idempotency-Key) of what is incomplete so long after its publishing is published again",
    )
    check_seconds: float = Field(default=2.5, gt=0, le=60, description="longest wait for one check of /readyz")
    drain_seconds: float = Field(
        default=5.0, ge=0, le=600, description="at stop: how long waiting requests may go on before they get 202"
    )
    stop_seconds: float = Field(default=10.0, gt=0, le=600, description="at stop: when open requests are cut off")
    head_limit_bytes: int = Field(
        default=64 * 1024, ge=4096, le=MIB, description="longest request line and headers together; longest trailers"
    )
    head_seconds: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="longest wait for a request's line and headers; then the connection closes",
    )
    write_seconds: float = Field(
        default=30.0, gt=0, le=600, description="longest wait for a client to read on; then the connection closes"
    )
    max_connections: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="open connections, at most half of the file descriptors; beyond, an idle one is closed, else 503",
    )
