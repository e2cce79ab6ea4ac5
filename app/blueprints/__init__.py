"""HTTP only: each route reads, calls one verb, renders."""

from email.utils import parseaddr

from flask import Flask, g
from flask_login import current_user

from app import limits
from app.services.credits import balance_of


def init_app(app: Flask) -> None:
    """Register every blueprint, and what all pages show."""
    from app.blueprints import (
        accounts,
        credits,
        files,
        health,
        images,
        pages,
        payments,
        payments_api,
        profile,
        prompts,
        provider_status,
        studio,
        videos,
        webhooks,
    )

    for module in (
        pages, accounts, studio, images, prompts, videos, files, credits, health, webhooks,
        provider_status, payments, payments_api, profile,
    ):  # fmt: skip
        app.register_blueprint(module.bp)
    app.jinja_env.globals.update(
        limits=limits,
        balance=balance,
        current_user=current_user,
        contact_email=parseaddr(app.config["MAIL_FROM"])[1],
    )


def balance() -> int | None:
    """The visitor's credits, asked for once a request; None for someone signed out."""
    if not current_user.is_authenticated:
        return None
    if "balance" not in g:
        g.balance = balance_of(current_user.id)
    return int(g.balance)
