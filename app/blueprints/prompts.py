"""Prompt help in the composer: build a prompt by parts."""

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app import catalogue
from app.auth import require_sign_in
from app.blueprints import composing, studio
from app.error_pages import text_of
from app.errors import UserError
from app.htmx import is_fragment_request
from app.i18n import locale
from app.services import prompting
from app.services.prompting import Draft

bp = Blueprint("prompts", __name__)


@bp.post("/studio/prompt")
@require_sign_in
def write() -> ResponseReturnValue:
    """Write the parts into the prompt, or offer to: a fragment, or the page without JavaScript."""
    try:
        draft = prompting.write(request.form, locale())
    except UserError as error:
        return _shown(prompting.read(request.form, locale()), error)
    return _shown(draft)


@bp.post("/studio/parts")
@require_sign_in
def follow() -> ResponseReturnValue:
    """The parts after another type was chosen; what was changed by hand stays."""
    return _shown(prompting.read(request.form, locale()))


def _shown(draft: Draft, error: UserError | None = None) -> ResponseReturnValue:
    status = 200 if error is None else error.status
    errors = {} if error is None else {error.field: text_of(error)}
    if is_fragment_request():
        parts = render_template("studio/_parts.html", draft=draft, errors=errors, form={})
        return parts, status
    context = composing.composed({**request.form, "prompt": draft.prompt}, is_new=True)
    context["errors"] = {**context["errors"], **errors}
    return studio.page({**context, "draft": draft}), status


@bp.app_template_global()
def draft_of(form: dict[str, Any]) -> Draft:
    """The builder of a composer that was rendered for another reason than writing a prompt."""
    if "part_type" in request.form:
        return prompting.read(request.form, locale())
    return prompting.begin(form.get("type", ""), locale())


@bp.app_template_global()
def all_parts() -> list[tuple[str, list[str]]]:
    """Every part with its choices in the visitor's language."""
    code = locale()
    return [(part.id, [one.words(code) for one in part.choices]) for part in catalogue.all_parts()]
