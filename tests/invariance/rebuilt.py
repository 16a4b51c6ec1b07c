"""The zoo's networks with another seed or another batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch

from tests.zoo import batches, healthy
from tests.zoo.case import Case
from tests.zoo.faulty import FAULTY
from tests.zoo.healthy import HEALTHY
from tests.zoo.more_healthy import MORE_HEALTHY
from tests.zoo.nets import transformer

Builder = Callable[[], Case]
BUILDERS: dict[str, Builder] = {build.__name__: build for build in (*HEALTHY, *FAULTY, *MORE_HEALTHY)}
FAULTS = frozenset(build.__name__ for build in FAULTY)
OWN_SEED = 7  # seed in the zoo's builders
# Pairs, ratings, collocation points and latents, whose number is fixed in the builders.
FIXED_SIZE = ("siamese", "recommender", "physics_informed", "siren", "dcgan")
# One network of each kind, and one fault of each kind, for properties that are not tested on the whole zoo.
KINDS = (
    "he_relu_10", "lecun_selu", "batch_norm", "zero_head", "zero_gamma_resnet", "frozen_backbone",
    "post_norm_transformer", "tied_gpt", "lstm", "unet", "lora", "gru_classifier", "mobile_net", "mixer", "siren",
    "deep_sets", "duplicated_units", "unit_normal_tanh", "default_relu_50", "small_middle", "deep_bias", "nan_weight",
    "loud_head", "detached_body", "sigmoid_20", "constant_between_random",
)  # fmt: skip
ENCODERS = ("pre_norm_transformer", "post_norm_transformer")


def rebuilt(name: str, seed: int = OWN_SEED, samples: int | None = None) -> Case:
    """Return the zoo's case of that name, with weights and data drawn from ``seed``, and ``samples`` in the batch.

    Raises ValueError for another batch size of a case in :data:`FIXED_SIZE`.
    """
    if samples is not None and name in FIXED_SIZE:
        raise ValueError(f"the number of samples of {name} is written into its builder")
    with _seeded(seed):
        if samples is None:
            return BUILDERS[name]()
        if name in ENCODERS:
            return _encoder(name, samples)
        with _sized(samples):
            return BUILDERS[name]()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    original, shift = torch.manual_seed, seed - OWN_SEED
    data = batches._generator().initial_seed() + shift
    with (
        mock.patch.object(torch, "manual_seed", lambda own: original(own + shift)),
        mock.patch.object(batches, "_generator", partial(_generator, data)),
    ):
        yield


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@contextmanager
def _sized(samples: int) -> Iterator[None]:
    def resized(data: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *_, **shape: data(samples, **shape)

    sources = ("vectors", "pictures", "series", "tokens")
    with mock.patch.multiple(batches, **{source: resized(getattr(batches, source)) for source in sources}):
        yield


def _encoder(name: str, samples: int) -> Case:
    torch.manual_seed(OWN_SEED)
    inputs, _ = batches.vectors(samples * transformer.LENGTH)
    sequences = inputs.view(samples, transformer.LENGTH, batches.FEATURES)
    targets = sequences.mean(1)[:, : batches.CLASSES].argmax(1)
    model = transformer.ModuleEncoder(norm_first=name == "pre_norm_transformer")
    return healthy.classifying(name, model, (sequences, targets), {})
