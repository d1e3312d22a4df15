"""Optional dependencies, asked for where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from encore.errors import MissingExtraError


def require(module: str, *, extra: str, feature: str) -> ModuleType:
    """Import an optional dependency, or say which command installs it.

    Parameters
    ----------
    module : str
        The module to import, dotted if need be.
    extra : str
        The extra of this distribution that installs it.
    feature : str
        What needs it, as the start of a sentence: ``"The multi-head rater"``.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingExtraError
        If the module is absent. One that is present but fails to import raises its own error:
        a broken installation must not look like a missing one.

    Examples
    --------
    >>> require("json", extra="heads", feature="The multi-head rater").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{feature} needs {module}, which is not installed. "
            f"In a clone of the repository, run: pip install '.[{extra}]'",
            name=module,
        ) from error
