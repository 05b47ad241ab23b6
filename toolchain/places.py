"""Where Edgewright keeps what is not the user's: one directory for all that can be made again, one for what cannot.

In:  the platform's conventions, or `EDGEWRIGHT_CACHE_DIR` and `EDGEWRIGHT_DATA_DIR` where they are set.
Out: existing directories. What is stored in them is the business of whoever asks.
"""

import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path


def cache_dir(*parts: str) -> Path:
    """A directory below the cache, made if it is not there: stage results, emulated boards, downloaded wheels."""
    override = os.environ.get("EDGEWRIGHT_CACHE_DIR")
    base = Path(override) if override else user_cache_path("edgewright", appauthor=False)
    place = base.joinpath(*parts)
    place.mkdir(parents=True, exist_ok=True)
    return place


def data_dir(*parts: str) -> Path:
    """A directory below the data, made if it is not there: what was measured on devices."""
    override = os.environ.get("EDGEWRIGHT_DATA_DIR")
    base = Path(override) if override else user_data_path("edgewright", appauthor=False)
    place = base.joinpath(*parts)
    place.mkdir(parents=True, exist_ok=True)
    return place
