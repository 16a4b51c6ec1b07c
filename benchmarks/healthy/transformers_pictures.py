"""Small vision architectures of `transformers`: classification, segmentation, detection, depth, video."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .transformers_batches import (
    causal,
    depths,
    detected,
    films,
    instances,
    pictures,
    segmented,
    unlabelled,
)
from .transformers_table import Row


def vit(width: int, layers: int, size: int, patch: int = 8, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "image_size": size,
        "patch_size": patch,
        "num_labels": 10,
        **more,
    }


def stages(**more: Any) -> dict[str, Any]:
    """Return the options of a pyramid with four stages."""
    return {"hidden_sizes": [32, 64, 96, 128], "depths": [2, 2, 2, 2], "num_labels": 10, **more}


def backbone(kind: str, features: tuple[str, ...], **sizes: Any) -> dict[str, Any]:
    return {"model_type": kind, "out_features": list(features), **sizes}


RESNET = {"embedding_size": 32, "hidden_sizes": [32, 64, 96, 128], "depths": [1, 2, 2, 1], "layer_type": "basic"}
SWIN = {"image_size": 64, "embed_dim": 32, "depths": [2, 2, 2, 2], "num_heads": [1, 2, 4, 8], "window_size": 4}
DINO = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "image_size": 56, "patch_size": 14}
STAGES = ("stage1", "stage2", "stage3", "stage4")
DETR = {"d_model": 64, "num_queries": 15, "num_labels": 8} | {
    f"{part}_{size}": number
    for part in ("encoder", "decoder")
    for size, number in (("layers", 2), ("ffn_dim", 128), ("attention_heads", 4))
}


def restored(output: Any, pixels: Tensor) -> Tensor:
    """Return the distance between a super-resolution output and the interpolated image."""
    target = F.interpolate(pixels, scale_factor=2, mode="bilinear")
    return F.l1_loss(output.reconstruction, target)


def heatmaps(output: Any, pixels: Tensor) -> Tensor:
    """Return the distance between the joints' heatmaps and targets with one peak each."""
    target = output.heatmaps.new_zeros(output.heatmaps.shape)
    target[..., target.shape[-2] // 2, target.shape[-1] // 3] = 1.0
    return F.mse_loss(output.heatmaps, target)


CLASSIFIERS = (
    Row("vit", "ViTForImageClassification", "vit", pictures(8, 32), vit(64, 4, 32)),
    Row("deit", "DeiTForImageClassification", "vit", pictures(8, 64), vit(96, 3, 64, 16)),
    Row("vit_msn", "ViTMSNForImageClassification", "vit", pictures(8, 32), vit(64, 3, 32)),
    Row("ijepa", "IJepaForImageClassification", "vit", pictures(8, 48), vit(96, 3, 48)),
    Row("dinov2", "Dinov2ForImageClassification", "vit", pictures(8, 56), DINO | {"num_labels": 10}),
    Row("beit", "BeitForImageClassification", "beit", pictures(8, 32), vit(64, 4, 32)),
    Row("data2vec-vision", "Data2VecVisionForImageClassification", "beit", pictures(8, 64), vit(96, 3, 64, 16)),
    Row(
        "swin",
        "SwinForImageClassification",
        "swin",
        pictures(6, 64),
        SWIN | {"depths": [2, 2, 2], "num_heads": [1, 2, 4], "num_labels": 10},
    ),
    Row(
        "swinv2",
        "Swinv2ForImageClassification",
        "swin",
        pictures(6, 64),
        SWIN | {"embed_dim": 48, "depths": [2, 2, 2], "num_heads": [3, 6, 12], "num_labels": 10},
    ),
    Row("convnext", "ConvNextForImageClassification", "convnext", pictures(8, 64), stages()),
    Row("convnextv2", "ConvNextV2ForImageClassification", "convnext", pictures(8, 64), stages(depths=[1, 2, 3, 1])),
    Row(
        "resnet",
        "ResNetForImageClassification",
        "resnet",
        pictures(8, 64),
        stages(embedding_size=32, hidden_sizes=[64, 128, 192, 256]),
    ),
    Row(
        "regnet", "RegNetForImageClassification", "resnet", pictures(8, 64), stages(embedding_size=32, groups_width=16)
    ),
    Row(
        "bit",
        "BitForImageClassification",
        "bit",
        pictures(8, 64),
        stages(hidden_sizes=[128, 128, 256, 256], depths=[1, 2, 2, 1]),
    ),
    Row(
        "efficientnet",
        "EfficientNetForImageClassification",
        "efficientnet",
        pictures(8, 64),
        {"image_size": 64, "width_coefficient": 0.5, "depth_coefficient": 0.5, "hidden_dim": 640, "num_labels": 10},
    ),
    Row(
        "mobilenet_v1",
        "MobileNetV1ForImageClassification",
        "mobilenet",
        pictures(8, 64),
        {"image_size": 64, "depth_multiplier": 0.25, "num_labels": 10},
    ),
    Row(
        "mobilenet_v2",
        "MobileNetV2ForImageClassification",
        "mobilenet",
        pictures(8, 64),
        {"image_size": 64, "depth_multiplier": 0.35, "num_labels": 10},
    ),
    Row(
        "mobilevit",
        "MobileViTForImageClassification",
        "mobilevit",
        pictures(8, 64),
        {"image_size": 64, "hidden_sizes": [64, 80, 96], "neck_hidden_sizes": [16, 16, 24, 48, 64, 80, 320]}
        | {"expand_ratio": 2.0, "num_labels": 10},
    ),
    Row(
        "mobilevitv2",
        "MobileViTV2ForImageClassification",
        "mobilevit",
        pictures(8, 64),
        {"image_size": 64, "width_multiplier": 0.5, "num_labels": 10},
    ),
    Row(
        "levit",
        "LevitForImageClassification",
        "levit",
        pictures(8, 64),
        {"image_size": 64, "hidden_sizes": [64, 96, 128], "num_attention_heads": [2, 3, 4], "depths": [2, 2, 2]}
        | {"num_labels": 10},
    ),
    Row(
        "cvt",
        "CvtForImageClassification",
        "cvt",
        pictures(8, 64),
        {"embed_dim": [32, 64, 96], "num_heads": [1, 2, 3], "depth": [1, 2, 3], "num_labels": 10},
    ),
    Row(
        "pvt",
        "PvtForImageClassification",
        "pvt",
        pictures(8, 64),
        stages(image_size=64, num_attention_heads=[1, 2, 3, 4]),
    ),
    Row(
        "pvt_v2",
        "PvtV2ForImageClassification",
        "pvt",
        pictures(8, 64),
        stages(image_size=64, num_attention_heads=[1, 2, 3, 4]),
    ),
    Row("poolformer", "PoolFormerForImageClassification", "poolformer", pictures(8, 64), stages()),
    Row(
        "focalnet",
        "FocalNetForImageClassification",
        "focalnet",
        pictures(8, 64),
        {"image_size": 64, "embed_dim": 32, "depths": [2, 2, 2, 2], "num_labels": 10},
    ),
    Row(
        "hiera",
        "HieraForImageClassification",
        "hiera",
        pictures(8, 64),
        {"image_size": [64, 64], "embed_dim": 32, "depths": [1, 2, 3, 1], "num_labels": 10},
    ),
    Row(
        "swiftformer",
        "SwiftFormerForImageClassification",
        "swiftformer",
        pictures(8, 64),
        {"image_size": 64, "embed_dims": [32, 48, 64, 96], "depths": [2, 2, 3, 2], "num_labels": 10},
    ),
    Row(
        "textnet",
        "TextNetForImageClassification",
        "textnet",
        pictures(8, 64),
        {"image_size": [64, 64], "stem_out_channels": 32, "hidden_sizes": [32, 32, 64, 96, 128], "num_labels": 10},
    ),
    Row(
        "imagegpt",
        "ImageGPTForCausalImageModeling",
        "gpt2",
        causal(6, 64, spare=1),
        {"vocab_size": 129, "n_positions": 64, "n_embd": 64, "n_layer": 3, "n_head": 4},
    ),
)

DENSE = (
    Row(
        "segformer",
        "SegformerForSemanticSegmentation",
        "segformer",
        segmented(6, 64),
        stages(num_attention_heads=[1, 2, 3, 4], decoder_hidden_size=64),
    ),
    Row(
        "glpn",
        "GLPNForDepthEstimation",
        "segformer",
        depths(6, 64, own_loss=True),
        stages(num_attention_heads=[1, 2, 3, 4], decoder_hidden_size=32),
    ),
    Row(
        "dpt",
        "DPTForSemanticSegmentation",
        "dpt",
        segmented(6, 64),
        vit(
            64, 4, 64, 16, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[24, 32, 48, 64], fusion_hidden_size=32
        ),
    ),
    Row(
        "depth_anything",
        "DepthAnythingForDepthEstimation",
        "dpt",
        depths(6, 56, own_loss=False),
        {"backbone_config": backbone("dinov2", STAGES, **DINO, reshape_hidden_states=False)}
        | {"reassemble_hidden_size": 64, "neck_hidden_sizes": [24, 32, 48, 64], "fusion_hidden_size": 32}
        | {"head_hidden_size": 16},
    ),
    Row(
        "upernet",
        "UperNetForSemanticSegmentation",
        "upernet",
        segmented(4, 64),
        {
            "backbone_config": backbone("convnext", STAGES, hidden_sizes=[32, 64, 96, 128], depths=[1, 1, 2, 1]),
            "hidden_size": 64,
            "auxiliary_channels": 32,
            "auxiliary_in_channels": 96,
            "num_labels": 10,
        },
    ),
    Row(
        "yolos", "YolosForObjectDetection", "yolos", detected(4, 64), vit(64, 3, [64, 64], 16, num_detection_tokens=15)
    ),
    Row(
        "detr",
        "DetrForObjectDetection",
        "detr",
        detected(4, 64),
        DETR | {"backbone_config": backbone("resnet", STAGES[-1:], **RESNET)},
    ),
    Row(
        "conditional_detr",
        "ConditionalDetrForObjectDetection",
        "detr",
        detected(4, 64),
        DETR | {"backbone_config": backbone("resnet", STAGES[-1:], **RESNET)},
    ),
    Row(
        "deformable_detr",
        "DeformableDetrForObjectDetection",
        "deformable_detr",
        detected(4, 64),
        DETR | {"backbone_config": backbone("resnet", STAGES[1:], **RESNET)},
    ),
    Row(
        "rt_detr",
        "RTDetrForObjectDetection",
        "rt_detr",
        detected(4, 64),
        {"backbone_config": backbone("rt_detr_resnet", STAGES[1:], **RESNET), "encoder_in_channels": [64, 96, 128]}
        | {"encoder_hidden_dim": 64, "encoder_ffn_dim": 128, "encoder_attention_heads": 4, "d_model": 64}
        | {
            "decoder_in_channels": [64, 64, 64],
            "decoder_ffn_dim": 128,
            "decoder_layers": 2,
            "decoder_attention_heads": 4,
        }
        | {"num_queries": 20, "num_denoising": 10, "num_labels": 8},
    ),
    Row(
        "mask2former",
        "Mask2FormerForUniversalSegmentation",
        "mask2former",
        instances(2, 64),
        {
            "backbone_config": backbone("swin", STAGES, **SWIN),
            "feature_size": 64,
            "mask_feature_size": 64,
            "hidden_dim": 64,
        }
        | {"encoder_feedforward_dim": 128, "dim_feedforward": 128, "encoder_layers": 2, "decoder_layers": 3}
        | {"num_attention_heads": 4, "num_queries": 10, "train_num_points": 512, "num_labels": 6},
    ),
    Row(
        "maskformer",
        "MaskFormerForInstanceSegmentation",
        "maskformer",
        instances(2, 64),
        {
            "backbone_config": backbone("swin", STAGES, **SWIN),
            "fpn_feature_size": 64,
            "mask_feature_size": 64,
            "num_labels": 6,
        }
        | {
            "decoder_config": {"model_type": "detr"}
            | {key: value for key, value in DETR.items() if key != "num_labels"}
        },
    ),
    Row(
        "vit_mae",
        "ViTMAEForPreTraining",
        "vit",
        unlabelled(8, 32),
        vit(64, 3, 32, 4)
        | {
            "decoder_hidden_size": 48,
            "decoder_num_hidden_layers": 2,
            "decoder_num_attention_heads": 4,
            "decoder_intermediate_size": 192,
        },
    ),
    Row(
        "swin2sr",
        "Swin2SRForImageSuperResolution",
        "swin",
        unlabelled(4, 32, restored),
        {"image_size": 32, "embed_dim": 48, "depths": [2, 2], "num_heads": [4, 4], "window_size": 4},
    ),
    Row(
        "vitpose",
        "VitPoseForPoseEstimation",
        "vit",
        unlabelled(6, 64, heatmaps),
        {
            "backbone_config": backbone(
                "vitpose_backbone",
                STAGES[2:3],
                image_size=[64, 64],
                patch_size=[8, 8],
                hidden_size=64,
                num_hidden_layers=3,
                num_attention_heads=4,
            ),
            "num_labels": 17,
        },
    ),
    Row("videomae", "VideoMAEForVideoClassification", "vit", films(4, 4, 32), vit(64, 3, 32, num_frames=4)),
    Row(
        "vivit",
        "VivitForVideoClassification",
        "vit",
        films(4, 4, 32),
        {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}
        | {"image_size": 32, "num_frames": 4, "tubelet_size": [2, 8, 8], "num_labels": 10},
    ),
    Row(
        "timesformer", "TimesformerForVideoClassification", "timesformer", films(4, 4, 32), vit(64, 3, 32, num_frames=4)
    ),
)

ROWS = (*CLASSIFIERS, *DENSE)
