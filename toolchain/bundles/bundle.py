"""A bundle: everything one build made, with a manifest that says of each file what it is and what its bytes must be.

In:  a folder, or the same folder as a `.zip` archive.
Out: `Bundle`: a validated manifest and the paths of verified files; or a new bundle, written whole or not at all.
What a bundle answers is `answer`'s concern, how fast it is `benchmark`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.base.digest import sha256_of
from edgewright.base.reading import validated
from edgewright.bundles.expected_texts import LOGITS, PROMPTS, ExpectedTexts
from edgewright.bundles.files import (
    AGAIN,
    MANIFEST,
    archived,
    file_names,
    read_manifest,
    readable,
    seal,
    unpacked,
    verify,
)
from edgewright.bundles.replacing import place_for, require_replaceable, swap
from edgewright.bundles.schema import OLDER, ArtifactFacts, DraftFacts, Manifest, in_todays_form
from edgewright.bundles.vectors import VECTORS, Vectors
from edgewright.errors import BundleError, UnknownNameError
from edgewright.modality.causal_spec import CHAT_TEMPLATE, read_chat_template

if TYPE_CHECKING:
    from edgewright.bundles.answering import Answerer
    from edgewright.bundles.written_text import OnText, WritingSettings
    from edgewright.tasks.task import Document

CORPUS = "corpus.json"
INDEX = "index.safetensors"
SPELLING = "draft.json"  # how the larger model's ids are spelt in those of the one that drafts


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An opened bundle: `path` is what the user named, `folder` is where the files lie."""

    path: Path
    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Read the manifest and check every file against it.

        Raises `BundleError` naming the file that is missing or altered, `InvalidFileError` for a faulty manifest.
        """
        place = Path(path)
        with readable(place):
            folder = unpacked(place) if place.is_file() else place
            document = folder / MANIFEST
            if document.is_symlink() or not document.is_file():
                raise BundleError(f"{place} is no bundle: it has no {MANIFEST}; make one with `edgewright build`")
            values = read_manifest(document.read_bytes(), shown=str(document))
            if values.get("schema_version") in OLDER:
                raise BundleError(
                    f"{place} was made by an older version of Edgewright, which said less of what its artifacts take; "
                    "build it again with this one"
                )
            manifest = validated(Manifest, in_todays_form(values), file=str(document))
            verify(folder, manifest.files, shown=place)
            _verify_named(folder, manifest, shown=place)
            if CHAT_TEMPLATE in manifest.files:
                read_chat_template(folder / CHAT_TEMPLATE)  # what is code is told before anything is asked
        return cls(path=place, folder=folder, manifest=manifest)

    def artifact(self, runtime: str | None = None) -> ArtifactFacts:
        """The artifact for a runtime, or the best one. Raises `UnknownNameError` for a runtime it has none for."""
        artifacts = {artifact.runtime: artifact for artifact in self.manifest.artifacts}
        wanted = runtime or self.manifest.best
        for name, artifact in artifacts.items():
            if name == wanted:
                return artifact
        raise UnknownNameError(f"artifact in {self.path} for the runtime", wanted, artifacts)

    def file(self, name: str) -> Path:
        """The path of one of the bundle's files. Raises `BundleError` for one that the manifest does not list."""
        if name not in self.manifest.files:
            raise BundleError(f"the manifest of {self.path} has no hash for {name}; {AGAIN}")
        return self.folder / name

    def answer(self, given: str, *, top: int | None = None) -> Document:
        """What the model says of a text, or of an image's file, on this machine: see `edgewright.bundles.answering`.

        One that writes goes on with the text, greedily.
        The runner stays, so that a further question takes milliseconds; `close` ends it, as does the end of a `with`.
        """
        from edgewright.bundles.answering import AskOptions, answer_of

        return answer_of(self, given, AskOptions(top=top))

    def generate(self, text: str, settings: WritingSettings | None = None, on_text: OnText | None = None) -> Document:
        """Let the model go on with a text on this machine; `on_text` hears of what it writes as it comes.

        The document has the `text`, the `ids` of its tokens, why it `ended`, and its times. Raises `InputError` for
        settings that cannot be, a prompt that does not fit, and a bundle that does not write.
        """
        from edgewright.bundles.answering import AskOptions, answer_of

        return answer_of(self, text, AskOptions(settings=settings, on_text=on_text, writes=True))

    @cached_property
    def answerer(self) -> Answerer:
        """Asks this bundle, and keeps what that takes."""
        from edgewright.bundles.answering import Answerer

        return Answerer(self)

    def close(self) -> None:
        """End what runs for this bundle. Safe to call twice; it can be asked again."""
        if "answerer" in vars(self):  # one that was never asked started nothing
            self.answerer.close()

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def vectors(self, runtime: str | None = None) -> Vectors:
        """The calls that artifacts are timed and checked on, as that of a runtime takes them, or the best one.

        With each are the outputs of the float student. Raises `InvalidFileError`, and `BundleError` for other counts or
        tensors than the artifacts have.
        """
        return Vectors.read(self.file(VECTORS), self.manifest.task, self.artifact(runtime).signature, self.file)

    def expected_texts(self, runtime: str | None = None) -> ExpectedTexts | None:
        """What the artifact of a runtime, or the best one, wrote where it was built; None where it writes nothing.

        Raises as `ExpectedTexts.read` does.
        """
        artifact = self.artifact(runtime)
        if artifact.signature.generation is None or PROMPTS not in self.manifest.files:
            return None
        return ExpectedTexts.read((self.file(PROMPTS), self.file(LOGITS)), artifact.runtime, artifact.signature)


