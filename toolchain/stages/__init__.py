"""The stages of a build, each a function from earlier results to one cached result; `pipeline` tells their order."""

from toolchain.stages.artifacts import (
    account,
    artifact_name,
    asked_texts,
    check,
    export_float,
    export_int8,
    index_corpus,
    measure_sensitivity,
    time_on_host,
)
from toolchain.stages.plan import Done, Plan, model_of, texts_of, tokenizer_of
from toolchain.stages.student import LESSONS, ask_teacher, cut, factorise, rank_parts, teach_student, trim_vocabulary
from toolchain.stages.teacher import load_teacher, read_texts, score_of

__all__ = [
    "LESSONS",
    "Done",
    "Plan",
    "account",
    "artifact_name",
    "ask_teacher",
    "asked_texts",
    "check",
    "cut",
    "export_float",
    "export_int8",
    "factorise",
    "index_corpus",
    "load_teacher",
    "measure_sensitivity",
    "model_of",
    "rank_parts",
    "read_texts",
    "score_of",
    "teach_student",
    "texts_of",
    "time_on_host",
    "tokenizer_of",
    "trim_vocabulary",
]
