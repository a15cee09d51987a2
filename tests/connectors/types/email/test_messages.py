"""What a message says is what arrives: a real SMTP server (aiosmtpd) takes it, Python's own parser reads it.

Sources: RFC 5321 and 5322 for lines, dots and headers, RFC 2047 for words beyond ASCII, RFC 6531 for addresses.
"""

from base64 import b64encode
from typing import Any

import pytest
from pydantic import ValidationError

from actions.templating import compile_params
from connectors.outcomes import Reason
from connectors.types.base import Message
from connectors.types.email import connector_type
from connectors.types.email.markdown import to_html, to_text
from connectors.types.email.schemas import Attachment, EmailConfig, EmailParams
from tests.connectors.types.email.mailing import WEBHOOK_ID, connect, deliver, message
from tests.connectors.types.sending import rendered
from tests.mail_server import mail_server


def test_a_message_arrives_as_text_and_as_html() -> None:
    with mail_server() as server:
        outcome = deliver(
            connect(server.port),
            to=["Ops Team <ops@example.com>", "", "second@example.com"],
            cc=["boss@example.com"],
            bcc=["quiet@example.com"],
            reply_to=["helpdesk@example.com"],
            message="Disk **7** of [web-7](https://example.com/web-7) is full.\n\n- one\n- two",
            footer="Open the console",
            footer_url="https://console.example.com/?a=1&b=2",
        )
    assert outcome.reason is Reason.OK
    assert outcome.detail == "The server took the message for 4 recipients: 250 2.0.0 Queued."
    (received,) = server.received
    assert received.sender == "alerts@example.com"
    assert received.recipients == ["ops@example.com", "second@example.com", "boss@example.com", "quiet@example.com"]
    sent = received.message
    assert sent["from"] == "Alerts <alerts@example.com>"
    assert sent["to"] == "Ops Team <ops@example.com>, second@example.com"
    assert sent["cc"] == "boss@example.com"
    assert "quiet@example.com" not in received.data.decode()
    assert sent["reply-to"] == "helpdesk@example.com"
    assert sent["subject"] == "Disk full"
    assert sent["auto-submitted"] == "auto-generated"
    assert sent["date"].datetime is not None
    assert received.body("plain") == (
        "Disk 7 of web-7 (https://example.com/web-7) is full.\n\n- one\n- two\n\n"
        "-- \nOpen the console: https://console.example.com/?a=1&b=2\n"
    )
    html = received.body("html")
    assert '<strong>7</strong> of <a href="https://example.com/web-7">web-7</a>' in html
    assert '<a href="https://console.example.com/?a=1&amp;b=2">Open the console</a>' in html


def test_all_tries_of_a_message_have_one_id() -> None:
    with mail_server() as server:
        for _ in range(2):
            assert deliver(connect(server.port)).reason is Reason.OK
    assert {received.message["message-id"] for received in server.received} == {f"<{WEBHOOK_ID}@example.com>"}
    assert {received.message["webhook-id"] for received in server.received} == {WEBHOOK_ID}


HOSTILE_TEXT = "<img src=x onerror=alert(1)> [click](https://evil.example) **b** `c` <https://evil.example>\n# big"


def test_what_an_event_says_is_no_markup_in_the_message() -> None:
    params = EmailParams.model_validate({"to": ["ops@example.com"], "message": "It says: {{ event.data }} *there*"})
    whole = params.model_dump(mode="json")
    config = EmailConfig.model_validate({"host": "mail.example", "from": "a@example.com"})
    compiled = compile_params(whole, lambda field: connector_type.template_format(config, whole, field))
    event = {"type": "t", "source": "s", "id": "i", "data": HOSTILE_TEXT}
    rendered = compiled.render({"event": event, "rule": {}, "action": {}, "space": {}, "failure": None})
    with mail_server() as server:
        assert deliver(connect(server.port), **rendered).reason is Reason.OK
    (received,) = server.received
    html = received.body("html")
    assert "<img" not in html
    assert "<a " not in html
    assert "<h1" not in html
    assert "<strong" not in html
    assert "<em>there</em>" in html
    assert HOSTILE_TEXT in received.body("plain")


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](file:///etc/passwd)",
        "[x]( vbscript:x)",
        "[x][1]\n\n[1]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "![pixel](https://evil.example/pixel)",
        "<b onmouseover=alert(1)>x</b>",
    ],
)
def test_neither_html_nor_other_links_nor_images_come_through(markdown: str) -> None:
    html = to_html(markdown)
    body = html[html.index("<body") :].partition(">")[2]
    assert "<script" not in body
    assert "<img" not in body
    assert "<b " not in body
    assert 'href="javascript' not in body
    assert body.count("<a ") == ("evil.example" in markdown)


