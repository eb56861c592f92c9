"""Sphinx extension: keep pages from naming hosts that they do not need.

The theme loads sphinx-thebe, which writes the address of a script on a public host into every page, twice,
so that the second declaration is a script error. This book runs no cells in the page.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", silence_thebe, priority=999)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def silence_thebe(app: Sphinx, config: Config) -> None:
    """Disconnect every listener of sphinx-thebe, and take back the style sheet that one of them would bring."""
    app.registry.css_files[:] = [
        (name, attributes)
        for name, attributes in app.registry.css_files
        if "sphinx-thebe" not in name
    ]
    for event, listeners in app.events.listeners.items():
        app.events.listeners[event] = [
            listener
            for listener in listeners
            if not listener.handler.__module__.startswith("sphinx_thebe")
        ]
