"""Read a JSON object leniently: what is missing, or is not of the type that is asked for, is None or empty.

In:  an object of a document that an older or a newer version may have written, or that another stage filled.
Out: `Fields`, whose values are read by name and type. Nothing here raises.
Where a fault is to be reported, `reading` and its models, or `json_values`, are the ones to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LARGEST = 1e30  # beyond it no figure is a number; infinity is, and what is not a number, too


def number_or_none(value: object) -> float | None:
    """A finite number of a size that anything here can have, as it is; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -LARGEST < value < LARGEST else None


@dataclass(frozen=True)
class Fields:
    """An object's values by their names."""

    values: Mapping[str, object]

    @classmethod
    def of(cls, value: object) -> Fields:
        """The fields of an object; none where the value is no object."""
        return cls({str(name): each for name, each in value.items()} if isinstance(value, Mapping) else {})

    def __bool__(self) -> bool:
        return bool(self.values)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def value(self, name: str) -> object:
        """Whatever stands there; None where nothing does."""
        return self.values.get(name)

    def text(self, name: str) -> str | None:
        """A text."""
        found = self.values.get(name)
        return found if isinstance(found, str) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a list."""
        return tuple(each for each in self._list(name) if isinstance(each, str))

    def number(self, name: str) -> float | None:
        """A finite number."""
        return number_or_none(self.values.get(name))

    def count(self, name: str) -> int | None:
        """A number without what is behind its point."""
        found = self.number(name)
        return None if found is None else int(found)

    def series(self, name: str) -> tuple[float, ...]:
        """The numbers of a list."""
        return tuple(found for each in self._list(name) if (found := number_or_none(each)) is not None)

    def numbers(self, name: str) -> dict[str, float]:
        """The numbers of an object, by their names."""
        inner = self.inner(name)
        return {each: found for each in inner.values if (found := inner.number(each)) is not None}

    def counts(self, name: str) -> dict[str, int]:
        """The numbers of an object, by their names, without what is behind their points."""
        return {each: int(found) for each, found in self.numbers(name).items()}

    def flag(self, name: str) -> bool:
        """Whether true stands there."""
        return self.values.get(name) is True

    def inner(self, name: str) -> Fields:
        """An object; an empty one where there is none."""
        return Fields.of(self.values.get(name))

    def rows(self, name: str) -> tuple[Fields, ...]:
        """The objects of a list."""
        return tuple(Fields.of(each) for each in self._list(name) if isinstance(each, Mapping))

    def _list(self, name: str) -> tuple[object, ...]:
        found = self.values.get(name)
        return tuple(found) if isinstance(found, list | tuple) else ()
