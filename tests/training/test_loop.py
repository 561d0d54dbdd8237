"""conebench.training: one loop, checked against closed forms and against itself."""

from collections.abc import Callable, Iterator

import pytest
import torch
from small_training import (
    LAMB,
    OPTIMIZERS,
    SGD,
    linear_network,
    make_data,
    make_recipe,
    noisy_network,
    run_to,
)
from timm.models.levit import Attention
from torch import Tensor, nn

from conebench.linearize import LinearizedModel
from conebench.spec.optimizers import Adam, OtherOptimizer, Sgd
from conebench.training.loop import (
    EVALUATION_BATCH,
    DivergedError,
    evaluate,
    loss_of,
    predict,
    train,
)


class Transposed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def flat(tensors: Iterator[Tensor]) -> Tensor:
    return torch.cat([t.detach().flatten() for t in tensors])


def test_the_last_batch_of_an_epoch_is_trained_on_if_it_is_kept() -> None:
    sizes: list[int] = []
    for keep in (False, True):
        network = linear_network()
        network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
        run_to(7, network, make_recipe(batch_size=12, keep_last_batch=keep))
    # 40 images: three batches of 12, and one of 4.
    assert sizes == [12] * 7 + [12, 12, 12, 4, 12, 12, 12]


def test_checkpoints_come_at_their_steps_the_first_before_any_update() -> None:
    network = linear_network()
    before = flat(network.parameters())
    seen = []
    for checkpoint in train(network, make_data(), make_recipe(), start=0, checkpoints=[0, 3, 7]):
        seen.append((checkpoint.step, checkpoint.train_loss is None))
        if checkpoint.step == 0:
            assert torch.equal(flat(network.parameters()), before)
    assert seen == [(0, True), (3, False), (7, False)]


def test_one_update_of_sgd_is_the_formula() -> None:
    data, network, recipe = make_data(), linear_network(), make_recipe()
    x, y = data.batch(1, 0, 8)
    reference = linear_network()
    loss = nn.functional.cross_entropy(reference(x), y)
    loss.backward()
    checkpoint = run_to(1, network, recipe)
    for p, q in zip(network.parameters(), reference.parameters(), strict=True):
        assert q.grad is not None
        torch.testing.assert_close(p.detach(), (q - 0.05 * (q.grad + 0.01 * q)).detach())
    assert checkpoint.train_loss == pytest.approx(float(loss.detach()))


def test_gradients_are_clipped_before_weight_decay() -> None:
    data, network = make_data(), linear_network()
    x, y = data.batch(1, 0, 8)
    reference = linear_network()
    nn.functional.cross_entropy(reference(x), y).backward()
    norm = torch.cat([p.grad.flatten() for p in reference.parameters()]).norm()
    run_to(1, network, make_recipe(clip_gradients=0.01))
    for p, q in zip(network.parameters(), reference.parameters(), strict=True):
        clipped = q.grad * 0.01 / norm
        torch.testing.assert_close(p.detach(), (q - 0.05 * (clipped + 0.01 * q)).detach())


def test_labels_are_smoothed_in_training_alone() -> None:
    data, network = make_data(), linear_network()
    x, y = data.batch(1, 0, 8)
    targets = 0.7 * nn.functional.one_hot(y, 3) + 0.1
    expected = -(targets * network(x).log_softmax(1)).sum(1).mean()
    before = evaluate(network, data, data.test, "cross-entropy").loss
    assert run_to(1, network, make_recipe(label_smoothing=0.3)).train_loss == pytest.approx(
        float(expected.detach())
    )
    logits = linear_network()(data.normalize(data.test.pixels))
    plain = nn.functional.cross_entropy(logits, data.test.labels)
    assert before == pytest.approx(float(plain.detach()), rel=1e-5)


