"""What trimming a vocabulary of a quarter of a million pieces brings: a real multilingual encoder, real texts.

    python -m tests.benchmarks.multilingual [--json] [--quick] [--artifacts]

The model is multilingual-e5-small (see `e5`). The texts are messages of Django's user interface and their translations:
four in five choose the pieces, the others are judged, which were seen in no language. Nothing is trained. For each set
of languages: pieces and parameters that stay, how many tokens are split otherwise, how near embeddings are to the whole
model's, and how often a translation's nearest English message is its own. `--artifacts` also exports int8 artifacts of
the whole and of each smaller model, which takes some minutes each; `--quick` takes fewer messages and one set.
"""

import gettext
import io
import time
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewright.base.places import cache_dir
from edgewright.compress.vocabulary import Trimmed, affected, trim
from edgewright.cost.exported import structure_for
from edgewright.modality.text_spec import TextInputSpec
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models import teacher as teachers
from edgewright.models.model import TransformerModel
from edgewright.models.text import TextModule, outputs
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.recipe import ModelSource
from tests.benchmarks import e5
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed

DJANGO = e5.Wheel(
    name="django", version="5.2.8", sha256="37e687f7bd73ddf043e2b6b97cfe02fcbb11f2dbb3adccc6a2b18c6daa054d7f"
)
SETS: dict[str, tuple[str, ...]] = {
    "German alone": ("de",),
    "six of Western Europe": ("de", "fr", "es", "it", "nl", "pt"),
    "sixteen, nine scripts": (
        *("de", "fr", "es", "it", "nl", "pt", "pl", "tr", "ru", "uk", "el", "ar", "hi", "ja", "ko", "zh_Hans"),
    ),
}
MAX_LENGTH = 64
LEAST_LETTERS = 12
JUDGED = 5  # every fifth message, in the order of the alphabet; the others choose the pieces
QUICK = 120


@cache
def messages(language: str) -> dict[str, str]:
    """Each English message that is a phrase, and its translation."""
    found: dict[str, str] = {}
    with zipfile.ZipFile(DJANGO.fetched()) as wheel:
        for name in wheel.namelist():
            if not name.endswith(f"locale/{language}/LC_MESSAGES/django.mo"):
                continue
            read = gettext.GNUTranslations(io.BytesIO(wheel.read(name)))._catalog  # type: ignore[attr-defined]
            for key, value in read.items():
                text = key if isinstance(key, str) else key[0]
                if len(text) >= LEAST_LETTERS and isinstance(value, str) and value.strip() and "\n" not in text:
                    found.setdefault(text.split("\x04")[-1], value)
    return found


def shared(languages: Sequence[str], *, quick: bool) -> list[str]:
    """The English messages that all these languages have."""
    common = sorted(set.intersection(*(set(messages(each)) for each in languages)))
    return common[:QUICK] if quick else common


def main() -> None:
    options = parsed(__doc__, artifacts="export int8 artifacts, too")
    sets = dict(list(SETS.items())[1:2]) if options.quick else SETS
    teacher = teachers.load(ModelSource(folder=e5.folder()), max_length=MAX_LENGTH)
    found = {
        "pieces": len(teacher.tokenizer.vocabulary),
        "parameters": teacher.model.parameters_count,
        "int8_bytes": int8_bytes(teacher.model),
        "rows": [measured(teacher, name, languages, quick=options.quick) for name, languages in sets.items()],
    }
    if options.artifacts:
        found["artifacts"] = [
            {"name": name, **sizes_of(model)}
            for name, model in (
                ("whole", teacher.model),
                *((name, smaller(teacher, languages, quick=options.quick)[1]) for name, languages in sets.items()),
            )
        ]
    shown(options, found, table)


def smaller(teacher: teachers.Teacher, languages: Sequence[str], *, quick: bool) -> tuple[Trimmed, TransformerModel]:
    """The vocabulary and the model that messages of these languages and English leave."""
    chosen = [text for place, text in enumerate(shared(languages, quick=quick)) if place % JUDGED]
    texts = [e5.PREFIX + text for each in chosen for text in (each, *(messages(one)[each] for one in languages))]
    trimmed = trim(teacher.tokenizer, texts)
    encoder = teacher.model.encoder.with_vocabulary(trimmed.kept)  # type: ignore[operator]
    return trimmed, TransformerModel(encoder, teacher.model.head).eval()


