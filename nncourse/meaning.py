"""What a source does, without the words in which it says so.

Whether a trained network or a recorded table still belongs to today's code is told from its syntax
tree, without what never reaches a number: comments, formatting, docstrings and the wording of raised
errors.
"""

from __future__ import annotations

import ast


def meaning(text: str) -> str:
    """What a Python source does, as text: equal for two sources that differ in sentences only.

    text  Python source

    Fields that are empty are not written, since newer Python versions add such fields to the tree
    and the same source has to give the same text in all of them.

    >>> meaning("x = 1  # one") == meaning("x  =  1") != meaning("x = 2")
    True
    >>> meaning("def f():\\n    'First.'\\n    return 1") == meaning("def f(): return 1")
    True
    """
    return _written(_Unworded().visit(ast.parse(text)))


class _Unworded(ast.NodeTransformer):
    """Drops docstrings and the arguments of raised exceptions."""

    def visit(self, node: ast.AST) -> ast.AST:
        node = super().visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node


def _is_text(line: ast.AST) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


def _written(node: object) -> str:
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={_written(value)}"
            for name, value in ast.iter_fields(node)
            if value is not None and value != [] and name not in ("ctx", "kind")
        ]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_written, node))}]"
    return repr(node)
