"""One training loop for ordinary, linearized and probe arms: a generator of checkpoints."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from conebench.data.datasets import Data, Images
from conebench.errors import RunError
from conebench.seeding import counter_seed
from conebench.spec.schema import Loss
from conebench.training.optimizers import (
    OptimizerChoice,
    TensorDict,
    load_state,
    make_optimizer,
    state_tensors,
    step_with_decay_origin,
)

LOSSES_BETWEEN_CHECKS = 64
EVALUATION_BATCH = 512


class DivergedError(RunError):
    """A loss became NaN or infinite at `step`."""

    def __init__(self, step: int) -> None:
        super().__init__(f"diverged at step {step}")
        self.step = step


@dataclass(frozen=True)
class Checkpoint:
    """A pause after `step` updates; `train_loss` is the mean since the checkpoint before.

    `losses` are those that the next checkpoint's mean will count too.
    It shows the live model and optimizer: what is to be kept must be copied before the next one.
    """

    step: int
    train_loss: float | None
    model: nn.Module
    optimizer: torch.optim.Optimizer
    losses: Sequence[Tensor] = ()

    def model_tensors(self) -> TensorDict:
        """A copy of the model's state, on the CPU."""
        state = self.model.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def optimizer_tensors(self) -> TensorDict:
        """A copy of the optimizer's state, on the CPU."""
        return state_tensors(self.optimizer)


@dataclass(frozen=True)
class Recipe:
    """How an arm is trained; the same for all its steps.

    `learning_rate` maps a step to the rate of the update that follows it. `decay_origin` gives,
    for each trainable tensor p, the point -origin that weight decay pulls p towards; none is 0.
    `clip_gradients` is the largest norm of all gradients together. `images_at_once` bounds how many
    images of a batch are taken through the model in one pass, which is the same to rounding where
    no image's logits depend on another image.
    """

    seed: int
    batch_size: int
    optimizer: OptimizerChoice
    learning_rate: Callable[[int], float]
    weight_decay: float
    loss: Loss
    augment: bool
    label_smoothing: float = 0.0
    clip_gradients: float | None = None
    images_at_once: int | None = None
    decay_origin: Sequence[Tensor] = ()


def train(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    start: int,
    checkpoints: Sequence[int],
    optimizer_state: TensorDict | None = None,
    losses_before: Sequence[Tensor] = (),
    wants_pause: Callable[[], bool] = lambda: False,
) -> Iterator[Checkpoint]:
    """Train `model`, which stands at step `start`; pause at each checkpoint from `start` on.

    And after each step where `wants_pause` says so. The model's mode is left as it is. Minibatch,
    augmentation and dropout of a step depend on the recipe's seed and the step alone, so all arms
    of a seed see the same; `losses_before` are those between the last checkpoint and `start`.
    Raises a DivergedError with the first step whose loss is not finite.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(trainable, recipe.optimizer, recipe.weight_decay)
    if optimizer_state is not None:
        load_state(optimizer, optimizer_state)
    due = {step for step in checkpoints if step > start}
    if start in checkpoints:
        yield Checkpoint(start, None, model, optimizer)
    losses = [loss.to(trainable[0].device) for loss in losses_before]
    checked = len(losses)
    for step in range(start, max(due, default=start)):
        losses.append(_update(model, data, recipe, optimizer, step))
        done = step + 1
        pauses = done in due or wants_pause()
        if pauses or len(losses) - checked == LOSSES_BETWEEN_CHECKS:
            _check_finite(losses[checked:], done)
            checked = len(losses)
        if pauses:
            mean_loss = float(torch.stack(losses).double().mean())
            if done in due:
                losses, checked = [], 0
            yield Checkpoint(done, mean_loss, model, optimizer, tuple(losses))


def _update(
    model: nn.Module, data: Data, recipe: Recipe, optimizer: torch.optim.Optimizer, step: int
) -> Tensor:
    x, y = data.batch(recipe.seed, step, recipe.batch_size, augment=recipe.augment)
    _seed_dropout(counter_seed(recipe.seed, "dropout", step), x.device)
    group = optimizer.param_groups[0]
    group["lr"] = recipe.learning_rate(step)
    optimizer.zero_grad()
    loss = _add_gradients(model, x, y, recipe)
    if recipe.clip_gradients is not None:
        nn.utils.clip_grad_norm_(group["params"], recipe.clip_gradients)
    step_with_decay_origin(optimizer, recipe.optimizer, recipe.weight_decay, recipe.decay_origin)
    return loss


def _add_gradients(model: nn.Module, x: Tensor, y: Tensor, recipe: Recipe) -> Tensor:
    """The batch's mean loss, whose gradients are added to those of the parameters."""
    count = -(-len(x) // (recipe.images_at_once or len(x)))
    total = x.new_zeros(())
    for images, labels in zip(x.chunk(count), y.chunk(count), strict=True):
        loss = loss_of(model(images), labels, recipe.loss, label_smoothing=recipe.label_smoothing)
        torch.autograd.backward(loss * (len(images) / len(x)))
        total += loss.detach() * (len(images) / len(x))
    return total


def _seed_dropout(seed: int, device: torch.device) -> None:
    # Not torch.manual_seed: without a GPU it formats a traceback for one at every call.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _check_finite(losses: Sequence[Tensor], done: int) -> None:
    finite = torch.isfinite(torch.stack(list(losses)))
    if not bool(finite.all()):
        raise DivergedError(done - len(losses) + int((~finite).nonzero()[0]))


def loss_of(
    logits: Float[Tensor, "b c"],
    labels: Int[Tensor, " b"],
    loss: Loss,
    *,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean cross-entropy, or the mean over images and classes of (logit - one-hot)^2.

    With label smoothing e, the cross-entropy is to (1 - e) one-hot + e / c.
    """
    if loss == "mse":
        return F.mse_loss(logits, F.one_hot(labels, logits.shape[1]).to(logits))
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def evaluate(model: nn.Module, data: Data, images: Images, loss: Loss) -> tuple[float, float]:
    """Accuracy (a fraction) and mean loss on images of the data, in evaluation mode.

    The model's mode is restored.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    correct, total = 0, 0.0
    with torch.no_grad():
        for start in range(0, len(images), EVALUATION_BATCH):
            labels = images.labels[start : start + EVALUATION_BATCH]
            logits = model(data.normalize(images.pixels[start : start + EVALUATION_BATCH]))
            correct += int((logits.argmax(1) == labels).sum())
            total += float(loss_of(logits, labels, loss)) * len(labels)
    for module, mode in modes.items():
        module.training = mode
    return correct / len(images), total / len(images)


def predict(model: nn.Module, data: Data, images: Images) -> Int[Tensor, " n"]:
    """The classes that a model in evaluation mode predicts for images of the data."""
    starts = range(0, len(images), EVALUATION_BATCH)
    batches = [images.pixels[start : start + EVALUATION_BATCH] for start in starts]
    with torch.no_grad():
        return torch.cat([model(data.normalize(pixels)).argmax(1) for pixels in batches])
