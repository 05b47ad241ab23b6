"""What the stages of a build want known, beside their numbers.

In:  a bundle's manifest.
Out: sentences, in the order of the stages.
A stage writes them into its findings as `notes`; they are told by `build`, in its JSON document and in the report.
"""

from edgewright.bundles.schema import Manifest


def notes_of(manifest: Manifest) -> tuple[str, ...]:
    """Each sentence once."""
    found: dict[str, None] = {}
    for stage in manifest.stages:
        notes = stage.findings.get("notes")
        if isinstance(notes, list):
            found.update(dict.fromkeys(note for note in notes if isinstance(note, str)))
    return tuple(found)
