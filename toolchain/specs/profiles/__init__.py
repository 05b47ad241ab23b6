"""One device's facts, each with how sure it is and where it comes from.

In:  `profiles/*.toml` by name, or a TOML file of the user's by path; either may extend another.
Out: a `Profile`, whose facts do not contradict each other. What its numbers imply for a model (latency, memory) is
     `cost`'s concern.
Each section has a module of its own, in which its fields say what they are; `edgewright profiles settings` prints that.
"""

from edgewright.specs.profiles.cache_sizes import Caches as Caches
from edgewright.specs.profiles.contradictions import contradictions as contradictions
from edgewright.specs.profiles.default_budget import DefaultBudget as DefaultBudget
from edgewright.specs.profiles.emulation import Clock as Clock
from edgewright.specs.profiles.emulation import Emulation as Emulation
from edgewright.specs.profiles.fact import CONFIDENCE as CONFIDENCE
from edgewright.specs.profiles.fact import Confidence as Confidence
from edgewright.specs.profiles.fact import Sourced as Sourced
from edgewright.specs.profiles.memory import Memory as Memory
from edgewright.specs.profiles.preferences import Preferences as Preferences
from edgewright.specs.profiles.preferences import Runtime as Runtime
from edgewright.specs.profiles.processor import Cluster as Cluster
from edgewright.specs.profiles.processor import Processor as Processor
from edgewright.specs.profiles.profile import Profile as Profile
from edgewright.specs.profiles.profile import facts_of as facts_of
from edgewright.specs.profiles.profile_files import find_profile as find_profile
from edgewright.specs.profiles.profile_files import load_profile as load_profile
from edgewright.specs.profiles.profile_files import profile_names as profile_names
from edgewright.specs.profiles.thermal import Thermal as Thermal
