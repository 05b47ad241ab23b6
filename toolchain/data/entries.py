"""What lies in a folder of examples.

In:  a folder that a recipe names.
Out: its entries, in order.
"""

import os
from pathlib import Path

from edgewright.base.untrusted import is_unicode
from edgewright.errors import BadDataError


def shown_entries(folder: Path) -> list[Path]:
    """The entries that are not hidden, by name. Raises `BadDataError` where one's name is not UTF-8."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise BadDataError(f"{folder} cannot be read: {error.strerror}; check the path in the recipe") from error
    for entry in entries:
        if not is_unicode(entry.name):  # it will be a label or a name in a bundle, which are UTF-8
            raise BadDataError(f"{folder}: the name {os.fsencode(entry.name)!r} is not UTF-8; rename it")
    return entries
