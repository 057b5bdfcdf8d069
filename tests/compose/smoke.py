"""Try docker-compose.yml from the outside: start, a campaign over HTTP, down and up, a worker and the broker killed.

    python -m tests.compose.smoke [--stand-ins]

Needs a Docker engine and Compose (`docker compose`, or COMPOSE=...); standard library only. With `--stand-ins` the base
images are made here instead of pulled (stand_ins.py). Everything it starts is in a project of its own, removed at the
end with its volumes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.compose import stand_ins

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = "dialfeed-smoke"
PASSWORD: Final = "p@ss/w#rd%41:1$x"
IMAGE_MB: Final = 350
OFFICIAL_BASE_MB: Final = 125
"""What the official python:3.12-slim takes of it; a stand-in is larger."""
PARTS: Final = ("api", "worker", "load")
SERVICES: Final = ("kafka", "clickhouse", *PARTS)
RECORDS: Final = [
    {"phoneNumber": "12125550143", "name": "Ann Smokesworth", "amount_due": 12.5},
    {"phoneNumber": "+442079460143", "name": "Bob Smokesworth", "amount_due": 7.25},
    {"phoneNumber": "12125550144", "name": "Cem Smokesworth", "amount_due": "much"},
]
PERSONAL: Final = ("2125550143", "2079460143", "2125550144", "Smokesworth", "much")
SCHEMA: Final = {
    "type": "record",
    "name": "Reminder",
    "fields": [{"name": "name", "type": "string"}, {"name": "amount_due", "type": "double"}],
}


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def run(*command: str, check: bool = True, **options: Any) -> str:
    """Return what a command writes to stdout; its errors go where ours go."""
    done: subprocess.CompletedProcess[str]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **options)
    if check and done.returncode != 0:
        sys.exit(f"{shlex.join(command)} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def eventually(what: str, check: Callable[[], Any], within_seconds: float = 180.0) -> Any:
    """Return the first true answer of `check`."""
    deadline = time.monotonic() + within_seconds
    while not (answer := check()):
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {what} did not come true within {within_seconds:.0f} s")
        time.sleep(1)
    return answer


def require(what: str, kept: object) -> None:
    if not kept:
        sys.exit(f"FAILED: {what}")
    say(f"ok: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def image_mb(tag: str) -> float:
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", tag)) / 1e6


class Stack:
    """The project, by its Compose commands and its API."""

    def __init__(self, files: list[Path]) -> None:
        self.port, kafka_port = free_port(), free_port()
        self._env = os.environ | {
            "CLICKHOUSE_PASSWORD": PASSWORD,
            "DIALFEED_PORT": str(self.port),
            "KAFKA_PORT": str(kafka_port),
            "DIALFEED_WAIT_SECONDS": "25",
        }
        given = os.environ.get("COMPOSE")
        compose = shlex.split(given) if given else ["docker", "compose"]
        self._compose = [*compose, "-p", PROJECT, *(part for file in files for part in ("-f", str(file)))]
        self.key = ""

    def compose(self, *arguments: str, check: bool = True, **options: Any) -> str:
        return run(*self._compose, *arguments, check=check, cwd=ROOT, env=self._env, **options)

    def up(self) -> float:
        """Start everything and wait until each health check is green; return the seconds it took."""
        began = time.monotonic()
        self.compose("up", "-d", *(("--build",) if not self.key else ()))
        eventually("every part is healthy", lambda: all(self.health(name) == "healthy" for name in SERVICES), 300)
        return time.monotonic() - began

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "-q", service).split()

    def inspect(self, service: str, template: str) -> str:
        return run("docker", "inspect", "--format", template, *self.containers(service)[:1]).strip()

    def health(self, service: str) -> str:
        return self.inspect(service, "{{.State.Health.Status}}") if self.containers(service) else "gone"

    def kill(self, service: str) -> None:
        """SIGKILL the main process, as a crash would, and not `docker kill`, after which nothing is started again."""
        pid = self.inspect(service, "{{.State.Pid}}")
        killing = ["--rm", "--pid=host", "--user=0", "--entrypoint=python", "dialfeed:0.1.0"]
        run("docker", "run", *killing, "-c", f"import os; os.kill({pid}, 9)")

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        request.add_header("x-api-key", key or self.key)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")
        except OSError:
            return 0, None

    def made(self, what: str, body: Any, key: str) -> Any:
        status, answer = self.ask("POST", f"/api/admin/{what}", body, key)
        require(f"POST /api/admin/{what} is answered 201 (it was {status})", status == 201)
        return answer["data"]

    def stored(self, batch: str) -> list[str]:
        status, answer = self.ask("GET", f"/api/call/batch-details/{batch}")
        return sorted(row["phoneNumber"] for row in answer["data"]["data"]) if status == 200 else []

    def post(self, batch: str) -> tuple[int, Any]:
        return self.ask("POST", "/api/call/addCallsToBatch", {"batchId": batch, "call_data": RECORDS})

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--no-color", *services)


def first_start(stack: Stack) -> str:
    """Start, look at what the file promises, make a campaign; return the batch's id."""
    say(f"up, with every part healthy: {stack.up():.0f} s, the build included")
    own = image_mb("dialfeed:0.1.0") - image_mb("python:3.12-slim")
    size = own + OFFICIAL_BASE_MB
    require(f"the image has at most {IMAGE_MB} MB ({own:.0f} on a base of {OFFICIAL_BASE_MB})", size <= IMAGE_MB)
    errors = [
        line for line in stack.logs(*PARTS, "topics").splitlines() if re.search(r'"level": "(error|critical)"', line)
    ]
    require(f"no line of a first start is of the level error {errors[:3] or ''}", not errors)
    for part in PARTS:
        user = stack.compose("exec", "-T", part, "id", "-u").strip()
        refused = stack.compose("exec", "-T", part, "sh", "-c", "touch /opt/x 2>/dev/null || echo refused").strip()
        caps = stack.compose("exec", "-T", part, "grep", "CapEff", "/proc/1/status").split()[1]
        found = (user, refused, int(caps, 16))
        require(f"{part} runs as 10001, with a read-only root and no capability", found == ("10001", "refused", 0))
        home = stack.compose("exec", "-T", part, "sh", "-c", "pwd; touch here && rm here").strip()
        require(f"the working folder of {part} can be written", home == "/var/lib/dialfeed")
        wait = stack.compose("exec", "-T", part, "printenv", "DIALFEED_WAIT_SECONDS").strip()
        require(f"a setting reaches {part}", wait == "25")
    admin = re.search(r"df_[\w-]+", stack.logs("api"))
    require("the log of the first start has the admin key", admin)
    assert admin is not None
    workspace = stack.made("workspaces", {"name": "Smoke", "timezone": "Europe/Berlin"}, admin[0])["workspaceId"]
    stack.key = stack.made("keys", {"workspaceId": workspace}, admin[0])["apiKey"]
    agent = stack.made("agents", {"workspaceId": workspace, "schema": SCHEMA}, admin[0])["agentId"]
    number = {"workspaceId": workspace, "agentId": agent, "number": "+12125550100"}
    phone = stack.made("numbers", number, admin[0])["phoneId"]
    status, answer = stack.ask("POST", "/api/call/createBatch", {"batchName": "Smoke", "callingNumbers": [phone]})
    require("a batch is made over HTTP", status == 201)
    return str(answer["data"])


