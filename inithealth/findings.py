"""The result of a check: severities, findings and the report."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from inithealth.json_text import json_of
from inithealth.operations import Operation
from inithealth.recorded_run import Flow, StepValues
from inithealth.recorded_tensor import Count
from inithealth.recording import Layer, Measurement

if TYPE_CHECKING:
    from torch import nn


class Severity(str, Enum):
    """Severity of a finding; ordered: ``Severity.ERROR > Severity.WARNING``."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)

    def __lt__(self, other: object) -> bool:
        return self.rank < other.rank if isinstance(other, Severity) else NotImplemented

    def __le__(self, other: object) -> bool:
        return self.rank <= other.rank if isinstance(other, Severity) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return self.rank > other.rank if isinstance(other, Severity) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return self.rank >= other.rank if isinstance(other, Severity) else NotImplemented

    def __str__(self) -> str:
        return self.value


class _Frozen(BaseModel):
    # Measured numbers are often infinite or NaN: by default, pydantic would write them as null.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Finding(_Frozen):
    """One thing that is wrong, with the layer, the numbers and the code that fixes it."""

    code: str  # "IH201"
    rule: str  # "vanishing-activations"
    severity: Severity
    role: Literal["cause", "consequence"] = "cause"
    explained_by: str | None = None  # key of the cause that this follows from
    layers: tuple[str, ...] = ()  # as in named_modules(), the root-cause layer first
    step: Count = 0  # optimizer steps taken when it was seen
    message: str
    measured: float | None = None
    limit: float | None = None
    variant: str = ""  # which form of the problem, if a rule finds several: "bias", "large", "small", ...
    cause: str = ""
    fix: str = ""
    operations: tuple[Operation, ...] = ()  # what the code of ``fix`` does, if it only changes parameters
    verified: Literal["clears", "partly", ""] = ""  # what the operations do, if they were tried: "" is not tried
    verification: str = ""  # a sentence: what is left, or why they were not tried
    source: str | None = None  # "model.py:42"
    suppressed: str | None = None  # the reason given by the suppression; None: not suppressed

    @property
    def key(self) -> str:
        """What ``explained_by`` of a consequence refers to: code and root-cause layer."""
        return f"{self.code} {self.layers[0]}" if self.layers else self.code


class Skipped(_Frozen):
    """A rule that was not applied, and the reason. Without this entry it would seem to have passed."""

    code: str
    rule: str
    reason: str


class Lifetime(_Frozen):
    """When a finding of a watched run was present."""

    finding: Finding  # in its last form
    opened: Count  # step at which it was found
    worsened: tuple[Count, ...] = ()  # steps at which its severity rose
    closed: Count | None = None  # step at which it was no longer found; None: it is still there


class Report(_Frozen):
    """The result of a check or a watched run. Frozen; ``str(report)`` is a table."""

    format: Literal[1] = 1  # of the JSON; new fields may be added, other changes increase the number
    model: str  # class name of the model
    findings: tuple[Finding, ...] = ()  # causes first, each followed by its consequences
    layers: tuple[Layer, ...] = ()
    measurements: tuple[Measurement, ...] = ()  # of the first step, one for each measured layer
    fixed_measurements: tuple[Measurement, ...] = ()  # the same with all fixes that clear their findings, if tried
    flow: Flow | None = None  # None: not recorded
    history: StepValues | None = None  # of a watched run
    lifetimes: tuple[Lifetime, ...] = ()  # of the findings of a watched run, also of those that are resolved
    skipped: tuple[Skipped, ...] = ()
    not_measured: tuple[str, ...] = ()  # "what: why"
    incomplete: bool = False  # errors ended some of the measurements: they are in not_measured
    notes: tuple[str, ...] = ()  # which loss, which optimizer, how many elements were sampled
    fail_on: Literal["error", "warning", "info", "never"] = "error"
    step: Count = 0  # optimizer steps taken when the report was made
    versions: dict[str, str] = {}

    @property
    def ok(self) -> bool:
        """True if no cause that is not suppressed is at or above ``fail_on``."""
        return not self.failures

    @property
    def causes(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.role == "cause")

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The causes that make the report fail: at or above ``fail_on`` and not suppressed."""
        if self.fail_on == "never":
            return ()
        limit = Severity(self.fail_on)
        return tuple(finding for finding in self.causes if finding.severity >= limit and finding.suppressed is None)

    def consequences(self, cause: Finding) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.explained_by == cause.key)

    def raise_if_unhealthy(self) -> None:
        """Raise :class:`UnhealthyInit`, whose message is the table, unless :attr:`ok`."""
        __tracebackhide__ = True  # pytest shows the line of the test
        if not self.ok:
            raise UnhealthyInit(self)

    def to_json(self, *, indent: int | None = 2) -> str:
        """The report as JSON in ASCII, which :meth:`from_json` reads."""
        return json_of(self, indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """Load what :meth:`to_json` wrote. Raises pydantic's ``ValidationError`` (a ``ValueError``)."""
        return cls.model_validate_json(text)

    def apply(self, model: nn.Module) -> tuple[str, ...]:
        """Run the :attr:`~Finding.operations` of causes on a model, in place. The texts of fixes never run.

        Errors and warnings that are not suppressed are fixed, in their order. New weights are random: seed before. ::

            report = inithealth.check(model, (inputs, targets), loss=torch.nn.functional.cross_entropy)
            for line in report.apply(model):
                print(line)

        Returns:
            The statements that were run, and for each other cause why its fix was not applied.

        Raises:
            TypeError: `model` is not a module.
            ValueError: a parameter is missing or has another shape. Nothing is changed then.
        """
        from inithealth.sessions.applying import apply

        return apply(self, model)

    def to_html(self) -> str:
        """The page of TensorBoard's tab as one HTML file, with the data inside: it works from disk, offline."""
        from inithealth.report.formats.html import render

        return render(self)

    def summary(self) -> str:
        """One line for a log: the verdict, the counts of causes, and the first cause with its layer."""
        from inithealth.report.summary import summary

        return summary(self)

    def table(self, *, full: bool = False) -> str:
        """The whole report as plain text: ``str(report)``, and with ``full`` a row for each layer."""
        from inithealth.report.terminal import text

        return text(self, full=full)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<{self.summary()}\n print(report) shows the causes and the layers>"

    def _repr_html_(self) -> str:
        from inithealth.report.notebook import html

        return html(self)


class UnhealthyInit(RuntimeError):
    """The report is not :attr:`Report.ok`; the message is its table.

    Args:
        report: or a text in place of its table.
        advice: last line of the message.

    Attributes:
        report: the :class:`Report`; None if the error was created from text.
    """

    def __init__(self, report: Report | str, advice: str = "") -> None:
        self.report = report if isinstance(report, Report) else None
        self._given = report, advice
        super().__init__("\n".join(filter(None, ["unhealthy initialization", str(report), advice])))

    def __reduce__(self) -> tuple[type[UnhealthyInit], tuple[Report | str, str]]:
        return type(self), self._given
