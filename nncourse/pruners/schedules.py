"""Schedules: how much is pruned in each round of training, from one cut to many small ones.

A schedule is a tuple of sparsities, one for each round: before round i the network is pruned to
``schedule[i]``, then it trains. Equal numbers of rounds mean equal numbers of training steps.
"""

from __future__ import annotations


def one_shot(final: float, *, rounds: int) -> tuple[float, ...]:
    """Everything in the first round; the others train what is left.

    final   sparsity to reach, 0 <= final < 1
    rounds  at least 1

    >>> one_shot(0.9, rounds=3)
    (0.9, 0.9, 0.9)
    """
    _check(final, rounds)
    return (final,) * rounds


def iterative(final: float, *, rounds: int) -> tuple[float, ...]:
    """Each round drops the same share of what is left.

    >>> [round(sparsity, 3) for sparsity in iterative(0.875, rounds=3)]
    [0.5, 0.75, 0.875]

    Source: Han et al., Learning both weights and connections, NeurIPS 2015, section 3.4, for the
    rounds; the equal share is that of Frankle and Carbin, ICLR 2019, section 2.
    """
    _check(final, rounds)
    kept = [(1.0 - final) ** (number / rounds) for number in range(1, rounds)]
    return (*(1.0 - share for share in kept), final)


def cubic(final: float, *, rounds: int, initial: float = 0.0) -> tuple[float, ...]:
    """Large cuts while there is much to spare, ever smaller ones towards the end.

    initial  sparsity before the first round, 0 <= initial <= final

    ``final + (initial - final) * (1 - i / rounds)**3`` before round i = 1, 2, ..., rounds.

    >>> [round(sparsity, 3) for sparsity in cubic(0.8, rounds=4)]
    [0.463, 0.7, 0.788, 0.8]

    Source: M. Zhu and S. Gupta, To prune, or not to prune, arXiv:1710.01878, equation 1.
    """
    _check(final, rounds)
    if not 0.0 <= initial <= final:
        raise ValueError(f"initial is a sparsity from 0 to final={final}; got {initial}")
    left = [1.0 - number / rounds for number in range(1, rounds + 1)]
    return tuple(final + (initial - final) * share**3 for share in left)


def dense_sparse_dense(sparsity: float, *, rounds: int) -> tuple[float, ...]:
    """Pruned for the first half of the rounds (the longer one), then whole again.

    rounds  at least 2

    The connections that come back start from 0.

    >>> dense_sparse_dense(0.5, rounds=4)
    (0.5, 0.5, 0.0, 0.0)

    Source: Han et al., DSD: Dense-sparse-dense training, arXiv:1607.04381, section 2. Its first,
    dense phase is the training of the network that is handed over.
    """
    _check(sparsity, rounds)
    if rounds < 2:
        raise ValueError(f"rounds is at least 2, one sparse and one dense; got {rounds}")
    dense = rounds // 2
    return (sparsity,) * (rounds - dense) + (0.0,) * dense


def _check(sparsity: float, rounds: int) -> None:
    if not 0.0 <= sparsity < 1.0:
        hint = f" Did you mean {sparsity / 100:g}?" if 1.0 < sparsity <= 100.0 else ""
        raise ValueError(f"a sparsity is a fraction in [0, 1), got {sparsity}.{hint}")
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise ValueError(f"rounds is a whole number of at least 1; got {rounds!r}")
