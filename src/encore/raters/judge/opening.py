"""Stops a run early where no reply can be read: it would cost money and rate nothing."""

from __future__ import annotations

from collections import Counter

from encore.errors import EndpointError
from encore.raters.judge.endpoint import Endpoint
from encore.raters.protocol import Answer, Reason

MAX_UNREAD = 20
_UNREAD = (Reason.MALFORMED, Reason.TRUNCATED, Reason.OUT_OF_SCALE, Reason.FAILED)
_SHOWN = 120  # characters of a sample


class Opening:
    """The first answers of a run, until one is a rating.

    What the judge or a filter refused says nothing about whether replies can be read, and on
    safety data it comes first: it neither counts nor ends the count.

    Parameters
    ----------
    endpoint : Endpoint
        What is stopped.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._reasons: Counter[str] = Counter()
        self._rated = False

    def see(self, answer: Answer) -> None:
        """Count an answer.

        Raises
        ------
        EndpointError
            If it is the twentieth that could not be read, and none could.
        """
        self._rated |= answer.reason is None
        if self._rated or answer.reason not in _UNREAD:
            return
        self._reasons[answer.reason.value] += 1
        if self._reasons.total() == MAX_UNREAD:
            reasons = ", ".join(f"{n} {reason}" for reason, n in self._reasons.most_common())
            error = EndpointError(
                f"{self._endpoint.base_url}: none of the first {MAX_UNREAD} answers is a rating: "
                f"{reasons}. The last: {answer.reply[:_SHOWN]!r}. Check the model and its chat "
                f"template; a model that thinks first needs room (--max-answer-tokens 2048). Then "
                f"run again with --retry-unrated."
            )
            self._endpoint.stop(error)
            raise error
