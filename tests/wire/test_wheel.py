"""What is installed is what is in git: the wheel, built by the real build backend and unpacked into an empty folder."""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "streams", "sinks", "ingest_api", "dialfeed")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
IMPORT_ALL = """
import importlib, pathlib, sys
folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
files = [file.relative_to(folder) for package in sys.argv[2:] for file in (folder / package).rglob("*.py")]
for file in files:
    name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    assert module.__file__ == str(folder / file), (name, module.__file__)
print(len(files))
"""


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Every file of the packages that git knows, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PACKAGES]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [Path(name) for name in listed if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def installed(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the wheel's content, as `pip install --no-deps --target` leaves it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in [*files, *map(Path, ("pyproject.toml", "README.md", "LICENSE"))]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(target)], cwd=source, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    wheel = target / built.stdout.split()[-1]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    wheel.unlink()
    return target


def test_every_file_of_the_packages_is_in_the_wheel_and_no_other(installed: Path, files: list[Path]) -> None:
    found = {
        file.relative_to(installed)
        for package in PACKAGES
        for file in (installed / package).rglob("*")
        if file.is_file()
    }
    assert found == set(files)
    assert {folder.name for folder in installed.iterdir() if "." not in folder.name} == set(PACKAGES)
    assert [name for name in files if (installed / name).read_bytes() != (ROOT / name).read_bytes()] == []


def test_every_module_of_the_wheel_can_be_imported_from_elsewhere(installed: Path, files: list[Path]) -> None:
    command = [sys.executable, "-I", "-c", IMPORT_ALL, str(installed), *PACKAGES]
    answer = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) == sum(name.suffix == ".py" for name in files)


def test_the_wheel_needs_chdb_only_for_the_embedded_engine(installed: Path) -> None:
    metadata = email.message_from_bytes(next(installed.glob("dialfeed-*.dist-info/METADATA")).read_bytes())
    needs_chdb = [line for line in metadata.get_all("Requires-Dist", []) if line.startswith("chdb")]
    assert [line.partition(";")[2].strip() for line in needs_chdb] == ['extra == "embedded"']
