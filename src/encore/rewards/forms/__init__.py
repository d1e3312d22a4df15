"""Forms: how the unit ratings of a response become one number."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from encore.errors import InputError, UnknownNameError
from encore.rewards.forms.form import Form, WeightedUnits
from encore.rewards.forms.geometric import Geometric
from encore.rewards.forms.mean import Mean
from encore.rewards.forms.pessimistic import Pessimistic
from encore.rewards.forms.power import Power
from encore.weights.scheme import options_of

FORMS: dict[str, type[Form]] = {
    "mean": Mean,
    "geometric": Geometric,
    "power": Power,
    "pessimistic": Pessimistic,
}
"""Forms by name, as in ``--form``, ``compare --forms`` and the contract tests."""


def make_form(name: str, options: Mapping[str, Any]) -> Form:
    """A form by its name, with options by theirs.

    Raises
    ------
    UnknownNameError
        If there is no such form.
    InputError
        If the form has no such option, or its value is unusable.

    Examples
    --------
    >>> make_form("geometric", {"epsilon": 0.1})
    Geometric(epsilon=0.1)
    """
    if name not in FORMS:
        raise UnknownNameError("form", name, FORMS)
    form: Any = FORMS[name]
    known = [field.name for field in fields(form)]
    if unknown := [option for option in options if option not in known]:
        raise InputError(f"form {name!r} has no option {unknown}; its options: {known or 'none'}.")
    for option, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"form {name!r}: {option} is {value!r}; expected a number.")
    made: Form = form(**{option: float(value) for option, value in options.items()})
    return made


def as_form(form: Form | str) -> Form:
    """A form from itself, or from text such as ``mean`` or ``geometric:epsilon=0.1``.

    Raises
    ------
    UnknownNameError
        If there is no form of this name.
    InputError
        If it is neither, or an option is unusable.

    Examples
    --------
    >>> as_form("power:exponent=-1"), as_form("mean")
    (Power(exponent=-1.0), Mean())
    """
    if not isinstance(form, str):
        if callable(form) and hasattr(form, "contributions") and not isinstance(form, type):
            return form
        raise InputError(f"a form is one of {', '.join(FORMS)}, or such an object; got {form!r}.")
    name, _, given = form.partition(":")
    options = {}
    for option in given.split(",") if given else []:
        key, is_given, text = option.partition("=")
        try:
            if not is_given:
                raise ValueError
            options[key.strip()] = float(text)
        except ValueError:
            raise InputError(
                f"form {form!r}: expected NAME or NAME:OPTION=NUMBER, as in geometric:epsilon=0.1."
            ) from None
    return make_form(name.strip(), options)


def form_name(form: Form) -> str:
    """The name of a form; that of its class for one of the caller's own."""
    return next((name for name, its in FORMS.items() if type(form) is its), type(form).__name__)


def form_text(form: Form) -> str:
    """A form as text that :func:`as_form` reads.

    Examples
    --------
    >>> form_text(Geometric()), form_text(Mean())
    ('geometric:epsilon=0.05', 'mean')
    """
    options = ",".join(f"{name}={value!r}" for name, value in options_of(form).items())
    return form_name(form) + (f":{options}" if options else "")


__all__ = [
    "FORMS",
    "Form",
    "Geometric",
    "Mean",
    "Pessimistic",
    "Power",
    "WeightedUnits",
    "as_form",
    "form_name",
    "form_text",
    "make_form",
]
