"""The stages of a build, each from earlier results to one kept result; `pipeline` has their order."""

from edgewright.stages.chosen_sizes import SIZES
from edgewright.stages.estimates import Estimate, estimate, stage_names
from edgewright.stages.examined import check_source
from edgewright.stages.factorise import LOW_RANK
from edgewright.stages.plan import Plan
from edgewright.stages.prune import prune_stage
from edgewright.stages.rank import IMPORTANCE
from edgewright.stages.read import read_stage
from edgewright.stages.record_teacher_outputs import RECORDINGS, record_stage
from edgewright.stages.sides import Side, student_of, teacher_of
from edgewright.stages.smooth import SMOOTH
from edgewright.stages.stage import Build, run_stages
from edgewright.stages.teacher import TEACHER
from edgewright.stages.train import AWARE, TRAININGS, aware_stage, train_stage
from edgewright.stages.vocabulary import VOCABULARY

__all__ = [
    "AWARE",
    "IMPORTANCE",
    "TRAININGS",
    "LOW_RANK",
    "RECORDINGS",
    "SIZES",
    "SMOOTH",
    "TEACHER",
    "VOCABULARY",
    "Build",
    "Estimate",
    "Plan",
    "Side",
    "aware_stage",
    "check_source",
    "estimate",
    "prune_stage",
    "read_stage",
    "record_stage",
    "run_stages",
    "stage_names",
    "student_of",
    "teacher_of",
    "train_stage",
]
