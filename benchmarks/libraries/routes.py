"""The attention model of rl4co, which learns tours by REINFORCE with a moving average of the reward as the baseline."""

from __future__ import annotations

from typing import Any

from rl4co.envs import TSPEnv
from rl4co.models import AttentionModel
from rl4co.utils import RL4COTrainer

from .run import Run


def runs() -> list[Run]:
    """Return the model with its default sizes, on random cities."""
    return [Run("rl4co/AttentionModel", _fit, kind="reinforcement learning")]


def _fit(options: dict[str, Any]) -> None:
    env = TSPEnv(generator_params={"num_loc": 10})
    sizes = {"train_data_size": 512, "val_data_size": 8, "test_data_size": 8, "batch_size": 8}
    # The default baseline, a greedy rollout, needs many more forward passes.
    model = AttentionModel(env, baseline="exponential", **sizes)
    RL4COTrainer(max_epochs=100, precision="32-true", **options).fit(model)
