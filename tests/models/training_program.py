"""A small real training in a process of its own, which a test kills or launches twice; settings come as JSON.

Writes the weights it ends with to `out` (one file a process) and prints what `train` returned.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from edgewright.models.compute_device import device_of
from edgewright.models.schedule import Schedule, Trained
from edgewright.models.training import train

LENGTHS = [10] * 48


def network(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1))


def examples() -> tuple[torch.Tensor, torch.Tensor]:
    inputs = torch.randn(len(LENGTHS), 6, generator=torch.Generator().manual_seed(1))
    return inputs, inputs.square().sum(dim=1, keepdim=True)


def trained(
    *,
    dropout: float = 0.0,
    batch_tokens: int = 40,
    epochs: float | None = 4,
    tokens: int | None = None,
    limit_s: float | None = None,
    setting: str = "x",
    frozen_statistics: bool = False,
    kill_at: int | None = None,
    step_seconds: float = 0.0,
    validate: bool = False,
    checkpoints: str | None = None,
) -> tuple[nn.Module, Trained]:
    model, (inputs, wanted), heard = network(dropout), examples(), 0

    def loss_of(batch: list[int]) -> torch.Tensor:
        if frozen_statistics:  # they are each process's own
            model[1].eval()
        noise = random.random() if dropout else 0.0  # Python's generator counts too
        place = device_of(model)
        return (model(inputs[batch].to(place)) - wanted[batch].to(place)).square().mean() * (1.0 + noise)

    def told(share: float, loss: float) -> None:
        nonlocal heard
        heard += 1
        time.sleep(step_seconds)
        if heard == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def score() -> float:
        with torch.no_grad():
            return -float((model(inputs.to(device_of(model))).cpu() - wanted).square().mean())

    random.seed(3)
    schedule = Schedule(
        learning_rate=0.03, batch_tokens=batch_tokens, seed=0, epochs=epochs, tokens=tokens, limit_s=limit_s
    )
    done = train(
        model,
        LENGTHS,
        loss_of,
        schedule,
        setting=setting,
        on_progress=told,
        validate=score if validate else None,
        checkpoints=Path(checkpoints) if checkpoints else None,
        checkpoint_seconds=0.0,
    )
    return model, done


def main() -> None:
    torch.set_num_threads(1)
    settings: dict[str, Any] = json.loads(sys.argv[1])
    out = Path(settings.pop("out"))
    model, done = trained(**settings)
    save_file(model.state_dict(), out.with_name(f"{out.name}-{os.environ.get('RANK', '0')}"))
    print(json.dumps({"steps": done.steps, "tokens": done.tokens, "resumed": done.resumed_from_step}))


if __name__ == "__main__":
    main()
