"""The base class of rules: typed thresholds and a pure function from a recording to findings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from inithealth.evidence.fix_text import operations_of
from inithealth.evidence.limits import limit as limit
from inithealth.evidence.limits import unit_of as unit_of
from inithealth.evidence.wording import span as span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.causality import Stage


class Rule(BaseModel, ABC):
    """A check for one kind of problem. Its fields are options, validated by pydantic; its docstring is its page.

    :func:`limit` gives a field its default, its meaning and its unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: ClassVar[str]  # "IH201"
    name: ClassVar[str]  # "vanishing-activations"
    severity: ClassVar[Severity]  # default severity of the rule's findings
    rank: ClassVar[int] = Stage.OTHER  # a finding can only be explained by one of lower rank
    variant_ranks: ClassVar[Mapping[str, int]] = {}  # the ranks of variants that differ from it
    explains: ClassVar[frozenset[str]] = frozenset()  # codes of findings that can be consequences of this rule's

    @abstractmethod
    def check(self, recording: Recording) -> Iterator[Finding]:
        """Yield the findings of this rule, worst first."""

    def skipped(self, recording: Recording) -> str | None:
        """Return why the rule does not apply to this recording; None if it does."""
        return None

    def order(self, finding: Finding) -> int:
        """Return the rank of a finding, which may depend on its variant."""
        return self.variant_ranks.get(finding.variant, self.rank)

    def may_follow(self, symptom: Finding) -> bool:
        """Whether a finding of this rule can be a consequence of another finding."""
        return True

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """Whether a finding of this rule is the cause of another finding."""
        return symptom.code in self.explains

    def finding(self, layers: Sequence[Layer], /, message: str, **fields: Any) -> Finding:
        """Return a finding of this rule in some layers, the root-cause layer first.

        Args:
            fields: other fields of the finding; ``layers`` and ``source`` for one about something else than layers.
        """
        found = {
            "severity": self.severity,
            "layers": tuple(dict.fromkeys(layer.module for layer in layers)),
            "source": layers[0].source if layers else None,
            "operations": operations_of(fields.get("fix")),
            **fields,
        }
        return Finding(code=self.code, rule=self.name, message=message, **found)
