"""The plan of a whole initialization: groups of operations by role, and the parameters that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from inithealth.evidence import fixes
from inithealth.evidence.fix_text import initialize
from inithealth.evidence.roles import block_role, grouped
from inithealth.findings import Finding, Severity
from inithealth.operations import Freeze, Operation, magnitude, parametrized
from inithealth.planning.kept import UNKNOWN, Kept
from inithealth.planning.measured_scales import sharp_projections, tied_stds
from inithealth.planning.surroundings import chains, tied_heads, with_peers
from inithealth.planning.weight_roles import BIASES, ENDS, FIXES, PADDING, Network, Role, operations_for, role_of
from inithealth.recording import Layer, Recording, Weight, weighted
from inithealth.theory.depth_recipes import branches_in_depth


class Group(NamedTuple):
    """The operations of one role."""

    role: Role
    operations: tuple[Operation, ...]


class Plan(NamedTuple):
    """A whole initialization."""

    groups: tuple[Group, ...]
    kept: Mapping[str, tuple[str, ...]]  # reason -> names of the parameters


def planned(
    recording: Recording, causes: Iterable[Finding], parameters: Iterable[str], padding: Mapping[str, int]
) -> Plan:
    """Return the initialization of a network.

    Args:
        causes: what a check of the network found.
        parameters: names of all parameters.
        padding: embedding tables with a row for padding, and its index.
    """
    fixed = [each for each in causes if each.severity >= Severity.WARNING and each.suppressed is None]
    repairs = [each for cause in fixed for each in cause.operations if not isinstance(each, Freeze)]
    kept = Kept(recording, {each.parameter for each in repairs})
    layers = with_peers(recording)
    reasons: dict[str, str] = {}
    found = dict(_weights(recording, layers, kept, reasons))
    biases = _biases(layers, kept, reasons)
    if biases:
        found[BIASES] = tuple(initialize(bias, "zeros") for bias in biases)
    changed = {operation.parameter for each in found.values() for operation in each}
    rows = {table: row for table, row in padding.items() if table in changed}
    if rows:
        found[PADDING] = tuple(initialize(table, "zeros", matrix=row) for table, row in rows.items())
    # What is not initialized by its role, and priors of heads, start where the findings' fixes put them.
    left = [each for each in repairs if each.parameter not in changed or each.kind == "set_bias"]
    if left:
        found[FIXES] = tuple(dict.fromkeys(left))
    changed |= {each.parameter for each in left}
    groups = tuple(Group(role, found[role]) for role in sorted(found))
    return Plan(groups, _kept(parameters, changed, reasons))


def _weights(
    recording: Recording, layers: Sequence[Layer], kept: Kept, reasons: dict[str, str]
) -> Iterable[tuple[Role, tuple[Operation, ...]]]:
    """Yield the roles with their operations, and note why weights are kept."""
    network = Network(
        tied=tied_stds(recording, layers, tied_heads(layers)),
        sharp=sharp_projections(recording, layers),
        chains=chains(layers),
        normalized=recording.normalized,
        summed=not recording.trunk_normalized,
    )
    roles: dict[Role, list[Layer]] = {}
    seen: set[str] = set()
    for layer, weight in weighted(layers):
        reason = kept.weight(layer, weight)
        if reason:
            reasons.setdefault(weight.name, reason)
        elif weight.name not in seen:
            seen.add(weight.name)
            roles.setdefault(role_of(layer, weight, network), []).append(layer)
    for role, members in roles.items():
        yield role, (*operations_for(role, members, network), *(_by_depth(recording, members) if role == ENDS else ()))


def _by_depth(recording: Recording, ends: Sequence[Layer]) -> tuple[Operation, ...]:
    """Return the operations that scale the last layers of residual branches by their number."""
    # The recording counts only the branches between input and loss that nothing else bypasses.
    branches = max(recording.branches, branches_in_depth([layer.name for layer in ends]))
    blocks = max(map(len, grouped(ends, block_role)))
    return fixes.by_depth(ends, branches, blocks).operations if branches > 1 else ()


def _biases(layers: Sequence[Layer], kept: Kept, reasons: dict[str, str]) -> list[str]:
    """Return the biases that are set to zero, and note why others are kept."""
    found: dict[str, Weight] = {}
    for layer in layers:
        if layer.bias is None:
            continue
        reason = kept.bias(layer, layer.bias)
        if reason:
            reasons.setdefault(layer.bias.name, reason)
        else:
            found.setdefault(layer.bias.name, layer.bias)
    return [name for name in found if name not in reasons]


def _kept(parameters: Iterable[str], changed: set[str], reasons: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the parameters that no operation changes, by reason."""
    homes = {home for name in changed if (home := parametrized(name)) is not None}
    sizes = {magnitude(name) for name in changed}
    found: dict[str, list[str]] = {}
    for name in parameters:
        if name not in changed and name not in sizes and parametrized(name) not in homes:
            found.setdefault(reasons.get(name, UNKNOWN), []).append(name)
    return {reason: tuple(names) for reason, names in found.items()}
