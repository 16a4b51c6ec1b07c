"""What a rule is: typed thresholds and a pure function from a recording to findings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from inithealth.evidence.limits import limit as limit
from inithealth.evidence.limits import unit_of as unit_of
from inithealth.evidence.wording import span as span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording


class Rule(BaseModel, ABC):
    """One kind of trouble. Thresholds are fields, so options are validated; the docstring is the documentation.

    :func:`limit` gives a field its default, its meaning and its unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: ClassVar[str]  # "IH201"
    name: ClassVar[str]  # "vanishing-activations"
    severity: ClassVar[Severity]  # of a finding that says nothing else
    rank: ClassVar[int] = 50  # causes are looked for in this order: a lower rank explains a higher one
    explains: ClassVar[frozenset[str]] = frozenset()  # codes that follow from this one

    @abstractmethod
    def check(self, recording: Recording) -> Iterator[Finding]:
        """Findings of this rule, worst first."""

    def skipped(self, recording: Recording) -> str | None:
        """Why this recording cannot be judged; None when it can."""
        return None

    def order(self, finding: Finding) -> int:
        """The rank of one finding, where it depends on what was found."""
        return self.rank

    def may_follow(self, symptom: Finding) -> bool:
        """Whether a finding of this rule can follow from another one at all."""
        return True

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """Whether a finding of this rule is why another one is there."""
        return symptom.code in self.explains

    def finding(self, layers: Sequence[Layer], message: str, **fields: Any) -> Finding:
        """A finding of this rule about some layers, the culprit first."""
        fields.setdefault("severity", self.severity)
        return Finding(
            code=self.code,
            rule=self.name,
            layers=tuple(dict.fromkeys(layer.module for layer in layers)),
            message=message,
            source=layers[0].source if layers else None,
            **fields,
        )
