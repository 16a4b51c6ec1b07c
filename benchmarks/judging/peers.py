"""Other tools on the same networks, each called as documented. Any finding at warning or above counts."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.nets import Case
from inithealth.call import Call
from inithealth.sessions.objective import Objective

from .entries import Entry
from .verdicts import ERROR, WARNING, ReportedCause, Verdict

# torchtest2 trains for 200 steps to check whether one batch can be learned: larger models take minutes.
_MOST_TRAINED = 300_000  # parameters


def torchtest2(entry: Entry) -> Verdict:
    import torchtest2 as tool

    case = entry.case()
    parameters = sum(p.numel() for p in case.model.parameters())
    report = tool.check_model(
        case.model,
        case.batch,
        loss_fn=case.loss,
        optimizer=entry.optimizer(case),
        overfit_steps=200 if parameters <= _MOST_TRAINED else 0,
    )
    results = [(ERROR, result) for result in report.failures] + [(WARNING, result) for result in report.warnings]
    return Verdict(tuple(ReportedCause(severity, r.name, (), r.message[:300]) for severity, r in results))


def torch_audit(entry: Entry) -> Verdict:
    from torch_audit import audit_dynamic
    from torch_audit.core import Severity

    case = entry.case()
    call, loss = Call.of(case.batch), loss_of(case)
    with audit_dynamic(case.model, optimizer=entry.optimizer(case), every_n_steps=1) as auditor:
        auditor.audit_static()
        auditor.audit_init()
        output = auditor.forward(*call.args, **call.kwargs)
        auditor.backward(loss(output))
        auditor.optimizer_step()
        findings = auditor.finish().findings
    bad = sorted((f for f in findings if f.severity >= Severity.WARN), key=lambda f: f.severity, reverse=True)
    return Verdict(
        tuple(
            ReportedCause(
                ERROR if finding.severity >= Severity.ERROR else WARNING,
                finding.rule_id,
                (finding.module_path,) if finding.module_path else (),
                finding.message[:300],
            )
            for finding in bad
        )
    )


def loss_of(case: Case) -> Callable[[Any], Tensor]:
    """Return the loss of an output: the given one, the output's own, or the projection that inithealth uses."""
    if case.loss is not None:
        return case.loss
    return lambda output: _Output(case, output)()


class _Output(Objective):
    """The objective of an output that is already computed."""

    def __init__(self, case: Case, output: Any) -> None:
        super().__init__(torch.nn.Identity(), (output,), None)


# Performance hints (tensor cores, memory format): the table has a column with and one without them.
HINTS = {"torch-audit": {"torch-audit but for TA200, TA201": frozenset({"TA200", "TA201"})}}
PEERS: dict[str, Callable[[Entry], Verdict]] = {"torchtest2": torchtest2, "torch-audit": torch_audit}  # by package


def verdict_of(peer: str, entry: Entry) -> Verdict:
    """Return a peer's verdict, or the reason if it raises."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return PEERS[peer](entry)
    except Exception as error:  # a network that a tool cannot judge is listed as such
        return Verdict(broken=f"{type(error).__name__}: {str(error)[:300]}")
