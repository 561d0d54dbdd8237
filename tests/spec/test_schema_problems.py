"""What is wrong with a spec, in one exact line for each problem."""

from pathlib import Path

import pytest
from pydantic import BaseModel
from spec_files import VALID, changed, problems_of, write

from conebench.record import Record, Replication
from conebench.spec import Spec
from conebench.spec.schema_problems import PATTERNS

ROOT_FIELDS = (
    "chaos, dataset, extends, grid, kernel, linearization, matrix, model, name, seeds, switching, "
    "title, training"
)
TRAINING_FIELDS = (
    "batch_size, clip_gradients, epochs, label_smoothing, last_batch, loss, optimizer, schedule, "
    "steps"
)
SGD_FIELDS = "learning_rate, momentum, name, nesterov, weight_decay"
NORMALIZATION = "  name: digits\n  normalization: "
PROBLEMS = {
    "unknown section": (
        changed("seeds:", "sedes: 1\nseeds:"),
        f":17: sedes: unknown field, expected one of {ROOT_FIELDS}; did you mean 'seeds'?",
    ),
    "unknown field": (
        changed("  batch_size: 64", "  batch_size: 64\n  batchsize: 64"),
        f":11: training.batchsize: unknown field, expected one of {TRAINING_FIELDS}; "
        "did you mean 'batch_size'?",
    ),
    "unknown field like no other": (
        changed("  batch_size: 64", "  batch_size: 64\n  qqq: 64"),
        f":11: training.qqq: unknown field, expected one of {TRAINING_FIELDS}",
    ),
    "unknown field of an optimizer": (
        changed("    name: sgd", "    name: sgd\n    momentun: 0.9"),
        f":13: training.optimizer.momentun: unknown field, expected one of {SGD_FIELDS}; "
        "did you mean 'momentum'?",
    ),
    "field of another optimizer": (
        changed("    name: sgd", "    name: sgd\n    betas: [0.9, 0.99]"),
        f":13: training.optimizer.betas: unknown field, expected one of {SGD_FIELDS}",
    ),
    "field named like an optimizer": (
        changed("    name: sgd", "    name: sgd\n    adam: 1"),
        f":13: training.optimizer.adam: unknown field, expected one of {SGD_FIELDS}",
    ),
    "unknown field of a flow mapping": (
        changed("{every: 50}", "{evry: 50, every: 50}"),
        ":16: kernel.checkpoints.evry: unknown field, expected one of every, extra; "
        "did you mean 'every'?",
    ),
    "key with control characters": (
        changed("seeds:", '"a\\nb\\e[2J": 1\nseeds:'),
        f":17: a b [2J: unknown field, expected one of {ROOT_FIELDS}",
    ),
    "missing": (changed("title: A title\n", ""), ":1: title: missing"),
    "missing in a section": (changed("  batch_size: 64\n", ""), ":8: training.batch_size: missing"),
    "missing in an optimizer": (
        changed("    learning_rate: 1e-3\n", ""),
        ":11: training.optimizer.learning_rate: missing",
    ),
    "null section": (
        changed("  name: digits\n", ""),
        ":6: dataset: got null, expected a mapping of fields",
    ),
    "text for a number": (
        changed("batch_size: 64", "batch_size: big"),
        ':10: training.batch_size: got "big", expected a whole number',
    ),
    "quoted number": (
        changed("batch_size: 64", "batch_size: '64'"),
        ':10: training.batch_size: got "64", expected a whole number',
    ),
    "bool for a number": (
        changed("batch_size: 64", "batch_size: true"),
        ":10: training.batch_size: got true, expected a whole number",
    ),
    "bool for a float": (
        changed("1e-3", "true"),
        ":13: training.optimizer.learning_rate: got true, expected a number",
    ),
    "number for a bool": (
        changed("  name: resnet", "  name: resnet\n  pretrained: 1"),
        ":5: model.pretrained: got 1, expected true or false",
    ),
    "no for a bool": (
        changed("  name: resnet", "  name: resnet\n  pretrained: no"),
        ':5: model.pretrained: got "no", expected true or false',
    ),
    "float for an int": (
        changed("batch_size: 64", "batch_size: 64.0"),
        ":10: training.batch_size: got 64.0, expected a whole number",
    ),
    "number for text": (
        changed("title: A title", "title: 5"),
        ":2: title: got 5, expected text",
    ),
    "NaN": (
        changed("1e-3", ".nan"),
        ":13: training.optimizer.learning_rate: got NaN, expected a finite number",
    ),
    "infinity": (
        changed("1e-3", ".inf"),
        ":13: training.optimizer.learning_rate: got Infinity, expected a finite number",
    ),
    "overflow": (
        changed("1e-3", "1e999"),
        ":13: training.optimizer.learning_rate: got Infinity, expected a finite number",
    ),
    "zero": (
        changed("batch_size: 64", "batch_size: 0"),
        ":10: training.batch_size: got 0, expected at least 1",
    ),
    "field of another optimizer than sgd": (
        changed("    name: sgd", "    name: lion\n    momentum: 0.9"),
        ":13: training.optimizer.momentum: unknown field, expected one of learning_rate, name, "
        "options, weight_decay",
    ),
    "misspelled optimizer": (
        changed("    name: sgd", "    name: sdg\n    momentum: 0.9"),
        ":12: training.optimizer.name: got 'sdg', expected an optimizer of timm's; "
        "did you mean 'sgd'?",
    ),
    "field of another section": (
        changed("  batch_size: 64", "  batch_size: 64\n  lr: 0.1"),
        f":11: training.lr: unknown field, expected one of {TRAINING_FIELDS}; did you mean "
        "'training.optimizer.learning_rate' or 'linearization.learning_rate'?",
    ),
    "misspelled dataset": (
        changed("  name: digits", "  name: digit"),
        ":7: dataset.name: got \"digit\", expected 'digits', 'mnist', 'fashion_mnist', "
        "'emnist_balanced', 'cifar10', 'cifar100', 'svhn', 'cinic10', 'tiny_imagenet', "
        "'imagefolder' or 'hf'; did you mean 'digits'?",
    ),
    "optimizer without a name": (
        changed("    name: sgd\n", ""),
        ":11: training.optimizer.name: missing",
    ),
    "text for an optimizer": (
        changed("  optimizer:\n    name: sgd\n    learning_rate: 1e-3\n", "  optimizer: sgd\n"),
        ':11: training.optimizer: got "sgd", expected a mapping of fields, such as {name: sgd}',
    ),
    "a word in a list of learning rates": (
        changed("kernel:", 'linearization: {learning_rate: [0.1, "x"]}\nkernel:'),
        ":14: linearization.learning_rate: got [0.1, \"x\"], expected 'inherit', or a number",
    ),
    "one learning rate in a list": (
        changed("kernel:", "linearization: {learning_rate: [0.1]}\nkernel:"),
        ":14: linearization.learning_rate: got [0.1], expected 'inherit', or a number, "
        "or at least 2 values",
    ),
    "optimizer in upper case": (
        changed("    name: sgd", "    name: SGD\n    momentum: 0.9"),
        ":12: training.optimizer.name: got \"SGD\", expected 'sgd'",
    ),
    "other optimizer in upper case": (
        changed("    name: sgd", "    name: Lion"),
        ":12: training.optimizer.name: got \"Lion\", expected lower case: 'lion'",
    ),
    "milestones in steps": (
        changed("kernel:", "  schedule: {name: multistep, milestones: [20]}\nkernel:"),
        ":14: training.schedule.milestones.0: got 20, expected a fraction below 1",
    ),
    "text for a schedule": (
        changed("kernel:", "  schedule: cosine\nkernel:"),
        ':14: training.schedule: got "cosine", expected a mapping of fields, such as '
        "{name: cosine}",
    ),
    "space in a name": (
        changed("  name: resnet", "  name: res net"),
        ":4: model.name: got \"res net\", expected a short name of letters, digits, '.', '_' and "
        "'-'",
    ),
    "control character in the title": (
        changed("title: A title", 'title: "a\\nb"'),
        ':2: title: got "a\\nb", expected one line of text',
    ),
    "title of two mappings": (
        changed("title: A title", "title: Base: my net"),
        ":2: mapping values are not allowed here; quote text that has ': '",
    ),
    "short name of a field": (
        changed("learning_rate: 1e-3", "learning_rate: 1e-3\n    lr: 1"),
        f":14: training.optimizer.lr: unknown field, expected one of {SGD_FIELDS}; "
        "did you mean 'learning_rate'?",
    ),
    "text for a section": (
        changed("{every: 50}", "often"),
        ':16: kernel.checkpoints: got "often", expected a mapping of fields',
    ),
    "one of several kinds": (
        VALID + "linearization:\n  point: 0\n",
        ":19: linearization.point: got 0, expected 'init' or 'pretrained', or at least 1",
    ),
    "mapping for one of several kinds": (
        VALID + "linearization:\n  point: {a: 1}\n",
        ":19: linearization.point: got {\"a\": 1}, expected 'init' or 'pretrained', "
        "or a whole number",
    ),
    "item of a list": (
        changed("[0, 1]", "\n  - 0\n  - one"),
        ':19: seeds.1: got "one", expected a whole number',
    ),
    "long value": (
        changed("batch_size: 64", f"batch_size: {'x' * 100}"),
        f':10: training.batch_size: got "{"x" * 56}..., expected a whole number',
    ),
    "bad name of an argument": (
        changed("{width: 4}", "{Width: 4}"),
        ":5: model.kwargs.Width: got \"Width\", expected lower case: 'width'",
    ),
    "bad name of an argument that is a mapping": (
        changed("{width: 4}", "{Width: {a: 1}}"),
        ":5: model.kwargs.Width: got \"Width\", expected lower case: 'width'",
    ),
    "NaN in an argument": (
        changed("{width: 4}", "{a: {b: [.nan]}}"),
        ':5: model.kwargs.a: got {"b": [NaN]}, expected finite numbers',
    ),
    "argument set by the dataset": (
        changed("{width: 4}", "{num_classes: 4}"),
        ":5: model.kwargs.num_classes: not allowed here: the dataset sets it",
    ),
    "steps and epochs": (
        changed("  steps: 1000", "  epochs: 2\n  steps: 1000"),
        ":9: training.epochs: give either training.steps or training.epochs, not both",
    ),
    "neither steps nor epochs": (
        changed("  steps: 1000\n", ""),
        ":8: training: steps or epochs is missing",
    ),
    "other name": (
        changed("name: test", "name: other"),
        ":1: name: got 'other', expected the file's name 'test'",
    ),
    "cross-field rule": (
        changed("{every: 50}", "{every: 49}"),
        ":16: kernel.checkpoints.every: got 49, expected a divisor of the 1000 steps",
    ),
    "cross-field rule on a field that is not written": (
        changed("  samples: 50", "  samples: 512").replace("digits", "digits\n  train_size: 511"),
        ":15: kernel.calibration_samples: got 512, expected at most the 511 training images "
        "to re-estimate BatchNorm on; set kernel.calibration_samples: 511",
    ),
    "list": ("[1, 2]", ":1: got [1, 2], expected a mapping of sections"),
    "text": ("text", ':1: got "text", expected a mapping of sections'),
    "null": ("---\n", ":1: got null, expected a mapping of sections"),
}


