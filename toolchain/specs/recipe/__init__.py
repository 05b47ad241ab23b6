"""What to build: the model, its task, the data, the budget and the settings of every stage.

In:  a TOML file of the user's, or a built-in recipe by name.
Out: a frozen `Recipe`, its relative paths resolved against the file's folder.
Each section has a module of its own. Whether the files a recipe names exist and hold what they should is checked by
those who read them.
"""

from edgewright.specs.recipe.account import Account as Account
from edgewright.specs.recipe.agreement import disagreements as disagreements
from edgewright.specs.recipe.data import TABLE_SUFFIXES as TABLE_SUFFIXES
from edgewright.specs.recipe.data import TAGGED_SUFFIXES as TAGGED_SUFFIXES
from edgewright.specs.recipe.data import Columns as Columns
from edgewright.specs.recipe.data import Data as Data
from edgewright.specs.recipe.data import Split as Split
from edgewright.specs.recipe.distill import Distill as Distill
from edgewright.specs.recipe.distill import FinalPhase as FinalPhase
from edgewright.specs.recipe.export import DEFAULT_LENGTHS as DEFAULT_LENGTHS
from edgewright.specs.recipe.export import Export as Export
from edgewright.specs.recipe.finetune import Finetune as Finetune
from edgewright.specs.recipe.header import Header as Header
from edgewright.specs.recipe.low_rank import LowRank as LowRank
from edgewright.specs.recipe.model import ModelSource as ModelSource
from edgewright.specs.recipe.prune import Prune as Prune
from edgewright.specs.recipe.quantize import Qat as Qat
from edgewright.specs.recipe.quantize import Quantize as Quantize
from edgewright.specs.recipe.section import LEAST_LENGTH as LEAST_LENGTH
from edgewright.specs.recipe.stages import Stages as Stages
from edgewright.specs.recipe.task import TaskDescription as TaskDescription
from edgewright.specs.recipe.task import TaskKind as TaskKind
from edgewright.specs.recipe.task import TaskSettings as TaskSettings
from edgewright.specs.recipe.vocabulary import Vocabulary as Vocabulary
from edgewright.specs.recipe.whole import Recipe as Recipe
from edgewright.specs.recipe.whole import find_recipe as find_recipe
from edgewright.specs.recipe.whole import load_recipe as load_recipe
from edgewright.specs.recipe.whole import recipe_names as recipe_names
