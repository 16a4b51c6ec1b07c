"""Architectures of the `timm` library that share a module file with one in `benchmarks.healthy`, but not its blocks.

The weights are random; nothing is downloaded.
"""

from __future__ import annotations

from functools import partial

from benchmarks.healthy.timm_nets import build, free, sized
from benchmarks.nets import Net

ROWS = (
    free("halonet26t", "halonet", 256, 2),
    sized("lambda_resnet26rpt_256", "lambda networks", 128, 4),
    free("gcresnext26ts", "global context", 128, 4),
    free("regnetz_b16", "regnetz", 96, 4),
    free("repvgg_a0", "repvgg", 96, 4),
    free("bat_resnext26ts", "bilinear attention", 256, 2),
    free("convnextv2_atto", "convnextv2", 96),
    free("cspresnext50", "cspresnext", 96, 4),
    sized("deit3_small_patch16_224", "deit3", 64, depth=6),
    free("dla60_res2net", "dla with res2net", 64, 4),
    free("mixnet_s", "mixnet", 96),
    free("tinynet_e", "tinynet", 96),
    free("mobilenetv4_conv_small_050", "mobilenetv4", 96),
    free("mobilenetv4_hybrid_medium", "mobilenetv4 with attention", 96, 4),
    free("ghostnetv2_100", "ghostnetv2", 96),
    free("maxxvit_rmlp_nano_rw_256", "maxxvit", 128, 2, img_size=128),
    free("convformer_s18", "convformer", 96, 4),
    free("caformer_s18", "caformer", 96, 4),
    sized("resmlp_12_224", "resmlp", 64),
    sized("gmixer_12_224", "gated mixer", 64),
    free("mobilevitv2_050", "mobilevitv2", 128),
    free("nfnet_l0", "normalizer-free", 96, 4, depths=(1, 2, 3, 1)),
    free("seresnext26t_32x4d", "seresnext", 96, 4),
    free("resnetblur18", "resnet with blur", 96),
    free("resnetv2_18d", "resnetv2 with batch norms", 96),
    sized("vit_little_patch16_reg4_gap_256", "vit with registers", 64, depth=6),
    sized("vit_small_patch16_dinov3", "dinov3", 64, depth=6),
    sized("twins_svt_small", "twins with subsampling", 128, 4),
    free("vovnet39a", "vovnet without attention", 64, 4),
    free("hgnet_tiny", "hgnet of the first version", 96, 4),
    free("fastvit_mci0", "mobileclip", 96, 4),
    free("xception41p", "pre-activated xception", 64, 4),
)
NETS: tuple[Net, ...] = tuple(
    Net(f"timm/{row.model}", row.family, partial(build, row, (10, 100)[place % 2])) for place, row in enumerate(ROWS)
)
