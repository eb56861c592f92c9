"""The subcommands of ``nncourse`` that an instructor and a student use.

Rooms are imported when a command runs, so that ``nncourse --help`` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Command = Callable[[str, object, str], argparse.ArgumentParser]


def add(command: Command) -> None:
    """Add the classroom's subcommands, each through ``command(name, run, text)``."""
    release = command("release", _release, "derive the labs from the solutions, and prove them")
    release.add_argument("--solutions", type=Path, default=Path("solutions"))
    release.add_argument("--labs", type=Path, default=Path("labs"))
    release.add_argument("--zip", type=Path, metavar="FILE", help="a bundle for a course page")

    check = command("check", _check, "run the public checks of a lab notebook")
    check.add_argument("notebook", type=Path, metavar="LAB.ipynb")

    grade = command(
        "grade", _grade, "grade a folder of submissions: SUBMISSIONS/<student>/<lab>.ipynb"
    )
    grade.add_argument("submissions", type=Path, metavar="SUBMISSIONS")
    grade.add_argument("--out", type=Path, default=Path("grades.csv"), metavar="grades.csv")
    grade.add_argument("--seed", type=int, help="secret seed; the journal's, or drawn, by default")
    grade.add_argument("--jobs", type=int, help="submissions graded at a time (default: the cores)")
    grade.add_argument(
        "--scheduler", metavar="ADDRESS", help="grade on the workers of Dask instead"
    )
    grade.add_argument(
        "--sandbox",
        choices=["auto", "none"],
        default="auto",
        help="none: run submissions without walls (their code can read your files)",
    )
    grade.add_argument(
        "--journal", type=Path, metavar="FILE", help="what is known (default: beside --out)"
    )
    grade.add_argument(
        "--again",
        action="append",
        default=[],
        metavar="STATUS",
        help="grade what has this status once more, such as timeout",
    )
    grade.add_argument(
        "--db", metavar="URL", help="nbgrader's gradebook, such as sqlite:///gradebook.db"
    )

    audit = command(
        "audit", _audit, "prove the graders: blank, solved, one answer removed, planted wrong ones"
    )
    audit.add_argument("labs", nargs="*", metavar="LAB", help="default: every lab")
    audit.add_argument("--course", type=Path, default=Path(), metavar="DIR")
    audit.add_argument("--jobs", type=int, help="cases at a time (default: the cores)")
    audit.add_argument(
        "--sandbox",
        choices=["auto", "none"],
        default="none",
        help="what it runs is the course's own; auto: with walls, as at grading",
    )

    essays = command("essays", _essays, "lay out the answers in words for a person, take the marks")
    essays.add_argument("submissions", type=Path, nargs="?", metavar="SUBMISSIONS")
    essays.add_argument("--course", type=Path, default=Path(), metavar="DIR")
    essays.add_argument("--out", type=Path, default=Path("essays"), metavar="DIR")
    essays.add_argument("--db", default=GRADEBOOK, metavar="URL")
    essays.add_argument("--marks", type=Path, metavar="FILE", help="enter the marks of this table")

    formgrader = command("formgrader", _formgrader, "lay submissions out for nbgrader's formgrader")
    formgrader.add_argument("submissions", type=Path, metavar="SUBMISSIONS")
    formgrader.add_argument("--grades", type=Path, default=Path("grades.csv"), metavar="grades.csv")
    formgrader.add_argument("--labs", type=Path, default=Path("labs"), metavar="DIR")
    formgrader.add_argument("--db", default=GRADEBOOK, metavar="URL")
    formgrader.add_argument("--out", type=Path, default=Path("formgrader"), metavar="DIR")

    export = command("export", _export, "write totals for Canvas or Moodle")
    export.add_argument("system", choices=["canvas", "moodle"])
    export.add_argument("--db", default=GRADEBOOK, metavar="URL")
    export.add_argument("--out", type=Path, metavar="FILE")
    export.add_argument(
        "--open-as-zero",
        action="store_true",
        help="count what a student left without a mark as 0; a fault of the grader stays open",
    )

    feedback = command("feedback", _feedback, "write one HTML page for each student")
    feedback.add_argument("grades", type=Path, metavar="grades.csv")
    feedback.add_argument("--out", type=Path, default=Path("feedback"), metavar="DIR")
    feedback.add_argument("--journal", type=Path, metavar="FILE", help="default: beside the table")
    feedback.add_argument("--db", metavar="URL", help="add what a person marked and wrote")

    leaderboard = command(
        "leaderboard", _leaderboard, "write a page that ranks the open-ended last tasks"
    )
    leaderboard.add_argument("grades", type=Path, metavar="grades.csv")
    leaderboard.add_argument("--out", type=Path, default=Path("leaderboard.html"), metavar="FILE")
    leaderboard.add_argument("--journal", type=Path, metavar="FILE")
    leaderboard.add_argument("--names", action="store_true", help="ids instead of pseudonyms")


