"""More small architectures of `transformers` for sounds, time series, and images with texts."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.healthy.transformers_batches import IGNORED, contrasted, images, tokens
from benchmarks.healthy.transformers_senses import pixels, tower, wav2vec2, words
from benchmarks.healthy.transformers_signals import captioned, horizon, spoken, transcribed
from benchmarks.healthy.transformers_table import Draw, Drawn, Row


def matched(batch: int, length: int, size: int) -> Draw:
    """Images and their captions, for a model that does not compute a loss."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        fields, _ = contrasted(batch, length, size)(config, generator)
        del fields["return_loss"]
        pairs = torch.arange(batch)

        def loss(output: Any) -> Tensor:
            scores = output.logits_per_text
            return (F.cross_entropy(scores, pairs) + F.cross_entropy(scores.T, pairs)) / 2

        return fields, loss

    return draw


def patched(batch: int, length: int, patches: int, pixels_of_patch: int) -> Draw:
    """Language modeling of texts about an image, which is passed as patches."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        ids = tokens(generator, config.image_token_id, batch, length)
        place = torch.full((batch, patches), config.image_token_id)
        looks = images(generator, batch, 3, 32, 32).unfold(2, 8, 8).unfold(3, 8, 8)
        looks = looks.permute(0, 2, 3, 1, 4, 5).reshape(batch, patches, pixels_of_patch)
        labels = torch.cat([torch.full_like(place, IGNORED), ids], 1)
        return {"input_ids": torch.cat([place, ids], 1), "image_patches": looks, "labels": labels}, None

    return draw


def horizon_alone(batch: int) -> Draw:
    """Past and future of one series, without its frequency as an input."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        fields, loss = horizon(batch)(config, generator)
        del fields["freq"]
        return fields, loss

    return draw


SOUNDS = (
    Row(
        "unispeech",
        "UniSpeechForCTC",
        "unispeech",
        spoken(4, 8000, 5),
        wav2vec2(64, 3, num_ctc_classes=32, vocab_size=32),
    ),
    Row(
        "sew-d",
        "SEWDForCTC",
        "sew-d",
        spoken(4, 12000, 4),
        wav2vec2(64, 3, conv_dim=[16] + [32] * 12, max_position_embeddings=64, position_buckets=16),
    ),
    Row(
        "lasr_ctc",
        "LasrForCTC",
        "lasr",
        transcribed(4, 96, 80, 5, with_mask=True),
        {
            "vocab_size": 64,
            "pad_token_id": 63,
            "encoder_config": tower(64, 3, subsampling_conv_channels=32, num_mel_bins=80),
        },
    ),
    Row(
        "granite_speech5_ctc",
        "GraniteSpeech5ForCTC",
        "granite speech",
        transcribed(4, 64, 320, 5, with_mask=True),
        {
            "vocab_size": 64,
            "encoder_config": tower(
                64, 4, vocab_size=64, num_key_value_heads=4, head_dim=16, max_position_embeddings=64, context_size=16
            ),
        },
    ),
)

PAIRS = (
    Row(
        "blip",
        "BlipForConditionalGeneration",
        "blip",
        captioned(6, 16, 32),
        {
            "text_config": words(64, 3, encoder_hidden_size=64, projection_dim=64, sep_token_id=2),
            "vision_config": pixels(64, 3),
            "projection_dim": 64,
        },
    ),
    Row(
        "aimv2",
        "Aimv2Model",
        "aimv2",
        matched(8, 16, 32),
        {"text_config": words(64, 3), "vision_config": pixels(64, 3), "projection_dim": 64},
    ),
    Row(
        "fuyu",
        "FuyuForCausalLM",
        "fuyu",
        patched(4, 12, 16, 192),
        {
            "text_config": {"model_type": "persimmon"} | tower(64, 3, vocab_size=500, max_position_embeddings=64),
            "patch_size": 8,
            "image_token_id": 499,
        },
    ),
    Row(
        "paligemma",
        "PaliGemmaForConditionalGeneration",
        "paligemma",
        captioned(4, 12, 32, image_tokens=16, image_id=499),
        {
            "text_config": {"model_type": "gemma"}
            | tower(
                64, 3, vocab_size=500, max_position_embeddings=64, num_key_value_heads=2, head_dim=16, pad_token_id=0
            ),
            "vision_config": {"model_type": "siglip_vision_model", "vision_use_head": False} | pixels(64, 3),
            "image_token_id": 499,
            "projection_dim": 64,
        },
    ),
)

TIMES = (
    Row(
        "timesfm2_5",
        "TimesFm2_5ModelForPrediction",
        "timesfm2_5",
        horizon_alone(8),
        {
            "patch_length": 16,
            "context_length": 64,
            "horizon_length": 16,
            "num_hidden_layers": 3,
            "hidden_size": 64,
            "intermediate_size": 128,
            "head_dim": 16,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "output_quantile_len": 32,
            "max_position_embeddings": 64,
        },
    ),
)

ROWS = (*SOUNDS, *PAIRS, *TIMES)
