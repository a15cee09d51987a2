"""Each log line names the request that it belongs to."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.test import Client

from connectors_project.logs import configure_logs


@contextmanager
def logged(as_json: bool) -> Iterator[io.StringIO]:
    line = configure_logs("INFO", as_json)["formatters"]["line"]
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(line.pop("()")(**line))
    logging.getLogger().addHandler(handler)
    try:
        yield output
    finally:
        logging.getLogger().removeHandler(handler)


def test_lines_and_answer_carry_the_same_request_id() -> None:
    with logged(as_json=True) as output:
        answer = Client().get("/there/is/no/such/page")
    (entry,) = (json.loads(line) for line in output.getvalue().splitlines())
    assert answer.status_code == 404
    assert entry["event"] == "Not Found: /there/is/no/such/page"
    assert entry["request_id"] == answer.headers["X-Request-ID"]


def test_each_request_has_an_id_of_its_own() -> None:
    first, second = (Client().get("/there/is/no/such/page").headers["X-Request-ID"] for _ in range(2))
    assert first != second


def test_a_traceback_is_part_of_its_json_line() -> None:
    with logged(as_json=True) as output:
        try:
            raise ValueError("that was wrong")
        except ValueError:
            logging.getLogger("switchyard.test").exception("It failed.")
    (entry,) = (json.loads(line) for line in output.getvalue().splitlines())
    assert entry["event"] == "It failed."
    assert "ValueError: that was wrong" in entry["exception"]


def test_text_lines_name_level_and_logger() -> None:
    with logged(as_json=False) as output:
        logging.getLogger("switchyard.test").warning("Careful with %s.", "that")
    assert "warning" in output.getvalue()
    assert "Careful with that." in output.getvalue()
    assert "switchyard.test" in output.getvalue()
