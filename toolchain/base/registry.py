"""Tables of the kinds of things there are: ours by name, and those that installed packages add by entry points.

In:  for each name the place of a descriptor, "package.module:NAME", and the group of entry points beside them.
Out: `Registry`: a mapping from names to descriptors, each of which is imported when it is first asked for.
A table is literal, so that its names are known without importing anything; see `targets.SCHEMES` for the same idea.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from edgewright.errors import InputError, ToolchainError, UnknownNameError

Descriptor = TypeVar("Descriptor")


class Registry(Mapping[str, Descriptor], Generic[Descriptor]):
    """Descriptors of one kind of thing, by name.

    `kind` is what one is called in messages, `group` the entry points' ("edgewright.runtimes"). `check` is given the
    name and what was found under it, and raises `InputError`, or gives the descriptor, for a `type` that is not one.
    """

    def __init__(
        self, kind: str, places: Mapping[str, str], *, group: str, check: Callable[[str, object], Descriptor]
    ) -> None:
        self.kind, self.group = kind, group
        self._places, self._check = dict(places), check
        self._loaded: dict[str, Descriptor] = {}

    def __getitem__(self, name: str) -> Descriptor:
        """The descriptor. Raises `UnknownNameError` for a name that is not there, `InputError` for a faulty plug-in."""
        if name not in self._loaded:
            self._loaded[name] = self._check(name, self._found(name))
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """The names, ours first; nothing is imported."""
        return iter(dict.fromkeys((*self._places, *self._plugins, *self._loaded)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in tuple(iter(self))

    @contextmanager
    def registered(self, name: str, descriptor: object) -> Iterator[None]:
        """For as long as the context lasts there is one more. Raises `InputError` for a name that is taken."""
        if name in self:
            raise InputError(f"there is a {self.kind} {name!r} already; give yours another name")
        self._loaded[name] = self._check(name, descriptor)
        try:
            yield
        finally:
            del self._loaded[name]

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        plugins: dict[str, EntryPoint] = {}
        for entry in entry_points(group=self.group):
            taken = "Edgewright itself" if entry.name in self._places else _package_of(plugins.get(entry.name))
            if taken:
                raise InputError(
                    f"the package {_package_of(entry)} adds a {self.kind} {entry.name!r}, and {taken} has one of that "
                    "name already; uninstall one of them"
                )
            plugins[entry.name] = entry
        return plugins

    def _found(self, name: str) -> object:
        if name in self._places:
            module, _, attribute = self._places[name].partition(":")
            return getattr(import_module(module), attribute)
        if name not in self._plugins:
            raise UnknownNameError(self.kind, name, list(self))
        entry = self._plugins[name]
        try:
            return entry.load()
        except ToolchainError:
            raise
        except Exception as error:  # whatever a stranger's module raises as it is imported
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise InputError(
                f"the {self.kind} {name!r} of the package {_package_of(entry)} cannot be loaded ({reason}); repair or "
                "uninstall that package"
            ) from error


def _package_of(entry: EntryPoint | None) -> str:
    if entry is None:
        return ""
    return entry.dist.name if entry.dist is not None else entry.value


def instance_of(kind: str, wanted: type[Descriptor]) -> Callable[[str, object], Descriptor]:
    """A check that what was found is of this type."""

    def check(name: str, value: object) -> Descriptor:
        if not isinstance(value, wanted):
            raise InputError(
                f"the {kind} {name!r} is a {type(value).__name__}, not a {wanted.__name__}; see CONTRIBUTING.md for "
                "what a plug-in gives"
            )
        return value

    return check
