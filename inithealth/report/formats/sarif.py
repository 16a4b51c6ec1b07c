"""SARIF 2.1.0 for GitHub's code scanning."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote

from inithealth.findings import Finding, Report, Severity
from inithealth.json_text import json_of_values
from inithealth.report.finding_text import details
from inithealth.report.identity import fingerprint
from inithealth.report.source.cause_edits import CauseEdits, cause_edits
from inithealth.report.source.edits import Edit
from inithealth.report.source.line import SourceLine, repository_line
from inithealth.rules.catalogue import catalogue

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_FORMS = (("why", "Why: {}."), ("fix", "Fix: {}"), ("test", "Test: {}."))
_WIDEST = 120  # columns of a line that is marked as a whole


def render(report: Report) -> str:
    """Return one run with a result for each cause, and the rules that have results."""
    codes = list(dict.fromkeys(cause.code for cause in report.causes))
    # Code scanning drops results without a location: use that of the first result, or else the project's file.
    fallback = next(filter(None, map(repository_line, report.causes)), SourceLine("pyproject.toml", 1))
    driver = {"name": "inithealth", "rules": [_rule(code, report.causes) for code in codes]}
    with suppress(PackageNotFoundError):  # run from a checkout
        driver["semanticVersion"] = version("inithealth")
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"inithealth/{report.model}/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The root of the repository."}}},
        "results": [
            {**_result(report, cause, codes.index(cause.code), fallback), **_fixes(cause, edits)}
            for cause, edits in zip(report.causes, cause_edits(report), strict=True)
        ],
    }
    return json_of_values({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str, causes: Sequence[Finding]) -> dict[str, Any]:
    rule = next((each for each in catalogue() if each.code == code), None)
    first = next(cause for cause in causes if cause.code == code)
    page = (inspect.getdoc(rule) or first.rule) if rule is not None else first.rule
    summary, _, more = page.partition("\n")
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in re.split(r"\W+", first.rule)),
        "shortDescription": {"text": _sentence(summary)},
        "fullDescription": {"text": _sentence(_first_section(more) or summary)},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[rule.severity if rule is not None else first.severity]},
    }


def _first_section(page: str) -> str:
    """Return the first paragraph of what the rule checks."""
    section = page.partition("## What it checks")[2].partition("##")[0]
    return " ".join(section.split())


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _artifact(path: str) -> dict[str, str]:
    # A file name that is not valid UTF-8 contains surrogates, which cannot be percent-encoded.
    return {"uri": quote(path.replace("\\", "/"), safe="/", errors="replace"), "uriBaseId": "%SRCROOT%"}


def _result(report: Report, cause: Finding, index: int, fallback: SourceLine) -> dict[str, Any]:
    source = repository_line(cause) or fallback
    known = details(cause)
    message = [_sentence(cause.message), *(form.format(known[label]) for label, form in _FORMS if label in known)]
    region = {"startLine": source.line, "startColumn": 1, "endLine": source.line, "endColumn": _WIDEST}
    result: dict[str, Any] = {
        "ruleId": cause.code,
        "ruleIndex": index,
        "level": _LEVELS[cause.severity],
        "message": {"text": "\n".join(message).replace("](", "] (")},  # [text](target) would be a link
        "locations": [
            {
                "physicalLocation": {"artifactLocation": _artifact(source.path), "region": region},
                "logicalLocations": [{"fullyQualifiedName": layer, "kind": "member"} for layer in cause.layers],
            }
        ],
        "partialFingerprints": {"causeAndLayers/v1": fingerprint(report, cause)},
    }
    if cause.suppressed is not None:
        result["suppressions"] = [{"kind": "external", "justification": cause.suppressed}]
    return result


def _fixes(cause: Finding, edits: CauseEdits) -> dict[str, Any]:
    """Return the field with the change of the source; nothing if the place of the fix is not known."""
    if not edits.edits:
        return {}
    changes = [
        {
            "artifactLocation": _artifact(file.path),
            "replacements": [_insertion(each, file.before) for each in edits.edits if each.path == file.path],
        }
        for file in edits.files
    ]
    text = f"Insert the code of the fix where the layer is built: {cause.verification or 'the fix was not tried'}"
    return {"fixes": [{"description": {"text": _sentence(text)}, "artifactChanges": changes}]}


def _insertion(edit: Edit, before: str) -> dict[str, Any]:
    """Return the replacement of an empty region by the inserted lines."""
    lines = before.split("\n")
    line, column, text = edit.line + 1, 1, edit.text
    if edit.line >= len(lines):  # the last line has no newline
        line, column, text = edit.line, len(lines[-1]) + 1, f"\n{edit.text}"
    region = {"startLine": line, "startColumn": column, "endLine": line, "endColumn": column}
    return {"deletedRegion": region, "insertedContent": {"text": text}}
