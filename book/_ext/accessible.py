"""Sphinx extension: repair what the theme's pages say to readers who do not see them.

Each repair is one replacement in the text of a finished page. Where the theme mends a flaw by itself, the
pattern no longer matches and nothing happens; ``tests/test_accessibility.py`` says what is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sphinx.application import Sphinx

# Why: pattern, replacement.
REPAIRS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "the words on the search field are its name": (
            r'(<button class="btn search-button-field[^>]*?) aria-label="Search"',
            r"\1",
        ),
        "the picture on the switch of colors is no second name": (
            r'(<i class="theme-switch [^>]*?) title="[^"]*"',
            r'\1 aria-hidden="true"',
        ),
        "the words on a folded cell are its name": (
            r'<summary aria-label="Toggle hidden content">',
            "<summary>",
        ),
        "an entry of the references is an item of a list": (
            r'(<div class="citation"[^>]*) role="doc-biblioentry"',
            r'\1 role="listitem"',
        ),
        "the sidebar is a landmark": (
            r'<div id="pst-primary-sidebar"',
            '<div id="pst-primary-sidebar" role="complementary" aria-label="The book"',
        ),
        "buttons that show a picture alone have a name": (
            r'(<button class="sidebar-toggle [^>]*?title="([^"]*)")',
            r'\1 aria-label="\2"',
        ),
        "a corner of a table without words is no header": (
            r"<th(\s[^>]*)?>\s*</th>",
            r"<td\1></td>",
        ),
        "no place is kept for advertisements": (
            r'<div class="sidebar-primary-item">\s*<div id="ethical-ad-placement"[^>]*>\s*</div>\s*</div>',
            "",
        ),
    }
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    # A value of the configuration, so that all pages are written again when a repair changes.
    app.add_config_value("page_repairs", [list(pair) for pair in REPAIRS.values()], "html")
    app.connect("builder-inited", repair_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def repaired(page: str) -> str:
    """The HTML ``page`` with every repair made.

    >>> repaired('<summary aria-label="Toggle hidden content">Show</summary>')
    '<summary>Show</summary>'
    """
    for pattern, replacement in REPAIRS.values():
        page = re.sub(pattern, replacement, page)
    return page


def repair_pages(app: Sphinx) -> None:
    """Let every page that the builder renders pass through ``repaired``."""
    templates = getattr(app.builder, "templates", None)
    if templates is None:
        return
    render: Callable[[str, dict[str, Any]], str] = templates.render
    templates.render = lambda name, context: repaired(render(name, context))
