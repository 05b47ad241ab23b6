"""What holds of every runtime that a Python interpreter runs from a wheel."""

import pytest

from edgewright.errors import TargetError
from edgewright.runtimes.descriptor import System
from edgewright.runtimes.python_device import PythonProvider


def require_members(provider: PythonProvider, package: str, *, kept: str, left_out: str) -> None:
    """Of its wheel a device gets what running a model opens, and no more."""
    assert provider.wheel.package == package
    assert provider.wheel.keeps(kept)
    assert not provider.wheel.keeps(left_out)


def require_variants(provider: PythonProvider) -> None:
    """A machine gets what its own Python runs, this one its own interpreter, and one without glibc nothing."""
    there = System(address="fake:", machine="aarch64", word_bits=64, libc="glibc 2.36", python="3.11")
    variant = provider.variant_for(there)
    assert (variant.machine, variant.python, variant.with_c_library) == ("aarch64", "3.11", False)
    here = System(address="local:", machine="x86_64", libc="glibc 2.36", python="3.13", is_host=True)
    assert provider.variant_for(here).python is None
    with pytest.raises(TargetError, match=f"which {provider.name} needs; use executorch, which brings its own"):
        provider.variant_for(System(address="fake:", machine="aarch64", word_bits=64))
