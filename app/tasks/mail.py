"""Mail: rendered and sent here, outside any transaction; the table remembers what is due."""

import logging

from flask import current_app
from flask_babel import force_locale
from huey import crontab

from app import mail
from app.extensions import db, huey, in_app_context
from app.models import User
from app.services import alerts, links, mails, ticks
from app.services.mails import Claimed

log = logging.getLogger(__name__)

SUBJECT = "Subject: "
PRODUCT = "CuttingASMR"
EVERY_S = 50


@huey.task()
@in_app_context
def send_mails() -> None:
    """The doorbell after a commit that queued a message."""
    send_due()


def ring() -> None:
    """A message was committed: let a worker know. Losing the bell only delays it."""
    try:
        send_mails()
    except Exception:
        log.exception("the queue takes no doorbells; the next minute finds the mails")


@huey.periodic_task(crontab(minute="*"))
@in_app_context
def look_for_mails() -> None:
    """Each minute: alerts with news, messages whose bell was lost, and those to try again."""
    if ticks.claim("mails", EVERY_S):
        alerts.queue_mails()
        send_due()


def send_due() -> int:
    """Send every message that is due. Returns how many left; needs an app context."""
    sent = 0
    while claimed := mails.claim_next():
        sent += _send(claimed)
    return sent


def _send(claimed: Claimed) -> bool:
    message = render(claimed)
    if message is None:  # the account it was for is gone or confirmed: nothing to say any more
        mails.mark_sent(claimed.id)
        return False
    config = current_app.config
    try:
        mail.send(
            message,
            mail_url=config["MAIL_URL"],
            mail_from=config["MAIL_FROM"],
            folder=config["INSTANCE_DIR"] / "mail",
        )
    except mail.MailError as error:
        _not_sent(claimed, error)
        return False
    mails.mark_sent(claimed.id)
    return True


def _not_sent(claimed: Claimed, error: mail.MailError) -> None:
    log.warning("mail %d, try %d: %s", claimed.id, claimed.tries, error)
    if error.permanent:  # this one address: nothing that an operator could mend
        mails.give_up(claimed.id)
    elif claimed.tries >= mails.MAX_TRIES:
        alerts.raise_alert("mail", "server", f"mails are given up: {error}")


def render(claimed: Claimed) -> mail.Message | None:
    """The message in its reader's language; the text template's first line is the subject."""
    values = dict(claimed.values)
    if "user_id" in values:
        user = db.session.get(User, values["user_id"])
        if user is None or user.is_verified:
            return None
        values["link"] = links.verification(user, values["mark"])
    values |= {"product": PRODUCT, "app_url": current_app.config["APP_URL"]}
    values["locale"] = claimed.locale
    # not render_template: context processors are for pages, and read a request
    with force_locale(claimed.locale):
        environment = current_app.jinja_env
        text = environment.get_template(f"emails/{claimed.template}.txt").render(values)
        html = environment.get_template(f"emails/{claimed.template}.html").render(values)
    subject, _, body = text.partition("\n")
    return mail.Message(
        id=f"mail-{claimed.id}",
        to=claimed.to,
        subject=subject.removeprefix(SUBJECT).strip(),
        text=body.strip() + "\n",
        html=html,
    )
