"""Architectures of the `timm` library with default initialization: the smallest of each module file.

The weights are random: nothing is downloaded.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from ..nets import Case, Net

SEED = 0  # of the images, which do not depend on the seed of the weights


class Row(NamedTuple):
    """An architecture, and the images it is checked with."""

    model: str
    family: str
    size: int  # of the square images
    batch: int
    options: dict[str, Any]  # differences from the model's defaults


def free(model: str, family: str, size: int, batch: int = 8, **options: Any) -> Row:
    """A model for images of any size; ``window`` options make the windows divide this size."""
    return Row(model, family, size, batch, options)


def sized(model: str, family: str, size: int, batch: int = 8, **options: Any) -> Row:
    """A model that is built for one image size."""
    return free(model, family, size, batch, img_size=size, **options)


# Architectures that would be too large are built narrower and shallower, like their smaller variants.
SMALL = {"embed_dim": 384, "depth": 6, "num_heads": 6}

ROWS = (
    sized("beit_base_patch16_224", "beit", 64, 4),
    sized("botnet26t_256", "byoanet", 128, 4),
    free("mobileone_s0", "byobnet", 128),
    sized("cait_xxs24_224", "cait", 96),
    sized("coat_lite_tiny", "coat", 128),
    sized("convit_tiny", "convit", 112),
    free("convmixer_768_32", "convmixer", 84, 4),
    free("convnext_atto", "convnext", 128),
    free("cpubone_nano", "cpubone", 128),
    sized("crossvit_tiny_240", "crossvit", 120),
    free("csatv2", "csatv2", 256, 4),
    free("cs3darknet_focus_s", "cspnet", 128),
    free("cspnext_tiny", "cspnext", 128),
    free("davit_tiny", "davit", 128, 4, window_size=4),
    sized("deepseek_vit_412m", "deepseek_vit", 112, 4, **SMALL),
    sized("deit_tiny_patch16_224", "vit", 96),
    free("densenet121", "densenet", 128, 4),
    free("dla46_c", "dla", 128),
    free("dpn48b", "dpn", 128, 4),
    free("edgenext_xx_small", "edgenext", 128),
    free("efficientformer_l1", "efficientformer", 224, 4),
    sized("efficientformerv2_s0", "efficientformer", 128),
    free("efficientnet_b0", "efficientnet", 128),
    free("efficientvim_m1", "efficientvim", 128),
    free("efficientvit_b0", "efficientvit_mit", 128),
    sized("efficientvit_m0", "efficientvit_msra", 224),
    sized("eva02_tiny_patch14_224", "eva", 112),
    free("fasternet_t0", "fasternet", 128),
    free("fastvit_t8", "fastvit", 128),
    free("focalnet_tiny_srf", "focalnet", 128, 4),
    sized("gcvit_xxtiny", "gcvit", 128),
    sized("gemma4_vit_167m", "gemma4_vit", 96, 4, **SMALL),
    free("ghostnet_050", "ghostnet", 128),
    free("hardcorenas_a", "hardcorenas", 128),
    free("hgnetv2_b0", "hgnet", 128),
    sized("hiera_tiny_224", "hiera", 128, 4),
    free("hieradet_small", "hieradet_sam2", 128, 4, embed_dim=48, window_spec=(8, 4, 8, 4)),
    free("hrnet_w18_small", "hrnet", 128, 4),
    free("iformer_t", "iformer", 128),
    free("inception_next_atto", "inception_next", 128),
    free("inception_resnet_v2", "inception_resnet_v2", 139, 4),
    free("inception_v3", "inception_v3", 139, 4),
    free("inception_v4", "inception_v4", 139, 4),
    free("lcnetv2_small", "lcnetv2", 128),
    sized("levit_128s", "levit", 128),
    free("lowformer_b0", "lowformer", 128),
    free("mambaout_femto", "mambaout", 128),
    sized("coatnet_pico_rw_224", "maxvit", 128, 4),
    free("poolformer_s12", "poolformer", 128, 4),
    sized("mixer_s16_224", "mlp_mixer", 96, 4),
    free("mobilenetv3_small_050", "mobilenet", 128),
    free("mobilenetv5_base", "mobilenetv5", 128, 4, channel_multiplier=0.5),
    free("mobilevit_xxs", "mobilevit", 128),
    sized("mvitv2_tiny", "mvit", 128, 4),
    sized("naflexvit_base_patch16_gap", "vit", 96, embed_dim=192, num_heads=3),
    free("nasnetalarge", "nasnet", 128, 4, stem_size=32, num_features=1056),
    sized("nest_tiny", "nest", 128, 4),
    free("nextvit_small", "nextvit", 128, 4),
    free("nf_regnet_b0", "nfnet", 128),
    sized("pit_ti_224", "pit", 128),
    free("pnasnet5large", "pnasnet", 64, 4),
    free("pvt_v2_b0", "pvt", 128),
    sized("qwen3_vit_88m", "qwen3_vit", 128, 4, **SMALL),
    free("rdnet_tiny", "rdnet", 128, 4),
    free("regnetx_002", "resnet", 128),
    free("repghostnet_050", "repghost", 128),
    free("repvit_m0_9", "repvit", 128),
    free("res2net50_48w_2s", "res2net", 96, 4, layers=(2, 2, 2, 2)),
    free("resnest14d", "resnest", 128, 4),
    free("resnet10t", "resnet", 128),
    free("resnetv2_50x1_bit", "bit", 96, 4),
    free("rexnet_100", "rexnet", 128),
    free("selecsls42", "selecsls", 128),
    free("legacy_seresnet18", "senet", 128),
    sized("sequencer2d_s", "sequencer", 112, 4, layers=(2, 1, 4, 1)),
    free("shvit_s1", "shvit", 128),
    free("skresnet18", "sknet", 128),
    free("starnet_s050", "starnet", 128),
    free("swiftformer_xs", "swiftformer", 128),
    sized("swin_tiny_patch4_window7_224", "swin", 128, 4, window_size=4),
    sized("swinv2_tiny_window8_256", "swin", 128, 4, window_size=4, depths=(2, 2, 2, 2)),
    sized("swinv2_cr_tiny_ns_224", "swin", 128, 4, depths=(2, 2, 2, 2)),
    free("tiny_vit_5m_224", "tiny_vit", 128, window_sizes=(4, 4, 8, 4)),
    sized("tnt_s_patch16_224", "tnt", 96, 4),
    free("tresnet_m", "tresnet", 128, 4, layers=(2, 2, 4, 2)),
    sized("twins_pcpvt_small", "twins", 128, 4),
    free("vgg11", "vgg", 128, 4),
    sized("visformer_tiny", "visformer", 128),
    sized("vit_tiny_patch16_224", "vit", 96),
    sized("vit_tiny_r_s16_p8_224", "vit_hybrid", 128),
    sized("vit_relpos_small_patch16_224", "vit", 96),
    sized("samvit_base_patch16_224", "sam", 96, 4, window_size=3),
    sized("vitamin_small_224", "vitamin", 128, 4),
    sized("volo_d1_224", "volo", 128, 4),
    free("ese_vovnet19b_slim_dw", "vovnet", 128),
    free("legacy_xception", "xception", 128, 4),
    free("xception41", "xception", 128, 4),
    sized("xcit_nano_12_p16_224", "xcit", 128),
)


def build(row: Row, classes: int) -> Case:
    # Imported here, so names and families are available without the library.
    import timm

    model = timm.create_model(row.model, num_classes=classes, **row.options)
    generator = torch.Generator().manual_seed(SEED)
    pictures = torch.randn(row.batch, 3, row.size, row.size, generator=generator)
    labels = torch.randint(classes, (row.batch,), generator=generator)
    return Case(model, pictures, lambda output: F.cross_entropy(output, labels))


NETS: tuple[Net, ...] = tuple(
    Net(f"timm/{row.model}", row.family, partial(build, row, (10, 1000)[place % 2])) for place, row in enumerate(ROWS)
)
