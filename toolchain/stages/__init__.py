"""The stages of a build, each a function from earlier results to one cached result; `pipeline` tells their order."""

from edgewright.cost.exported import structure_for
from edgewright.runtimes.subject import Subject
from edgewright.stages.artifacts import (
    account,
    artifact_name,
    check,
    export_float,
    export_int8,
    index_corpus,
    measure_sensitivity,
    schemes,
    smooth,
    time_on_host,
)
from edgewright.stages.chosen_sizes import choose_sizes
from edgewright.stages.estimates import Estimate, estimate
from edgewright.stages.examined import check_source
from edgewright.stages.images import (
    ask_image_teacher,
    cut_image_model,
    factorise_image_model,
    load_image_teacher,
    read_images,
    teach_image_student,
)
from edgewright.stages.plan import Done, Plan, image_model_of, images_of, model_of, texts_of, tokenizer_of
from edgewright.stages.sides import ImageSide, Side, TextSide, asked_texts
from edgewright.stages.student import (
    AWARE,
    LESSONS,
    ask_teacher,
    cut,
    factorise,
    rank_parts,
    teach_student,
    trim_vocabulary,
)
from edgewright.stages.teacher import load_teacher, read_texts, score_of

__all__ = [
    "check_source",
    "AWARE",
    "LESSONS",
    "Done",
    "Estimate",
    "ImageSide",
    "Plan",
    "Side",
    "Subject",
    "TextSide",
    "account",
    "artifact_name",
    "ask_image_teacher",
    "ask_teacher",
    "asked_texts",
    "check",
    "choose_sizes",
    "cut",
    "cut_image_model",
    "estimate",
    "export_float",
    "export_int8",
    "factorise",
    "factorise_image_model",
    "image_model_of",
    "images_of",
    "index_corpus",
    "load_image_teacher",
    "load_teacher",
    "measure_sensitivity",
    "model_of",
    "rank_parts",
    "read_images",
    "read_texts",
    "schemes",
    "score_of",
    "smooth",
    "structure_for",
    "teach_image_student",
    "teach_student",
    "texts_of",
    "time_on_host",
    "tokenizer_of",
    "trim_vocabulary",
]
