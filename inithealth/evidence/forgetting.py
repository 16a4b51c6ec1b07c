"""States of a recurrence that decay within a few tokens, because their time steps start too large."""

from __future__ import annotations

from inithealth.evidence import signal_path
from inithealth.evidence.fix_text import Fix
from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.trained import trained_layers
from inithealth.operations import StartTimeSteps
from inithealth.recording import Decay, Recording


class ForgettingLimits(Limits):
    """How many of the states of a network have to remember."""

    min_lasting: float = limit(
        0.1,
        "smallest share of the states that last more than 4 tokens: time steps of 0.001 to 0.1, with which Mamba and "
        "gated DeltaNet start, give 0.79 or more; steps of softplus(0) give 0.03 or less, and failed in both",
        unit="share of the states, over tokens and samples",
    )


def forgetting(recording: Recording, limits: ForgettingLimits) -> tuple[Decay, ...]:
    """Return the decays of a network in which no state lasts; none if attention connects the tokens too."""
    found = recording.decays
    attends = any(m.attention_keys or m.token_spread is not None for _, m in signal_path.measured(recording))
    trained = trained_layers(recording)
    if attends or any(decay.layer in trained or decay.lasting >= limits.min_lasting for decay in found):
        return ()
    return found


def owners(decays: tuple[Decay, ...]) -> tuple[str, ...]:
    """Return the layers that compute the time steps; the bias of a step if it belongs to another module."""
    names = (
        decay.layer if decay.layer and decay.bias.rpartition(".")[0] in ("", decay.layer) else decay.bias
        for decay in decays
    )
    return tuple(dict.fromkeys(filter(None, names))) or decays[0].rates


def fix(decays: tuple[Decay, ...]) -> str:
    """Return code that gives each time step a bias such that it starts between 0.001 and 0.1, log-uniformly."""
    biases = list(dict.fromkeys(decay.bias for decay in decays if decay.bias))
    return (
        Fix.of(StartTimeSteps(parameter=name, low=-6.9, high=-2.3) for name in biases)
        or "give the time steps a bias: the inverse softplus of 0.001 to 0.1"
    )
