"""What the first optimizer steps show: whether weights at zero receive a gradient, and identical units diverge."""

from __future__ import annotations

from dataclasses import dataclass

from inithealth.findings import Severity
from inithealth.recording import Layer, Probation


@dataclass(frozen=True)
class Trial:
    """The outcome of the first optimizer steps, by layer."""

    probation: Probation | None  # None: no steps were taken

    @property
    def settled(self) -> bool:
        """Whether enough steps were taken for a verdict."""
        return self.probation is not None and self.probation.settled

    @property
    def running(self) -> bool:
        """Whether steps are being taken, but too few for a verdict so far."""
        return self.probation is not None and not self.probation.settled

    @property
    def steps(self) -> int:
        return 0 if self.probation is None else self.probation.steps

    def zero_share(self, layer: Layer) -> float:
        """Return the share of the layer's units that are still zero and have never received a gradient."""
        if self.probation is None:
            return 0.0
        return 1.0 if layer.parameter in self.probation.asleep else self.probation.zero_units.get(layer.parameter, 0.0)

    def identical_share(self, layer: Layer) -> float:
        """Return the share of the layer's units that are copies of another unit after these steps; 1 without steps."""
        return 1.0 if self.probation is None else self.probation.duplicates.get(layer.parameter, 0.0)

    def severity(self, lasting: Severity) -> Severity:
        """Return the severity of a state that training may resolve: info until enough steps show that it remains."""
        return lasting if self.settled else Severity.INFO
