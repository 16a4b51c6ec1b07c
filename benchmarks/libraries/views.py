"""Self-supervised modules as in the documentation of lightly, on small random images."""

from __future__ import annotations

import copy
from typing import Any

import pytorch_lightning as pl
import torch
import torchvision
from lightly.loss import DINOLoss, NegativeCosineSimilarity, NTXentLoss, SwaVLoss
from lightly.models.modules import heads
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import CosineWarmupScheduler, cosine_schedule
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .run import Run, fitted


class _Module(pl.LightningModule):
    """A ResNet-18 with the heads of the method."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*list(torchvision.models.resnet18().children())[:-1], nn.Flatten())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.06)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = CosineWarmupScheduler(optimizer, warmup_epochs=steps // 10, max_epochs=steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class SimCLR(_Module):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head, self.criterion = heads.SimCLRProjectionHead(512, 512, 128), NTXentLoss()

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        z0, z1 = (self.projection_head(self.backbone(view)) for view in batch[0])
        loss = self.criterion(z0, z1)
        self.log("train_loss", loss, sync_dist=True, batch_size=len(z0))
        return loss


class SimSiam(_Module):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head = heads.SimSiamProjectionHead(512, 512, 128)
        self.prediction_head = heads.SimSiamPredictionHead(128, 64, 128)
        self.criterion = NegativeCosineSimilarity()

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        z0, z1 = (self.projection_head(self.backbone(view)) for view in batch[0])
        p0, p1 = self.prediction_head(z0), self.prediction_head(z1)
        return 0.5 * (self.criterion(z0.detach(), p1) + self.criterion(z1.detach(), p0))


class BYOL(SimSiam):
    """The momentum depends on the trainer's epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        momentum = cosine_schedule(self.current_epoch, self.trainer.max_epochs, 0.996, 1)
        update_momentum(self.backbone, self.backbone_momentum, m=momentum)
        update_momentum(self.projection_head, self.projection_head_momentum, m=momentum)
        p0, p1 = (self.prediction_head(self.projection_head(self.backbone(view))) for view in batch[0])
        with torch.no_grad():
            z0, z1 = (self.projection_head_momentum(self.backbone_momentum(view)) for view in batch[0])
        return 0.5 * (self.criterion(p0, z1) + self.criterion(p1, z0))


class DINO(_Module):
    """The momentum depends on the trainer's steps, as in lightly's own benchmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.student_head = heads.DINOProjectionHead(512, 512, 64, 256, freeze_last_layer=1)
        self.teacher_backbone = copy.deepcopy(self.backbone)
        self.teacher_head = heads.DINOProjectionHead(512, 512, 64, 256)
        deactivate_requires_grad(self.teacher_backbone)
        deactivate_requires_grad(self.teacher_head)
        self.criterion = DINOLoss(output_dim=256, warmup_teacher_temp_epochs=5)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        momentum = cosine_schedule(self.trainer.global_step, self.trainer.estimated_stepping_batches, 0.996, 1)
        update_momentum(self.backbone, self.teacher_backbone, m=momentum)
        update_momentum(self.student_head, self.teacher_head, m=momentum)
        with torch.no_grad():
            teacher = [self.teacher_head(self.teacher_backbone(view)) for view in batch[0]]
        student = [self.student_head(self.backbone(view)) for view in batch[0]]
        loss = self.criterion(teacher, student, epoch=self.current_epoch)
        self.log_dict({"train_loss": loss, "ema_momentum": momentum}, prog_bar=True)
        return loss

    def on_after_backward(self) -> None:
        self.student_head.cancel_last_layer_gradients(current_epoch=self.current_epoch)


class SwaV(_Module):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head = heads.SwaVProjectionHead(512, 512, 128)
        self.prototypes, self.criterion = heads.SwaVPrototypes(128, n_prototypes=64), SwaVLoss()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.prototypes.normalize()
        outputs = [
            self.prototypes(nn.functional.normalize(self.projection_head(self.backbone(view)), dim=1, p=2))
            for view in batch[0]
        ]
        loss = self.criterion(outputs, [])
        self.log("train_loss", loss)
        return loss


def runs() -> list[Run]:
    """Return the methods, each on two views of random images."""
    kinds: list[tuple[type[_Module], str]] = [
        (SimCLR, ""),
        (BYOL, "EMA teacher"),
        (DINO, "EMA teacher"),
        (SwaV, ""),
    ]
    home = "pytorch_lightning"
    return [Run(f"lightly/{kind.__name__}", fitted(home, kind, _loader, epochs=20), home, note) for kind, note in kinds]


def _loader() -> Any:
    """Return 16 batches of two noisy views of 16 images."""
    images = torch.randn(256, 3, 32, 32)
    pairs = [([image + 0.2 * torch.randn_like(image) for _ in range(2)], 0, "name") for image in images]
    return DataLoader(pairs, batch_size=16, shuffle=True)