@pytest.mark.parametrize(("text", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_problem(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in problems_of(write(tmp_path, text))


ALONE = set(PROBLEMS) - {
    "cross-field rule on a field that is not written",
    "a word in a list of learning rates",  # the word is named too
}


@pytest.mark.parametrize("case", sorted(ALONE))
def test_problem_comes_alone(tmp_path: Path, case: str) -> None:
    assert len(problems_of(write(tmp_path, PROBLEMS[case][0]))) == 1


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = changed("batch_size: 64", "batch_size: 0").replace("title", "titel")
    assert problems_of(write(tmp_path, text)) == [
        ":1: title: missing",
        ":10: training.batch_size: got 0, expected at least 1",
        f":2: titel: unknown field, expected one of {ROOT_FIELDS}; did you mean 'title'?",
    ]


def test_normalization_by_numbers(tmp_path: Path) -> None:
    text = changed("  name: digits\n", NORMALIZATION + "{mean: [0.5], sdt: [1]}\n")
    assert problems_of(write(tmp_path, text)) == [
        ':8: dataset.normalization: got {"mean": [0.5], "sdt": [1]}, '
        "expected 'train' or 'none'",
        ":8: dataset.normalization.std: missing",
        ":8: dataset.normalization.sdt: unknown field, expected one of mean, std; "
        "did you mean 'std'?",
    ]


def _patterns(schema: object) -> set[str]:
    if isinstance(schema, dict):
        own = {value for key, value in schema.items() if key == "pattern"}
        names = set(schema.get("patternProperties", {}))
        return own.union(names, *map(_patterns, schema.values()))
    return set().union(*map(_patterns, schema)) if isinstance(schema, list) else set()


@pytest.mark.parametrize("model", [Spec, Record, Replication])
def test_no_refusal_quotes_a_pattern(model: type[BaseModel]) -> None:
    patterns = _patterns(model.model_json_schema())
    assert patterns
    for pattern in patterns:
        assert any(part in pattern for part in PATTERNS), pattern
