"""The scale of weights that other layers generate, from the tensors that the products with them saved."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.generated_weights import Generated
from inithealth.record.graph.joins import is_bypassed
from inithealth.record.saved.node_values import Parameter
from inithealth.record.saved.replay import forward
from inithealth.record.statistics.exact import exact
from inithealth.recorded_graph import GeneratedWeight


@torch.no_grad()
def generated_weights(
    flow: Flow, layer_at: Mapping[int, str], parameter: Parameter, rows: int | None
) -> tuple[GeneratedWeight, ...]:
    """Return the generated weights in forward order, without those whose values are not known.

    Args:
        layer_at: the layer of each operation.
        parameter: returns a parameter by its name; None for sharded ones.
        rows: samples for which an output is recomputed.
    """
    found: list[GeneratedWeight] = []
    places: dict[int, int] = {}
    for product, use in sorted(flow.generated.by_product.items()):
        matrix = _matrix(flow, use, parameter, rows)
        signal = None if matrix is None or not matrix.is_floating_point() else exact(matrix)
        if signal is None or use.source not in layer_at:
            continue
        target = flow.activation(product)
        meets = [*flow.meets[product], *(flow.meets[target.node] if target else ())]
        places[product] = len(found)
        found.append(
            GeneratedWeight(
                layer=layer_at[use.source],
                rms=signal.rms,
                fan_in=use.fan_in,
                fan_out=use.fan_out,
                activation=target.name if target else None,
                activation_parameters=target.parameters if target else (),
                multiplied=target.scale if target else 1.0,
                normed=any(each.what == "norm" for each in meets),
                bypassed=is_bypassed(flow, use),
                last=any(each.what == "loss" for each in flow.meets[product]),
                plain=use.plain,
                upstream=places.get(flow.generated.upstream.get(product, -1)),
            )
        )
    return tuple(found)


def _matrix(flow: Flow, use: Generated, parameter: Parameter, rows: int | None) -> Tensor | None:
    """Return the values of a matrix. A product with a constant signal saves none: they are the layer's output."""
    saved = vocab.node(flow.graph.names[use.product]).kept_factors.get(use.operand)
    matrix = flow.graph.saved(use.product, saved) if saved else None
    if isinstance(matrix, Tensor):
        return matrix
    shape, (producer, output) = flow.graph.shape(use.source), flow.graph.edges[use.product][use.operand]
    if not use.plain or torch.Size(shape).numel() != torch.Size(flow.graph.shape(producer, output)).numel():
        return None
    replayed = forward(flow, use.source, parameter, rows)
    return None if replayed is None else replayed.output * use.scale
