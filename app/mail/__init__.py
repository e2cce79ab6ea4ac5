"""Sending mail, and nothing else: no template, no table, no user."""

from app.mail.send import MailError, Message, send

__all__ = ["MailError", "Message", "send"]
