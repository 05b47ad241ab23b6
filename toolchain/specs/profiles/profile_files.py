"""Reading a profile: by name or path, over the one it extends, with every fault of its file reported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from edgewright.base.reading import Source, find_source, names_on, parsed_toml, validated
from edgewright.base.toml_lines import key_lines, place_of
from edgewright.errors import InvalidFileError
from edgewright.specs.profiles.contradictions import contradictions
from edgewright.specs.profiles.profile import Profile


def profile_names() -> tuple[str, ...]:
    """The names of the profiles that come with Edgewright, sorted."""
    return names_on(_shelf())


def find_profile(name_or_path: str | Path) -> Source:
    """A profile's text as it stands in its file. Raises `UnknownNameError` or `InputError`."""
    return find_source(name_or_path, kind="profile", shelf=_shelf())


def load_profile(name_or_path: str | Path) -> Profile:
    """Read a profile by name or path.

    Raises `UnknownNameError` with the nearest names, `InvalidFileError` with every fault of the file: what is missing
    or of the wrong kind, and what cannot be true.
    """
    source = find_profile(name_or_path)
    values = _extended(source, (source.name,))
    profile = validated(Profile, values, file=source.name, lines=key_lines(source.text))
    if faults := list(contradictions(profile)):
        lines = key_lines(source.text)
        raise InvalidFileError(source.name, [(place_of(where, lines), what) for where, what in faults])
    return profile


def _extended(source: Source, seen: tuple[str, ...]) -> dict[str, object]:
    """A file's values over those of the profile it extends, fact by fact."""
    own = parsed_toml(source)
    parent = own.get("extends")
    if not isinstance(parent, str):
        return own
    inside = (source.folder or Path.cwd()) / parent
    above = find_profile(inside if parent.endswith(".toml") else parent)
    if above.name in seen:
        raise InvalidFileError(source.name, [("extends", f"leads back to {parent}; a profile cannot extend itself")])
    return _over(_extended(above, (*seen, above.name)), own)


def _over(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict) and "value" not in value:
            value = _over(under, value)
        merged[key] = value
    return merged


def _shelf() -> Traversable:
    return files("edgewright.profiles")
