"""The flow of five networks, layer by layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.record.networks import BLOCKS, GPT, RESNET_50, WORDS, Classifier, Llama, ResNet, UNet
from tests.record.reading import Reading, read
from tests.record.tables import Line, table, written

TOKENS, IMAGES = torch.randint(0, WORDS, (2, 6)), torch.randn(2, 3, 32, 32)


def flow_facts(reading: Reading) -> tuple[int, bool]:
    flow = reading.flow
    assert flow is not None
    return flow.branches, flow.trunk_normalized


GPT_BLOCK = """
    h.{i}.ln_1       norm    -     layer            TB
    h.{i}.c_attn     linear  8>8   attention        NBx3
    h.{i}.attn_proj  linear  8>8   residual         EB
    h.{i}.ln_2       norm    -     layer            TB
    h.{i}.c_fc       linear  8>32  activation:gelu  NB
    h.{i}.mlp_proj   linear  32>8  residual         EB
"""
GPT_TABLE = [
    *written("""
    wpe      embedding  1>8   norm   -
    wte      embedding  1>8   norm   -
    """),
    *(row for i in range(BLOCKS) for row in written(GPT_BLOCK.format(i=i))),
    *written("""
    ln_f     norm       -     layer  -
    lm_head  linear     8>11  loss   NH
    """),
]


def test_nano_gpt() -> None:
    """Packed queries, keys and values: fan_out is that of one; the tied embedding is a layer for each use."""
    reading = read(GPT(), TOKENS)
    assert table(reading.recorder.layers) == GPT_TABLE
    assert flow_facts(reading) == (2 * BLOCKS, False)
    tied = reading.layers["wte"].weight
    assert tied is not None
    assert tied.tied_to == ("lm_head.weight",)


IDENTITY_BLOCK = """
    {at}.conv1  conv  {outputs}>{width}  norm:relu        TB  bn1
    {at}.bn1    norm  -                  activation:relu  B
    {at}.conv2  conv  {field}>{field}    norm:relu        B   bn2
    {at}.bn2    norm  -                  activation:relu  B
    {at}.conv3  conv  {width}>{outputs}  norm             EB  bn3
    {at}.bn3    norm  -                  residual         B
"""
PROJECTION_BLOCK = """
    {at}.conv1         conv  {inputs}>{width}    norm:relu        TB  bn1
    {at}.bn1           norm  -                   activation:relu  B
    {at}.conv2         conv  {field}>{field}     norm:relu        B   bn2
    {at}.bn2           norm  -                   activation:relu  B
    {at}.downsample.0  conv  {inputs}>{outputs}  norm:relu        B   1
    {at}.conv3         conv  {width}>{outputs}   norm:relu        B   bn3
    {at}.downsample.1  norm  -                   activation:relu  B
    {at}.bn3           norm  -                   activation:relu  B
"""


def resnet_table() -> list[Line]:
    rows = written("""
    conv1  conv  147>196  norm:relu        -  bn1
    bn1    norm  -        activation:relu  -
    """)
    inputs = 4
    for stage, blocks in enumerate(RESNET_50):
        width = 2 * 2**stage
        for block in range(blocks):
            text = IDENTITY_BLOCK if block else PROJECTION_BLOCK
            sizes = {"inputs": inputs, "width": width, "outputs": 4 * width, "field": 9 * width}
            rows += written(text.format(at=f"layer{stage + 1}.{block}", **sizes))
        inputs = 4 * width
    return rows + written("fc  linear  64>10  loss  H")


@pytest.mark.parametrize("zero_gamma", [False, True])
def test_resnet_50(zero_gamma: bool) -> None:
    """With the last norm of each branch at zero, the position of every layer is the same."""
    model = ResNet()
    for name, parameter in model.named_parameters():
        if zero_gamma and name.endswith("bn3.weight"):
            nn.init.zeros_(parameter)
    reading = read(model, IMAGES)
    assert table(reading.recorder.layers) == resnet_table()
    assert flow_facts(reading) == (sum(RESNET_50), False)


LLAMA_BLOCK = """
    layers.{i}.input_norm  norm    -     layer            NTB
    layers.{i}.k_proj      linear  8>4   attention        NB
    layers.{i}.q_proj      linear  8>8   attention        NB
    layers.{i}.v_proj      linear  8>4   attention        NB
    layers.{i}.o_proj      linear  8>8   residual         EB
    layers.{i}.post_norm   norm    -     layer            NTB
    layers.{i}.gate_proj   linear  8>24  activation:silu  NB
    layers.{i}.up_proj     linear  8>24  gate             NB
    layers.{i}.down_proj   linear  24>8  residual         EB
"""
LLAMA_TABLE = [
    *written("embed  embedding  1>8  norm  -"),
    *(row for i in range(BLOCKS) for row in written(LLAMA_BLOCK.format(i=i))),
    *written("""
    norm     norm    -     layer  N
    lm_head  linear  8>11  loss   NH
    """),
]


def test_llama() -> None:
    reading = read(Llama(), TOKENS)
    assert table(reading.recorder.layers) == LLAMA_TABLE
    assert flow_facts(reading) == (2 * BLOCKS, False)


UNET_TABLE = written("""
    time1         linear  4>8    activation:silu  -
    time2         linear  8>8    activation:silu  -
    stem          conv    27>36  norm:silu        -
    into.time     linear  8>4    norm:silu        B   norm2
    into.norm1    norm    -      activation:silu  TB
    into.conv1    conv    36>36  norm:silu        B   norm2
    into.norm2    norm    -      activation:silu  B
    into.conv2    conv    36>36  residual         EB
    down          conv    36>72  norm:silu        B
    middle.time   linear  8>8    norm:silu        B   norm2
    middle.norm1  norm    -      activation:silu  TB
    middle.conv1  conv    72>72  norm:silu        B   norm2
    middle.norm2  norm    -      activation:silu  B
    middle.conv2  conv    72>72  residual         EB
    up            conv    32>64  norm:silu        B
    out.time      linear  8>4    norm:silu        B   norm2
    out.norm1     norm    -      activation:silu  TB
    out.conv1     conv    72>36  norm:silu        B   norm2
    out.norm2     norm    -      activation:silu  B
    out.conv2     conv    36>36  norm:silu        B
    out.skip      conv    8>4    norm:silu        B
    norm          norm    -      activation:silu  -
    head          conv    36>27  loss             H
""")


def test_u_net() -> None:
    """Skips by concatenation, a transposed convolution, the time added inside each residual branch."""
    reading = read(UNet(), IMAGES[:, :, :8, :8], torch.rand(2, 2))
    assert table(reading.recorder.layers) == UNET_TABLE
    assert flow_facts(reading) == (3, False)


LSTM_TABLE = written("""
    embed              embedding  1>6  layer  -
    lstm.weight_ih_l0  rnn        6>5  layer  x4
    lstm.weight_hh_l0  rnn        5>5  layer  x4
    lstm.weight_ih_l1  rnn        5>5  layer  x4
    lstm.weight_hh_l1  rnn        5>5  layer  x4
    head               linear     5>3  loss   H
""")


def test_lstm() -> None:
    """The four gates of a matrix are four projections."""
    reading = read(Classifier(), TOKENS)
    assert table(reading.recorder.layers) == LSTM_TABLE
    assert flow_facts(reading) == (0, False)
