"""Architectures of the `torchvision` library with default initialization; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nets import Case, Net

SEED = 0  # of the batches, which do not depend on the seed of the weights
FLOW = (3.0, -2.0)  # pixels to the right and down

Build = Callable[..., Case]


def made(path: str, **options: Any) -> nn.Module:
    """Return the architecture at ``path`` in `torchvision.models`, without weights."""
    # Imported here, so names and families are available without the library.
    import torchvision

    place: Any = torchvision.models
    for name in path.split("."):
        place = getattr(place, name)
    model: nn.Module = place(**options)
    return model


def classified(model: nn.Module, shape: tuple[int, ...], classes: int = 1000) -> Case:
    """Labeled images or videos; auxiliary heads are part of the loss, as in their papers."""
    generator = torch.Generator().manual_seed(SEED)
    batch = torch.randn(shape, generator=generator)
    labels = torch.randint(classes, shape[:1], generator=generator)

    def loss(output: Any) -> Tensor:
        main, *extra = (output,) if isinstance(output, Tensor) else (output[0], *output[1:])
        total = F.cross_entropy(main, labels)
        for logits in extra:
            total = total + (0.3 if len(extra) > 1 else 0.4) * F.cross_entropy(logits, labels)
        return total

    return Case(model, batch, loss)


def pictures(size: int, path: str, batch: int = 8, **options: Any) -> Case:
    return classified(made(path, **options), (batch, 3, size, size))


def vit() -> Case:
    """The base variant has 86 million weights, so this is the small one."""
    sizes = {"image_size": 64, "patch_size": 16, "num_layers": 12, "num_heads": 6, "hidden_dim": 384, "mlp_dim": 1536}
    return pictures(64, "VisionTransformer", 4, **sizes)


def swin(path: str, **blocks: str) -> Case:
    """The tiny variant with windows of 4 patches, which divide these images as those of 7 divide larger ones."""
    import torchvision

    parts = {name: getattr(torchvision.models.swin_transformer, block) for name, block in blocks.items()}
    sizes = {"patch_size": [4, 4], "window_size": [4, 4], "embed_dim": 96, "depths": [2, 2, 6, 2]}
    return pictures(128, path, 4, **sizes, num_heads=[3, 6, 12, 24], stochastic_depth_prob=0.2, **parts)


def maxvit() -> Case:
    """The tiny variant with windows of 4 patches instead of 7."""
    sizes = {"input_size": (128, 128), "stem_channels": 64, "block_channels": [64, 128, 256, 512]}
    blocks = {"block_layers": [2, 2, 5, 2], "head_dim": 32, "partition_size": 4, "stochastic_depth_prob": 0.2}
    return pictures(128, "MaxVit", 4, **sizes, **blocks)


def films(frames: int, size: int, path: str, batch: int = 4, **options: Any) -> Case:
    return classified(made(f"video.{path}", **options), (batch, 3, frames, size, size), classes=400)


def swin3d() -> Case:
    """The tiny variant with windows of 4 patches instead of 7."""
    sizes = {"patch_size": [2, 4, 4], "window_size": [8, 4, 4], "embed_dim": 96, "depths": [2, 2, 6, 2]}
    return films(16, 64, "SwinTransformer3d", **sizes, num_heads=[3, 6, 12, 24], stochastic_depth_prob=0.1)


def s3d() -> Case:
    """Ends with a mean over the whole video, because the library's version only accepts 224 pixels."""
    case = films(16, 96, "s3d")
    case.model.avgpool = nn.AdaptiveAvgPool3d(1)
    return case


def mvit() -> Case:
    """The second version for shorter and smaller videos, and smaller, since the library's function has a fixed size."""
    import torchvision

    blocks, before = [], 0
    for stage in (0, 1, 1, *5 * (2,), 3, 3):
        down, kept = 1 + stage - before, 2 ** (3 - stage)
        widths = (48 * 2**before, 48 * 2**stage)
        strides = ([1, down, down], [1, kept, kept])
        block = torchvision.models.video.mvit.MSBlockConfig(2**stage, *widths, [3, 3, 3], [3, 3, 3], *strides)
        blocks.append(block)
        before = stage
    second = {"residual_pool": True, "residual_with_cls_embed": False, "rel_pos_embed": True, "proj_after_attn": True}
    sizes = {"spatial_size": (64, 64), "temporal_size": 8, "stochastic_depth_prob": 0.2}
    return films(8, 64, "MViT", block_setting=blocks, **sizes, **second)