def test_the_text_of_a_message_reads_like_its_markdown() -> None:
    markdown = (
        "# Title\n\nA line\\\nbroken, `code` and a\\_b <mailto:a@example.com>\n\n"
        "1. first\n2. second\n   - deep\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nkept\n  as is\n```\n\n> quoted\n"
    )
    assert to_text(markdown) == (
        "Title\n\nA line\nbroken, code and a_b mailto:a@example.com\n\n"
        "1. first\n2. second\n  - deep\n\na\tb\t\n1\t2\t\n\nkept\n  as is\n\nquoted\n"
    )


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"to": ["ops@example.com\r\nBcc: evil@example.com"]}, "to"),
        ({"to": [" ops@example.com>\r\nRCPT TO:<evil@example.com"]}, "to"),
        ({"to": ["@example.com, evil@example.com"]}, "to"),
        ({"cc": ["Name \n <ops@example.com>"]}, "cc"),
        ({"reply_to": ["ops@example.com\nSubject: other"]}, "reply_to"),
        ({"to": ["nobody"]}, "to"),
        ({"to": ['"quoted "@example.com']}, "to"),
        ({"to": ["@[127.0.0.1]"]}, "to"),
        ({"to": ["@127.0.0.1"]}, "to"),
        ({"to": ["" + "a" * 65 + "@example.com"]}, "to"),
        ({"to": [" "]}, "to, cc and bcc"),
        ({"footer_url": "javascript:alert(1)"}, "footer_url"),
        ({"attachments": [{"filename": "a\r\nX: y.txt", "content": ""}]}, "attachments/0/filename"),
        ({"attachments": [{"filename": "../../etc/passwd", "content": ""}]}, "attachments/0/filename"),
        ({"attachments": [{"filename": "..\\x.txt", "content": ""}]}, "attachments/0/filename"),
        ({"attachments": [{"filename": "a", "content": "", "content_type": "\r\nX: y"}]}, "content_type"),
        ({"attachments": [{"filename": "a", "content": "%%%", "encoding": "base64"}]}, "attachments/0/content"),
    ],
)
def test_what_would_be_another_header_or_recipient_is_refused_and_named(params: dict[str, Any], field: str) -> None:
    with mail_server() as server:
        # As templates yield them: what is saved is checked before.
        yielded = message().params.model_copy(update=parsed(params))
        (outcome,) = connector_type.deliver(connect(server.port), [Message(7, WEBHOOK_ID, yielded)])
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert field in outcome.detail
    assert "\n" not in outcome.detail
    assert not server.received


@pytest.mark.parametrize(
    ("yielded", "line"),
    [
        ("disk full\non host a", "disk full on host a"),
        ("hello\r\nBcc: evil@example.com", "hello Bcc: evil@example.com"),
        ("hello\n\tBcc: evil@example.com", "hello Bcc: evil@example.com"),
        ("\r\n\r\nDATA\r\n.\r\n", "DATA ."),
        ("hello\x85Bcc: evil@example.com", "hello Bcc: evil@example.com"),
        ("hello\u2028 \u202ex\0", "hello x"),
        ("ü\r\nBcc: evil@example.com", "ü Bcc: evil@example.com"),
        ("x" * 5000, "x" * 2047 + "…"),
    ],
)
def test_a_subject_out_of_values_becomes_one_line_and_no_other_header(yielded: str, line: str) -> None:
    params = rendered(
        connector_type,
        connect(1).config,
        {"to": ["ops@example.com"], "subject": "{{ event.data.said }}"},
        {"said": yielded},
    )
    with mail_server() as server:
        sent = Message(7, WEBHOOK_ID, EmailParams.model_validate(params))
        (outcome,) = connector_type.deliver(connect(server.port), [sent])
    assert outcome.reason is Reason.OK, outcome.detail
    (received,) = server.received
    assert received.recipients == ["ops@example.com"]
    assert received.message["subject"] == line
    assert received.message["bcc"] is None
    names = [name.lower() for name in received.message]
    assert sorted(names) == sorted(set(names))


def test_a_subject_of_several_lines_is_refused_when_saved() -> None:
    saved = EmailParams(to=["ops@example.com"], subject="two\nlines")
    (error,) = connector_type.check_params(connect(1).config, saved)
    assert error.pointer == "/subject"


def parsed(params: dict[str, Any]) -> dict[str, Any]:
    attachments = [Attachment.model_construct(**defaults(each)) for each in params.get("attachments", [])]
    return {**params, "attachments": attachments}


def defaults(attachment: dict[str, Any]) -> dict[str, Any]:
    return {"content_type": "text/plain", "encoding": "text", **attachment}


SUBJECTS = [
    "Größe — 温度 😀",
    "x" * 500,
    "word " * 100,
    "ü" * 300,
    "=?utf-8?q?spoofed?=",
    "a, b; c: <d> \"e\" 'f'",
    "ends with a colon:",
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_arrives_whole_in_lines_that_are_short_enough(subject: str) -> None:
    with mail_server() as server:
        assert deliver(connect(server.port), subject=subject).reason is Reason.OK
    (received,) = server.received
    assert received.message["subject"] == subject.strip()
    head = received.data.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 78 for line in head.split(b"\r\n")), head
    assert head.isascii()


