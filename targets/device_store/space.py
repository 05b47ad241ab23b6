"""How much room a machine has left, and an error's sentence about it.

In:  the text of `df -Pk`.
Out: bytes. Used by every transport when a write fails, and by `push` before it starts.
"""

from edgewright.base.numbers import int_or_none

# df wants a path that exists: go up until there is one.
FREE_SPACE_SCRIPT = 'd=$1; until [ -d "$d" ]; do d=${d%/*}; d=${d:-/}; done; df -Pk "$d"'


def free_bytes(df_text: str) -> int | None:
    """The available space in the last line of `df -Pk`, or None when the text is not df's."""
    lines = df_text.strip().splitlines()
    fields = lines[-1].split() if lines else []
    # "Filesystem 1024-blocks Used Available Capacity Mounted on", where the first and the last may hold spaces
    for index in range(1, len(fields) - 2):
        if fields[index + 2].endswith("%") and fields[index + 1].isdecimal() and fields[index].isdecimal():
            free = int_or_none(fields[index + 1])
            return None if free is None else free * 1024
    return None