GRADEBOOK = "sqlite:///gradebook.db"


def _release(options: argparse.Namespace) -> int:
    from nncourse.classroom import bundle, release

    for path in release.release_all(options.solutions, options.labs):
        print(path)
    print(bundle.proved(options.solutions, options.labs))
    if options.zip is not None:
        print(bundle.write_zip(options.labs, options.zip))
    return 0


def _check(options: argparse.Namespace) -> int:
    from nncourse.classroom import report

    return report.main(options.notebook)


def _grade(options: argparse.Namespace) -> int:
    from nncourse.classroom.grade import grade
    from nncourse.classroom.rows import STATUSES

    if unknown := set(options.again) - set(STATUSES):
        raise ValueError(f"--again takes {', '.join(STATUSES)}; got {', '.join(sorted(unknown))}")
    if options.db is not None:  # before hours of grading, not after them
        from nncourse.classroom import gradebook

        gradebook.require()
    rows = grade(
        options.submissions,
        options.out,
        seed=options.seed,
        jobs=options.jobs,
        scheduler=options.scheduler,
        sandbox=options.sandbox,
        journal=options.journal,
        again=options.again,
        report=lambda change: print(f"changed: {change}"),
    )
    if options.db is not None:
        gradebook.record(rows, options.db)
        print(f"recorded in {gradebook.shown(options.db)}")
    return 0


def _audit(options: argparse.Namespace) -> int:
    from nncourse.classroom import audit

    return audit.main(options.course, labs=options.labs, jobs=options.jobs, sandbox=options.sandbox)


def _essays(options: argparse.Namespace) -> int:
    from nncourse.classroom import essays

    if options.marks is not None:
        print(essays.enter(options.marks, options.db))
    elif options.submissions is None:
        raise ValueError("essays needs SUBMISSIONS, to lay out, or --marks FILE, to enter")
    else:
        for path in essays.lay_out(options.submissions, options.course, options.out):
            print(path)
    return 0


def _formgrader(options: argparse.Namespace) -> int:
    from nncourse.classroom import formgrader, gradebook

    db = gradebook.absolute(options.db)
    print(formgrader.lay_out(options.submissions, options.grades, options.labs, db, options.out))
    print(f"open it: cd {options.out} && jupyter lab, then Nbgrader, Formgrader")
    return 0


def _export(options: argparse.Namespace) -> int:
    from nncourse.classroom import export

    out = options.out or Path(f"{options.system}.csv")
    print(export.write(options.system, options.db, out, open_as_zero=options.open_as_zero))
    return 0


def _feedback(options: argparse.Namespace) -> int:
    from nncourse.classroom import feedback

    paths = feedback.write(options.grades, options.out, journal=options.journal, db=options.db)
    print(f"{len(paths)} pages in {options.out}")
    return 0


def _leaderboard(options: argparse.Namespace) -> int:
    from nncourse.classroom import leaderboard

    print(
        leaderboard.write(options.grades, options.out, journal=options.journal, names=options.names)
    )
    return 0
