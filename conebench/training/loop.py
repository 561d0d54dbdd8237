"""One training loop for all arms: a generator of checkpoints."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from conebench.data.datasets import Data, Images
from conebench.errors import RunError
from conebench.seeding import counter_seed
from conebench.spec.schema import Loss
from conebench.training.averaging import WeightAverage
from conebench.training.cuda_graphs import AddGradients, RecordedGradients, Recorder
from conebench.training.optimizers import (
    OptimizerChoice,
    TensorDict,
    load_state,
    make_optimizer,
    state_tensors,
    step_with_decay_origin,
)

# Reading a loss waits for the device, so losses are checked in groups.
LOSSES_BETWEEN_CHECKS = 64
EVALUATION_BATCH = 512


class DivergedError(RunError):
    """A loss became NaN or infinite at `step`."""

    def __init__(self, step: int) -> None:
        super().__init__(f"diverged at step {step}")
        self.step = step


@dataclass(frozen=True)
class Checkpoint:
    """Model and optimizer after `step` updates.

    Both are live: copy what you keep before the next checkpoint.
    """

    step: int
    # Mean since the last checkpoint.
    train_loss: float | None
    model: nn.Module
    optimizer: torch.optim.Optimizer
    # Losses that the next checkpoint will count too.
    losses: Sequence[Tensor] = ()

    def model_tensors(self) -> TensorDict:
        """Copy the model's state to the CPU."""
        state = self.model.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def optimizer_tensors(self) -> TensorDict:
        """Copy the optimizer's state to the CPU."""
        return state_tensors(self.optimizer)


