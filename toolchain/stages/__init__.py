"""The stages of a build, each from earlier results to one kept result; `pipeline` has their order."""

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
    time_on_host,
)
from edgewright.stages.chosen_sizes import SIZES
from edgewright.stages.estimates import Estimate, estimate
from edgewright.stages.examined import check_source
from edgewright.stages.factorise import LOW_RANK
from edgewright.stages.plan import Done, Plan
from edgewright.stages.prune import prune_stage
from edgewright.stages.rank import IMPORTANCE
from edgewright.stages.read import read_stage
from edgewright.stages.record_teacher_outputs import RECORDINGS, record_stage
from edgewright.stages.sides import Side, student_of, teacher_of
from edgewright.stages.smooth import SMOOTH
from edgewright.stages.stage import Build, run_stages
from edgewright.stages.teacher import TEACHER
from edgewright.stages.train import AWARE, LESSONS, aware_stage, train_stage
from edgewright.stages.vocabulary import VOCABULARY

__all__ = [
    "AWARE",
    "IMPORTANCE",
    "LESSONS",
    "LOW_RANK",
    "RECORDINGS",
    "SIZES",
    "SMOOTH",
    "TEACHER",
    "VOCABULARY",
    "Build",
    "Done",
    "Estimate",
    "Plan",
    "Side",
    "Subject",
    "account",
    "artifact_name",
    "aware_stage",
    "check",
    "check_source",
    "estimate",
    "export_float",
    "export_int8",
    "index_corpus",
    "measure_sensitivity",
    "prune_stage",
    "read_stage",
    "record_stage",
    "run_stages",
    "schemes",
    "structure_for",
    "student_of",
    "teacher_of",
    "time_on_host",
    "train_stage",
]
