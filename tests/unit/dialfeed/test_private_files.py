from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dialfeed.exits import WrongUseError
from dialfeed.private_files import create_private, open_private, own_folder

MARK = "kafka.lock"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("before", [None, 0o755, 0o775])
def test_a_data_folder_is_private_from_the_start(tmp_path: Path, before: int | None) -> None:
    folder = tmp_path / "data"
    if before is not None:
        folder.mkdir()
        folder.chmod(before)
    own_folder(folder, [MARK])
    assert mode(folder) == 0o700


def test_a_folder_of_an_earlier_version_is_made_private_and_one_with_other_things_is_left(tmp_path: Path) -> None:
    ours, another = tmp_path / "ours", tmp_path / "another"
    for folder, name in ((ours, MARK), (another, "photo.jpg")):
        folder.mkdir()
        folder.chmod(0o755)
        (folder / name).touch()
        own_folder(folder, [MARK])
    assert (mode(ours), mode(another)) == (0o700, 0o755)


@pytest.mark.parametrize("bits", [0o777, 0o1777, 0o702])
def test_a_folder_that_everybody_writes_to_is_refused(tmp_path: Path, bits: int) -> None:
    tmp_path.chmod(bits)
    with pytest.raises(WrongUseError, match="every user"):
        own_folder(tmp_path, [MARK])


@as_root
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(WrongUseError, match="another user"):
        own_folder(tmp_path, [MARK])


def test_a_new_file_is_private_and_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("kept")
    link.symlink_to(victim)
    with create_private(link) as file:
        file.write(b"new")
    assert (victim.read_text(), link.read_text(), link.is_symlink(), mode(link)) == ("kept", "new", False, 0o600)


def test_a_lock_that_is_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / MARK).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        open_private(tmp_path / MARK)
