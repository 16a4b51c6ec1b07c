"""Networks that train: the report must not have an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import batches, inits
from .case import Case
from .nets import bypass, conv, generative, gpt, mlp, recurrent, transformer

Twins = Mapping[str, Callable[[], nn.Module]]


def classifying(name: str, model: nn.Module, data: tuple[Tensor, Tensor], twins: Twins) -> Case:
    inputs, targets = data
    return Case(name, model, inputs, lambda out: F.cross_entropy(out, targets), twins=twins)


def deep(hidden: int, width: int = 96) -> tuple[int, ...]:
    return (batches.FEATURES, *(width,) * hidden, batches.CLASSES)


def perceptron(name: str, plan: mlp.Plan) -> tuple[mlp.ModuleMLP, Case]:
    """Return a seeded MLP with PyTorch's default initialization, and its case."""
    torch.manual_seed(7)
    model = mlp.ModuleMLP(plan)
    return model, classifying(name, model, batches.vectors(), mlp.twins(plan))


def he_relu_10() -> Case:
    model, case = perceptron("he_relu_10", mlp.Plan(deep(9)))
    inits.scaled(model, 2**0.5)
    return case


def he_relu_40() -> Case:
    model, case = perceptron("he_relu_40", mlp.Plan(deep(39)))
    inits.scaled(model, 2**0.5)
    return case


def default_relu_3() -> Case:
    return perceptron("default_relu_3", mlp.Plan(deep(2)))[1]


def xavier_tanh() -> Case:
    model, case = perceptron("xavier_tanh", mlp.Plan(deep(9), "tanh"))
    inits.xavier(model)
    return case


def lecun_selu() -> Case:
    model, case = perceptron("lecun_selu", mlp.Plan(deep(9), "selu"))
    inits.scaled(model, 1.0)
    return case


def batch_norm() -> Case:
    return perceptron("batch_norm", mlp.Plan(deep(9), norm="batch"))[1]


def layer_norm() -> Case:
    return perceptron("layer_norm", mlp.Plan(deep(9), norm="layer"))[1]


def zero_head() -> Case:
    model, case = perceptron("zero_head", mlp.Plan(deep(4)))
    inits.scaled(model.body, 2**0.5)
    inits.fill(model.head, 0.0)
    return case


def zero_gamma_resnet() -> Case:
    torch.manual_seed(7)
    return classifying("zero_gamma_resnet", conv.ResNet(False), batches.pictures(), conv.RESNET_TWINS)


def frozen_backbone() -> Case:
    torch.manual_seed(7)
    model = conv.ModuleConv()
    model.body.requires_grad_(False)
    return classifying("frozen_backbone", model, batches.pictures(), conv.CONV_TWINS)


def pre_norm_transformer() -> Case:
    return _encoder("pre_norm_transformer", norm_first=True)


def post_norm_transformer() -> Case:
    return _encoder("post_norm_transformer", norm_first=False)


def tied_gpt() -> Case:
    torch.manual_seed(7)
    model = gpt.ModuleGPT()
    gpt.initialize(model)
    inputs, targets = batches.tokens()
    loss = lambda out: F.cross_entropy(out.flatten(0, 1), targets.flatten())  # noqa: E731
    return Case("tied_gpt", model, inputs, loss, twins=gpt.GPT_TWINS)


def lstm() -> Case:
    torch.manual_seed(7)
    return classifying("lstm", recurrent.ModuleLSTM(), batches.series(), recurrent.LSTM_TWINS)


def unet() -> Case:
    torch.manual_seed(7)
    images = batches.pictures()[0]
    noisy = images + 0.3 * torch.randn(images.shape)
    return Case(
        "unet", generative.ModuleUNet(), noisy, lambda out: F.mse_loss(out, images), twins=generative.UNET_TWINS
    )


def dcgan() -> Case:
    """The generator's step: the discriminator should output 1."""
    torch.manual_seed(7)
    model = generative.ModuleGAN()
    inits.normal(model, 0.02)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    latent = torch.randn(32, generative.LATENT, 1, 1)
    loss = lambda out: F.binary_cross_entropy_with_logits(out, torch.ones_like(out))  # noqa: E731
    return Case("dcgan", model, latent, loss, twins=generative.GAN_TWINS)


def lora() -> Case:
    torch.manual_seed(7)
    return classifying("lora", bypass.LoRA(), batches.vectors(), bypass.LORA_TWINS)


def rezero() -> Case:
    torch.manual_seed(7)
    return classifying("rezero", bypass.ReZero(False), batches.vectors(), bypass.REZERO_TWINS)


def _encoder(name: str, norm_first: bool) -> Case:
    torch.manual_seed(7)
    inputs, _ = batches.vectors(32 * transformer.LENGTH)
    sequences = inputs.view(32, transformer.LENGTH, batches.FEATURES)
    targets = sequences.mean(1)[:, : batches.CLASSES].argmax(1)
    model = transformer.ModuleEncoder(norm_first)
    return classifying(name, model, (sequences, targets), transformer.encoder_twins(norm_first))


HEALTHY: tuple[Callable[[], Case], ...] = (
    he_relu_10, he_relu_40, default_relu_3, xavier_tanh, lecun_selu, batch_norm, layer_norm, zero_head,
    zero_gamma_resnet, frozen_backbone, pre_norm_transformer, post_norm_transformer, tied_gpt, lstm, unet, dcgan, lora,
    rezero,
)  # fmt: skip
