"""Batches of sounds, time series, trajectories, and texts with images, for `transformers` models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .transformers_batches import IGNORED, images, padded, text_of, tokens
from .transformers_table import Draw, Drawn


def waves(generator: torch.Generator, batch: int, samples: int) -> Tensor:
    """Return standardized sounds of three tones with varying volume, and noise; 16,000 samples per second."""
    time = torch.arange(samples) / 16_000
    pitches = 100 * 20 ** torch.rand(batch, 3, 1, generator=generator)
    beats = 2 + 6 * torch.rand(batch, 3, 1, generator=generator)
    sound = ((6.283 * pitches * time).sin() * (6.283 * beats * time).sin()).sum(1)
    sound = sound + 0.1 * torch.randn(batch, samples, generator=generator)
    return (sound - sound.mean(1, keepdim=True)) / sound.std(1, keepdim=True)


def spectra(generator: torch.Generator, batch: int, frames: int, bands: int) -> Tensor:
    """Return standardized log spectrograms ``(batch, frames, bands)``, smooth in both directions."""
    coarse = torch.randn(batch, 1, frames // 4, bands // 4, generator=generator)
    smooth = F.interpolate(coarse, size=(frames, bands), mode="bicubic")[:, 0]
    return smooth + 0.2 * torch.randn(batch, frames, bands, generator=generator)


def spoken(batch: int, samples: int, letters: int) -> Draw:
    """Sounds with their transcript, or with a class if ``letters`` is 0."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        if letters:
            labels = tokens(generator, config.vocab_size, batch, letters)
        else:
            labels = torch.randint(config.num_labels, (batch,), generator=generator)
        return {"input_values": waves(generator, batch, samples), "labels": labels}, None

    return draw


def transcribed(
    batch: int, frames: int, bands: int, letters: int, *, bands_first: bool = False, with_mask: bool = False
) -> Draw:
    """Spectrograms with their transcript."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        features = spectra(generator, batch, frames, bands)
        labels = tokens(generator, config.vocab_size, batch, letters)
        fields = {"input_features": features.transpose(1, 2) if bands_first else features, "labels": labels}
        return fields | ({"attention_mask": torch.ones(batch, frames).long()} if with_mask else {}), None

    return draw


def sounds(batch: int, frames: int, bands: int) -> Draw:
    """Classification of spectrograms."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        labels = torch.randint(config.num_labels, (batch,), generator=generator)
        return {"input_values": spectra(generator, batch, frames, bands), "labels": labels}, None

    return draw


def coded(batch: int, samples: int) -> Draw:
    """A codec: its own losses and the distance between sound and reconstruction."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        sound = waves(generator, batch, samples)[:, None]

        def loss(output: Any) -> Tensor:
            made = output.audio_values
            return output.loss.mean() + F.l1_loss(made, sound.reshape(batch, -1)[:, : made.shape[-1]].view_as(made))

        return {"input_values": sound}, loss

    return draw


def vocoded(batch: int, frames: int, hop: int) -> Draw:
    """Sound from a spectrogram."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        features = spectra(generator, batch, frames, config.num_mel_bins)
        noise = torch.randn(batch, frames, config.model_in_channels, generator=generator)
        target = waves(generator, batch, frames * hop) / 4
        return {"input_features": features, "noise_sequence": noise}, lambda out: F.l1_loss(out.waveforms, target)

    return draw


def heard(batch: int, length: int) -> Draw:
    """Sounds and their captions."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        fields: dict[str, Any] = padded(
            config.text_config, tokens(generator, config.text_config.vocab_size, batch, length)
        )
        size = config.audio_config.spec_size
        frames = size * size // config.audio_config.num_mel_bins
        fields["input_features"] = spectra(generator, batch, frames, config.audio_config.num_mel_bins)[:, None]
        return {**fields, "return_loss": True}, None

    return draw


def composed(batch: int, length: int) -> Draw:
    """Language modeling of several parallel streams of sound codes, conditioned on a text's features."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        codes = torch.randint(config.vocab_size, (batch, config.num_codebooks, length), generator=generator)
        text = torch.randn(batch, 8, config.hidden_size, generator=generator)
        fields = {"input_ids": codes.flatten(0, 1), "encoder_hidden_states": text}
        return {**fields, "labels": codes.transpose(1, 2).contiguous()}, None

    return draw


