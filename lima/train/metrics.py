"""A step's metrics, copied from the device without waiting and read when they are needed.

Reading a number from a GPU waits until everything that is queued is done; so a step's numbers are read when the next step
is queued. Knows nothing of what the metrics mean.
"""

import math
import time
from typing import Any

import torch


class StepMetrics:
    """Loss, accuracy and gradient norm of one step, with what was known before it"""

    def __init__(
        self, about: dict[str, Any], examples: list[str], loss: torch.Tensor, accuracy: torch.Tensor, norm: torch.Tensor
    ) -> None:
        self.about, self.examples = about, examples
        values = torch.stack([loss.detach(), accuracy.detach(), torch.as_tensor(norm, device=loss.device).detach()])
        self.there: torch.cuda.Event | None = None
        self.done: float | None = None
        if values.is_cuda:
            self.values = torch.empty_like(values, device="cpu", pin_memory=True).copy_(values, non_blocking=True)
            self.there = torch.cuda.Event()
            self.there.record()
        else:
            self.values, self.done = values, time.monotonic()

    @property
    def step(self) -> int:
        """Which one, from 1"""
        return int(self.about["step"])

    def wait(self) -> float:
        """When this step was done, by the monotonic clock; waits for this step, and for nothing after it"""
        if self.done is None:
            assert self.there is not None
            self.there.synchronize()
            self.done = time.monotonic()
        return self.done

    def read(self) -> dict[str, Any]:
        """All metrics as plain numbers, once this step is done"""
        self.wait()
        loss, accuracy, norm = self.values.tolist()
        return {**self.about, "loss": loss, "accuracy": accuracy, "gradient_norm": norm}

    def not_finite(self) -> str:
        """A sentence about a loss or gradient that is not finite, with the step and its examples; empty if both are finite"""
        figures = self.read()
        for key, name in (("loss", "loss"), ("gradient_norm", "gradient norm")):
            if not math.isfinite(figures[key]):
                shown = f"{', '.join(self.examples[:8])}{' …' if len(self.examples) > 8 else ''}"
                return (
                    f"The {name} of step {figures['step']} is {figures[key]} (examples {shown}). "
                    "Lower learning_rate, or look at these examples with `lima preview`."
                )
        return ""
