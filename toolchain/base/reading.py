"""Read a file from outside into a pydantic model, and tell every fault of it at once, each with its place.

In:  the text of a TOML file, or values already parsed, and the model they should fill.
Out: the model; or one `InvalidFileError` whose faults stand in the file's order, with line numbers where there are any.
What a recipe, a profile or a manifest holds is the business of the model.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from edgewright.base.json_values import shown_value
from edgewright.base.places import expanded
from edgewright.base.renamed import inner_model, with_new_names
from edgewright.base.toml_lines import key_lines, line_of, place_of
from edgewright.base.untrusted import (
    DOCUMENT,
    SETTINGS,
    Location,
    MakeError,
    ReadLimits,
    number_faults,
    parse_json,
    parse_toml,
)
from edgewright.errors import InputError, InvalidFileError, UnknownNameError, nearest

Model = TypeVar("Model", bound=BaseModel)
Check = Callable[[Mapping[str, object]], Sequence[tuple[Location, str]]]

BOM = b"\xef\xbb\xbf"
MOST_FAULTS = 200  # that are reported one by one
_NOWHERE = 10**9  # sorts a fault without a line behind those with one

_WRONG_TYPE = {
    "string_type": "text in quotes",
    "path_type": "a path in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a section",
    "model_type": "a section",
    "finite_number": "a finite number",
}
_WRONG_SIZE = {
    "greater_than": ("gt", "more than {:g}"),
    "greater_than_equal": ("ge", "at least {:g}"),
    "less_than": ("lt", "less than {:g}"),
    "less_than_equal": ("le", "at most {:g}"),
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file's text, the name to show for it, and the folder its relative paths start from.

    A built-in one lies in no folder of the user's: its paths start where the command is run.
    """

    name: str
    text: str
    folder: Path | None


def names_on(shelf: Traversable) -> tuple[str, ...]:
    """The names of the TOML files in a package's folder, sorted."""
    return tuple(sorted(item.name.removesuffix(".toml") for item in shelf.iterdir() if item.name.endswith(".toml")))


def find_source(name_or_path: str | Path, *, kind: str, shelf: Traversable) -> Source:
    """The text of a built-in file by its name, or of a user's file by its path.

    A name on the shelf wins, so that a folder of the same name in the current directory changes nothing.
    Raises `UnknownNameError` for what is neither, `InputError` for a file that cannot be read.
    """
    asked, known = str(name_or_path), names_on(shelf)
    path = expanded(Path(asked))
    if asked in known:
        data, name, folder = shelf.joinpath(f"{asked}.toml").read_bytes(), f"built-in {kind} {asked}", None
    elif path.is_file() or path.suffix == ".toml" or len(path.parts) > 1:
        data, name, folder = _bytes_of(path, kind), asked, path.absolute().parent
    else:
        raise UnknownNameError(kind, asked, known)
    try:
        return Source(name=name, text=data.decode("utf-8-sig"), folder=folder)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidFileError(name, [(f"line {line}", "is not UTF-8 text; save the file as UTF-8")]) from error


def read_toml(source: Source, model: type[Model], *, also: Check | None = None) -> Model:
    """Parse and validate a TOML text; `also` adds faults that no single field can see.

    Raises `InvalidFileError` with every fault: of syntax (the first one hides the rest), of a field, of `also`.
    """
    lines = key_lines(source.text)
    current = with_new_names(parsed_toml(source), model, lines, file=source.name)

    def check(values: Mapping[str, object]) -> list[tuple[Location, str]]:
        return [*current.faults, *(also(values) if also else ())]

    return validated(
        model,
        current.values,
        file=source.name,
        folder=source.folder,
        lines=lines | current.lines,
        also=check if also or current.faults else None,
    )


def parsed_toml(source: Source) -> dict[str, object]:
    """A TOML text's values. Raises `InvalidFileError` with its first fault of syntax."""
    lines = key_lines(source.text)
    return parse_toml(source.text, name=source.name, place=lambda location: place_of(location, lines), numbers=False)


def faults_of(error: ValidationError, *, whole: str) -> list[tuple[str, str]]:
    """(place, what is wrong) of a document that no person wrote, in pydantic's words; `whole` is all of it."""
    return [(".".join(map(str, each["loc"])) or whole, each["msg"]) for each in error.errors()]


