"""Small networks, images and recipes for tests of training."""

import torch
from torch import nn

from conebench.data.datasets import Data, Images
from conebench.spec.datasets import Augmentation
from conebench.spec.optimizers import Adam, OtherOptimizer, Sgd
from conebench.training.cuda_graphs import Recorder
from conebench.training.loop import Checkpoint, Recipe, train

SGD = Sgd(name="sgd", learning_rate=0.05, momentum=0.9, weight_decay=0.01)
OPTIMIZERS = [
    SGD,
    SGD.model_copy(update={"nesterov": True}),
    Adam(name="adam", learning_rate=0.01, weight_decay=0.1),
    Adam(name="adamw", learning_rate=0.01, weight_decay=0.5),
]
FLIPS_AND_CROPS = Augmentation(flip=True, crop_padding=1)
LAMB = OtherOptimizer(name="lamb", learning_rate=0.01)


def make_data(count: int = 40) -> Data:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, 2, 2), generator=generator, dtype=torch.uint8)
    images = Images(pixels, torch.arange(count) % 3)
    zero, one = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    return Data(images, None, images, ("a", "b", "c"), zero, one, FLIPS_AND_CROPS, "0" * 64)


def make_recipe(optimizer: Sgd | Adam | OtherOptimizer = SGD, **changes: object) -> Recipe:
    values = {
        "seed": 1,
        "batch_size": 8,
        "optimizer": optimizer,
        "learning_rate": lambda step: optimizer.learning_rate / (1 + step),
        "weight_decay": optimizer.weight_decay,
        "loss": "cross-entropy",
        "augment": True,
        **changes,
    }
    return Recipe(**values)


def linear_network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 3))


def noisy_network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)
        )


def run_to(
    end: int,
    network: nn.Module,
    recipe: Recipe,
    start: int = 0,
    recorder: Recorder | None = None,
) -> Checkpoint:
    *_, last = train(
        network, make_data(), recipe, start=start, checkpoints=[end], recorder=recorder
    )
    return last
