"""Where Edgewright keeps what is not the user's: what can be made again, what cannot, and what is running.

In:  the platform's conventions, or `EDGEWRIGHT_CACHE_DIR`, `EDGEWRIGHT_DATA_DIR` and `EDGEWRIGHT_STATE_DIR` where they
     are set.
Out: existing directories. What is stored in them is the business of whoever asks.
"""

import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path, user_state_path


def cache_dir(*parts: str) -> Path:
    """A directory below the cache, made if it is not there: stage results, emulated boards, downloaded wheels."""
    return _made(os.environ.get("EDGEWRIGHT_CACHE_DIR"), user_cache_path("edgewright", appauthor=False), parts)


def data_dir(*parts: str) -> Path:
    """A directory below the data, made if it is not there: what was measured on devices."""
    return _made(os.environ.get("EDGEWRIGHT_DATA_DIR"), user_data_path("edgewright", appauthor=False), parts)


def state_dir(*parts: str) -> Path:
    """A directory for what outlives a command and must not be lost while it lasts: emulated boards that are up."""
    return _made(os.environ.get("EDGEWRIGHT_STATE_DIR"), user_state_path("edgewright", appauthor=False), parts)


def _made(override: str | None, usual: Path, parts: tuple[str, ...]) -> Path:
    place = (Path(override) if override else usual).joinpath(*parts)
    place.mkdir(parents=True, exist_ok=True)
    return place