@pytest.mark.parametrize("make", [linear_network, noisy_network])
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, LAMB], ids=str)
def test_resumed_training_gives_the_same_bits(
    make: Callable[[], nn.Module], optimizer: Sgd | Adam | OtherOptimizer
) -> None:
    recipe = make_recipe(optimizer)
    straight = make()
    run_to(9, straight, recipe)
    first = make()
    half = run_to(4, first, recipe)
    resumed = make()
    resumed.load_state_dict(half.model_tensors())
    torch.manual_seed(12345)
    list(
        train(
            resumed,
            make_data(),
            recipe,
            start=4,
            checkpoints=[9],
            optimizer_state=half.optimizer_tensors(),
        )
    )
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_a_linear_network_trains_like_its_linearization(optimizer: Sgd | Adam) -> None:
    """F is its own linearization, so theta_s + w must follow theta: also under weight decay."""
    network = linear_network()
    linear = LinearizedModel(network)
    recipe = make_recipe(optimizer)
    run_to(6, linear, make_recipe(optimizer, decay_origin=linear.anchors()))
    run_to(6, network, recipe)
    moved = flat(iter(linear.anchors())) + flat(linear.parameters())
    torch.testing.assert_close(moved, flat(network.parameters()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("images_at_once", [1, 3, 8, 100])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_a_batch_may_be_taken_in_parts(loss: str, images_at_once: int) -> None:
    def trained(count: int | None) -> tuple[Tensor, float | None]:
        network = LinearizedModel(linear_network())
        recipe = make_recipe(loss=loss, label_smoothing=0.1, images_at_once=count)
        end = run_to(6, network, recipe)
        return flat(network.parameters()), end.train_loss

    torch.testing.assert_close(trained(images_at_once), trained(None), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_decay_towards_the_switch_point_is_decay_of_the_displacement(
    optimizer: Sgd | Adam,
) -> None:
    """With the origin at -theta_s, theta - theta_s moves as w under plain decay."""
    network = linear_network()
    linear = LinearizedModel(network)
    origin = [-p.detach().clone() for p in network.parameters()]
    run_to(6, linear, make_recipe(optimizer))
    run_to(6, network, make_recipe(optimizer, decay_origin=origin))
    moved = flat(iter(linear.anchors())) + flat(linear.parameters())
    torch.testing.assert_close(moved, flat(network.parameters()), rtol=1e-5, atol=1e-6)


def test_a_diverged_run_names_its_first_bad_step() -> None:
    huge = make_recipe(learning_rate=lambda step: 1e30 if step == 4 else 0.0, loss="mse")
    with pytest.raises(DivergedError) as caught:
        run_to(200, linear_network(), huge)
    assert caught.value.step == 5
    assert str(caught.value) == "diverged at step 5"


def test_nothing_to_do_gives_no_checkpoint() -> None:
    assert not list(train(linear_network(), make_data(), make_recipe(), start=5, checkpoints=[3]))


def test_losses() -> None:
    logits, labels = torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), torch.tensor([0, 2])
    assert float(loss_of(logits, labels, "mse")) == pytest.approx((1 + 0 + 1 + 0 + 0 + 1) / 6)
    expected = -(logits.log_softmax(1)[0, 0] + logits.log_softmax(1)[1, 2]) / 2
    assert float(loss_of(logits, labels, "cross-entropy")) == pytest.approx(float(expected))
    shares = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    squares = (1.75**2 + 0.75**2 + 1 + 0 + 0 + 1) / 6
    assert float(loss_of(logits, shares, "mse")) == pytest.approx(squares)
    expected = -(shares * logits.log_softmax(1)).sum(1).mean()
    assert float(loss_of(logits, shares, "cross-entropy")) == pytest.approx(float(expected))
    one_hot = torch.nn.functional.one_hot(labels, 3).float()
    for loss in ("mse", "cross-entropy"):
        torch.testing.assert_close(loss_of(logits, one_hot, loss), loss_of(logits, labels, loss))


def test_evaluation_counts_the_test_images_and_restores_the_mode() -> None:
    data, network = make_data(1100), noisy_network().train()
    network[2].eval()
    accuracy, loss, correct = evaluate(network, data, data.test, "cross-entropy")
    modes = [m.training for m in network]
    assert modes == [True, True, False, True, True]
    network.eval()
    with torch.no_grad():
        logits = network(data.normalize(data.test.pixels))
    assert torch.equal(correct, logits.argmax(1) == data.test.labels)
    assert accuracy == float(correct.double().mean())
    expected = float(nn.functional.cross_entropy(logits, data.test.labels))
    assert loss == pytest.approx(expected, rel=1e-5)


def test_evaluation_follows_the_weights_of_a_network_that_keeps_tensors() -> None:
    # LeViT's attention keeps biases that it gathered from a parameter while it is evaluated.
    data = make_data()
    attention = Attention(3, key_dim=2, num_heads=2, resolution=2)
    layers = [nn.Flatten(2), Transposed(), attention, nn.Flatten(), nn.Linear(12, 3)]
    network = nn.Sequential(*layers).train()
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_(generator=generator)
        found = evaluate(network, data, data.test, "cross-entropy")
        attention.attention_bias_cache.clear()
        again = evaluate(network, data, data.test, "cross-entropy")
    assert (found.accuracy, found.loss) == (again.accuracy, again.loss)


def test_predictions_are_the_classes_that_accuracy_counts() -> None:
    data, model = make_data(EVALUATION_BATCH + 10), linear_network().eval()
    predicted = predict(model, data, data.test)
    assert torch.equal(predicted, model(data.normalize(data.test.pixels)).argmax(1))
    share = float((predicted == data.test.labels).double().mean())
    assert evaluate(model, data, data.test, "mse")[0] == pytest.approx(share)


@pytest.mark.parametrize("optimizer", [SGD, OPTIMIZERS[3], LAMB], ids=lambda o: o.name)
def test_training_taken_up_between_checkpoints_gives_the_same_bits(
    optimizer: Sgd | Adam | OtherOptimizer,
) -> None:
    recipe, data = make_recipe(optimizer), make_data()
    straight = noisy_network()
    steps = {
        c.step: c.train_loss for c in train(straight, data, recipe, start=0, checkpoints=[4, 9])
    }
    stopped = noisy_network()
    pauses = train(stopped, data, recipe, start=0, checkpoints=[4, 9], wants_pause=lambda: True)
    pause = next(checkpoint for checkpoint in pauses if checkpoint.step == 6)
    assert len(pause.losses) == 2
    taken = noisy_network()
    taken.load_state_dict(pause.model_tensors())
    (last,) = train(
        taken,
        data,
        recipe,
        start=6,
        checkpoints=[9],
        optimizer_state=pause.optimizer_tensors(),
        losses_before=pause.losses,
    )
    assert last.train_loss == steps[9]
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, taken.state_dict()[name]), name