def read_json(
    model: type[Model],
    data: bytes | str,
    *,
    name: str,
    limits: ReadLimits = DOCUMENT,
    error: MakeError | None = None,
    whole: str = "the document",
) -> Model:
    """A JSON document that a program wrote, as a model; in pydantic's words, which name each fault's place.

    Raises what `error` makes of the first fault, by default an `InvalidFileError` with all of them.
    """
    parse_json(data, name=name, limits=limits, error=error)  # what pydantic's own reader would take
    try:
        return model.model_validate_json(data.removeprefix(BOM) if isinstance(data, bytes) else data)
    except ValidationError as found:
        faults = faults_of(found, whole=whole)
        raise (error(*faults[0]) if error else InvalidFileError(name, faults)) from found


def validated(
    model: type[Model],
    values: object,
    *,
    file: str,
    folder: Path | None = None,
    lines: Mapping[Location, int] | None = None,
    also: Check | None = None,
) -> Model:
    """Fill the model with values of TOML or JSON; raises `InvalidFileError` with every fault found.

    The model's own whole-file check is left out when `also` is given, because `also` says the same with places.
    """
    faults: list[tuple[Location, str]] = []
    result: Model | None = None
    try:
        # JSON's strict mode takes a list for a tuple and text for a path, but no text for a number.
        result = model.model_validate_json(json.dumps(values, default=str), strict=True, context={"folder": folder})
    except ValidationError as error:
        details = error.errors(include_url=False)
        faults = [(fault["loc"], _sentence(fault, model)) for fault in details[:MOST_FAULTS]]
        if also is not None and any(location for location, _ in faults):
            faults = [(location, what) for location, what in faults if location]
        if len(details) > MOST_FAULTS:
            faults.append(((), f"has {len(details) - MOST_FAULTS} faults more"))
    reported = {location for location, _ in faults}
    faults.extend(fault for fault in number_faults(values) if fault[0] not in reported)
    if also is not None and isinstance(values, Mapping) and (extra := also(values)):
        faults = [(location, what) for location, what in faults if location] + list(extra)
    if result is not None and not faults:
        return result
    lines = lines or {}
    ordered = sorted(faults, key=lambda fault: line_of(fault[0], lines) or _NOWHERE)
    raise InvalidFileError(file, [(place_of(location, lines), sentence) for location, sentence in ordered])


def _bytes_of(path: Path, kind: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(SETTINGS.bytes + 1)  # a device may have no end
    except FileNotFoundError as error:
        raise InputError(f"there is no {kind} file {path}; check the path, or give a built-in name") from error
    except OSError as error:
        raise InputError(f"the {kind} file {path} cannot be read: {error.strerror}; check the path") from error
    if len(data) > SETTINGS.bytes:
        raise InputError(
            f"{path} has more than {SETTINGS.bytes >> 20} MiB, more than a {kind} can have; check the path"
        )
    return data


def _sentence(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong, in the words of someone who edits the file rather than of pydantic."""
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return _unknown_key(fault["loc"], model)
    if kind in _WRONG_TYPE:
        return f"must be {_WRONG_TYPE[kind]}, not {shown_value(value)}"
    if kind in _WRONG_SIZE:
        name, words = _WRONG_SIZE[kind]
        return f"must be {words.format(context[name])}, not {shown_value(value)}"
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'|([^\s,']+)(?=,|$| or )", context["expected"])
        options = [quoted or bare for quoted, bare in options]
        return f"{shown_value(value)} is not one of {', '.join(options)}; {nearest(str(value), options)}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    if kind == "value_error":
        return str(context["error"])
    return fault["msg"][:1].lower() + fault["msg"][1:]


def _unknown_key(location: Location, model: type[BaseModel]) -> str:
    key, around = str(location[-1]), location[:-1]
    siblings = _model_at(model, around)
    elsewhere = [name for name in _all_keys(model) if name.rpartition(".")[2] == key]
    if elsewhere:
        return f"does not belong here; it is known as {' or '.join(elsewhere)}"
    return f"is not a known key; {nearest(key, sorted(siblings.model_fields) if siblings else ())}"


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    here: type[BaseModel] | None = model
    named = False  # whether the next part is a key that the user chose
    for part in location:
        if isinstance(part, str) and not named:
            field = here.model_fields.get(part) if here else None
            here = inner_model(field.annotation) if field else None
            named = field is not None and get_origin(field.annotation) in (Mapping, dict)
        else:
            named = False
    return here


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        inner = inner_model(field.annotation)
        if inner is not None:
            yield from _all_keys(inner, f"{prefix}{name}.")
