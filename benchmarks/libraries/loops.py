"""Plain loops for supervised training: accumulation, tied weights, sound, Gaussian processes."""

from __future__ import annotations

import gpytorch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import LinearLR

from .loops_several import several
from .run import Loop, Run, Watch


def runs() -> list[Run | Loop]:
    """Return all plain loops."""
    return [
        Loop("plain/accumulation", _accumulation, "gradient accumulation, bfloat16 autocast"),
        Loop("plain/language model", _language_model, "tied weights, schedule"),
        Loop("plain/spectrogram", _spectrogram, "sound"),
        Loop("plain/gaussian process", _gaussian_process, "GPyTorch"),
        *several(),
    ]


def _accumulation(steps: int, watch: Watch) -> list[float]:
    """Train a convolutional network with four batches a step."""
    blocks = [(3, 16), (16, 32), (32, 64)]
    convs = [nn.Sequential(nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()) for i, o in blocks]
    model = nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 4))
    optimizer, losses = SGD(model.parameters(), 0.05, momentum=0.9), []
    with watch(model, optimizer) as monitor:
        for _ in range(steps):
            total = 0.0
            for _ in range(4):
                x = torch.randn(16, 3, 32, 32)
                labels = 2 * (x[:, 0].mean((1, 2)) > 0).long() + (x[:, 1].mean((1, 2)) > 0).long()
                with torch.autocast("cpu", torch.bfloat16):
                    loss = F.cross_entropy(model(x), labels) / 4
                loss.backward()
                total += float(loss.detach())
            monitor.step(total)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(total)
    return losses


class _LanguageModel(nn.Module):
    """A causal transformer of which the first and the last matrix are one parameter."""

    def __init__(self, tokens: int = 64, width: int = 64) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(tokens, width), nn.Embedding(32, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.1, batch_first=True, norm_first=True)
        self.blocks, self.norm = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens, bias=False)
        for each in (self.embedding, self.positions):
            nn.init.normal_(each.weight, std=0.02)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        x = self.embedding(tokens) + self.positions.weight[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(x, mask=mask, is_causal=True)))


def _language_model(steps: int, watch: Watch) -> list[float]:
    """Learn sequences in which each token is the one before plus a step that the sequence keeps."""
    model = _LanguageModel()
    optimizer, losses = AdamW(model.parameters(), 1e-3), []
    schedule = LinearLR(optimizer, 0.01, total_iters=20)
    with watch(model, optimizer) as monitor:
        for _ in range(steps):
            tokens = (torch.randint(64, (16, 1)) + torch.randint(1, 4, (16, 1)) * torch.arange(33)) % 64
            loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            monitor.step(loss)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
    return losses


class _Spectrogram(nn.Module):
    """Convolutions over the logarithm of a short-time Fourier transform."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(128))
        self.norm = nn.BatchNorm2d(1)
        blocks = [(1, 16), (16, 32), (32, 32)]
        self.convs = nn.Sequential(*(nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.ReLU()) for i, o in blocks))
        self.head = nn.Linear(32, 5)

    def forward(self, sound: Tensor) -> Tensor:
        spectrum = torch.stft(sound, 128, 64, window=self.window, return_complex=True)
        x = self.norm(torch.log(spectrum.abs().square() + 1e-6).unsqueeze(1))
        return self.head(self.convs(x).mean((2, 3)))


def _spectrogram(steps: int, watch: Watch) -> list[float]:
    """Name the pitch of a tone in noise."""
    model = _Spectrogram()
    optimizer, losses, time = Adam(model.parameters(), 1e-3), [], torch.arange(2048) / 16000
    with watch(model, optimizer) as monitor:
        for _ in range(steps):
            labels = torch.randint(5, (16,))
            pitch = 400.0 * (1 + labels.unsqueeze(1))
            loss = F.cross_entropy(model(torch.sin(6.2832 * pitch * time) + 0.3 * torch.randn(16, 2048)), labels)
            optimizer.zero_grad()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses


class _GaussianProcess(gpytorch.models.ExactGP):
    def __init__(self, x: Tensor, y: Tensor, likelihood: gpytorch.likelihoods.GaussianLikelihood) -> None:
        super().__init__(x, y, likelihood)
        self.mean, self.kernel = (
            gpytorch.means.ConstantMean(),
            gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel()),
        )

    def forward(self, x: Tensor) -> gpytorch.distributions.MultivariateNormal:
        return gpytorch.distributions.MultivariateNormal(self.mean(x), self.kernel(x))


def _gaussian_process(steps: int, watch: Watch) -> list[float]:
    """Fit the kernel of an exact Gaussian process, as in the first tutorial of GPyTorch."""
    x = torch.linspace(0, 1, 100)
    y, likelihood = torch.sin(6.2832 * x) + 0.2 * torch.randn(100), gpytorch.likelihoods.GaussianLikelihood()
    model = _GaussianProcess(x, y, likelihood)
    optimizer, losses = Adam(model.parameters(), 0.1), []
    marginal = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
    with watch(model, optimizer) as monitor:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = -marginal(model(x), y)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses
