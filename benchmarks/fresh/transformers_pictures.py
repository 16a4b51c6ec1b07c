"""More small vision architectures of `transformers`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.healthy.transformers_batches import depths, distances, films, images, instances, pictures
from benchmarks.healthy.transformers_pictures import DINO, STAGES, SWIN, backbone
from benchmarks.healthy.transformers_table import Draw, Drawn, Row

HGNET = {
    "embedding_size": 32,
    "stem_channels": [3, 16, 32],
    "hidden_sizes": [32, 64, 96, 128],
    "depths": [1, 1, 1, 1],
} | {
    f"stage_{name}": numbers
    for name, numbers in (
        ("in_channels", [32, 32, 64, 96]),
        ("mid_channels", [16, 16, 32, 32]),
        ("out_channels", [32, 64, 96, 128]),
        ("num_blocks", [1, 1, 1, 1]),
        ("numb_of_layers", [2, 2, 2, 2]),
    )
}


def prompted(batch: int, size: int) -> Draw:
    """Depth estimation from an image and a coarse map of the distances."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        target = distances(generator, batch, size, size)
        coarse = F.avg_pool2d(target[:, None], 4)
        return {
            "pixel_values": images(generator, batch, 3, size, size),
            "prompt_depth": coarse,
        }, lambda output: F.l1_loss(output.predicted_depth, target)

    return draw


CLASSIFIERS = (
    Row(
        "dinov2_with_registers",
        "Dinov2WithRegistersForImageClassification",
        "dinov2_with_registers",
        pictures(8, 56),
        DINO | {"num_labels": 10},
    ),
    Row("hgnet_v2", "HGNetV2ForImageClassification", "hgnet_v2", pictures(8, 64), HGNET | {"num_labels": 10}),
    Row(
        "donut-swin",
        "DonutSwinForImageClassification",
        "donut-swin",
        pictures(6, 64),
        SWIN | {"depths": [2, 2, 2], "num_heads": [1, 2, 4], "num_labels": 10},
    ),
    Row(
        "vjepa2",
        "VJEPA2ForVideoClassification",
        "vjepa2",
        films(4, 4, 32, name="pixel_values_videos"),
        {
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "mlp_ratio": 4,
            "crop_size": 32,
            "patch_size": 8,
            "frames_per_clip": 4,
            "num_labels": 10,
            "pred_hidden_size": 48,
            "pred_num_hidden_layers": 2,
            "pred_num_attention_heads": 4,
        },
    ),
)

DENSE = (
    Row(
        "eomt",
        "EomtForUniversalSegmentation",
        "eomt",
        instances(2, 64),
        {
            "hidden_size": 64,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": 64,
            "patch_size": 16,
            "num_blocks": 2,
            "num_queries": 10,
            "num_labels": 6,
            "train_num_points": 256,
            "num_upscale_blocks": 1,
        },
    ),
    Row(
        "zoedepth",
        "ZoeDepthForDepthEstimation",
        "zoedepth",
        depths(4, 64, own_loss=False),
        {
            "backbone_config": backbone(
                "beit",
                STAGES,
                hidden_size=64,
                num_hidden_layers=4,
                num_attention_heads=4,
                intermediate_size=256,
                image_size=64,
                patch_size=16,
                use_relative_position_bias=True,
                reshape_hidden_states=False,
            ),
            "neck_hidden_sizes": [24, 32, 48, 64],
            "fusion_hidden_size": 32,
            "bottleneck_features": 32,
            "num_relative_features": 16,
            "bin_embedding_dim": 32,
        },
    ),
    Row(
        "prompt_depth_anything",
        "PromptDepthAnythingForDepthEstimation",
        "prompt_depth_anything",
        prompted(4, 56),
        {"backbone_config": backbone("dinov2", STAGES, **DINO, reshape_hidden_states=False)}
        | {
            "reassemble_hidden_size": 64,
            "neck_hidden_sizes": [24, 32, 48, 64],
            "fusion_hidden_size": 32,
            "head_hidden_size": 16,
        },
    ),
)

ROWS = (*CLASSIFIERS, *DENSE)
