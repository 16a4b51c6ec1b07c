"""More architectures of the `torchvision` library with default initialization; nothing is downloaded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.healthy.torchvision_nets import detected, flowing, net, segmented
from benchmarks.nets import Case, Net


def outlined(size: int, path: str, batch: int = 2, **options: Any) -> Case:
    """Object detection with masks; each mask is the whole box."""
    case = detected(size, path, batch, **options)
    for target in case.batch[1]:
        masks = torch.zeros(len(target["boxes"]), size, size)
        for mask, (left, top, right, bottom) in zip(masks, target["boxes"].long().tolist(), strict=True):
            mask[top:bottom, left:right] = 1
        target["masks"] = masks.byte()
    return case


def posed(size: int, path: str, batch: int = 2, **options: Any) -> Case:
    """Detection of persons with 17 joints each, all visible and inside the box."""
    case = detected(size, path, batch, **options)
    generator = torch.Generator().manual_seed(1)
    for target in case.batch[1]:
        target["labels"] = torch.ones_like(target["labels"])
        target["keypoints"] = _joints(target["boxes"], generator)
    return case


def _joints(boxes: Tensor, generator: torch.Generator) -> Tensor:
    corner, sides = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None]
    places = corner + (0.05 + 0.9 * torch.rand(len(boxes), 17, 2, generator=generator)) * sides
    return torch.cat([places, torch.ones(len(boxes), 17, 1)], 2)


SMALL = {"min_size": 128, "max_size": 128}
FEW = {"rpn_pre_nms_top_n_train": 200, "rpn_post_nms_top_n_train": 100, "box_batch_size_per_image": 64}  # proposals
NETS: tuple[Net, ...] = (
    net("maskrcnn_resnet50_fpn", "mask R-CNN", outlined, 128, "maskrcnn_resnet50_fpn", **SMALL, **FEW),
    net("keypointrcnn_resnet50_fpn", "keypoint R-CNN", posed, 128, "keypointrcnn_resnet50_fpn", **SMALL, **FEW),
    net("retinanet_resnet50_fpn_v2", "RetinaNet with group norms", detected, 128, "retinanet_resnet50_fpn_v2", **SMALL),
    net("ssd300_vgg16", "SSD on VGG", detected, 300, "ssd300_vgg16", 2),
    net("raft_large", "large RAFT", flowing, 128, "raft_large", 1),
    net("deeplabv3_resnet50", "DeepLab on ResNet", segmented, 96, "deeplabv3_resnet50", 2),
)
