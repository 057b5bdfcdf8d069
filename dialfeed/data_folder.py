"""Where everything local is kept unless a setting says otherwise. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path


def default_data_folder() -> Path:
    """Return the user's data folder; a relative XDG_DATA_HOME is ignored, as the XDG base directory rules say."""
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".local" / "share") / "dialfeed"