@dataclass(frozen=True)
class Recipe:
    """How an arm is trained, at all its steps."""

    seed: int
    batch_size: int
    optimizer: OptimizerChoice
    # Rate of the update after a step.
    learning_rate: Callable[[int], float]
    weight_decay: float
    loss: Loss
    augment: bool
    label_smoothing: float = 0.0
    # Largest norm of all gradients together.
    clip_gradients: float | None = None
    # Most images in one pass through the model. Several passes give the same to rounding if no
    # image's logits depend on another image.
    images_at_once: int | None = None
    keep_last_batch: bool = False
    # An offset o for each trainable tensor p: weight decay pulls p toward -o. Empty: toward 0.
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
    average: WeightAverage | None = None,
    recorder: Recorder | None = None,
) -> Iterator[Checkpoint]:
    """Train a model from step `start` to the last checkpoint.

    Yields at each checkpoint from `start` on, and after any step for which `wants_pause()` is
    true. Minibatch, augmentation and dropout of a step depend only on the recipe's seed and the
    step, so all arms of a seed see the same.

    Args:
        model: Trained in place; its mode stays as it is.
        data: Training images.
        recipe: How to train.
        start: Updates that the model has had.
        checkpoints: Steps to yield at.
        optimizer_state: State of the optimizer at `start`; fresh if None.
        losses_before: Losses between the last checkpoint and `start`.
        wants_pause: Called after each step.
        average: Counts the model after each update.
        recorder: Records the gradients of each shape of a batch, which are then replayed.

    Raises:
        DivergedError: A loss is not finite; it names the first such step.

    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(trainable, recipe.optimizer, recipe.weight_decay)
    if optimizer_state is not None:
        load_state(optimizer, optimizer_state)
    add_gradients = _gradients(model, recipe, recorder)
    due = {step for step in checkpoints if step > start}
    if start in checkpoints:
        yield Checkpoint(start, None, model, optimizer)
    losses = [loss.to(trainable[0].device) for loss in losses_before]
    checked = len(losses)
    for step in range(start, max(due, default=start)):
        losses.append(_update(data, recipe, optimizer, step, add_gradients))
        if average is not None:
            average.add(model)
        done = step + 1
        pauses = done in due or wants_pause()
        if pauses or len(losses) - checked == LOSSES_BETWEEN_CHECKS:
            _check_finite(losses[checked:], done)
            checked = len(losses)
        if pauses:
            mean_loss = float(torch.stack(losses).double().mean())
            # A pause is no checkpoint: its losses count for the next one.
            if done in due:
                losses, checked = [], 0
            yield Checkpoint(done, mean_loss, model, optimizer, tuple(losses))


def _update(
    data: Data,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    step: int,
    add_gradients: AddGradients,
) -> Tensor:
    x, y = data.batch(
        recipe.seed,
        step,
        recipe.batch_size,
        augment=recipe.augment,
        keep_last=recipe.keep_last_batch,
    )
    # At each step, so that training which resumes here draws the same.
    _seed_dropout(counter_seed(recipe.seed, "dropout", step), x.device)
    group = optimizer.param_groups[0]
    group["lr"] = recipe.learning_rate(step)
    optimizer.zero_grad()
    loss = add_gradients(x, y)
    if recipe.clip_gradients is not None:
        nn.utils.clip_grad_norm_(group["params"], recipe.clip_gradients)
    step_with_decay_origin(optimizer, recipe.optimizer, recipe.weight_decay, recipe.decay_origin)
    return loss


def _gradients(model: nn.Module, recipe: Recipe, recorder: Recorder | None) -> AddGradients:
    """Return the function that adds up the gradients of a batch."""
    add_gradients = partial(_add_gradients, model, recipe)
    return add_gradients if recorder is None else RecordedGradients(model, add_gradients, recorder)


def _add_gradients(model: nn.Module, recipe: Recipe, x: Tensor, y: Tensor) -> Tensor:
    """Return the mean loss of a batch, and add up its gradients."""
    count = -(-len(x) // (recipe.images_at_once or len(x)))
    total = x.new_zeros(())
    for images, labels in zip(x.chunk(count), y.chunk(count), strict=True):
        # Weighted by their numbers of images, the parts' means add up to the batch's.
        loss = loss_of(model(images), labels, recipe.loss, label_smoothing=recipe.label_smoothing)
        torch.autograd.backward(loss * (len(images) / len(x)))
        total += loss.detach() * (len(images) / len(x))
    return total


def _seed_dropout(seed: int, device: torch.device) -> None:
    # Not torch.manual_seed: without a GPU, every call formats a traceback.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _check_finite(losses: Sequence[Tensor], done: int) -> None:
    finite = torch.isfinite(torch.stack(list(losses)))
    if not bool(finite.all()):
        raise DivergedError(done - len(losses) + int((~finite).nonzero()[0]))


def loss_of(
    logits: Float[Tensor, "b c"],
    labels: Int[Tensor, " b"] | Float[Tensor, "b c"],
    loss: Loss,
    *,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Compute the mean loss of a batch.

    The cross-entropy to (1 - e) y + e / c with one-hot y and label smoothing e, or for `mse` the
    mean over images and classes of (logit - y)^2, without smoothing. Labels may be shares of each
    class in place of one-hot y.

    >>> logits = torch.tensor([[1.0, 0.0]])
    >>> loss_of(logits, torch.tensor([1]), "mse")
    tensor(1.)
    """
    if labels.is_floating_point():
        labels = labels.to(logits)
    if loss == "mse":
        one_hot = labels if labels.ndim == 2 else F.one_hot(labels, logits.shape[1])
        return F.mse_loss(logits, one_hot.to(logits))
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


class Evaluation(NamedTuple):
    """Accuracy (a fraction), mean loss, and which images a network got right, on the CPU."""

    accuracy: float
    loss: float
    correct: Bool[Tensor, " n"]


def evaluate(model: nn.Module, data: Data, images: Images, loss: Loss) -> Evaluation:
    """Test a model on images, in evaluation mode; its mode is restored."""
    # Module by module: a network in training mode may hold a BatchNorm in evaluation mode.
    modes = {module: module.training for module in model.modules()}
    model.eval()
    right: list[Tensor] = []
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(images), EVALUATION_BATCH):
            labels = images.labels[start : start + EVALUATION_BATCH]
            logits = model(data.normalize(images.pixels[start : start + EVALUATION_BATCH]))
            right.append((logits.argmax(1) == labels).cpu())
            total += float(loss_of(logits, labels, loss)) * len(labels)
    for module, mode in modes.items():
        module.training = mode
    correct = torch.cat(right)
    return Evaluation(int(correct.sum()) / len(images), total / len(images), correct)


def predict(model: nn.Module, data: Data, images: Images) -> Int[Tensor, " n"]:
    """Return the classes that a model in evaluation mode predicts."""
    starts = range(0, len(images), EVALUATION_BATCH)
    batches = [images.pixels[start : start + EVALUATION_BATCH] for start in starts]
    with torch.no_grad():
        return torch.cat([model(data.normalize(pixels)).argmax(1) for pixels in batches])
