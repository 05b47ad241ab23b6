"""The processes that train one model together, and the device each one trains on; accelerate is wrapped here.

In:  how this process was started: alone, or by `accelerate launch` on any number of GPUs or machines.
Out: `Processes`: averages, agreements and the trackers' log. Alone, every one of them is the process's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from edgewright.errors import EnvironmentFaultError, InputError, UnknownNameError
from edgewright.models.compute_device import only_processor

TRACKERS = ("mlflow", "tensorboard", "wandb")  # accelerate's names, which are the packages' too


class Processes:
    """This process and the others that train the same model.

    The model is not wrapped: a loss may call any part of it, and each process sees the gradients of all through
    `average`. `count` processes; this one is number `index`; `first` writes and reports for all.
    """

    def __init__(self, trackers: Sequence[str] = (), folder: Path | None = None) -> None:
        """Join the others. Raises `EnvironmentFaultError` when a tracker's package is not installed."""
        _check(trackers, folder)
        from accelerate import Accelerator
        from accelerate.utils import GradientAccumulationPlugin

        on_cpu = only_processor()
        self._accelerator = Accelerator(
            # Told outright, or processes launched on a machine without a GPU would each train alone.
            cpu=on_cpu,
            mixed_precision=_precision(on_cpu),
            log_with=list(trackers) or None,
            project_dir=folder,
            # Given outright, or a launcher's setting would divide the loss.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )
        self.device: torch.device = self._accelerator.device
        self.count: int = self._accelerator.num_processes
        self.index: int = self._accelerator.process_index
        self.first: bool = self._accelerator.is_main_process
        self.scaler: torch.amp.GradScaler | None = self._accelerator.scaler
        self.tracks = bool(trackers)
        if folder is not None and trackers:
            folder.mkdir(parents=True, exist_ok=True)
            kept = {"wandb": {"dir": str(folder)}, "mlflow": {"logging_dir": str(folder)}}
            if "mlflow" in trackers:  # which, told of no server, would begin a database in the working directory
                os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder.resolve() / 'mlflow.db'}")
            self._accelerator.init_trackers("edgewright", init_kwargs=kept)

    def optimizer(self, plain: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """An optimizer that knows of the loss's scale where arithmetic is float16."""
        prepared: torch.optim.Optimizer = self._accelerator.prepare(plain)
        return prepared

    def arithmetic(self) -> AbstractContextManager[None]:
        """Mixed precision on a GPU; on a processor the loss decides (`text.fast_arithmetic`)."""
        context: AbstractContextManager[None] = self._accelerator.autocast()
        return context

    def backward(self, loss: Tensor) -> None:
        """Gradients of this process's loss."""
        self._accelerator.backward(loss)

    def clip(self, parameters: Sequence[nn.Parameter], largest: float) -> Tensor:
        """Scale the gradients down to the `largest` norm; the norm they had."""
        self._accelerator.unscale_gradients()
        return torch.nn.utils.clip_grad_norm_(parameters, largest)

    def average(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Replace each gradient by the mean of all processes'; the mean loss.

        One message for all of them. A parameter that this process's loss did not use counts as 0.
        """
        if self.count == 1:
            return loss.detach()
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        flat = torch.cat([*(each.float().flatten() for each in gradients), loss.detach().float().reshape(1)])
        *means, mean_loss = self._accelerator.reduce(flat, "mean").split([*(each.numel() for each in gradients), 1])
        for parameter, mean in zip(parameters, means, strict=True):
            parameter.grad = mean.view_as(parameter).to(parameter.dtype)
        return torch.as_tensor(mean_loss[0])

    def align(self, model: nn.Module) -> None:
        """Give every process the first one's weights and buffers."""
        if self.count > 1:
            from accelerate.utils import broadcast

            with torch.no_grad():
                for tensor in (*model.parameters(), *model.buffers()):
                    tensor.copy_(broadcast(tensor.detach().clone()))

    def agreed(self, *values: float) -> tuple[float, ...]:
        """The first process's values: what depends on a clock must not differ."""
        if self.count == 1:
            return values
        from accelerate.utils import broadcast

        return tuple(broadcast(torch.tensor(values, dtype=torch.float64, device=self.device)).tolist())

    def gathered(self, values: Tensor) -> Tensor:
        """(n) of each process → (processes, n) in main memory."""
        rows: Tensor = self._accelerator.gather(values[None].to(self.device)).cpu()
        return rows

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Tell the trackers."""
        self._accelerator.log(dict(values), step=step)

    def finish(self) -> None:
        """Close the trackers; the processes stay together for the next training."""
        for tracker in self._accelerator.trackers:
            tracker.finish()


def _check(trackers: Sequence[str], folder: Path | None) -> None:
    for name in trackers:
        if name not in TRACKERS:
            raise UnknownNameError("tracker", name, TRACKERS)
        if find_spec(name) is None:
            raise EnvironmentFaultError(
                f"the package {name}", "log the training", f"install it with `pip install {name}`"
            )
    if trackers and folder is None:
        raise InputError(f"{' and '.join(trackers)} need a folder to log to; give tracker_folder")
    if find_spec("accelerate") is None:
        raise EnvironmentFaultError("the package accelerate", "train", "install it with `pip install accelerate`")


def _precision(on_cpu: bool) -> str | None:
    """Accelerate's `mixed_precision`: bfloat16 on a GPU that has it, unless the launcher says otherwise.

    None leaves it to the launcher or to an `Accelerator` made before, which must not be contradicted.
    """
    from accelerate.state import is_initialized

    if is_initialized():
        return None
    if on_cpu:
        return "no"
    if os.environ.get("ACCELERATE_MIXED_PRECISION"):
        return None
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False) else "no"
