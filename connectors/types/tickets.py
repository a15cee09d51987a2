"""What types have in common that find a ticket again before they make one."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any, Final

from connectors.net.exchange import Request, Response, Result
from connectors.outcomes import Outcome
from connectors.types.sites import read_object

# Seconds after which a try whose answer was lost is taken again. The system may be at work on it still, and some find
# a new ticket only once their index has it: whoever looks sooner makes a second one.
SETTLES: Final = 60.0
MAX_LIST: Final = 1024 * 1024  # bytes of an answer with a list

# Yields the requests of a question and returns its answer.
Asking = Generator[Request, Result, Any]


class Unanswered(Exception):
    """The system did not answer a question that has to be answered first."""

    def __init__(self, request: Request, result: Result) -> None:
        super().__init__(request.url)
        self.request = request
        self.result = result


def ask(request: Request) -> Asking:
    """Return the JSON object of the answer; raise Unanswered."""
    return read_answer(request, (yield request))


def ask_for(request: Request, name: str) -> Asking:
    """Return the objects of the list ``name`` in the answer; raise Unanswered.

    An answer without the list does not count as one with an empty list: something else than the system gave it.
    """
    result = yield request
    found = read_answer(request, result).get(name)
    if not isinstance(found, list):
        raise Unanswered(request, result)
    return [each for each in found if isinstance(each, dict)]


def read_answer(request: Request, result: Result) -> dict[str, Any]:
    """Return the JSON object of an answer with status 200; raise Unanswered."""
    found = read_object(result) if isinstance(result, Response) and result.status == 200 else {}
    if not found:
        raise Unanswered(request, result)
    return found


def settle(outcome: Outcome) -> Outcome:
    """Return the outcome of a request that makes a ticket, with the wait that a retry needs."""
    if not outcome.reason.is_retry:
        return outcome
    return replace(outcome, retry_after=max(outcome.retry_after or 0.0, SETTLES))
