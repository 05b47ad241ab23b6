"""A bundle of a tiny decoder with random weights and a tokenizer of docstrings, whose artifacts really write."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from edgewright.bundles import bundle as bundles
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.expected_texts import ExpectedTexts, asked, write_expected
from edgewright.bundles.schema import Manifest
from edgewright.measure.generating import generate_here
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.modality.tokenizer_definition import written_definition
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_loading import from_transformers
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Signature
from tests.bundles import made
from tests.tiny_decoders import PIECES, definition
from tests.tiny_decoders import made as of_transformers

CONTEXT, BEGIN, STOP = 64, 1, 2
PREFILL_SIZES = (4, 16)
MAX_TOKENS = 12
PROMPTS = ((1, 65, 66, 67), (1, 80), tuple(range(70, 93)))


@cache
def model(*, layers: int = 2) -> DecoderModel:
    """The decoder, in torch."""
    with torch.inference_mode(False):
        return from_transformers(of_transformers("llama", vocab_size=PIECES, num_hidden_layers=layers)).eval()


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A model of some layers, of some of the tokens alone, that verifies so many tokens of a draft."""

    layers: int = 2
    kept: tuple[int, ...] = ()
    verify_tokens: int = 0

    @property
    def model(self) -> DecoderModel:
        """The decoder, in torch."""
        with torch.inference_mode(False):
            return model(layers=self.layers).with_vocabulary(self.kept) if self.kept else model(layers=self.layers)

    @property
    def definition(self) -> str:
        """Its tokenizer."""
        if not self.kept:
            return definition()
        trimmed = DecoderTokenizer(definition(), max_length=CONTEXT).over(self.kept)
        return written_definition(trimmed.definition)


USUAL = Variant()


@cache
def artifact(runtime: str, variant: Variant = USUAL) -> tuple[Path, Signature]:
    """The float artifact for a runtime, in a folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="edgewright-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    described = RUNTIMES[runtime]
    source = generating_input(
        variant.model,
        described,
        context=CONTEXT,
        begin=BEGIN,
        stop=(STOP,),
        prefill_sizes=PREFILL_SIZES,
        verify_tokens=variant.verify_tokens,
    )
    file = folder / described.file_name
    described.write_float(source, file)
    return file, source.signature


def expected(runtime: str, variant: Variant = USUAL) -> ExpectedTexts:
    """What it wrote here."""
    file, signature = artifact(runtime, variant)
    prompts = asked(PROMPTS, MAX_TOKENS)
    return ExpectedTexts.of(prompts, generate_here(runtime, file, signature, prompts).texts)


def generating_bundle(
    place: Path,
    runtimes: Sequence[str] = ("executorch",),
    *,
    template: Mapping[str, object] | None = None,
    with_expected: bool = True,
    fill_more: Callable[[Path], None] = lambda _: None,
    variant: Variant = USUAL,
) -> Bundle:
    """A bundle, written as assembly does; of `template` the file's values."""
    import json

    def fill(folder: Path) -> None:
        for runtime in runtimes:
            shutil.copyfile(artifact(runtime, variant)[0], folder / artifact(runtime, variant)[0].name)
        (folder / "tokenizer.json").write_text(variant.definition, encoding="utf-8")
        if with_expected:
            write_expected(folder, {each: expected(each, variant) for each in runtimes})
        else:
            (folder / "vectors.json").write_text("{}")
        if template is not None:
            (folder / "chat_template.json").write_text(json.dumps(template), encoding="utf-8")
        fill_more(folder)

    def manifest(hashes: dict[str, str]) -> Manifest:
        values = made.manifest({name: hashes.get(name, "0" * 64) for name in {*made.FILES, *hashes}}).model_dump()
        values["files"], values["best"] = hashes, runtimes[0]
        values["artifacts"] = [_facts(each, hashes, variant) for each in runtimes]
        return Manifest.model_validate(values)

    return bundles.write(place, manifest, fill)


def _facts(runtime: str, hashes: Mapping[str, str], variant: Variant) -> dict[str, Any]:
    file, signature = artifact(runtime, variant)
    facts = made.artifact("executorch", "model.pte", hashes[file.name])
    return {
        **facts,
        "runtime": runtime,
        "file": file.name,
        "bytes": file.stat().st_size,
        "signature": signature.model_dump(),
    }
