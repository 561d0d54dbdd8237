"""Networks: timm's, for small images, scaled, perturbed, as functions."""
