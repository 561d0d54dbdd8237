"""Networks: timm's, the CIFAR ones, and networks as functions of their parameters."""
