"""The statistics of a weight, given the operations that use it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from inithealth.layer_kinds import DRAWN, Kind
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.operations import Operation
from inithealth.record.layers.naming import Naming, dimensions
from inithealth.record.saved.replay import operand_tensor
from inithealth.record.statistics.stacks import slice_rms
from inithealth.record.statistics.weights import describe, unit_rows
from inithealth.record.tensors import full_tensor
from inithealth.recording import Weight

_GATES: tuple[tuple[tuple[type[nn.Module], ...], int], ...] = (
    ((nn.LSTM, nn.LSTMCell), 4),
    ((nn.GRU, nn.GRUCell), 3),
    ((nn.RNN, nn.RNNCell), 1),
)


@dataclass(frozen=True)
class WeightUse:
    """A parameter that is the weight of a layer.

    Attributes:
        parameter: its name.
        bias: the name of the layer's bias.
        uses: the operations of the flow that use it; without a flow none.
        module: the layer's module.
    """

    naming: Naming
    flow: Flow | None
    parameter: str
    bias: str | None
    kind: Kind | str
    uses: list[Operation]
    module: nn.Module | None

    @property
    def unit_axis(self) -> int | None:
        """The axis of the parameter that indexes the units; None if it is unknown."""
        if dimensions(self._values) < 2:
            return None
        if self.uses and self.kind != "rnn" and not self.uses[0].transformed:
            return self.uses[0].unit_axis
        return 1 if getattr(self.module, "transposed", False) else None if self.kind == "other" else 0

    @property
    def groups(self) -> int:
        groups = self.uses[0].groups if self.uses else getattr(self.module, "groups", 1)
        return groups if isinstance(groups, int) else 1

    @property
    def packed(self) -> int:
        """The number of projections in the weight; without a flow, by the type of its module."""
        if self.uses and self.kind != "rnn":
            return self.uses[0].packed
        other = self.uses[0].packed if self.uses else 1
        return next((gates for types, gates in _GATES if isinstance(self.module, types)), other)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The weight and the bias."""
        return (self.parameter,) if self.bias is None else (self.parameter, self.bias)

    @property
    def computed(self) -> bool:
        """Whether the statistics are those of a tensor that the graph saved, and frees in the backward pass."""
        return any(use.transformed for use in self.uses) and self.kind in DRAWN

    def statistics(self) -> dict[str, Weight | None]:
        """Return the fields ``weight`` and ``bias`` of the layer. Reads the parameters."""
        if self.bias is None:
            return {"weight": self._weight(), "bias": None}
        values, trainable = full_tensor(self.naming.parameters[self.bias]), self.bias in self.naming.trainable
        return {"weight": self._weight(), "bias": describe(self.bias, values, trainable=trainable)}

    @property
    def _values(self) -> Tensor:
        return self.naming.parameters[self.parameter]

    def _weight(self) -> Weight | None:
        values, axis = self._used()
        rows = self._rows(values, axis)
        fan_in, fan_out = self._fans(rows)
        adds = self.bias is not None and self.kind != "embedding"
        found = describe(
            self.parameter,
            values,
            trainable=self.parameter in self.naming.trainable,
            fan_in=fan_in,
            fan_out=fan_out,
            rows=rows,
            bias=full_tensor(self.naming.parameters[self.bias]) if adds and self.bias is not None else None,
            groups=self.groups if self.kind == "conv" else 1,
            tied_to=self.naming.tied.get(self.parameter, ()),
        )
        if found is not None and self.kind in ("linear", "bmm") and not any(use.transformed for use in self.uses):
            found = found.model_copy(update={"slice_rms": slice_rms(values)})
        # The units of a weight made positive, by a square or an exponential, are expected to be similar.
        made = found is not None and bool(self.uses) and self.uses[0].transformed
        positive = made and bool(values.min() >= 0) and bool(self._values.detach().min() < 0)
        return found.model_copy(update={"row_cosine": 0.0}) if found is not None and positive else found

    def _used(self) -> tuple[Tensor, int | None]:
        """Return the values that the operation uses, and the axis of their units."""
        if self.uses and self.uses[0].transformed and self.flow is not None and self.kind in DRAWN:
            operation = self.uses[0]
            used = operand_tensor(self.flow.graph, operation)
            if used is not None and used.ndim > 1:
                return used, _used_axis(self.kind, operation)
        return full_tensor(self._values.detach()), self.unit_axis

    def _rows(self, values: Tensor, axis: int | None) -> Tensor | None:
        # The units of experts and of a grouped transposed convolution do not form one matrix.
        separate = self.kind not in DRAWN or (self.groups > 1 and (self.kind == "bmm" or axis != 0))
        return None if separate else unit_rows(values, axis)

    def _fans(self, rows: Tensor | None) -> tuple[int | None, int | None]:
        if self.kind not in DRAWN:
            return None, None
        if self.uses and self.kind != "rnn":
            return self.uses[0].fan_in, self.uses[0].fan_out
        if self.kind == "embedding":
            return 1, self._values.shape[-1]
        return (rows.shape[1], rows.shape[0] // self.packed) if rows is not None else (None, None)


def _used_axis(kind: str, operation: Operation) -> int | None:
    """Return the unit axis of the operation's operand."""
    if kind == "conv":
        return operation.unit_axis
    return None if kind == "bmm" else 0 if operation.operand == 0 else 1
