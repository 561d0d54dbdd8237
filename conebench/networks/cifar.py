"""Networks for small images, such as CIFAR's."""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

VGG16_CHANNELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
LARGEST_GROUP_COUNT = 8


def norm_layer(kind: str, channels: int) -> nn.Module:
    """Return a normalization layer, `batch`, `group` or `none`.

    Raises:
        ValueError: another kind.

    Example:
        >>> norm_layer("group", 12).num_groups
        4

    """
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        # 8 groups, or fewer if 8 does not divide the channels.
        return nn.GroupNorm(math.gcd(LARGEST_GROUP_COUNT, channels), channels)
    if kind == "none":
        return nn.Identity()
    raise ValueError(f"norm: got {kind!r}, expected batch, group, none")


class CifarBlock(nn.Module):
    """Two normalized 3x3 convolutions and a shortcut without parameters.

    `skips=False` leaves the shortcut out.

    Source: He et al. 2015, arXiv 1512.03385, option A.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, norm: str = "batch", *, skips: bool = True
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = norm_layer(norm, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = norm_layer(norm, outputs)
        self.stride = stride
        self.added = outputs - inputs
        self.skips = skips

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, inputs, h, w] to [n, outputs, h / stride, w / stride]."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if not self.skips:
            return F.relu(y)
        # Every stride-th pixel, and zeros for the added channels.
        before = self.added // 2
        shortcut = x[:, :, :: self.stride, :: self.stride]
        shortcut = F.pad(shortcut, (0, 0, 0, 0, before, self.added - before))
        return F.relu(y + shortcut)


class CifarResNet(nn.Module):
    """ResNet of 6 `blocks` + 2 layers for 32x32 images.

    `skips=False` makes the plain network of the same paper. `head_init="kaiming"` draws the weights
    of the last layer like those of the convolutions, instead of PyTorch's default.

    Source: He et al. 2015, arXiv 1512.03385, section 4.2.
    """

    def __init__(
        self,
        blocks: int,
        num_classes: int = 10,
        in_chans: int = 3,
        width: int = 16,
        norm: str = "batch",
        *,
        skips: bool = True,
        head_init: str = "default",
    ) -> None:
        super().__init__()
        if head_init not in ("default", "kaiming"):
            raise ValueError(f"head_init: got {head_init!r}, expected default, kaiming")
        self.conv1 = nn.Conv2d(in_chans, width, 3, 1, 1, bias=False)
        self.bn1 = norm_layer(norm, width)
        # Inputs of the first stage, then outputs of all three.
        channels = (width, width, 2 * width, 4 * width)
        self.layers = nn.Sequential(
            *(
                CifarBlock(
                    channels[stage] if block == 0 else channels[stage + 1],
                    channels[stage + 1],
                    # The first block of the later stages halves the image.
                    2 if block == 0 and stage > 0 else 1,
                    norm,
                    skips=skips,
                )
                for stage in range(3)
                for block in range(blocks)
            )
        )
        self.fc = nn.Linear(4 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        if head_init == "kaiming":
            nn.init.kaiming_normal_(self.fc.weight)

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        """Map images [n, in_chans, h, w] to logits [n, num_classes]."""
        # [n, 4 width, h / 4, w / 4]
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


class CifarVgg16(nn.Module):
    """VGG-16 for 32x32 images: 13 normalized convolutions, then linear layers.

    `head` holds the widths of the hidden linear layers: none by default, [4096, 4096] as in
    Simonyan and Zisserman 2014 (arXiv 1409.1556). A head with hidden layers has ReLU, dropout of
    one half and weights from N(0, 0.01^2), as in torchvision's VGG.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_chans: int = 3,
        norm: str = "batch",
        head: Sequence[int] = (),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = in_chans
        for stage in VGG16_CHANNELS:
            for outputs in stage:
                layers += [
                    nn.Conv2d(inputs, outputs, 3, 1, 1),
                    norm_layer(norm, outputs),
                    nn.ReLU(inplace=True),
                ]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        hidden: list[nn.Module] = []
        for outputs in head:
            hidden += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(0.5)]
            inputs = outputs
        self.head = nn.Sequential(*hidden)
        self.fc = nn.Linear(inputs, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)
            if isinstance(module, nn.Linear) and head:
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        """Map images [n, in_chans, h, w], h and w at least 32, to logits [n, num_classes]."""
        # [n, 512, h / 32, w / 32], averaged over the image
        return self.fc(self.head(self.features(x).mean((2, 3))))  # type: ignore[no-any-return]


class PixelMlp(nn.Module):
    """Fully connected ReLU layers on an image's pixels."""

    def __init__(
        self,
        num_classes: int = 10,
        in_chans: int = 3,
        img_size: int = 32,
        width: int = 256,
        depth: int = 2,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = in_chans * img_size**2
        for _ in range(depth):
            layers += [nn.Linear(inputs, width), nn.ReLU()]
            inputs = width
        self.hidden = nn.Sequential(*layers)
        self.fc = nn.Linear(inputs, num_classes)
        for module in self.hidden:
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        """Map images [n, in_chans, img_size, img_size] to logits [n, num_classes]."""
        return self.fc(self.hidden(x.flatten(1)))  # type: ignore[no-any-return]
