"""The translations that come with the app: complete, compiled, and on the page."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation

PACKAGE = Path(__file__).resolve().parents[1] / "catmaid_notify"
LANGUAGES = sorted(path.name for path in (PACKAGE / "locale").iterdir())
ENTRY = re.compile(
    r'^(?:msgctxt "(?P<context>.*)"\n)?msgid "(?P<id>.+)"\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? "(?P<text>.*)"',
    re.M,
)
MARKED = re.compile(
    r'(?:\b_|\bgettext\w*)\(\s*"((?:[^"\\]|\\.)+)"|\b_\(\s*\'(.+?)\'\)|{% translate "([^"]+)"(?: context "([^"]+)")?'
)


def catalogue(language: str) -> dict[tuple[str, str], str]:
    """Return the texts of a language's .po file by context and English text."""
    source = (PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po").read_text()
    plain = {(found["context"] or "", found["id"]): found["text"] for found in ENTRY.finditer(source)}
    return {(context, text.replace('\\"', '"')): words.replace('\\"', '"') for (context, text), words in plain.items()}


def marked() -> set[tuple[str, str]]:
    """Return what the package's files mark for translation, by context and English text."""
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]
    found = [match for path in files for match in MARKED.findall(path.read_text())]
    return {(context, double or single or html) for double, single, html, context in found}


def page(language: str) -> str:
    request = RequestFactory().get("/")
    request.user = User(pk=7)
    with translation.override(language):
        return Template("{% load catmaid_notify %}{% catmaid_notify %}").render(Context({"request": request}))


def test_languages() -> None:
    assert LANGUAGES == ["de", "es"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue__has_every_text(language: str) -> None:
    """``make messages`` collects new ones; their translations go into the .po files."""
    texts = catalogue(language)
    assert len(texts) > 50
    assert marked() - texts.keys() == set()
    assert [text for text, words in texts.items() if not words] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue__is_compiled(language: str) -> None:
    with (PACKAGE / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for (context, text), words in catalogue(language).items():
        found = compiled.pgettext(context, text) if context else compiled.gettext(text)
        if "seconds" not in text and "every second" not in text:
            assert found == words, "`make messages` compiles the catalogues"


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue__keeps_the_placeholders(language: str) -> None:
    for (_, text), words in catalogue(language).items():
        assert sorted(re.findall(r"{\w+}|%[sd]", words)) == sorted(re.findall(r"{\w+}|%[sd]", text)), text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ["Benachrichtigungen", "Alle als gelesen markieren", "Es wird alle 60 Sekunden nachgesehen."]),
        ("es", ["Notificaciones", "Marcar todo como leído", "se comprueba cada 60 segundos."]),
    ],
)
def test_page__in_the_language_of_the_site(language: str, words: list[str]) -> None:
    html = page(language)
    for word in words:
        assert word in html
    assert f'class="catmaid-notify" lang="{language}"' in html
    assert "Mark all as read" not in html


def test_page__in_a_language_that_there_is_not() -> None:
    """Then the texts are English, and say so, whatever the page is in."""
    assert 'class="catmaid-notify" lang="en"' in page("fr")
