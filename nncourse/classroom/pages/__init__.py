"""HTML pages that stand alone: no script, nothing loaded, every text from outside escaped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_page(out: Path, template: str, **values: Any) -> Path:
    """The path of the page written to ``out``, in one step.

    template  name of a file beside this one
    values    what it shows
    """
    out = Path(out)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    partial.write_text(_PAGES.get_template(template).render(values), encoding="utf-8")
    os.replace(partial, out)
    return out
