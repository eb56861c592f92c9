"""Sphinx extension: ``{verdict}`Q1` `` in a page is the verdict on that claim, judged when the page is built.

The page depends on the recorded table, so a new record writes it again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole


class VerdictRole(SphinxRole):
    """The verdict on the claim whose id is the role's text."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """One emphasized node, or a message where there is no such claim."""
        # Here, since a page without the role needs no package.
        from nncourse.claims import verdict

        results = Path(self.env.srcdir) / "results"
        for ending in (".csv", ".json"):
            self.env.note_dependency(str(results / f"{self.text}{ending}"))
        try:
            found = verdict(self.text, results=results).verdict
        except ValueError as error:
            message = self.inliner.reporter.error(str(error), line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        return [nodes.emphasis(text=found)], []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_role("verdict", VerdictRole())
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
