"""Small architectures of `transformers` for sounds, images with texts, time series and agents."""

from __future__ import annotations

from typing import Any

import torch

from .transformers_batches import contrasted, images
from .transformers_signals import (
    captioned,
    channels,
    coded,
    composed,
    forecast,
    heard,
    horizon,
    questions,
    read_aloud,
    sounds,
    spoken,
    trajectories,
    transcribed,
    vocoded,
)
from .transformers_table import Row


def wav2vec2(width: int, layers: int, **more: Any) -> dict[str, Any]:
    """Time masking is disabled: it uses numpy's random state, which a torch seed does not control."""
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "conv_dim": [32] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "mask_time_prob": 0.0,
        **more,
    }


def tower(width: int, layers: int, **more: Any) -> dict[str, Any]:
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
    return sizes | {"num_attention_heads": 4} | more


def words(width: int, layers: int, **more: Any) -> dict[str, Any]:
    """Return the options of a text tower."""
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return tower(width, layers, vocab_size=500, max_position_embeddings=32, **ids) | more


def pixels(width: int, layers: int, **more: Any) -> dict[str, Any]:
    """Return the options of an image tower."""
    return tower(width, layers, image_size=32, patch_size=8) | more


def sequence(width: int, *, name: str = "d_model", **more: Any) -> dict[str, Any]:
    """Return the options of 2 encoder and 2 decoder layers; ``name`` is the configuration's name of the width."""
    sizes: dict[str, Any] = {name: width}
    for part in ("encoder", "decoder"):
        sizes |= {f"{part}_layers": 2, f"{part}_attention_heads": 4, f"{part}_ffn_dim": 2 * width}
    return sizes | more


def series(**more: Any) -> dict[str, Any]:
    return (
        sequence(64, prediction_length=12, context_length=24, num_time_features=1, lags_sequence=[1, 2, 3, 12]) | more
    )


def regions(config: Any, generator: torch.Generator) -> dict[str, Any]:
    """Return the regions that a detector found in the images."""
    return {"visual_embeds": torch.randn(8, 6, config.visual_embedding_dim, generator=generator)}


def regions_and_boxes(config: Any, generator: torch.Generator) -> dict[str, Any]:
    features = torch.randn(8, 6, config.visual_feat_dim, generator=generator).relu()
    return {"visual_feats": features, "visual_pos": torch.rand(8, 6, 4, generator=generator)}


def whole_pictures(config: Any, generator: torch.Generator) -> dict[str, Any]:
    return {"pixel_values": images(generator, 8, 3, 32, 32)}