def send(stack: Stack, batch: str) -> None:
    status, answer = stack.post(batch)
    require(f"two good records and a bad one are answered 207 (it was {status})", status == 207)
    require("the bad one is named", [one["index"] for one in answer["data"]["failedChunks"][0]["records"]] == [2])
    require("the two are stored", stack.stored(batch) == ["+12125550143", "+442079460143"])
    for part in PARTS:
        report = ["exec", "-T", "-e", f"DIALFEED_API_KEY={stack.key}", part, "dialfeed", "report", "--json"]
        told = json.loads(stack.compose(*report, answer["data"]["submissionId"], check=False))
        require(f"the command line in {part} finds the API", told["data"]["added"] == 2)


def crash(stack: Stack, service: str, batch: str) -> None:
    before = stack.inspect(service, "{{.State.StartedAt}}")
    stack.kill(service)
    eventually(f"{service} starts again", lambda: stack.inspect(service, "{{.State.StartedAt}}") != before)
    eventually("every part is healthy", lambda: all(stack.health(name) == "healthy" for name in SERVICES), 300)
    status = eventually("records are taken", lambda: (got := stack.post(batch)[0]) in (200, 207) and got, 120)
    require(f"{service} is killed and comes back, and records are taken ({status})", status == 207)
    require("the two are stored, once", stack.stored(batch) == ["+12125550143", "+442079460143"])


def smoke(stack: Stack) -> None:
    batch = first_start(stack)
    send(stack, batch)
    stack.compose("down")
    say(f"down and up again: {stack.up():.0f} s")
    require("its two rows are there", stack.stored(batch) == ["+12125550143", "+442079460143"])
    before = stack.logs()
    crash(stack, "worker", batch)
    crash(stack, "kafka", batch)
    logs = before + stack.logs()
    secrets = [stack.key, PASSWORD, *re.split(r"[^\w]+", PASSWORD)]
    found = [text for text in (*PERSONAL, *secrets) if len(text) > 2 and text in logs]
    require(f"no log holds a number, a name, a key or a password {found or ''}", not found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--stand-ins", action="store_true", help="make the base images here, instead of pulling them")
    parser.add_argument("--keep", action="store_true", help="leave it running")
    asked = parser.parse_args()
    if (
        shutil.which("docker") is None
        or run("docker", "version", check=False, stderr=subprocess.DEVNULL).count("Server") == 0
    ):
        sys.exit("This needs a Docker engine that answers: start one, or set DOCKER_HOST.")
    files = [ROOT / "docker-compose.yml"]
    with tempfile.TemporaryDirectory(prefix="dialfeed-smoke-") as folder:
        if asked.stand_ins:
            files.append(stand_ins.prepare(Path(folder)))
        stack = Stack(files)
        try:
            smoke(stack)
        except BaseException:
            sys.stdout.write(
                stack.compose("ps", check=False) + stack.compose("logs", "--no-color", "--tail=40", check=False)
            )
            raise
        finally:
            if not asked.keep:
                stack.compose("down", "-v", check=False)
    say("All is well.")


if __name__ == "__main__":
    main()
