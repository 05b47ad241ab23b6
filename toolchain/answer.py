"""Ask a bundle's model, so that a person can see that it works.

In:  a bundle, and a text or an image's file; optionally a target to run on.
Out: the best matches of a search bundle's corpus, labels with their probabilities, a tag for each word, or a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets import open_target
from toolchain.bundle import CORPUS, INDEX, TOKENIZER, ArtifactFacts, Bundle, ImageFacts
from toolchain.data.image_files import ImageFile, decode
from toolchain.deploy import HERE, blamed_on_age, deploy_from
from toolchain.errors import InputError
from toolchain.measure.protocol import Inputs, infer
from toolchain.models.image import with_channels
from toolchain.models.inputs import first_places
from toolchain.models.tokenizer import Encoded, TextTokenizer
from toolchain.tasks.search_index import SearchIndex
from toolchain.untrusted import is_unicode


def answer(
    bundle: str | Path, given: str, *, address: str | None = None, runtime: str | None = None, top: int = 5
) -> dict[str, Any]:
    """Open a bundle and ask it; raises what `Bundle.open` and a target raise."""
    return answer_of(Bundle.open(bundle), given, address=address, runtime=runtime, top=top)


def answer_of(
    bundle: Bundle, given: str, *, address: str | None = None, runtime: str | None = None, top: int = 5
) -> dict[str, Any]:
    """The same of an opened bundle, run on a target by the runner that is measured; on this machine by default."""
    task, artifact = bundle.manifest.task, bundle.artifact(runtime)
    inputs: Inputs
    if task.image:
        inputs = _pixels(Path(given), task.image)
    else:
        if not given.strip():
            raise InputError("the input is empty; give a text with --input")
        if not is_unicode(given):  # bytes of the command line that are no UTF-8 arrive as halves of surrogate pairs
            raise InputError("the input is no Unicode text; give --input in UTF-8, in a locale of it (LANG=C.UTF-8)")
        tokenizer = TextTokenizer.load(bundle.file(TOKENIZER), max_length=task.max_length)
        (row,) = tokenizer.encode_any([given.split()] if task.tags else [given])
        inputs = [row.ids]
    output = _output(bundle, artifact, inputs, address or HERE)
    asked = {"input": given, "runtime": artifact.runtime, "target": address or HERE}
    if task.kind == "embedding":
        index = SearchIndex.load(bundle.file(CORPUS), bundle.file(INDEX))
        return {"kind": "search", **asked, "matches": index.best(output, top=top)}
    if task.kind == "regression":
        return {"kind": "regression", **asked, "value": output[0] * task.value_std + task.value_mean}
    if task.tags:
        return {"kind": task.kind, **asked, "words": _words(task.labels, output, given.split(), row)}
    return {"kind": "classification", **asked, "labels": _labels(task.labels, output)[:top]}


def _pixels(file: Path, image: ImageFacts) -> NDArray[np.uint8]:
    """The picture in a file as the model takes it, (1, height, width, channels)."""
    if not file.is_file():
        raise InputError(f"there is no file {file}; the bundle's model takes images: give one's path with --input")
    decoded = decode([ImageFile(path=file, label="", name=str(file))], (image.height, image.width))
    return with_channels(decoded.pixels, image.channels)


def _output(bundle: Bundle, artifact: ArtifactFacts, inputs: Inputs, address: str) -> tuple[float, ...]:
    target = open_target(address)
    try:
        place = deploy_from(bundle, artifact, target)
        with blamed_on_age(artifact, place):
            (output,) = infer(target, place.artifact, place.runtime, inputs)
    finally:
        target.close()
    return output


def _words(labels: Sequence[str], output: Sequence[float], words: Sequence[str], row: Encoded) -> list[dict[str, Any]]:
    """Each word with its most likely tag, read from its first piece; none where the text was cut before it."""
    places = first_places(row)
    found = []
    for index, word in enumerate(words):
        best: dict[str, Any] = {"label": None, "score": None}
        if index in places:
            first = places[index] * len(labels)
            best = _labels(labels, output[first : first + len(labels)])[0]
        found.append({"word": word, **best})
    return found


def _labels(labels: Sequence[str], scores: Sequence[float]) -> list[dict[str, Any]]:
    """Softmax of the class scores, most likely first."""
    exponents = np.exp(np.asarray(scores) - np.max(scores))
    shares = exponents / exponents.sum()
    return [{"label": labels[index], "score": float(shares[index])} for index in np.argsort(-shares, kind="stable")]