SOUNDS = (
    Row("wav2vec2", "Wav2Vec2ForCTC", "wav2vec2", spoken(4, 8000, 5), wav2vec2(64, 3)),
    Row(
        "hubert",
        "HubertForSequenceClassification",
        "wav2vec2",
        spoken(6, 6000, 0),
        wav2vec2(96, 3, num_labels=8, classifier_proj_size=64),
    ),
    Row("wavlm", "WavLMForCTC", "wav2vec2", spoken(4, 8000, 5), wav2vec2(64, 3)),
    Row(
        "data2vec-audio",
        "Data2VecAudioForCTC",
        "wav2vec2",
        spoken(4, 8000, 5),
        wav2vec2(64, 2, num_conv_pos_embeddings=3, conv_pos_kernel_size=7),
    ),
    Row(
        "unispeech-sat",
        "UniSpeechSatForSequenceClassification",
        "wav2vec2",
        spoken(6, 6000, 0),
        wav2vec2(64, 3, num_labels=5, classifier_proj_size=64),
    ),
    Row("sew", "SEWForCTC", "sew", spoken(4, 12000, 4), wav2vec2(64, 3, conv_dim=[16] + [32] * 12)),
    Row(
        "wav2vec2-conformer",
        "Wav2Vec2ConformerForCTC",
        "conformer",
        spoken(4, 8000, 5),
        wav2vec2(64, 2, vocab_size=32, conv_depthwise_kernel_size=7),
    ),
    Row(
        "wav2vec2-bert",
        "Wav2Vec2BertForCTC",
        "conformer",
        transcribed(4, 32, 160, 5),
        tower(64, 3, vocab_size=40, conv_depthwise_kernel_size=7, mask_time_prob=0.0, output_hidden_size=64),
    ),
    Row(
        "parakeet_ctc",
        "ParakeetForCTC",
        "parakeet",
        transcribed(4, 128, 80, 5, with_mask=True),
        {"vocab_size": 64, "pad_token_id": 63, "encoder_config": tower(64, 3, subsampling_conv_channels=32)},
    ),
    Row(
        "audio-spectrogram-transformer",
        "ASTForAudioClassification",
        "vit",
        sounds(6, 64, 48),
        tower(64, 3, max_length=64, num_mel_bins=48, num_labels=10),
    ),
    Row(
        "whisper",
        "WhisperForConditionalGeneration",
        "whisper",
        transcribed(6, 64, 80, 12, bands_first=True),
        sequence(
            64,
            vocab_size=500,
            max_source_positions=32,
            max_target_positions=32,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=3,
        ),
    ),
    Row(
        "speech_to_text",
        "Speech2TextForConditionalGeneration",
        "speech_to_text",
        transcribed(6, 64, 80, 12),
        sequence(64, vocab_size=400, conv_channels=64, max_source_positions=64, max_target_positions=32),
    ),
    Row(
        "moonshine",
        "MoonshineForConditionalGeneration",
        "moonshine",
        spoken(4, 8000, 8),
        {
            "vocab_size": 300,
            "hidden_size": 64,
            "intermediate_size": 256,
            "max_position_embeddings": 64,
            "pad_token_id": 0,
        }
        | {
            f"{part}_num_{size}": number
            for part in ("encoder", "decoder")
            for size, number in (("hidden_layers", 2), ("attention_heads", 4), ("key_value_heads", 4))
        },
    ),
    Row(
        "speecht5",
        "SpeechT5ForSpeechToText",
        "speecht5",
        spoken(4, 8000, 8),
        sequence(
            64,
            vocab_size=100,
            name="hidden_size",
            conv_dim=[32] * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            mask_time_prob=0.0,
        ),
    ),
    Row(
        "dac",
        "DacModel",
        "dac",
        coded(2, 2048),
        {
            "encoder_hidden_size": 16,
            "decoder_hidden_size": 128,
            "downsampling_ratios": [2, 4, 4],
            "upsampling_ratios": [4, 4, 2],
            "codebook_size": 64,
            "n_codebooks": 3,
        },
    ),
    Row(
        "univnet",
        "UnivNetModel",
        "univnet",
        vocoded(2, 16, 256),
        {"model_hidden_channels": 16, "num_mel_bins": 40},
    ),
    Row(
        "clap",
        "ClapModel",
        "clap",
        heard(6, 16),
        {
            "text_config": words(64, 2),
            "audio_config": {
                "hidden_size": 128,
                "patch_embeds_hidden_size": 32,
                "depths": [2, 2, 2],
                "num_attention_heads": [2, 4, 8],
                "spec_size": 64,
                "num_mel_bins": 16,
                "window_size": 4,
            },
            "projection_dim": 64,
        },
    ),
    Row(
        "musicgen_decoder",
        "MusicgenForCausalLM",
        "musicgen",
        composed(4, 24),
        {
            "vocab_size": 256,
            "hidden_size": 64,
            "ffn_dim": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_codebooks": 2,
            "max_position_embeddings": 64,
            "pad_token_id": 256,
            "bos_token_id": 256,
        },
    ),
)

