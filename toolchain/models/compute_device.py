"""Where a model computes: on the processor, or on a GPU for as long as work there is worth the move.

In:  a model.
Out: the device it is on; or a context in which it is on the GPU, where there is one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from edgewright.targets import open_target
from edgewright.targets.facts import MACHINE, read_facts
from edgewright.targets.quota import threads_within

_YES = ("1", "true", "yes", "on")


def device_of(model: nn.Module) -> torch.device:
    """Where the model is: its batches, and what its outputs are compared with, move there."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def only_processor() -> bool:
    """Whether there is no GPU, or accelerate's launcher says that it is not to be used."""
    return not torch.accelerator.is_available() or os.environ.get("ACCELERATE_USE_CPU", "").lower() in _YES


def keep_to_quota() -> int:
    """Give PyTorch no more threads than this machine's quota of the processor feeds; how many it has now.

    It counts cores and knows no quotas: with a thread for each core all of them would be held back in every period.
    """
    target = open_target("local:")
    try:
        quota = read_facts(target, {"quota": MACHINE["cpu_quota_cores"]})["quota"]
    finally:
        target.close()
    threads = threads_within(quota if isinstance(quota, float) else None, torch.get_num_threads())
    if threads < torch.get_num_threads():
        torch.set_num_threads(threads)
    return threads


@contextmanager
def on_accelerator(model: nn.Module) -> Iterator[torch.device]:
    """Within it the model is on the GPU, where there is one; behind it where it was before."""
    home = device_of(model)
    accelerator = None if only_processor() else torch.accelerator.current_accelerator()
    model.to(accelerator or home)
    try:
        yield device_of(model)
    finally:
        model.to(home)
