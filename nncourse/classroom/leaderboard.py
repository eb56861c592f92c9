"""The leaderboard of the open-ended last tasks, under pseudonyms unless asked otherwise."""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from nncourse.classroom.journal import noted
from nncourse.classroom.labs import LABS
from nncourse.classroom.pages import write_page
from nncourse.classroom.rows import Row, read_rows

# fmt: off
_QUALITIES = (
    "amber", "brisk", "calm", "dusty", "early", "faint", "gentle", "hidden", "icy", "jolly", "keen",
    "lunar", "mellow", "nimble", "olive", "proud", "quiet", "rapid", "sandy", "tidy", "upper",
    "velvet", "warm", "young",
)
_THINGS = (
    "anchor", "beacon", "cedar", "delta", "ember", "falcon", "garnet", "harbor", "island", "jasper",
    "kestrel", "lantern", "meadow", "nebula", "otter", "pebble", "quartz", "river", "sparrow",
    "thistle", "walnut", "willow", "yarrow", "zephyr",
)
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Place:
    """One line of the board."""

    rank: int
    who: str
    mark: float
    max_mark: float
    score: float | None
    whole: float  # marks of all parts of the lab


def write(grades: Path, out: Path, *, journal: Path | None = None, names: bool = False) -> Path:
    """The path of the page written to ``out``.

    grades   the table of marks
    journal  what grading noted beside it: scores, and the seed behind the pseudonyms
    names    show student ids; without them the journal is needed
    """
    rows = read_rows(grades)
    latest, seed = noted(grades, journal)
    if seed is None and not names:
        raise ValueError("pseudonyms need the journal beside the table; or show ids: --names")

    def who(student: str) -> str:
        return student if names or seed is None else pseudonym(student, seed)

    labs = []
    for name in sorted({row.lab for row in rows}):
        last = (LABS[name].files or LABS[name].tasks)[-1].name
        own = [row for row in rows if row.lab == name]
        scores = {
            s: row.score for (s, lab, task), row in latest.items() if (lab, task) == (name, last)
        }
        places = [{**vars(place), "who": who(place.who)} for place in ranking(own, last, scores)]
        scored = any(place["score"] is not None for place in places)
        labs.append({"name": name, "task": last, "places": places, "scored": scored})
    return write_page(out, "leaderboard.html", labs=labs)


def ranking(rows: list[Row], task: str, scores: dict[str, float | None]) -> list[Place]:
    """Places of the students who have a mark above 0 for ``task``, best first.

    rows    of one lab
    scores  what the task counts, by student; lower is better

    Ordered by the mark of the task, then the score, then the marks of the whole lab.
    """
    whole: dict[str, float] = defaultdict(float)
    for row in rows:
        whole[row.student] += row.mark or 0.0
    entered = [row for row in rows if row.task == task and row.mark]

    def worth(row: Row) -> tuple[float, float, float]:
        score = scores.get(row.student)
        return -(row.mark or 0.0), float("inf") if score is None else score, -whole[row.student]

    entered.sort(key=lambda row: (worth(row), row.student))
    values = [worth(row) for row in entered]
    return [
        Place(
            rank=values.index(value) + 1,
            who=row.student,
            mark=row.mark or 0.0,
            max_mark=row.max_mark,
            score=scores.get(row.student),
            whole=whole[row.student],
        )
        for row, value in zip(entered, values, strict=True)
    ]


def pseudonym(student: str, seed: int) -> str:
    """A name for ``student`` that nobody finds out without the secret ``seed``.

    >>> pseudonym("ada", 1) == pseudonym("ada", 1) != pseudonym("ada", 2)
    True
    """
    digest = hmac.new(str(seed).encode(), student.encode(), hashlib.sha256).digest()
    number = int.from_bytes(digest[:8], "big")
    number, quality = divmod(number, len(_QUALITIES))
    number, thing = divmod(number, len(_THINGS))
    return f"{_QUALITIES[quality]} {_THINGS[thing]} {number % 100:02d}"
