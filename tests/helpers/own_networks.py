"""A module that registers a network with timm, as a user writes it."""

NETWORK = """\
import torch
from timm.models import register_model


class TwoLayers(torch.nn.Module):
    def __init__(self, classes, channels, width):
        super().__init__()
        self.body = torch.nn.Linear(64 * channels, width)
        self.head = torch.nn.Linear(width, classes)

    def get_classifier(self):
        return self.head

    def forward(self, x):
        return self.head(self.body(x.flatten(1)).relu())


@register_model
def {name}(pretrained=False, num_classes=10, in_chans=1, width=8, **kwargs):
    return TwoLayers(num_classes, in_chans, width)
"""
