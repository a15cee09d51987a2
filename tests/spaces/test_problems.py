"""Error answers are RFC 9457 documents, whatever text they quote."""

import json

from spaces.errors import FieldError
from spaces.problems import problem


def test_problem_names_status_title_and_each_field() -> None:
    response = problem(400, "The action cannot be saved.", errors=[FieldError("/params/body", "Unknown variable x.")])
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.content) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "The action cannot be saved.",
        "errors": [{"pointer": "/params/body", "detail": "Unknown variable x."}],
    }


def test_problem_carries_headers_and_extensions() -> None:
    response = problem(503, "Try again.", title="Not now", headers={"Retry-After": "5"}, retry_after=5)
    assert response["Retry-After"] == "5"
    body = json.loads(response.content)
    assert body["title"] == "Not now"
    assert body["retry_after"] == 5


def test_problem_can_quote_a_lone_surrogate() -> None:
    response = problem(400, "bad \ud800 text")
    assert json.loads(response.content)["detail"] == "bad \ud800 text"
