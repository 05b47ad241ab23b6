"""Read again what Edgewright kept of devices, and set aside what of it cannot be, so that no verb fails for it.

In:  a file of entries (corrections, calibrations), and the models of it and of one entry.
Out: what is sound of it. A file with anything else is moved beside its place, whole, with a warning; the sound entries
     take its place.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from edgewright.base.once import written_whole
from edgewright.base.plain import one_line
from edgewright.base.untrusted import parse_json
from edgewright.errors import InvalidFileError

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)
Fault = tuple[str, str]
MOST_SHOWN = 3


def read_kept(file: Path, model: type[Model], *, entries: str, entry: type[BaseModel]) -> Model | None:
    """What a file holds, without those of its `entries` that cannot be; None where it is not there or not one of these.

    Whatever is left out is warned of, and lies in the file that the warning names.
    """
    if not file.is_file():
        return None
    try:
        document = parse_json(file.read_bytes(), name=str(file))
    except InvalidFileError as error:
        _move(file, error.faults, "nothing of it is used")
        return None
    faults: list[Fault] = []
    if isinstance(document, dict) and isinstance(document.get(entries), list):
        document = {**document, entries: list(_sound(document[entries], entries, entry, faults))}
    try:
        value = model.model_validate_json(json.dumps(document))
    except ValidationError as error:
        _move(file, [*faults, *_faults_of(error)], "nothing of it is used")
        return None
    if faults:
        _move(file, faults, f"its other {len(document[entries])} entries are kept")
        with written_whole(file) as unfinished:
            unfinished.write_text(value.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return value


def _sound(listed: Sequence[object], entries: str, entry: type[BaseModel], faults: list[Fault]) -> list[object]:
    sound = []
    for number, each in enumerate(listed):
        try:
            entry.model_validate_json(json.dumps(each))
            sound.append(each)
        except ValidationError as error:
            faults += _faults_of(error, f"{entries}[{number}]")
    return sound


def _faults_of(error: ValidationError, within: str = "") -> list[Fault]:
    """(place, what is wrong) of each, in pydantic's words."""
    places = (".".join([within, *map(str, each["loc"])]).strip(".") for each in error.errors())
    sentences = (each["msg"].removeprefix("Value error, ") for each in error.errors())
    return list(zip((place or "the whole file" for place in places), sentences, strict=True))


def _move(file: Path, faults: Sequence[Fault], rest: str) -> None:
    place = file.with_name(f"{file.name}.set-aside")
    number = 1
    while place.exists():
        number += 1
        place = file.with_name(f"{file.name}.set-aside-{number}")
    try:
        file.rename(place)
        where = f"it was moved to {place}"
    except OSError as error:
        where = f"it could not be moved to {place} ({error.strerror})"
    shown = "; ".join(f"{at}: {what}" for at, what in faults[:MOST_SHOWN])
    more = f"; and {len(faults) - MOST_SHOWN} more" if len(faults) > MOST_SHOWN else ""
    log.warning("%s", one_line(f"warning: {file} holds what cannot be ({shown}{more}); {where}, and {rest}"))
