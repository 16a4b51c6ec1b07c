"""The published bugs, and the expected finding for each."""

from __future__ import annotations

from torch import nn

from inithealth import Severity

from . import encoders, language, llama, pictures, plain, sequences
from .bug import Bug, named

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR


def branch_ends(model: nn.Module) -> set[str]:
    return named(model, "c_proj")


def projections(model: nn.Module) -> set[str]:
    return named(model, "self_attn", "out_proj", "linear1", "linear2")


def norms(model: nn.Module) -> set[str]:
    return {name for name, module in model.named_modules() if isinstance(module, nn.LayerNorm)}


def drawn_in_vain(model: nn.Module) -> set[str]:
    """Return the weights that weight_norm recomputes; HiFi-GAN did not initialize its first convolution."""
    convs = {name for name, module in model.named_modules() if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d))}
    return convs - {"conv_pre"}


def all_but_the_head(model: nn.Module) -> set[str]:
    return {name for name, module in list(model.named_modules())[:-1] if isinstance(module, nn.Linear)}


BUGS: tuple[Bug, ...] = (
    # Pre-norm networks train without the scaling (LLaMA's are published like this): info, with a normal loss.
    Bug(language.gpt2_scaling_by_a_short_name, ("IH108",), INFO, branch_ends, watched=False),
    # Half of the network is scaled by depth, the other half is not.
    Bug(llama.swiglu_scaled_at_w3, ("IH108",), WARNING, lambda model: named(model, "w2", "w3")),
    # The branch is smaller than intended, which does little harm.
    Bug(llama.swiglu_scaled_twice, ("IH108",), INFO, lambda model: named(model, "w3")),
    Bug(pictures.helper_handed_a_tensor, ("IH102",), WARNING, lambda model: {"tower.6"}),
    Bug(encoders.norms_drawn_at_random, ("IH106",), ERROR, norms),
    Bug(language.embedding_at_its_default, ("IH106",), ERROR, lambda model: {"wte", "lm_head"}),
    Bug(language.untied_embedding_at_its_default, ("IH106",), ERROR, lambda model: {"lm_head"}),
    Bug(encoders.cloned_encoder_layers, ("IH107",), INFO, projections),
    Bug(pictures.depthwise_fan_out, ("IH106", "IH201"), ERROR, pictures.depthwise),
    # It trains with PyTorch's default: only the intended initialization is lost.
    Bug(sequences.drawn_after_weight_norm, ("IH102",), WARNING, drawn_in_vain),
    # Softplus of 0 is a time step of 0.69, with rates of 1 to 16: the state decays within one or two steps.
    Bug(sequences.time_steps_overwritten, ("IH205",), WARNING, lambda model: named(model, "dt_proj")),
    Bug(plain.adapters_before_the_initialization, ("IH103",), ERROR, lambda model: named(model, "lora_A", "lora_B")),
    # In a live step, the targets that show the rate of positives are freed with the graph before it is judged.
    Bug(pictures.focal_loss_without_a_prior, ("IH208",), WARNING, lambda model: {"cls_logits"}, watched=False),
    Bug(plain.twenty_layers_at_the_default, ("IH106", "IH201", "IH301"), ERROR, all_but_the_head),
    Bug(plain.softmax_twice, ("IH208",), ERROR, lambda model: {"2"}, typed=False),
)
