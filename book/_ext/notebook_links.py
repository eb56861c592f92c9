"""Sphinx extension: what the menus at the top of a chapter offer, its notebook and a place to run it.

``launch_url`` is the one setting: an address in which ``{notebook}`` stands for the notebook's path, of a Binder
(``https://mybinder.org/v2/gh/OWNER/REPOSITORY/HEAD?urlpath=lab/tree/{notebook}``) or of a JupyterHub with nbgitpuller
(``https://HUB/hub/user-redirect/git-pull?repo=...&urlpath=lab/tree/REPOSITORY/{notebook}``). While it is empty no
page names another host. The environment variable ``NNCOURSE_LAUNCH_URL`` overrides it for one build.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

SOURCES = "book"
PLACE = "{notebook}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_config_value("launch_url", "", "html", types=[str])
    app.connect("config-inited", read_environment)
    # Behind the theme, which makes the menus.
    app.connect("html-page-context", add_links, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def read_environment(app: Sphinx, config: Config) -> None:
    """Let the environment decide where notebooks open, and refuse an address that says no place for one."""
    config.launch_url = os.environ.get("NNCOURSE_LAUNCH_URL", config.launch_url)
    if config.launch_url and PLACE not in config.launch_url:
        raise ConfigError(
            f"launch_url contains {PLACE}, where the path of the notebook goes; "
            f"got {config.launch_url!r}. Leave it empty to offer no launch link."
        )


def add_links(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Name the download of a notebook as such, and add the link that opens it, where there is one."""
    if context.get("page_source_suffix") != ".ipynb":
        return
    buttons = context["header_buttons"]
    for button in _flat(buttons):
        if button.get("label") == "download-source-button":
            button.update(text="notebook (.ipynb)", tooltip="Download the notebook")
    if app.config.launch_url:
        buttons.insert(
            0,
            {
                "type": "link",
                "url": launch_link(app.config.launch_url, pagename),
                "text": f"Open in {place_name(app.config.launch_url)}",
                "tooltip": "Run this chapter, on a machine elsewhere",
                "icon": "fas fa-rocket",
                "label": "launch-notebook-button",
            },
        )


def launch_link(launch_url: str, pagename: str) -> str:
    """Where the notebook of ``pagename`` opens.

    >>> launch_link("https://hub.example/lab/tree/{notebook}", "why/why_compress")
    'https://hub.example/lab/tree/book/why/why_compress.ipynb'
    """
    return launch_url.replace(PLACE, quote(f"{SOURCES}/{pagename}.ipynb"))


def place_name(launch_url: str) -> str:
    """What readers call the place: a Binder's addresses name a repository behind ``/v2/``.

    >>> place_name("https://mybinder.org/v2/gh/owner/repository/HEAD?urlpath=lab/tree/{notebook}")
    'Binder'
    """
    return "Binder" if "/v2/" in launch_url else "JupyterHub"


def _flat(buttons: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for button in buttons:
        yield button
        yield from _flat(button.get("buttons", []))
