"""The theory behind weighing rules by rating entropy, and where it ends."""

from encore.theory.bradley_terry import (
    fitted_optimum,
    gaussian_accuracy,
    gaussian_gradient,
    gaussian_optimum,
)
from encore.theory.gradient import Descent, expected_gradient, gradient_descent
from encore.theory.mixture import Mixture
from encore.theory.proxy import (
    NEAR,
    STAND_INS,
    Setting,
    Study,
    saturation_grid,
    study_stand_ins,
)

__all__ = [
    "NEAR",
    "STAND_INS",
    "Descent",
    "Mixture",
    "Setting",
    "Study",
    "expected_gradient",
    "fitted_optimum",
    "gaussian_accuracy",
    "gaussian_gradient",
    "gaussian_optimum",
    "gradient_descent",
    "saturation_grid",
    "study_stand_ins",
]
