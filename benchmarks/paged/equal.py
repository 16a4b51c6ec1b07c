"""Whole recordings of checks in a limited memory, compared bit for bit with those of the same model in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import torch

from benchmarks.fresh import nets as fresh_nets
from benchmarks.healthy import NETS as HEALTHY
from benchmarks.nets import Net
from inithealth.judge.diagnose import diagnose
from inithealth.record.paged import build, pager, pages
from inithealth.recording import Recording
from inithealth.sessions.oneshot import record
from inithealth.sessions.paged import Given, Source, deferred, paged_recording
from inithealth.settings import Settings

NETS = (
    "timm/resnet10t",
    "timm/convnext_atto",
    "timm/vit_tiny_patch16_224",
    "timm/mobilenetv3_small_050",
    "timm/mixer_s16_224",
    "torchvision/densenet121",
    "torchvision/vit_s_16",
    "transformers/llama",
    "transformers/gpt2",
    "transformers/bert",
    "transformers/t5",
    "transformers/mamba",
    "transformers/mixtral",
    "transformers/whisper",
    "transformers/bart",
    "everyday/u_vit",
    "everyday/egnn",
    "everyday/inception_time",
    "everyday/se-resnet",
    "everyday/tied_lstm_language_model",
)
_LARGE = 10**12
_SMALL = 2**10  # bytes from which tensors are pages here: many of the networks are small
_OF_THE_RUN = {"notes"}  # which memory was used
_OF_STEPS = {"probation", "idle", "not_measured"}


def equal(names: Sequence[str]) -> Iterator[str]:
    """Yield a line for each network."""
    build.SMALL = _SMALL
    pages.SPARE = pager.SPARE = 0  # no room beside the memory that is compared
    known = {net.name: net for net in (*HEALTHY, *fresh_nets.NETS)}
    yield "same: every number; part: all but the optimizer steps, which did not fit, as the report says"
    yield "then how often each weight was made, on average"
    yield f"{'network':32} {'parameters':>12}  {'verdict (eager)':20} {'100 %':10} {'50 %':10} 2 x largest"
    for name in names:
        if name not in known:
            yield f"{name:32} unknown"
            continue
        try:
            yield _line(known[name])
        except Exception as error:
            yield f"{name:32} {type(error).__name__}: {str(error).splitlines()[0][:80]}"


def _line(net: Net) -> str:
    torch.manual_seed(0)
    case = net.build()
    eager = record(case.model, case.batch, loss=case.loss)
    source, batch = Source(lambda: net.build().model), case.batch
    whole = sum(each.numel() * each.element_size() for each in case.model.parameters())
    largest = max(each.numel() * each.element_size() for each in case.model.parameters())
    torch.manual_seed(0)
    model, found_pages, _ = deferred(source, _LARGE)
    for page in found_pages:
        page.recipe.fill(page.region.storage)
    least = max((page.needed for page in found_pages), default=0)
    plain = record(model, batch, loss=case.loss)
    found = []
    for memory in (whole, whole // 2, 2 * largest):
        torch.manual_seed(0)
        paged = paged_recording(source, lambda _: Given(batch, case.loss), max(memory, least))
        made = re.search(r"(\d+) weights were made (\d+) times", paged.notes[-1])
        times = int(made[2]) / max(1, int(made[1])) if made else 0.0
        found.append(f"{_compared(paged, plain)} {times:4.1f}")
    verdict = f"{_verdict(plain)} ({_verdict(eager)})"
    return f"{net.name:32} {whole // 4:12,}  {verdict:20} {found[0]:10} {found[1]:10} {found[2]}"


def _compared(paged: Recording, plain: Recording) -> str:
    """Return "same", "part" if it is the same without the optimizer steps that did not fit, or "DIFFERS"."""
    left_out = any(line.startswith("optimizer steps: ") for line in paged.not_measured)
    fields = _OF_THE_RUN | (_OF_STEPS if left_out else set())
    same = paged.model_dump(mode="json", exclude=fields) == plain.model_dump(mode="json", exclude=fields)
    return "DIFFERS" if not same else "part" if left_out else "same"


def _verdict(recording: Recording) -> str:
    causes = diagnose(recording, Settings()).causes
    return ",".join(sorted({cause.code for cause in causes if cause.severity.name != "INFO"})) or "healthy"
