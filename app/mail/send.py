"""One message to an SMTP server, or, where none is set, to a file in the instance folder."""

import smtplib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

TIMEOUT_S = 15
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PORTS = {"smtp": 25, "smtps": 465}
WAYS = policy.SMTP.clone(max_line_length=78)
FILE = policy.default.clone(max_line_length=998, cte_type="8bit")  # a link stays on one line


class MailError(Exception):
    """The message was not taken. `permanent`: no later try will be answered otherwise."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True)
class Message:
    """What is sent to one address. `id` is the same at every try, so that a double shows."""

    id: str
    to: str
    subject: str
    text: str
    html: str


def send(message: Message, *, mail_url: str | None, mail_from: str, folder: Path) -> None:
    """Send by `mail_url` (smtp:// or smtps://), else write an .eml file into `folder`.

    Raises MailError.  A header with a line break in it is refused for good.
    """
    try:
        built = _build(message, mail_from, for_file=mail_url is None)
    except (ValueError, UnicodeError) as error:
        raise MailError(f"the message cannot be written: {error}", permanent=True) from error
    if mail_url is None:
        _write_file(built, message.id, folder)
    else:
        _send_smtp(built, message.to, parseaddr(mail_from)[1], urlsplit(mail_url))


def _build(message: Message, mail_from: str, *, for_file: bool) -> EmailMessage:
    built = EmailMessage(FILE if for_file else WAYS)
    built["From"], built["To"], built["Subject"] = mail_from, message.to, message.subject
    built["Date"] = format_datetime(datetime.now(UTC))
    domain = parseaddr(mail_from)[1].rpartition("@")[2]
    built["Message-ID"] = f"<{message.id}@{domain}>"
    built["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies
    cte = "8bit" if for_file else "quoted-printable"
    built.set_content(message.text, cte=cte)
    built.add_alternative(message.html, subtype="html", cte=cte)
    return built


def _write_file(built: EmailMessage, message_id: str, folder: Path) -> None:
    """Whole or not at all; names sort by time."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = folder / f"{moment}-{message_id}.eml"
    partial = folder / f".{path.name}.partial"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_bytes(built.as_bytes())
        partial.replace(path)
    except OSError as error:
        raise MailError(f"cannot write into {folder}: {error.strerror}", permanent=False) from error


def _send_smtp(built: EmailMessage, to: str, sender: str, url: SplitResult) -> None:
    try:
        with _connect(url) as server:
            server.send_message(built, from_addr=sender, to_addrs=[to])
    except smtplib.SMTPRecipientsRefused as error:
        code = next(iter(error.recipients.values()))[0]
        raise MailError(f"the recipient was refused: {code}", permanent=code >= 500) from error
    except (smtplib.SMTPNotSupportedError, UnicodeError) as error:
        raise MailError(f"the server cannot take this address: {error}", permanent=True) from error
    except smtplib.SMTPDataError as error:
        code = error.smtp_code
        raise MailError(f"the message was refused: {code}", permanent=code >= 500) from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailError(f"no delivery to {url.hostname}: {error}", permanent=False) from error


def _connect(url: SplitResult) -> smtplib.SMTP:
    """An open, encrypted (where the server can) and signed-in connection; closed on any error."""
    host, port = url.hostname or "localhost", url.port or PORTS[url.scheme]
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    try:
        _introduce(server, url, context)
    except BaseException:
        server.close()
        raise
    return server


def _introduce(server: smtplib.SMTP, url: SplitResult, context: ssl.SSLContext) -> None:
    """Greet, encrypt, sign in. A password never leaves this machine in the clear."""
    server.ehlo_or_helo_if_needed()
    if url.scheme == "smtp" and server.has_extn("starttls"):
        server.starttls(context=context)
    elif url.scheme == "smtp" and url.password and url.hostname not in LOOPBACK:
        message = f"{url.hostname} offers no encryption for the password"
        raise MailError(message, permanent=False)
    if url.username:
        server.login(unquote(url.username), unquote(url.password or ""))
