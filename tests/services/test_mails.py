"""Mail: nothing queued is lost, sent twice in ordinary life, or leaks a secret into the table."""

import email
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

from app import mail
from app.services import accounts, alerts, mails
from app.services.transactions import write_transaction
from app.tasks.mail import send_due
from tests.conftest import PASSWORD, Call, Rows
from tests.services.test_accounts import together

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def outbox(app: Flask) -> list[EmailMessage]:
    """The messages in the instance folder, oldest first."""
    files = sorted((app.config["INSTANCE_DIR"] / "mail").glob("*.eml"))
    policy = email.policy.default
    return [email.message_from_bytes(file.read_bytes(), policy=policy) for file in files]


def body(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def queue(template: str = "address_taken", to: str = "carol@example.org") -> None:
    with write_transaction() as connection:
        mails.queue(connection, to, template, "en")


# In files --------------------------------------------------------------------------------------


def test_a_link_arrives_as_text_and_html(app: Flask, call: Call) -> None:
    call(accounts.sign_up, "carol@example.org", PASSWORD, "en")
    assert call(send_due) == 1
    (message,) = outbox(app)
    assert message["To"] == "carol@example.org"
    assert message["From"] == app.config["MAIL_FROM"]
    assert message["Subject"] == "Confirm your address for CuttingASMR"
    assert message["Auto-Submitted"] == "auto-generated"
    link = f"{app.config['APP_URL']}/verify/"
    assert link in body(message)
    assert link in body(message, "html")


def test_a_file_holds_the_link_on_one_line(app: Flask, call: Call) -> None:
    call(accounts.sign_up, "carol@example.org", PASSWORD, "zh")
    call(send_due)
    (file,) = (app.config["INSTANCE_DIR"] / "mail").iterdir()
    lines = file.read_text(encoding="utf-8").splitlines()
    links = [line for line in lines if line.startswith(f"{app.config['APP_URL']}/zh/verify/")]
    assert len(links) == 1
    assert call(accounts.look_at_link, links[0].rpartition("/")[2]) == "ask"


def test_the_table_keeps_no_link_and_forgets_values_once_sent(call: Call, rows: Rows) -> None:
    call(accounts.sign_up, "carol@example.org", PASSWORD, "en")
    (row,) = rows("SELECT values_json, sent_at FROM mails")
    assert "verify/" not in row["values_json"]
    assert row["sent_at"] is None
    call(send_due)
    (row,) = rows("SELECT values_json, sent_at FROM mails")
    assert row["values_json"] == "{}"
    assert row["sent_at"] is not None


def test_names_of_files_sort_by_time(app: Flask, call: Call) -> None:
    for number in range(3):
        call(queue, to=f"p{number}@example.org")
    assert call(send_due) == 3
    assert [message["To"] for message in outbox(app)] == [f"p{n}@example.org" for n in range(3)]


def test_a_link_for_an_account_that_is_confirmed_is_not_sent(
    app: Flask, call: Call, rows: Rows
) -> None:
    call(accounts.sign_up, "carol@example.org", PASSWORD, "en")
    with app.app_context(), write_transaction() as connection:
        connection.execute(text("UPDATE users SET email_verified_at = '2026-01-01 00:00:00'"))
    assert call(send_due) == 0
    assert outbox(app) == []
    assert rows("SELECT 1 FROM mails WHERE sent_at IS NULL") == []


@pytest.mark.both_databases
def test_many_senders_send_each_message_once(app: Flask, call: Call) -> None:
    for number in range(12):
        call(queue, to=f"p{number:02}@example.org")
    assert sum(together(app, 4, send_due)) == 12
    assert sorted(message["To"] for message in outbox(app)) == [
        f"p{number:02}@example.org" for number in range(12)
    ]


def test_what_rolls_back_is_not_sent(app: Flask, call: Call) -> None:
    def queue_and_fail() -> None:
        with write_transaction() as connection:
            mails.queue(connection, "carol@example.org", "address_taken", "en")
            raise RuntimeError("the verb came to nothing")

    with pytest.raises(RuntimeError):
        call(queue_and_fail)
    assert call(send_due) == 0


# When it does not work -------------------------------------------------------------------------


def test_a_message_whose_sender_died_is_sent_after_a_wait(app: Flask, call: Call) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        call(queue)
        assert call(mails.claim_next) is not None  # and then nothing: killed
        assert call(send_due) == 0
        clock.shift(mails.FIRST_RETRY_S + 1)
        assert call(send_due) == 1
    assert len(outbox(app)) == 1


def test_waits_double_and_end_with_an_alert(
    make_app: Callable[..., Flask], rows: Rows, refusing_port: int
) -> None:
    app = make_app(MAIL_URL=f"smtp://127.0.0.1:{refusing_port}")
    with time_machine.travel(NOON, tick=False) as clock, app.app_context():
        queue()
        waits = []
        for _ in range(mails.MAX_TRIES):
            assert send_due() == 0
            (row,) = rows("SELECT next_try_at FROM mails")
            due = datetime.fromisoformat(str(row["next_try_at"])).replace(tzinfo=UTC)
            waits.append((due - datetime.now(UTC)).total_seconds())
            clock.move_to(due + timedelta(seconds=1))
        assert waits == [mails.FIRST_RETRY_S * 2**n for n in range(mails.MAX_TRIES)]
        assert mails.claim_next() is None
        (alert,) = alerts.open_alerts()
        assert (alert.kind, alert.subject) == ("mail", "server")
        assert "carol" not in alert.text


def test_a_folder_that_cannot_be_written_is_tried_again(app: Flask, call: Call) -> None:
    folder = app.config["INSTANCE_DIR"] / "mail"
    folder.write_text("a file where the folder should be")
    with time_machine.travel(NOON, tick=False) as clock:
        call(queue)
        assert call(send_due) == 0
        folder.unlink()
        clock.shift(mails.FIRST_RETRY_S + 1)
        assert call(send_due) == 1


def test_a_line_break_in_a_header_is_refused_for_good(tmp_path: Path) -> None:
    message = mail.Message("1", "a@example.org", "Hello\r\nBcc: b@example.org", "text", "<p>text")
    with pytest.raises(mail.MailError) as refusal:
        mail.send(message, mail_url=None, mail_from="x@example.org", folder=tmp_path)
    assert refusal.value.permanent
    assert list(tmp_path.iterdir()) == []


# By SMTP ---------------------------------------------------------------------------------------


class Postbox(socketserver.ThreadingTCPServer):
    """Speaks enough SMTP for one message; `answers` says what it thinks of a command."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.answers: dict[str, str] = {}
        self.heard: list[str] = []
        self.received: list[str] = []

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class Conversation(socketserver.StreamRequestHandler):
    server: Postbox

    def handle(self) -> None:
        self.say("220 ready")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].split(":")[0].upper()
            self.server.heard.append(line)
            answer = self.server.answers.get(verb)
            if verb == "DATA" and answer is None:
                self.say("354 go on")
                self.server.received.append(self.read_message())
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say(answer or "250 fine")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def read_message(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode("ascii")) not in (".\r\n", ""):
            lines.append(line)
        return "".join(lines)


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with Postbox() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def refusing_port(postbox: Postbox) -> int:
    """A port that answers every greeting with `try later`."""
    postbox.answers["EHLO"] = postbox.answers["HELO"] = "421 closing"
    return int(postbox.server_address[1])


def deliver(postbox: Postbox, folder: Path, to: str = "carol@example.org", url: str = "") -> None:
    message = mail.Message("mail-7", to, "草莓", "你好,\n" + "x" * 300 + "\n", "<p>你好</p>")
    mail.send(
        message,
        mail_url=url or postbox.url,
        mail_from="CuttingASMR <hello@example.org>",
        folder=folder,
    )


def test_a_server_gets_it_in_plain_ascii(postbox: Postbox, tmp_path: Path) -> None:
    deliver(postbox, tmp_path)
    (received,) = postbox.received
    assert max(map(len, received.splitlines())) <= 998
    message = email.message_from_string(received, policy=email.policy.default)
    assert message["Subject"] == "草莓"
    assert message["Message-ID"] == "<mail-7@example.org>"
    assert body(message).splitlines() == ["你好,", "x" * 300]
    assert "mail from:<hello@example.org>" in " ".join(postbox.heard).lower()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("verb", "answer", "permanent"),
    [
        ("RCPT", "550 no such mailbox", True),
        ("RCPT", "450 mailbox busy", False),
        ("DATA", "554 looks like spam", True),
        ("DATA", "451 try later", False),
        ("EHLO", "421 closing", False),
        ("MAIL", "452 full", False),
    ],
)
def test_a_refusal_is_for_good_or_for_now(
    postbox: Postbox, tmp_path: Path, verb: str, answer: str, permanent: bool
) -> None:
    postbox.answers[verb] = answer
    if verb == "EHLO":
        postbox.answers["HELO"] = answer
    with pytest.raises(mail.MailError) as refusal:
        deliver(postbox, tmp_path)
    assert refusal.value.permanent is permanent


def test_a_mailbox_that_does_not_exist_is_given_up_at_once(
    make_app: Callable[..., Flask], postbox: Postbox, rows: Rows
) -> None:
    postbox.answers["RCPT"] = "550 no such mailbox"
    app = make_app(MAIL_URL=postbox.url)
    with app.app_context():
        queue()
        assert send_due() == 0
        assert mails.claim_next() is None
        assert alerts.open_alerts() == []  # a visitor's slip is nothing to mend


def test_a_password_does_not_leave_the_machine_in_the_clear(
    postbox: Postbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["app.mail.send"], "LOOPBACK", ())
    url = postbox.url.replace("//", "//user:secret@")
    with pytest.raises(mail.MailError, match="no encryption"):
        deliver(postbox, tmp_path, url=url)
    assert not any("AUTH" in line for line in postbox.heard)
