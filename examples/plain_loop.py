"""`inithealth.watch` in a custom training loop, without Lightning.

With PyTorch's default initialization, twenty ReLU layers lose nearly all of the signal (pytorch/pytorch#6950). The loop
checks the verdict before its first optimizer step, reinitializes the weights and trains.

    python examples/plain_loop.py

Needs scikit-learn.
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.tensorboard import SummaryWriter

import inithealth


def deep_net(layers: int = 20) -> nn.Sequential:
    hidden = [nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(layers - 1)]
    return nn.Sequential(*hidden, nn.Linear(64, 10))


def he_init(model: nn.Module) -> None:
    """Initialize the weights so that they preserve the signal from one ReLU to the next."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu" if module.out_features == 64 else "linear")
            nn.init.zeros_(module.bias)


def train(model: nn.Module, images: Tensor, digits: Tensor, steps: int, logdir: str) -> bool:
    """Train the model. Returns False, with the weights unchanged, if the network is unhealthy."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    with SummaryWriter(logdir) as writer, inithealth.watch(model, optimizer=optimizer, writer=writer) as monitor:
        for _ in range(steps):
            sample = torch.randint(len(images), (64,))
            loss = F.cross_entropy(model(images[sample]), digits[sample])
            optimizer.zero_grad()
            loss.backward()
            monitor.step(loss)
            if not monitor.report.ok:  # the log shows why
                return False
            optimizer.step()
    print(monitor.report)
    return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--logdir", default="runs/plain_loop")
    options = parser.parse_args()

    torch.manual_seed(0)
    data = load_digits()
    images = torch.tensor(data.data, dtype=torch.float32) / 8 - 1
    digits = torch.tensor(data.target)

    model = deep_net()
    if not train(model, images, digits, options.steps, f"{options.logdir}/default"):
        print("\nOnce more, with He initialization:\n")
        he_init(model)
        train(model, images, digits, options.steps, f"{options.logdir}/he")
    print(f"\nAccuracy: {(model(images).argmax(1) == digits).float().mean():.1%}")


if __name__ == "__main__":
    main()
