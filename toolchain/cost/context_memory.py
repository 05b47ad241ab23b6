"""What memory a context takes on a device, and the largest that a device's memory holds.

In:  an artifact that generates, or one that is planned: its cache, its file, and what reading a prompt needs at once.
Out: `ContextMemory`, by which a context is priced, and refused with the largest that fits.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.errors import InputError
from edgewright.specs.budget import BYTES_PER_MB
from edgewright.specs.profiles import Profile
from edgewright.specs.signature import Signature

RUNNER_BYTES = 16e6  # of a runner and its working memory, where an artifact does not say what it computes


@dataclass(frozen=True, kw_only=True)
class ContextMemory:
    """The runner's peak, taken apart: `fixed_bytes` whatever the context, and `each_bytes` for each of its tokens.

    Of a token there is its row of the cache, and its share of what is needed at once while a prompt is read.
    """

    fixed_bytes: float
    each_bytes: float

    @classmethod
    def of_file(cls, signature: Signature, file_bytes: float) -> ContextMemory:
        """Of an artifact of which no more is known than its file and its cache. Raises `InputError` for another."""
        if signature.generation is None:
            raise InputError("an artifact that does not generate text has no context; ask for one of a decoder")
        each = signature.state_bytes / signature.generation.context
        return cls(fixed_bytes=RUNNER_BYTES + file_bytes, each_bytes=each)

    def at(self, context: int) -> float:
        """The peak in bytes with a cache for so many tokens."""
        return self.fixed_bytes + self.each_bytes * context

    def largest(self, available_bytes: float) -> int:
        """The most tokens that so much memory holds; 0 where there is no room for one."""
        if self.each_bytes <= 0:
            return 0
        return max(int((available_bytes - self.fixed_bytes) // self.each_bytes), 0)

    def require_room(self, context: int, available_bytes: float, *, device: str = "the device") -> None:
        """Raise `InputError` with the largest context that fits where this one does not."""
        if self.at(context) <= available_bytes:
            return
        largest = self.largest(available_bytes)
        needs, has = (each / BYTES_PER_MB for each in (self.at(context), available_bytes))
        remedy = (
            f"the largest that fits is {largest}; set stages.export.context to that"
            if largest
            else "none fits; make the model smaller in stages.prune or stages.vocabulary"
        )
        raise InputError(f"a context of {context} tokens needs {needs:.0f} MB, and {device} has {has:.0f} MB: {remedy}")


def usable_bytes(profile: Profile) -> int:
    """What a profile's device leaves to a program."""
    return int((profile.memory.usable_mb or profile.memory.ram_mb).value) * (1 << 20)