def segmented(size: int, path: str, batch: int = 4) -> Case:
    """Images with a label for each region of 16 x 16 pixels."""
    generator = torch.Generator().manual_seed(SEED)
    batch_of_pictures = torch.randn(batch, 3, size, size, generator=generator)
    parts = torch.randint(21, (batch, size // 16, size // 16), generator=generator)
    labels = parts.repeat_interleave(16, 1).repeat_interleave(16, 2)
    model = made(f"segmentation.{path}", weights_backbone=None)
    return Case(model, batch_of_pictures, lambda output: F.cross_entropy(output["out"], labels))


def detected(size: int, path: str, batch: int = 4, **options: Any) -> Case:
    """Images between 0 and 1, which the models normalize themselves, with one to four boxes each."""
    generator = torch.Generator().manual_seed(SEED)
    images = [(0.45 + 0.22 * torch.randn(3, size, size, generator=generator)).clamp(0, 1) for _ in range(batch)]
    targets = [boxes(size, 1 + place % 4, generator) for place in range(batch)]
    model = made(f"detection.{path}", weights_backbone=None, **options)

    def loss(losses: Mapping[str, Tensor]) -> Tensor:
        return torch.stack(tuple(losses.values())).sum()

    return Case(model, (images, targets), loss)


def boxes(size: int, number: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return boxes with sides between a quarter and half of the image."""
    sides = size * (1 + torch.rand(number, 2, generator=generator)) / 4
    corners = (size - sides) * torch.rand(number, 2, generator=generator)
    labels = torch.randint(1, 91, (number,), generator=generator)
    return {"boxes": torch.cat([corners, corners + sides], 1), "labels": labels}


def flowing(size: int, path: str, batch: int = 2) -> Case:
    """Two images between -1 and 1; the second is a shifted copy of the first. The loss is the paper's."""
    first = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(SEED)) * 2 - 1
    right, down = FLOW
    second = first.roll((int(down), int(right)), (2, 3))
    flow = torch.tensor(FLOW).view(1, 2, 1, 1).expand(batch, 2, size, size)

    def loss(guesses: list[Tensor]) -> Tensor:
        errors = [(guess - flow).abs().mean() for guess in guesses]
        return torch.stack([0.8**age * error for age, error in enumerate(reversed(errors))]).sum()

    return Case(made(f"optical_flow.{path}"), (first, second), loss)


def net(name: str, family: str, build: Build, *arguments: Any, **options: Any) -> Net:
    return Net(f"torchvision/{name}", family, partial(build, *arguments, **options))


def plain(size: int, family: str, name: str, batch: int = 8, **options: Any) -> Net:
    """An image classifier with the same name as its function."""
    return net(name, family, pictures, size, name, batch, **options)


NETS: tuple[Net, ...] = (
    plain(224, "alexnet", "alexnet"),
    plain(128, "vgg", "vgg11", 4),
    plain(128, "vgg", "vgg16_bn", 4),
    plain(128, "resnet", "resnet18"),
    plain(96, "resnet", "resnet50", 4),
    plain(96, "resnet", "resnext50_32x4d", 4),
    plain(96, "resnet", "wide_resnet50_2", 4),
    plain(128, "densenet", "densenet121", 4),
    plain(128, "squeezenet", "squeezenet1_1"),
    plain(128, "googlenet", "googlenet", init_weights=True),
    plain(299, "inception_v3", "inception_v3", 4, init_weights=True),
    plain(128, "mobilenet", "mobilenet_v2"),
    plain(128, "mobilenet", "mobilenet_v3_small"),
    plain(128, "shufflenet", "shufflenet_v2_x0_5"),
    plain(128, "mnasnet", "mnasnet0_5"),
    plain(128, "efficientnet", "efficientnet_b0"),
    plain(128, "efficientnet", "efficientnet_v2_s", 4),
    plain(128, "resnet", "regnet_x_400mf"),
    plain(128, "resnet", "regnet_y_400mf"),
    plain(128, "convnext", "convnext_tiny", 4),
    net("vit_s_16", "vit", vit),
    net("swin_t", "swin", swin, "SwinTransformer"),
    net(
        "swin_v2_t",
        "swin",
        swin,
        "SwinTransformer",
        block="SwinTransformerBlockV2",
        downsample_layer="PatchMergingV2",
    ),
    net("maxvit_t", "maxvit", maxvit),
    net("fcn_resnet50", "fcn", segmented, 96, "fcn_resnet50"),
    net("deeplabv3_mobilenet_v3_large", "deeplabv3", segmented, 256, "deeplabv3_mobilenet_v3_large"),
    net("lraspp_mobilenet_v3_large", "lraspp", segmented, 128, "lraspp_mobilenet_v3_large", 8),
    net("r3d_18", "resnet3d", films, 8, 48, "r3d_18"),
    net("mc3_18", "resnet3d", films, 8, 48, "mc3_18"),
    net("r2plus1d_18", "resnet3d", films, 8, 48, "r2plus1d_18"),
    net("s3d", "s3d", s3d),
    net("mvit_v2", "mvit", mvit),
    net("swin3d_t", "swin", swin3d),
    net("raft_small", "raft", flowing, 128, "raft_small"),
    net("retinanet_resnet50_fpn", "retinanet", detected, 128, "retinanet_resnet50_fpn", min_size=128, max_size=128),
    net("fcos_resnet50_fpn", "fcos", detected, 128, "fcos_resnet50_fpn", min_size=128, max_size=128),
    net("ssdlite320_mobilenet_v3_large", "ssd", detected, 320, "ssdlite320_mobilenet_v3_large"),
    net("fasterrcnn_mobilenet_v3_large_320_fpn", "rcnn", detected, 320, "fasterrcnn_mobilenet_v3_large_320_fpn", 2),
)
