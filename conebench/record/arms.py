"""Arms of a seed, as a record stores them."""

import base64
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from conebench.analysis.distance import FloatArray
from conebench.record.part import Part, Share, Step
from conebench.spec.arms import ArmName

BoolArray = np.ndarray[tuple[int], np.dtype[np.bool_]]
# Enough for a million test images, at 6 bits per character.
MOST_BASE64 = 200_000
CorrectBits = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=MOST_BASE64)]


class TriedRate(Part):
    """One learning rate of a list, judged on validation images."""

    learning_rate: Annotated[float, Field(gt=0)] = Field(description="Constant learning rate.")
    diverged_at: Step | None = Field(description="Step of the divergence, else null.")
    validation_accuracy: Share | None = Field(description="At T; null if training diverged.")
    validation_loss: float | None = Field(description="At T; null if training diverged.")


class ArmCurve(Part):
    """Training of an arm at the checkpoints after its start, one entry per checkpoint."""

    steps: list[Step] = Field(description="Checkpoints, in steps.")
    train_loss: list[float] = Field(description="Mean minibatch loss since the one before.")
    test_loss: list[float | None] = Field(
        description="On the test images of ordinary training's curve before its end; null if it "
        "is not finite."
    )
    test_accuracy: list[Share] = Field(description="On the same images.")


class ArmResult(Part):
    """One arm at its end, step T; switched(T*) is the switched arm that starts at the seed's T*."""

    arm: ArmName = Field(description="Kind of arm.")
    step: Step | None = Field(
        description="Step at which the arm leaves ordinary training: 0 for lazy, null for full."
    )
    status: Literal["finished", "diverged"] = Field(description="A diverged run is a result too.")
    diverged_at: Step | None = Field(description="Step of the divergence, else null.")
    test_accuracy: Share | None = Field(description="Over all test images; null if it diverged.")
    test_loss: float | None = Field(description="Over all test images; null if it diverged.")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Constant rate of the arm. Missing if it follows the schedule, and before "
        "schema 1.2.",
    )
    tried: list[TriedRate] | None = Field(
        default=None, description="The rates it was chosen from; missing without a list."
    )

    correct: CorrectBits | None = Field(
        default=None,
        description="Test images that the arm got right, in order: one bit each, the first one "
        "highest in its byte, as base64. Missing if it diverged, and before schema 1.4.",
    )
    curve: ArmCurve | None = Field(
        default=None, description="Missing for full, and before schema 1.4."
    )

    later = frozenset({"learning_rate", "tried", "correct", "curve"})

    def right(self, images: int) -> FloatArray | None:
        """Return 1 for each of the test images that it got right, else 0. None if it diverged.

        Without bits, it is the share alone, [1].
        """
        if self.test_accuracy is None:
            return None
        if self.correct is None:
            return np.array([self.test_accuracy])
        return unpack_bits(self.correct, images).astype(np.float64)


def pack_bits(correct: BoolArray) -> str:
    """Return booleans as base64 of their bits.

    Example:
        >>> pack_bits(np.array([True, False, True]))
        'oA=='

    """
    return base64.b64encode(np.packbits(correct).tobytes()).decode("ascii")


def unpack_bits(text: str, count: int) -> BoolArray:
    """Return the first `count` booleans of a text by `pack_bits`.

    Raises:
        ValueError: The text has more or fewer bytes, or bits that are set after them.

    Example:
        >>> unpack_bits("oA==", 3)
        array([ True, False,  True])

    """
    # Whole bytes: the last one is filled up with zeros, so that the same images always have the
    # same text, and a record the same id.
    packed = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    if len(packed) != -(-count // 8):
        raise ValueError(f"got {len(packed)} bytes, expected {-(-count // 8)} for {count} images")
    bits = np.unpackbits(packed)
    if bits[count:].any():
        raise ValueError(f"got bits after the last of {count} images")
    return bits[:count].astype(np.bool_)
