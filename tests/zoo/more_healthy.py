"""More networks that train: the report must have neither an error nor a warning."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import batches
from .case import Case
from .healthy import classifying
from .nets import coders, equations, signals, vision


def seeded(model: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(7)
    return model()


def classifier(name: str, model: Callable[[], nn.Module], data: tuple[Tensor, Tensor]) -> Case:
    return classifying(name, seeded(model), data, {})


def flat_pictures() -> Tensor:
    return batches.pictures()[0].flatten(1)


def autoencoder() -> Case:
    images = flat_pictures()
    return Case("autoencoder", seeded(coders.Autoencoder), images, lambda out: F.mse_loss(out, images))


def variational_autoencoder() -> Case:
    images = flat_pictures()

    def loss(out: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        decoded, mean, log_variance = out
        divergence = (mean**2 + log_variance.exp() - log_variance - 1).sum(1).mean() / 2
        return F.mse_loss(decoded, images) + divergence / images.shape[1]

    return Case("variational_autoencoder", seeded(coders.VAE), images, loss)


def siamese() -> Case:
    inputs, classes = batches.vectors(128)
    same = (classes[:64] == classes[64:]).float()
    loss = lambda distance: (same * distance**2 + (1 - same) * F.relu(1 - distance) ** 2).mean()  # noqa: E731
    return Case("siamese", seeded(coders.Siamese), (inputs[:64], inputs[64:]), loss)


def gru_classifier() -> Case:
    inputs, following = batches.tokens(32)
    return classifier("gru_classifier", signals.GRUClassifier, (inputs, (following - inputs)[:, 0] % 10))


def bidirectional_lstm() -> Case:
    inputs, classes = batches.series()
    lengths = torch.arange(len(inputs)) % 12 + 12
    model = seeded(signals.BidirectionalLSTM)
    return Case("bidirectional_lstm", model, (inputs, lengths), lambda out: F.cross_entropy(out, classes))


def audio() -> Case:
    waves, classes = batches.series(length=400, features=1)
    return classifier("audio", signals.AudioNet, (waves.transpose(1, 2), classes))


def mobile_net() -> Case:
    return classifier("mobile_net", vision.MobileNet, batches.pictures())


def mixer() -> Case:
    return classifier("mixer", signals.Mixer, batches.pictures())


def graph_net() -> Case:
    nodes, classes = batches.vectors()
    linked = torch.rand(len(nodes), len(nodes), generator=torch.Generator().manual_seed(3)) < 0.1
    adjacency = (linked | linked.t()).float()
    adjacency = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1)
    model = seeded(coders.GraphNet)
    return Case("graph_net", model, (nodes, adjacency), lambda out: F.cross_entropy(out, classes))


def siren() -> Case:
    axis = torch.linspace(-1, 1, 16)
    points = torch.cartesian_prod(axis, axis)
    colours = batches.pictures()[0][0].flatten(1).t().clamp(-1, 1)
    return Case("siren", seeded(equations.Siren), points, lambda out: F.mse_loss(out, colours))


def physics_informed() -> Case:
    """The equation u'' = -pi^2 sin(pi x), with u = sin(pi x) at the first and last points."""
    points = torch.linspace(-1, 1, 64)[:, None]

    def loss(out: tuple[Tensor, Tensor]) -> Tensor:
        u, curvature = out
        wanted = torch.sin(torch.pi * points)
        return F.mse_loss(curvature, -(torch.pi**2) * wanted) + u[[0, -1]].pow(2).mean()

    return Case("physics_informed", seeded(equations.Pinn), points, loss)


def recommender() -> Case:
    draw = torch.Generator().manual_seed(3)
    users, items = torch.randint(200, (64,), generator=draw), torch.randint(100, (64,), generator=draw)
    tags = torch.randint(50, (64, 5), generator=draw)
    liked = ((users + items) % 2).float()
    model = seeded(coders.Recommender)
    loss = lambda out: F.binary_cross_entropy_with_logits(out, liked)  # noqa: E731
    return Case("recommender", model, (users, items, tags), loss)


def deep_sets() -> Case:
    return classifier("deep_sets", coders.DeepSets, batches.series())


def idle_expert() -> Case:
    return classifier("idle_expert", coders.Experts, batches.vectors(32))


def shared_encoder() -> Case:
    inputs, classes = batches.series(features=batches.FEATURES)
    return classifier("shared_encoder", signals.SharedEncoder, (inputs, classes))


def translator() -> Case:
    """``nn.Transformer`` clones its layers: they start identical, and diverge."""
    inputs, following = batches.tokens()
    loss = lambda out: F.cross_entropy(out.flatten(0, 1), following.flatten())  # noqa: E731
    return Case("translator", seeded(signals.Translator), (inputs, inputs), loss)


def equilibrium() -> Case:
    return classifier("equilibrium", equations.Equilibrium, batches.vectors())


def diffusion() -> Case:
    images = batches.pictures()[0]
    torch.manual_seed(7)
    noise, times = torch.randn(images.shape), torch.rand(len(images)) * 100
    mixed = images * 0.7 + noise * 0.7
    return Case("diffusion", vision.DiffusionUNet(), (mixed, times), lambda out: F.mse_loss(out, noise))


def actor_critic() -> Case:
    observations, actions = batches.vectors(features=8, classes=4)
    advantages = torch.randn(len(actions), generator=torch.Generator().manual_seed(3))
    returns = observations.sum(1)

    def loss(out: tuple[Tensor, Tensor]) -> Tensor:
        logits, values = out
        chosen = logits.log_softmax(1).gather(1, actions[:, None]).squeeze(1)
        entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
        return -(chosen * advantages).mean() + F.mse_loss(values, returns) / 2 - 0.01 * entropy

    return Case("actor_critic", seeded(equations.ActorCritic), observations, loss)


def critic() -> Case:
    """Hinge loss: the first half of the batch is real."""
    images = batches.pictures()[0]
    signs = torch.where(torch.arange(len(images)) < len(images) // 2, 1.0, -1.0)[:, None]
    return Case("critic", seeded(vision.Critic), images, lambda out: F.relu(1 - signs * out).mean())


def weight_normed() -> Case:
    return classifier("weight_normed", signals.TemporalNet, batches.series())


def layer_scale_vit() -> Case:
    return classifier("layer_scale_vit", vision.LayerScaleViT, batches.pictures())


def bias_before_batch_norm() -> Case:
    return classifier("bias_before_batch_norm", vision.BiasedConv, batches.pictures())


def ten_class_vgg() -> Case:
    return classifier("ten_class_vgg", vision.VGG, batches.pictures())


def unscaled_regression() -> Case:
    """Targets around 300: a large loss and gradient, which the initialization does not cause."""
    inputs, _ = batches.vectors()
    targets = 300 + 50 * inputs[:, :1]
    return Case("unscaled_regression", seeded(equations.Regressor), inputs, lambda out: F.mse_loss(out, targets))


MORE_HEALTHY: tuple[Callable[[], Case], ...] = (
    autoencoder, variational_autoencoder, siamese, gru_classifier, bidirectional_lstm, audio, mobile_net, mixer,
    graph_net, siren, physics_informed, recommender, deep_sets, idle_expert, shared_encoder, translator, equilibrium,
    diffusion, actor_critic, critic, weight_normed, layer_scale_vit, bias_before_batch_norm, ten_class_vgg,
    unscaled_regression,
)  # fmt: skip
