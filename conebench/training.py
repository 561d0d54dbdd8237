"""One training loop for ordinary, linearized and probe arms: a generator of checkpoints."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from conebench.data import Data
from conebench.draws import counter_seed
from conebench.errors import RunError
from conebench.spec.schema import Adam, Loss, Sgd

LOSSES_BETWEEN_CHECKS = 64
EVALUATION_BATCH = 512

TensorDict = dict[str, Tensor]


class DivergedError(RunError):
    """A loss became NaN or infinite at `step`."""

    def __init__(self, step: int) -> None:
        super().__init__(f"diverged at step {step}")
        self.step = step


@dataclass(frozen=True)
class Checkpoint:
    """A pause after `step` updates; `train_loss` is the mean since the checkpoint before.

    It shows the live model and optimizer: what is to be kept must be copied before the next one.
    """

    step: int
    train_loss: float | None
    model: nn.Module
    optimizer: torch.optim.Optimizer

    def model_tensors(self) -> TensorDict:
        """A copy of the model's state, on the CPU."""
        state = self.model.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def optimizer_tensors(self) -> TensorDict:
        """A copy of the optimizer's state, on the CPU, named `<parameter index>/<key>`."""
        return {
            f"{index}/{key}": value.detach().cpu().clone()
            for index, state in self.optimizer.state_dict()["state"].items()
            for key, value in state.items()
            if isinstance(value, Tensor)
        }


@dataclass(frozen=True)
class Recipe:
    """How an arm is trained; the same for all its steps.

    `learning_rate` maps a step to the rate of the update that follows it. `decay_origin` gives,
    for each trainable tensor p, the point -origin that weight decay pulls p towards; None is 0.
    """

    seed: int
    batch_size: int
    optimizer: Sgd | Adam
    learning_rate: Callable[[int], float]
    weight_decay: float
    loss: Loss
    augment: bool
    decay_origin: Sequence[Tensor] | None = None


def train(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    start: int,
    checkpoints: Sequence[int],
    optimizer_state: TensorDict | None = None,
) -> Iterator[Checkpoint]:
    """Train `model`, which stands at step `start`; pause at each checkpoint from `start` on.

    The model's mode is left as it is. Minibatch, augmentation and dropout of a step depend on the
    recipe's seed and the step alone, so all arms of a seed see the same. Raises a DivergedError
    with the first step whose loss is not finite.
    """
    optimizer = make_optimizer(model, recipe)
    if optimizer_state is not None:
        _load_optimizer(optimizer, optimizer_state)
    due = {step for step in checkpoints if step > start}
    if start in checkpoints:
        yield Checkpoint(start, None, model, optimizer)
    losses: list[Tensor] = []
    checked = 0
    for step in range(start, max(due, default=start)):
        losses.append(_update(model, data, recipe, optimizer, step))
        done = step + 1
        if done in due or len(losses) - checked == LOSSES_BETWEEN_CHECKS:
            _check_finite(losses[checked:], done)
            checked = len(losses)
        if done in due:
            mean_loss = float(torch.stack(losses).double().mean())
            yield Checkpoint(done, mean_loss, model, optimizer)
            losses, checked = [], 0


def _update(
    model: nn.Module, data: Data, recipe: Recipe, optimizer: torch.optim.Optimizer, step: int
) -> Tensor:
    torch.manual_seed(counter_seed(recipe.seed, "dropout", step))
    x, y = data.batch(recipe.seed, step, recipe.batch_size, augment=recipe.augment)
    rate = recipe.learning_rate(step)
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = loss_of(model(x), y, recipe.loss)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    _step_with_decay_origin(optimizer, recipe, rate)
    return loss.detach()


def _step_with_decay_origin(optimizer: torch.optim.Optimizer, recipe: Recipe, rate: float) -> None:
    origins = recipe.decay_origin or ()
    parameters = optimizer.param_groups[0]["params"] if origins else ()
    decoupled = recipe.optimizer.name == "adamw"
    if not decoupled:
        for parameter, origin in zip(parameters, origins, strict=True):
            parameter.grad.add_(origin, alpha=recipe.weight_decay)
    optimizer.step()
    if decoupled:
        with torch.no_grad():
            for parameter, origin in zip(parameters, origins, strict=True):
                parameter.sub_(origin, alpha=rate * recipe.weight_decay)


def _check_finite(losses: Sequence[Tensor], done: int) -> None:
    finite = torch.isfinite(torch.stack(list(losses)))
    if not bool(finite.all()):
        raise DivergedError(done - len(losses) + int((~finite).nonzero()[0]))


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer of the recipe over the model's trainable parameters, in their order."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    options = recipe.optimizer
    if isinstance(options, Sgd):
        return torch.optim.SGD(
            parameters,
            lr=options.learning_rate,
            momentum=options.momentum,
            nesterov=options.nesterov,
            weight_decay=recipe.weight_decay,
        )
    factory = torch.optim.AdamW if options.name == "adamw" else torch.optim.Adam
    return factory(
        parameters,
        lr=options.learning_rate,
        betas=options.betas,
        eps=options.eps,
        weight_decay=recipe.weight_decay,
    )


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: TensorDict) -> None:
    state: dict[int, TensorDict] = {}
    for name, value in tensors.items():
        index, _, key = name.partition("/")
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def loss_of(
    logits: Float[Tensor, "b c"], labels: Int[Tensor, " b"], loss: Loss
) -> Float[Tensor, ""]:
    """Mean cross-entropy, or the mean over images and classes of (logit - one-hot)^2."""
    if loss == "mse":
        return F.mse_loss(logits, F.one_hot(labels, logits.shape[1]).to(logits))
    return F.cross_entropy(logits, labels)


def evaluate(model: nn.Module, data: Data, loss: Loss) -> tuple[float, float]:
    """Test accuracy (a fraction) and mean test loss in evaluation mode; the mode is restored."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    correct, total = 0, 0.0
    with torch.no_grad():
        for start in range(0, len(data.test), EVALUATION_BATCH):
            labels = data.test.labels[start : start + EVALUATION_BATCH]
            x = data.normalize(data.test.pixels[start : start + EVALUATION_BATCH])
            logits = model(x)
            correct += int((logits.argmax(1) == labels).sum())
            total += float(loss_of(logits, labels, loss)) * len(labels)
    for module, mode in modes.items():
        module.training = mode
    return correct / len(data.test), total / len(data.test)
