"""Where Edgewright keeps what is not the user's: what can be made again, what cannot, and what is running.

In:  the platform's conventions, or `EDGEWRIGHT_CACHE_DIR`, `EDGEWRIGHT_DATA_DIR` and `EDGEWRIGHT_STATE_DIR` where they
     are set.
Out: existing directories. What is stored in them is the business of whoever asks.
"""

import os
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_path, user_data_path, user_state_path

from edgewright.errors import InputError


def cache_dir(*parts: str) -> Path:
    """A directory below the cache, made if it is not there: stage results, emulated boards, downloaded wheels."""
    return _made("EDGEWRIGHT_CACHE_DIR", user_cache_path, parts)


def data_dir(*parts: str) -> Path:
    """A directory below the data, made if it is not there: what was measured on devices."""
    return _made("EDGEWRIGHT_DATA_DIR", user_data_path, parts)


def state_dir(*parts: str) -> Path:
    """A directory for what outlives a command and must not be lost while it lasts: emulated boards that are up."""
    return _made("EDGEWRIGHT_STATE_DIR", user_state_path, parts)


def home_dir() -> Path:
    """The user's home directory. Raises `InputError` for a user without one, as in some containers."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise InputError(
            "this user has no home directory (neither HOME nor an entry in /etc/passwd); set HOME, or all of "
            "EDGEWRIGHT_CACHE_DIR, EDGEWRIGHT_DATA_DIR, EDGEWRIGHT_STATE_DIR, EDGEWRIGHT_HISTORY and EDGEWRIGHT_HOME"
        ) from error


def expanded(path: Path) -> Path:
    """The path with its "~" written out. Raises `InputError` where it is not known whose home that is."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InputError(f"{path} starts from a home directory that is not known; write it out") from error


def _made(variable: str, usual: Callable[..., Path], parts: tuple[str, ...]) -> Path:
    override = os.environ.get(variable)
    try:
        place = (Path(override) if override else usual("edgewright", appauthor=False)).joinpath(*parts)
    except RuntimeError as error:  # there is no home to look in
        raise InputError(f"this user has no home directory; set HOME or {variable}") from error
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"set {variable} to another folder" if override is None else f"{variable} says so; set it to a folder"
        raise InputError(f"{str(place)[:300]} is no folder that can be used ({error.strerror}); {remedy}") from error
    return place