def series(generator: torch.Generator, batch: int, length: int, channels: int) -> Tensor:
    """Return daily cycles of varying amplitude and phase, with a trend and noise ``(batch, length, channels)``."""
    time = torch.arange(length)[:, None]
    phase, size, slope = torch.rand(3, batch, 1, channels, generator=generator)
    noise = 0.2 * torch.randn(batch, length, channels, generator=generator)
    return 5 + (1 + size) * (6.283 * (time / 12 + phase)).sin() + 0.05 * slope * time + noise


def forecast(batch: int) -> Draw:
    """Past and future of one series, with a time feature."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        past, future = config.context_length + max(config.lags_sequence), config.prediction_length
        values = series(generator, batch, past + future, 1)[..., 0]
        clock = ((torch.arange(past + future) % 12) / 12 - 0.5).expand(batch, -1)[..., None]
        return {
            "past_values": values[:, :past],
            "past_time_features": clock[:, :past],
            "past_observed_mask": torch.ones(batch, past),
            "future_values": values[:, past:],
            "future_time_features": clock[:, past:],
        }, None

    return draw


def channels(batch: int) -> Draw:
    """Past and future of several series."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        past, future = config.context_length, config.prediction_length
        values = series(generator, batch, past + future, config.num_input_channels)
        return {"past_values": values[:, :past], "future_values": values[:, past:]}, None

    return draw


def horizon(batch: int) -> Draw:
    """Past and future of one series, in a list as TimesFM expects them."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        values = series(generator, batch, config.context_length + config.horizon_length, 1)[..., 0]
        past, future = values[:, : config.context_length], values[:, config.context_length :]
        return {"past_values": list(past), "freq": [0] * batch, "future_values": future}, None

    return draw


def trajectories(batch: int, steps: int) -> Draw:
    """An agent's observations, actions and remaining returns; its actions are the targets."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        actions = torch.tanh(torch.randn(batch, steps, config.act_dim, generator=generator))
        rewards = torch.rand(batch, steps, 1, generator=generator)
        fields = {
            "states": torch.randn(batch, steps, config.state_dim, generator=generator),
            "actions": actions,
            "rewards": rewards,
            "returns_to_go": rewards.flip(1).cumsum(1).flip(1) / 10,
            "timesteps": torch.arange(steps).expand(batch, steps),
            "attention_mask": torch.ones(batch, steps),
        }
        return fields, lambda output: F.mse_loss(output.action_preds, actions)

    return draw


def captioned(batch: int, length: int, size: int, *, image_tokens: int = 0, image_id: int = 0) -> Draw:
    """Language modeling of texts about an image, which is represented by ``image_tokens`` tokens."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        ids = tokens(generator, image_id or text_of(config).vocab_size, batch, length)
        labels = ids.clone()
        if image_tokens:
            place = torch.full((batch, image_tokens), image_id)
            ids = torch.cat([place, ids], 1)
            labels = torch.cat([torch.full_like(place, IGNORED), labels], 1)
        pixels = images(generator, batch, 3, size, size)
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "pixel_values": pixels,
            "labels": labels,
        }, None

    return draw


def read_aloud(batch: int, size: int, length: int) -> Draw:
    """Images and the text to generate for each."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        labels = tokens(generator, text_of(config).vocab_size, batch, length)
        return {"pixel_values": images(generator, batch, 3, size, size), "labels": labels}, None

    return draw


def questions(
    batch: int, length: int, draw_more: Callable[[Any, torch.Generator], dict[str, Any]], *, soft: bool
) -> Draw:
    """Questions about images, answered with one of several classes; ``soft`` gives each class a score."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        fields: dict[str, Any] = padded(config, tokens(generator, text_of(config).vocab_size, batch, length))
        answers = torch.randint(config.num_labels, (batch,), generator=generator)
        fields["labels"] = F.one_hot(answers, config.num_labels).float() if soft else answers
        return fields | draw_more(config, generator), None

    return draw
