"""A control plane for those who write trainers: it fits in a process, needs nothing but Python,
answers as the real one does, and misbehaves when it is told to."""

from eventrain_trainer.mock.plane import ControlPlane
from eventrain_trainer.mock.program import Attempt, NotATrainer, Trainer

__all__ = ["Attempt", "ControlPlane", "NotATrainer", "Trainer"]
