"""What a source does is told apart from the words in which it says so."""

import pytest

from nncourse.meaning import meaning


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('def f(x):\n    """Half."""\n    return x / 2', "def f(x):\n    return x / 2"),
        ('class A:\n    """Doc."""\n    x = 1', "class A:\n    x = 1"),
        ("x = 'a'", 'x = "a"'),
        ('raise ValueError(f"bad {x}")', 'raise ValueError("wrong")'),
    ],
)
def test_sources_that_differ_in_sentences_mean_the_same(one, other):
    assert meaning(one) == meaning(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 'a'", "x = 'b'"),
        ("f(a, b)", "f(b, a)"),
        ("if a:\n    b()\nelse:\n    c()", "if a:\n    c()\nelse:\n    b()"),
        ("x = a < b", "x = a <= b"),
        ("raise ValueError('a')", "raise TypeError('a')"),
        ("def f(x, *, y=1): return x", "def f(x, *, y=2): return x"),
    ],
)
def test_sources_that_differ_in_a_rule_do_not_mean_the_same(one, other):
    assert meaning(one) != meaning(other)