def measured(teacher: teachers.Teacher, name: str, languages: Sequence[str], *, quick: bool) -> dict[str, Any]:
    """One set of languages."""
    started = time.process_time()
    trimmed, model = smaller(teacher, languages, quick=quick)
    seconds = time.process_time() - started
    judged = shared(languages, quick=quick)[::JUDGED]
    translations = [messages(language)[text] for language in languages for text in judged]
    before, after = (
        said(each, tokenizer, judged, translations)
        for each, tokenizer in ((teacher.model, teacher.tokenizer), (model, trimmed.tokenizer))
    )
    near = torch.cosine_similarity(torch.cat(before), torch.cat(after))
    return {
        "languages": name,
        "messages": len(judged),
        "pieces": len(trimmed.kept),
        "parameters": model.parameters_count,
        "int8_bytes": int8_bytes(model),
        "trim_s": seconds,
        "split_otherwise": affected(teacher.tokenizer, trimmed, [e5.PREFIX + each for each in translations]),
        "cosine_mean": float(near.mean()),
        "cosine_least": float(near.min()),
        "found_before": hits(*before),
        "found_after": hits(*after),
    }


def said(
    model: TransformerModel, tokenizer: TextTokenizer, english: Sequence[str], translations: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Embeddings of English messages and of translations."""
    both = [outputs(model, tokenizer.encode([e5.PREFIX + each for each in texts])) for texts in (english, translations)]
    return both[0], both[1]


def hits(english: Tensor, translations: Tensor) -> float:
    """The share of translations whose nearest English message is the one they translate."""
    nearest = (translations @ english.T).argmax(dim=1)
    wanted = torch.arange(len(translations)) % len(english)
    return float((nearest == wanted).float().mean())


def int8_bytes(model: TransformerModel) -> int:
    """What the weights take in an int8 artifact."""
    form = TextInputSpec(max_length=MAX_LENGTH)
    return structure_for(TextModule(model, padded=False), form).weight_bytes(int8=True)


def sizes_of(model: TransformerModel) -> dict[str, Any]:
    """Bytes of int8 artifacts."""
    found = {}
    for runtime in ("executorch", "litert"):
        made_for, folder = RUNTIMES[runtime], cache_dir("benchmarks")
        subject = Subject(model=model, spec=TextInputSpec(max_length=MAX_LENGTH, lengths=(MAX_LENGTH,)))
        twin, small = (Path(folder, f"multilingual-{each}{made_for.suffix}") for each in ("float", "int8"))
        made_for.write_float(subject.for_runtime(made_for), twin)
        made_for.write_int8(subject.for_runtime(made_for), twin, small, Int8())
        found[runtime] = small.stat().st_size
        twin.unlink()
        small.unlink()
    return found


def table(found: dict[str, Any]) -> str:
    """All of it in lines."""
    lines = [
        f"multilingual-e5-small: {found['pieces']:,} pieces, {found['parameters'] / 1e6:.1f} M parameters, "
        f"{found['int8_bytes'] / 1e6:.1f} MB in int8",
        f"{'languages, and English':24}{'pieces':>8}{'M par.':>8}{'int8 MB':>9}{'trim s':>8}"
        f"{'otherwise':>11}{'cosine':>8}{'least':>7}{'found':>8}{'before':>8}",
    ]
    for row in found["rows"]:
        lines.append(
            f"{row['languages']:24}{row['pieces']:>8,}{row['parameters'] / 1e6:>8.1f}"
            f"{row['int8_bytes'] / 1e6:>9.1f}{row['trim_s']:>8.1f}"
            f"{row['split_otherwise']:>11.2%}{row['cosine_mean']:>8.4f}{row['cosine_least']:>7.3f}"
            f"{row['found_after']:>8.1%}{row['found_before']:>8.1%}"
        )
    for row in found.get("artifacts", ()):
        lines.append(
            f"{row['name']:24} int8 .pte {row['executorch'] / 1e6:.1f} MB, .tflite {row['litert'] / 1e6:.1f} MB"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