def _verify_named(folder: Path, manifest: Manifest, *, shown: Path) -> None:
    """Check that each file which is going to be read is a listed one, and that all who speak of one say the same."""
    twins = {artifact.float_file for artifact in manifest.artifacts if artifact.float_file}
    modality = manifest.task.modality
    asked = set(modality.bundle_files) - set(modality.optional_files)
    searched = {CORPUS, INDEX} if manifest.task.task.searched else set()
    checked_by = {PROMPTS, LOGITS} if PROMPTS in manifest.files else {VECTORS}
    named = {artifact.file for artifact in manifest.artifacts} | twins | asked | searched | checked_by
    if manifest.drafts:
        named |= {SPELLING, *(each.file for each in manifest.drafts)}
    if unlisted := sorted(named - set(manifest.files)):
        raise BundleError(f"the manifest of {shown} has no hash for {', '.join(unlisted)}; {AGAIN}")
    checked: tuple[ArtifactFacts | DraftFacts, ...] = (*manifest.artifacts, *manifest.drafts)
    for artifact in checked:
        if artifact.sha256 != manifest.files[artifact.file]:
            raise BundleError(f"the manifest of {shown} has two sha256 for {artifact.file}; {AGAIN}")
        if artifact.bytes != (size := (folder / artifact.file).stat().st_size):
            raise BundleError(f"{shown}/{artifact.file} has {size} bytes, not {artifact.bytes}; {AGAIN}")


def write(
    output: Path,
    manifest: Callable[[dict[str, str]], Manifest],
    fill: Callable[[Path], None],
    *,
    force: bool = False,
) -> Bundle:
    """Write a bundle whole or not at all: a folder, or an archive where `output` ends in `.zip`.

    `fill` puts the files into an empty folder; `manifest` is then given their hashes. A bundle that was there before
    is replaced in one step, anything else only with `force`; raises `InputError` otherwise.
    """
    require_replaceable(output, force=force)
    output.parent.mkdir(parents=True, exist_ok=True)
    with place_for(output) as unfinished:
        inside = unfinished / "bundle"
        inside.mkdir()
        fill(inside)
        hashes = {name: sha256_of(inside / name) for name in file_names(inside)}
        (inside / MANIFEST).write_text(seal(manifest(hashes).model_dump(mode="json")), encoding="utf-8")
        finished = archived(inside, unfinished / "bundle.zip") if output.suffix == ".zip" else inside
        require_replaceable(output, force=force)  # what came there while it was made
        swap(finished, output, unfinished / "before")
    return Bundle.open(output)