def test_names_beyond_ascii_arrive_and_stay_one_address_each() -> None:
    to = [f"Zoë, {number} „Ops“ <ops{number}@example.com>" for number in range(20)]
    with mail_server() as server:
        assert deliver(connect(server.port), to=to).reason is Reason.OK
    (received,) = server.received
    found = received.message["to"].addresses
    assert [str(each.addr_spec) for each in found] == [f"ops{number}@example.com" for number in range(20)]
    assert found[3].display_name == "Zoë, 3 „Ops“"


def test_an_international_domain_is_sent_in_ascii() -> None:
    with mail_server(knows_utf8=False) as server:
        assert deliver(connect(server.port), to=["ops@bücher.example"]).reason is Reason.OK
    assert server.received[0].recipients == ["ops@xn--bcher-kva.example"]
    assert server.received[0].message["to"] == "ops@xn--bcher-kva.example"


def test_an_international_address_needs_a_server_that_knows_them() -> None:
    with mail_server() as server:
        assert deliver(connect(server.port), to=["Jörg <jörg@example.com>"]).reason is Reason.OK
    (received,) = server.received
    assert received.recipients == ["jörg@example.com"]
    assert "SMTPUTF8" in received.options
    assert "<jörg@example.com>".encode() in received.data
    with mail_server(knows_utf8=False) as old:
        outcome = deliver(connect(old.port), to=["jörg@example.com"])
        assert (outcome.reason, old.received) == (Reason.PERMANENT_4XX, [])
        # The session is as good as before.
        assert deliver(connect(old.port)).reason is Reason.OK
    assert "beyond ASCII" in outcome.detail


OCTETS = "application/octet-stream"
TEXTS = [
    ".\n..\n.hidden\nlast",
    "y" * 5000,
    "Größe 温度 😀",
    "bare\rreturn",
    "\n.\nMAIL FROM:<x@example.com>\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_dots_long_lines_and_odd_line_ends_arrive(text: str) -> None:
    content = b64encode(text.encode()).decode()
    with mail_server() as server:
        outcome = deliver(
            connect(server.port),
            message=f"```\n{text}\n```",
            attachments=[{"filename": "a.bin", "content": content, "encoding": "base64", "content_type": OCTETS}],
        )
    assert outcome.reason is Reason.OK
    (received,) = server.received
    shown = received.body("plain")
    assert shown.strip("\n") == text.replace("\r", "\n").strip("\n")
    (attachment,) = received.message.iter_attachments()
    assert attachment.get_content() == text.encode()
    lines = received.data.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert received.data.isascii()


def test_attachments_arrive_with_name_and_type() -> None:
    attachments = [
        {"filename": "report.csv", "content": "a,b\n1,ü\n", "content_type": "text/csv"},
        {"filename": "Übersicht.pdf", "content": "JVBERg==", "encoding": "base64", "content_type": "application/pdf"},
        {"filename": "data.json", "content": '{"a": 1}', "content_type": "application/json"},
    ]
    with mail_server() as server:
        assert deliver(connect(server.port), attachments=attachments).reason is Reason.OK
    found = list(server.received[0].message.iter_attachments())
    assert [part.get_filename() for part in found] == ["report.csv", "Übersicht.pdf", "data.json"]
    assert [part.get_content_type() for part in found] == ["text/csv", "application/pdf", "application/json"]
    assert [part.get_content() for part in found] == ["a,b\n1,ü\n", b"%PDF", b'{"a": 1}']


@pytest.mark.parametrize(
    "params",
    [
        {"attachments": [{"filename": "a", "content": "x"}] * 11},
        {"attachments": [{"filename": "a", "content": "x" * (256 * 1024 + 1)}]},
        {"attachments": [{"filename": "a", "content": "x", "content_type": "message/rfc822"}]},
        {"attachments": [{"filename": "a", "content": "x", "content_type": "text"}]},
        {"to": ["ops@example.com"] * 101},
        {"to": ["a" * 600 + "@example.com"]},
        {"to": ["no address"]},
        {"subject": ""},
        {"footer_url": "javascript:alert(1)"},
        {"html": "<b>x</b>"},
    ],
)
def test_what_cannot_be_sent_is_refused_when_saved(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EmailParams.model_validate({"to": ["ops@example.com"], **params})


def test_copies_alone_leave_the_recipients_undisclosed() -> None:
    with mail_server() as server:
        assert deliver(connect(server.port), to=[], bcc=["a@example.com", "a@example.com"]).reason is Reason.OK
    assert server.received[0].recipients == ["a@example.com"]
    assert server.received[0].message["to"] == "undisclosed-recipients:;"
