"""More small detectors of `transformers`."""

from __future__ import annotations

from benchmarks.healthy.transformers_batches import detected
from benchmarks.healthy.transformers_pictures import DETR, RESNET, STAGES, backbone
from benchmarks.healthy.transformers_table import Row

from .transformers_pictures import HGNET

SMALL_DETR = {
    "d_model": 64,
    "projector_out_channels": 64,
    "decoder_ffn_dim": 128,
    "decoder_layers": 2,
    "decoder_self_attention_heads": 4,
    "decoder_cross_attention_heads": 4,
    "num_queries": 15,
    "group_detr": 3,
    "num_labels": 8,
}

ROWS = (
    Row(
        "table-transformer",
        "TableTransformerForObjectDetection",
        "table-transformer",
        detected(4, 64),
        DETR | {"backbone_config": backbone("resnet", STAGES[-1:], **RESNET)},
    ),
    Row(
        "dab-detr",
        "DabDetrForObjectDetection",
        "dab-detr",
        detected(4, 64),
        {
            "hidden_size": 64,
            "num_queries": 15,
            "num_labels": 8,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_ffn_dim": 128,
            "decoder_ffn_dim": 128,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
        }
        | {"backbone_config": backbone("resnet", STAGES[-1:], **RESNET)},
    ),
    Row(
        "d_fine",
        "DFineForObjectDetection",
        "d_fine",
        detected(4, 64),
        {
            "backbone_config": backbone("hgnet_v2", STAGES[1:], **HGNET),
            "encoder_in_channels": [64, 96, 128],
            "encoder_hidden_dim": 64,
            "encoder_ffn_dim": 128,
            "encoder_attention_heads": 4,
            "d_model": 64,
            "decoder_in_channels": [64, 64, 64],
            "decoder_ffn_dim": 128,
            "decoder_layers": 2,
            "decoder_attention_heads": 4,
            "num_queries": 20,
            "num_denoising": 10,
            "num_labels": 8,
        },
    ),
    Row(
        "lw_detr",
        "LwDetrForObjectDetection",
        "lw_detr",
        detected(4, 64),
        SMALL_DETR
        | {
            "projector_scale_factors": [1.0],
            "backbone_config": backbone(
                "lw_detr_vit",
                ("stage2", "stage4"),
                hidden_size=64,
                num_hidden_layers=4,
                num_attention_heads=4,
                image_size=64,
                pretrain_image_size=64,
                patch_size=8,
                num_windows=4,
                window_block_indices=[0, 2],
            ),
        },
    ),
    Row(
        "rf_detr",
        "RfDetrForObjectDetection",
        "rf_detr",
        detected(4, 64),
        SMALL_DETR
        | {
            "backbone_config": backbone(
                "rf_detr_dinov2",
                ("stage2", "stage4"),
                hidden_size=64,
                num_hidden_layers=4,
                num_attention_heads=4,
                image_size=64,
                patch_size=8,
                num_windows=2,
            )
        },
    ),
)