PAIRS = (
    Row(
        "clip",
        "CLIPModel",
        "clip",
        contrasted(8, 16, 32),
        {"text_config": words(64, 3), "vision_config": pixels(96, 3), "projection_dim": 64},
    ),
    Row(
        "siglip",
        "SiglipModel",
        "siglip",
        contrasted(8, 32, 32),
        {"text_config": words(64, 3, projection_size=64), "vision_config": pixels(64, 3)},
    ),
    Row(
        "chinese_clip",
        "ChineseCLIPModel",
        "clip",
        contrasted(8, 16, 32),
        {"text_config": words(96, 3), "vision_config": pixels(64, 3), "projection_dim": 64},
    ),
    Row(
        "altclip",
        "AltCLIPModel",
        "clip",
        contrasted(8, 16, 32),
        {"text_config": words(64, 2, project_dim=48), "vision_config": pixels(64, 2), "projection_dim": 48},
    ),
    Row(
        "align",
        "AlignModel",
        "align",
        contrasted(8, 16, 64),
        {
            "text_config": words(64, 3),
            "vision_config": {"image_size": 64, "width_coefficient": 0.5, "depth_coefficient": 0.5, "hidden_dim": 640},
            "projection_dim": 160,
        },
    ),
    Row(
        "groupvit",
        "GroupViTModel",
        "groupvit",
        contrasted(6, 16, 32),
        {
            "text_config": words(64, 2),
            "vision_config": pixels(64, 4, depths=[2, 1, 1], num_group_tokens=[8, 4, 0], num_output_groups=[8, 4, 4]),
            "projection_dim": 64,
            "projection_intermediate_dim": 128,
        },
    ),
    Row(
        "xclip",
        "XCLIPModel",
        "clip",
        contrasted(4, 16, 32, frames=4),
        {
            "text_config": words(64, 2),
            "vision_config": pixels(
                64,
                2,
                num_frames=4,
                mit_hidden_size=64,
                mit_intermediate_size=128,
                mit_num_attention_heads=4,
                mit_num_hidden_layers=1,
            ),
            "projection_dim": 64,
            "prompt_num_attention_heads": 4,
        },
    ),
    Row(
        "vilt",
        "ViltForQuestionAnswering",
        "vilt",
        questions(8, 16, whole_pictures, soft=True),
        words(64, 3, image_size=32, patch_size=8, num_labels=20),
    ),
    Row(
        "visual_bert",
        "VisualBertForVisualReasoning",
        "bert",
        questions(8, 16, regions, soft=False),
        words(64, 3, visual_embedding_dim=64, num_labels=3),
    ),
    Row(
        "lxmert",
        "LxmertForQuestionAnswering",
        "lxmert",
        questions(8, 16, regions_and_boxes, soft=False),
        {
            "vocab_size": 400,
            "hidden_size": 64,
            "num_attention_heads": 4,
            "intermediate_size": 256,
            "l_layers": 2,
            "x_layers": 2,
            "r_layers": 2,
            "visual_feat_dim": 96,
            "num_qa_labels": 30,
            "max_position_embeddings": 32,
        },
    ),
    Row(
        "git",
        "GitForCausalLM",
        "git",
        captioned(6, 16, 32),
        words(64, 3, max_position_embeddings=64, vision_config=pixels(64, 2)),
    ),
    Row(
        "llava",
        "LlavaForConditionalGeneration",
        "llava",
        captioned(4, 12, 32, image_tokens=16, image_id=499),
        {
            "text_config": {"model_type": "llama"} | tower(64, 3, vocab_size=500, max_position_embeddings=64),
            "vision_config": {"model_type": "clip_vision_model"} | pixels(64, 3),
            "image_token_index": 499,
            "image_seq_length": 16,
        },
    ),
    Row(
        "vision-encoder-decoder",
        "VisionEncoderDecoderModel",
        "vision-encoder-decoder",
        read_aloud(6, 32, 16),
        {
            "encoder": {"model_type": "vit"} | pixels(64, 3),
            "decoder": {"model_type": "bert", "is_decoder": True, "add_cross_attention": True} | words(64, 3),
            "decoder_start_token_id": 1,
            "pad_token_id": 0,
        },
    ),
)

TIMES = (
    Row(
        "time_series_transformer",
        "TimeSeriesTransformerForPrediction",
        "time_series_transformer",
        forecast(8),
        series(),
    ),
    Row("informer", "InformerForPrediction", "time_series_transformer", forecast(8), series()),
    Row("autoformer", "AutoformerForPrediction", "autoformer", forecast(8), series(moving_average=7, label_length=6)),
    Row(
        "patchtst",
        "PatchTSTForPrediction",
        "patchtst",
        channels(8),
        {
            "num_input_channels": 3,
            "context_length": 48,
            "patch_length": 8,
            "patch_stride": 8,
            "d_model": 64,
            "ffn_dim": 128,
            "prediction_length": 12,
        },
    ),
    Row(
        "patchtsmixer",
        "PatchTSMixerForPrediction",
        "patchtsmixer",
        channels(8),
        {"num_input_channels": 3, "context_length": 64, "d_model": 32, "prediction_length": 16},
    ),
    Row(
        "timesfm",
        "TimesFmModelForPrediction",
        "timesfm",
        horizon(8),
        {
            "patch_length": 16,
            "context_length": 64,
            "horizon_length": 16,
            "num_hidden_layers": 3,
            "hidden_size": 64,
            "intermediate_size": 128,
            "head_dim": 16,
            "num_attention_heads": 4,
        },
    ),
    Row(
        "decision_transformer",
        "DecisionTransformerModel",
        "gpt2",
        trajectories(8, 10),
        {
            "state_dim": 11,
            "act_dim": 3,
            "hidden_size": 64,
            "n_layer": 3,
            "n_head": 4,
            "max_ep_len": 100,
            "n_positions": 64,
        },
    ),
)

ROWS = (*SOUNDS, *PAIRS, *TIMES)
