"""What every template, style sheet, vendored file and translation keeps to."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from flask.testing import FlaskClient

from config import ROOT

TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"
VENDOR = STATIC / "vendor"
CHINESE = ROOT / "app/translations/zh/LC_MESSAGES/messages.po"
PAGES = sorted(p for p in TEMPLATES.rglob("*.html") if "emails" not in p.parts)
FRAGMENTS = [page for page in PAGES if page.name.startswith("_")]
STYLES = sorted((STATIC / "css").glob("*.css"))
SPRITE = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
PLACEHOLDER = re.compile(r"%\((\w+)\)([sd])")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def html_of(source: str) -> str:
    """A template without its Jinja."""
    source = re.sub(r"\{#.*?#\}", "", source, flags=re.S)
    source = re.sub(r"\{%.*?%\}", "", source, flags=re.S)
    return re.sub(r"\{\{.*?\}\}", "x", source, flags=re.S)


class Roots(HTMLParser):
    """Collects the elements that stand outside of any other, with their ids."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.depth = 0
        self.ids: list[str | None] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.depth == 0:
            self.ids.append(dict(attrs).get("id"))
        if tag not in VOID:
            self.depth += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.depth == 0:
            self.ids.append(dict(attrs).get("id"))

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1


# Templates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FRAGMENTS, ids=name_of)
def test_a_fragment_says_what_it_needs_and_has_one_root_with_an_id(path: Path) -> None:
    source = path.read_text()
    first = source.splitlines()[0]
    assert first.startswith("{# needs: ") and "; root: " in first
    assert len(source.splitlines()) <= 60
    roots = Roots(html_of(source))
    assert roots.depth == 0, "an element is not closed"
    if "out of band: " in first:  # more than one part, each named there
        return
    assert len(roots.ids) == 1 and roots.ids[0]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_a_template_leaves_style_and_script_to_their_files(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 120
    html = html_of(source)
    assert not re.search(r"<[^>]*\sstyle\s*=", html)
    assert not re.search(r"<[^>]*\son[a-z]+\s*=", html)
    assert not re.search(r"<[^>]*\s(data-)?hx-on", html)
    assert "javascript:" not in html and "<style" not in html
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html))
    assert not re.search(r'(src|href|action)="(https?:)?//', html), "another host"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_static_files_and_icons_that_a_template_names_exist(path: Path) -> None:
    source = path.read_text()
    for asset in re.findall(r"asset\(['\"]([^'\"~]+\.\w+)['\"]\)", source):
        assert (STATIC / asset).is_file(), asset
    named = re.findall(r"(?:icons\.svg'\) \}\}|\{\{ icons \}\})#([a-z0-9-]+)", source)
    for call in re.findall(r"icon\((.*?)\) ?\}\}", source):
        words = re.finditer(r"(?<!= )\"([a-z0-9-]+)\"(?! ?:)", call)
        named += [word[1] for word in words]
    assert set(named) <= SPRITE


@pytest.mark.parametrize(
    "address",
    ["/", "/pricing", "/payment/cancel", "/sign-up", "/sign-in", "/sign-up/sent", "/nothing-here"],
)
@pytest.mark.parametrize("prefix", ["", "/zh"])
def test_a_page_for_anyone_shows_only_what_is_there(
    client: FlaskClient, prefix: str, address: str
) -> None:
    check(client, client.get(f"{prefix}{address}").text, address)


@pytest.mark.parametrize(
    "address", ["/studio", "/videos", "/credits", "/pricing", "/profile", "/credits-recovery"]
)
@pytest.mark.parametrize("prefix", ["", "/zh"])
def test_a_page_of_a_member_shows_only_what_is_there(
    client_of: Callable[..., FlaskClient], alice: object, prefix: str, address: str
) -> None:
    client = client_of(alice)
    answer = client.get(f"{prefix}{address}")
    assert answer.status_code == 200
    check(client, answer.text, address)


def check(client: FlaskClient, html: str, address: str) -> None:
    """Every icon, static file and other page that `html` points at exists; ids are unique."""
    assert set(re.findall(r"icons\.svg\?v=\w+#([\w-]+)", html)) <= SPRITE
    statics = set(re.findall(r'(?:src|href)="(/static/[^"#?]+)', html))
    assert all((ROOT / address[1:]).is_file() for address in statics)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    links = set(re.findall(r'<a [^>]*href="(/[^"#?]*)', html))
    for link in links - {address, f"/zh{address}"}:
        assert client.get(link).status_code < 400, link


def test_djlint_finds_nothing() -> None:
    command = [sys.executable, "-m", "djlint", "templates", "--lint", "--quiet"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


# Static files ------------------------------------------------------------------------------------


def test_vendored_files_are_those_of_the_table() -> None:
    table = re.findall(
        r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.M
    )
    files = {p.relative_to(VENDOR).as_posix() for p in VENDOR.rglob("*") if p.is_file()}
    assert {name for name, _ in table} == files - {"README.md"}
    for name, digest in table:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("path", STYLES, ids=name_of)
def test_a_style_sheet_is_whole_and_asks_no_other_host(path: Path) -> None:
    css = path.read_text()
    assert css.count("{") == css.count("}")
    assert "@import" not in css
    for address in re.findall(r'url\("([^"]+)"\)', css):
        assert (path.parent / address).resolve().is_file(), address


# Translations ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    with CHINESE.open("rb") as file:
        return read_po(file, locale="zh_Hans")


def test_no_text_is_without_its_chinese(chinese: Catalog, tmp_path: Path) -> None:
    pot = tmp_path / "messages.pot"
    extract = ["-q", "extract", "-F", "pyproject.toml", "-k", "_l _n:1,2", "-o", str(pot), "."]
    command = [sys.executable, "-m", "babel.messages.frontend", *extract]
    subprocess.run(command, cwd=ROOT, check=True)
    with pot.open("rb") as file:
        texts = [message.id for message in read_po(file) if message.id]
    translated = {m.id for m in chinese if m.id and not m.fuzzy and all(strings(m.string))}
    assert len(texts) > 200
    assert [text for text in texts if text not in translated] == []


def test_placeholders_agree(chinese: Catalog) -> None:
    for message in chinese:
        wanted = {frozenset(PLACEHOLDER.findall(text)) for text in strings(message.id)}
        for text in strings(message.string):
            assert frozenset(PLACEHOLDER.findall(text)) in wanted, message.id


def test_chinese_punctuation_is_full_width(chinese: Catalog) -> None:
    for message in chinese:
        for text in strings(message.string) if message.id else ():
            assert not re.search(r"[\u4e00-\u9fff][,;:!?.]", text), text
            assert "..." not in text, text


def strings(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or ())
