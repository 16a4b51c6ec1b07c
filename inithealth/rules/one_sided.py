"""Means and scales of distributions that an activation keeps from being negative."""

from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence.wording import span
from inithealth.findings import Finding, Severity
from inithealth.recording import OneSidedParameter, Recording
from inithealth.rules.base import Rule

_ROLES = {"mean": "mean", "log_scale": "log-variance or log-std"}
_EFFECTS = {
    "mean": "means are never negative, although the loss pulls them to zero from both sides",
    "log_scale": "its exponential, a variance or std, is at least 1",
}


class OneSided(Rule):
    """A rule that checks the parameters of distributions that layers set.

    Variational autoencoders with a one-sided log-variance made 83% of the progress of others, with a one-sided mean too
    67%. A Gaussian likelihood made 15% if the std of its noise is 0.1, and as much as others if it is 1 or more: a
    warning, since the right scale is not known.
    """

    def one_sided(self, recording: Recording) -> Iterator[Finding]:
        """Yield one finding for each activation that limits parameters of distributions."""
        groups: dict[str, list[OneSidedParameter]] = {}
        for parameter in recording.one_sided:
            groups.setdefault(parameter.activation, []).append(parameter)
        for name, found in groups.items():
            layers = [recording.layer(each) for each in dict.fromkeys(parameter.layer for parameter in found)]
            roles = list(dict.fromkeys(parameter.role for parameter in found))
            yield self.finding(
                layers,
                f"{name} after {span(layers)}: the {' and the '.join(_ROLES[role] for role in roles)} of a "
                f"distribution {'is' if len(roles) == 1 else 'are'} never negative",
                severity=Severity.WARNING,
                cause="; ".join(_EFFECTS[role] for role in roles),
                fix=f"remove the {name} between {span(layers)} and the distribution; to bound a log-std, clamp it on "
                "both sides: log_std.clamp(-20, 2)",
            )
