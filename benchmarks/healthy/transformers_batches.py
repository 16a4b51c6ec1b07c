"""Training batches for each kind of `transformers` model: texts, images and both.

Each function takes sizes and returns a `Draw`, which creates the batch for a configuration. The batch contains the
labels if the model has its own loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .transformers_table import Draw, Drawn

MASK_ID, FIRST_ID = 4, 5  # the ids below are special tokens
IGNORED = -100  # label of a token that the loss ignores


def tokens(generator: torch.Generator, vocabulary: int, *shape: int) -> Tensor:
    """Return token ids with the uneven frequencies of words (Zipf's law)."""
    weights = 1 / torch.arange(2.0, 2.0 + vocabulary - FIRST_ID)
    drawn = torch.multinomial(weights, torch.Size(shape).numel(), replacement=True, generator=generator)
    return drawn.view(shape) + FIRST_ID


def padding(ids: Tensor) -> Tensor:
    """Return an attention mask in which every fourth text has three quarters of the length."""
    mask = torch.ones_like(ids)
    mask[::4, -(ids.shape[1] // 4) :] = 0
    return mask


def padded(config: Any, ids: Tensor) -> dict[str, Tensor]:
    """Return the output of a tokenizer."""
    mask = padding(ids)
    return {"input_ids": ids.masked_fill(mask == 0, getattr(config, "pad_token_id", None) or 0), "attention_mask": mask}


def text_of(config: Any) -> Any:
    return config.get_text_config()


def causal(batch: int, length: int, *, spare: int = 0) -> Draw:
    """Language modeling on text blocks without padding; ``spare`` ids at the end are never predicted."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        ids = tokens(generator, config.vocab_size - spare, batch, length)
        return {"input_ids": ids, "labels": ids.clone()}, None

    return draw


def masked(batch: int, length: int, *, with_mask: bool = True, name: str = "input_ids") -> Draw:
    """Masked language modeling: 15 % of the tokens are predicted."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        ids = tokens(generator, config.vocab_size, batch, length)
        fields = padded(config, ids)
        hidden = (torch.rand(batch, length, generator=generator) < 0.15) & (fields["attention_mask"] == 1)
        fields["labels"] = ids.masked_fill(~hidden, IGNORED)
        fields[name] = fields.pop("input_ids").masked_fill(hidden, MASK_ID)
        if not with_mask:
            del fields["attention_mask"]
        return fields, None

    return draw


def permuted(batch: int, length: int) -> Draw:
    """Permutation language modeling: every sixth token is predicted, and no position sees it."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        ids = tokens(generator, config.vocab_size, batch, length)
        hidden = torch.rand(batch, length, generator=generator) < 1 / 6
        fields = {
            "input_ids": ids,
            "perm_mask": hidden[:, None, :].float().expand(batch, length, length).contiguous(),
            "target_mapping": torch.eye(length).expand(batch, length, length).contiguous(),
            "labels": ids.masked_fill(~hidden, IGNORED),
        }
        return fields, None

    return draw


def texts(batch: int, length: int, *, vocabulary: int = 0) -> Draw:
    """Classification of padded texts."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        ids = tokens(generator, vocabulary or config.vocab_size, batch, length)
        labels = torch.randint(config.num_labels, (batch,), generator=generator)
        return {**padded(config, ids), "labels": labels}, None

    return draw


def tagged(batch: int, length: int, *, boxes: bool = False, corners: int = 4) -> Draw:
    """Classification of every token; ``boxes`` adds the position of each token on the page."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        fields = padded(config, tokens(generator, config.vocab_size, batch, length))
        labels = torch.randint(config.num_labels, (batch, length), generator=generator)
        fields["labels"] = labels.masked_fill(fields["attention_mask"] == 0, IGNORED)
        if boxes:
            start = torch.randint(900, (batch, length, 2), generator=generator)
            size = torch.randint(10, 100, (batch, length, 2), generator=generator)
            fields["bbox"] = torch.cat([start, start + size], 2)[..., :corners]
        return fields, None

    return draw


def spans(batch: int, length: int) -> Draw:
    """Extractive question answering: start and end of the answer."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        fields = padded(config, tokens(generator, config.vocab_size, batch, length))
        start = torch.randint(length // 2, (batch,), generator=generator)
        return {**fields, "start_positions": start, "end_positions": start + length // 8}, None

    return draw


def translated(batch: int, source: int, target: int, *, shifted: bool = False) -> Draw:
    """Translation; ``shifted`` shifts the labels for models that do not shift them."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        vocabulary = text_of(config).vocab_size
        fields = padded(config, tokens(generator, vocabulary, batch, source))
        labels = tokens(generator, vocabulary, batch, target)
        if shifted:
            start = torch.full((batch, 1), config.decoder_start_token_id)
            fields["decoder_input_ids"] = torch.cat([start, labels[:, :-1]], 1)
        return {**fields, "labels": labels}, None

    return draw


def images(generator: torch.Generator, *shape: int) -> Tensor:
    """Return standardized images: mostly coarse structure, like photographs, and a little noise."""
    *outer, height, width = shape
    count = torch.Size(outer).numel()
    coarse = torch.randn(1, count, height // 8, width // 8, generator=generator)
    smooth = F.interpolate(coarse, size=(height, width), mode="bicubic")[0].view(shape)
    return smooth + 0.3 * torch.randn(shape, generator=generator)


def pictures(batch: int, size: int) -> Draw:
    """Image classification."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        labels = torch.randint(config.num_labels, (batch,), generator=generator)
        return {"pixel_values": images(generator, batch, 3, size, size), "labels": labels}, None

    return draw


def films(batch: int, frames: int, size: int, *, name: str = "pixel_values") -> Draw:
    """Classification of short videos."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        labels = torch.randint(config.num_labels, (batch,), generator=generator)
        return {name: images(generator, batch, frames, 3, size, size), "labels": labels}, None

    return draw


def unlabelled(batch: int, size: int, loss: Callable[[Any, Tensor], Tensor] | None = None) -> Draw:
    """Images only: the model has a loss without labels, or ``loss`` computes one from output and images."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        pixels = images(generator, batch, 3, size, size)
        return {"pixel_values": pixels}, None if loss is None else lambda output: loss(output, pixels)

    return draw


def segmented(batch: int, size: int) -> Draw:
    """A class for every pixel, in patches of 8 x 8."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        coarse = torch.randint(config.num_labels, (batch, size // 8, size // 8), generator=generator)
        labels = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
        return {"pixel_values": images(generator, batch, 3, size, size), "labels": labels}, None

    return draw


def distances(generator: torch.Generator, batch: int, height: int, width: int) -> Tensor:
    """Return smooth maps of distances in meters, from 1 to 9."""
    coarse = torch.rand(batch, 1, 4, 4, generator=generator)
    return 1 + 8 * F.interpolate(coarse, size=(height, width), mode="bilinear")[:, 0]


def depths(batch: int, size: int, *, own_loss: bool) -> Draw:
    """Depth estimation with the model's own loss or the mean absolute error."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        pixels = images(generator, batch, 3, size, size)
        target = distances(generator, batch, size, size)
        if own_loss:
            return {"pixel_values": pixels, "labels": target}, None
        return {"pixel_values": pixels}, lambda output: F.l1_loss(output.predicted_depth, target)

    return draw


def _boxes(generator: torch.Generator, count: int) -> Tensor:
    """Return centers and sizes relative to the image's."""
    centres = 0.3 + 0.4 * torch.rand(count, 2, generator=generator)
    return torch.cat([centres, 0.1 + 0.3 * torch.rand(count, 2, generator=generator)], 1)


def detected(batch: int, size: int, counts: Sequence[int] = (1, 3, 2)) -> Draw:
    """Object detection."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        pixels = images(generator, batch, 3, size, size)
        labels = []
        for index in range(batch):
            count = counts[index % len(counts)]
            classes = torch.randint(config.num_labels, (count,), generator=generator)
            labels.append({"class_labels": classes, "boxes": _boxes(generator, count)})
        return {"pixel_values": pixels, "labels": labels}, None

    return draw


def instances(batch: int, size: int, count: int = 3) -> Draw:
    """A mask and a class for each of several objects: vertical strips."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        stripes = torch.arange(size) * count // size
        masks = (stripes == torch.arange(count)[:, None]).float()[:, None].expand(count, size, size)
        classes = [torch.randint(config.num_labels, (count,), generator=generator) for _ in range(batch)]
        fields = {"mask_labels": [masks.clone() for _ in range(batch)], "class_labels": classes}
        return {"pixel_values": images(generator, batch, 3, size, size), **fields}, None

    return draw


def contrasted(batch: int, length: int, size: int, *, frames: int = 0, with_mask: bool = True) -> Draw:
    """Images, or videos, and their captions."""

    def draw(config: Any, generator: torch.Generator) -> Drawn:
        ids = tokens(generator, config.text_config.vocab_size, batch, length)
        ids[:, -1] = config.text_config.eos_token_id or 2  # where CLIP reads the text embedding
        shape = (batch, frames, 3, size, size) if frames else (batch, 3, size, size)
        fields = {"input_ids": ids, "pixel_values": images(generator, *shape), "return_loss": True}
        return fields | ({"attention_mask": torch.ones_like(ids)} if with_mask else {}), None

    return draw
