"""The command ``nncourse``: one subcommand for each thing a person does with the course.

Rooms are imported inside the subcommands, so that ``nncourse --help`` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nncourse.classroom import commands as classroom


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command line ``nncourse ARGUMENTS``.

    arguments  words after ``nncourse``; taken from the command line when None

    Bad input ends with status 2 and one sentence on standard error, never with a traceback.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (ValueError, OSError) as error:
        print(f"nncourse {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nncourse", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    data = command("data", _data, "fetch the data sets, hash-checked, into the cache")
    data.add_argument("action", choices=["fetch"])
    data.add_argument("names", nargs="+", metavar="NAME", help="mnist, fashion-mnist, shakespeare")
    data.add_argument("--folder", type=Path, help="read the files from here instead")

    train = command("train", _train, "train a network of the zoo and store its checkpoint")
    train.add_argument(
        "name",
        metavar="NETWORK",
        help="lenet-300-100, lenet-5, resnet-8, mobilenet-10, char-transformer",
    )
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--folder", type=Path, help="where to store it (default: the package)")

    accelerator = command("accelerator", _accelerator, "check the accelerator model")
    accelerator.add_argument("action", choices=["validate", "compare-scalesim"])
    accelerator.add_argument(
        "file", type=Path, nargs="?", metavar="FILE.csv", help="rows of SCALE-Sim to compare with"
    )

    experiment = command(
        "experiment", _experiment, "run the experiment of a claim, record its table"
    )
    experiment.add_argument("claim", metavar="CLAIM", help="an id such as Q2")
    experiment.add_argument("--seeds", type=int, metavar="N", help="number of paired seeds")
    experiment.add_argument("--jobs", type=int, default=1, help="seeds measured at a time")
    experiment.add_argument("--smoke", action="store_true", help="a small slice, for a try")

    compress = command("compress", _compress, "store a checkpoint as an .nnc file, by a recipe")
    compress.add_argument(
        "model",
        metavar="MODEL",
        help="safetensors, a state dict of torch, or a name: lenet-5, minilm-l6, ...",
    )
    compress.add_argument("--recipe", type=Path, required=True, metavar="FILE", help="TOML")
    compress.add_argument("--out", type=Path, required=True, metavar="X.nnc")

    inspect = command("inspect", _inspect, "show where every byte of an .nnc file went")
    inspect.add_argument("file", type=Path, metavar="X.nnc")
    inspect.add_argument("--streams", action="store_true", help="a row for each stream")
    inspect.add_argument(
        "--accelerator", metavar="NAME", help="edge or server: its six numbers, if it is known"
    )

    decompress = command("decompress", _decompress, "write an .nnc file as safetensors")
    decompress.add_argument("file", type=Path, metavar="X.nnc")
    decompress.add_argument("--out", type=Path, required=True, metavar="Y.safetensors")

    evaluate = command("evaluate", _evaluate, "measure what a checkpoint or .nnc file is worth")
    evaluate.add_argument("model", metavar="MODEL", help=".nnc, safetensors, state dict or name")
    evaluate.add_argument("--original", metavar="MODEL", help="weights to compare with")

    command("claims", _claims, "print every claim with the verdict its recorded table gives")

    classroom.add(command)

    fuzz = command("fuzz", _fuzz, "damage streams of every codec and see what its decoder does")
    fuzz.add_argument("--streams", type=int, default=100_000, metavar="N", help="for each codec")
    fuzz.add_argument("--seed", type=int, default=0)

    bench = command("bench", _bench, "print speeds as ratios of one run")
    bench.add_argument(
        "what",
        nargs="?",
        choices=["all", "codecs", "classroom"],
        default="all",
        help="codecs: sizes and speeds against their targets; classroom: submissions a minute",
    )
    bench.add_argument("--submissions", type=int, default=200, help="classroom: of all kinds")
    bench.add_argument("--ordinary", type=int, default=20, help="classroom: against nbgrader")
    bench.add_argument("--kills", type=int, default=3, help="classroom: of the run, on the way")
    bench.add_argument(
        "--no-notebooks", dest="notebooks", action="store_false", help="leave out chapters and labs"
    )
    return parser


def _data(options: argparse.Namespace) -> int:
    from nncourse.zoo import characters, datasets

    for name in options.names:
        if name == characters.NAME:
            print(f"{name}: {characters.fetch(folder=options.folder)}")
        else:
            print(f"{name}: {datasets.fetch(name, folder=options.folder)}")
    return 0


def _train(options: argparse.Namespace) -> int:
    from nncourse.zoo import checkpoints, language_model

    if options.name == language_model.NAME:
        print(language_model.train_and_store(seed=options.seed, folder=options.folder))
        return 0
    print(checkpoints.train_and_store(options.name, seed=options.seed, folder=options.folder))
    return 0


def _accelerator(options: argparse.Namespace) -> int:
    from nncourse.accelerator import scalesim, validation

    if options.action == "validate":
        if options.file is not None:
            raise ValueError(f"validate reads no file; got {options.file}")
        return validation.main()
    if options.file is None:
        raise ValueError("compare-scalesim needs FILE.csv, with rows that SCALE-Sim reported")
    return scalesim.main(options.file)


def _experiment(options: argparse.Namespace) -> int:
    from nncourse.experiments import experiment

    path = experiment.run(
        options.claim, seeds=options.seeds, smoke=options.smoke, jobs=options.jobs
    )
    print(path)
    return 0


def _compress(options: argparse.Namespace) -> int:
    from nncourse import compress
    from nncourse.recipe import read_recipe

    recipe = read_recipe(options.recipe)
    _show(compress.compress(options.model, recipe, options.out))
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from nncourse import compress
    from nncourse.container import open_container

    container = open_container(options.file)
    _show(container.table().set_index("tensor") if options.streams else compress.account(container))
    if options.accelerator is None:
        return 0
    if options.accelerator not in compress.ACCELERATORS:
        names = " or ".join(compress.ACCELERATORS)
        raise ValueError(f"--accelerator is {names}; got {options.accelerator!r}")
    found = compress.six_numbers(container, compress.ACCELERATORS[options.accelerator])
    if found is None:
        raise ValueError("the shapes of its layers are not known; the six numbers need them")
    print(f"\n{found[0]} on the accelerator {options.accelerator}")
    _show(found[1])
    return 0


def _decompress(options: argparse.Namespace) -> int:
    from nncourse import compress

    print(f"{options.out}: {compress.decompress(options.file, options.out)} bytes")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from nncourse import compress

    _show(compress.evaluate(options.model, options.original))
    return 0


def _show(table: object) -> None:
    import pandas as pd

    assert isinstance(table, pd.DataFrame)
    with pd.option_context("display.max_rows", None, "display.width", None):
        print(
            table.to_string(float_format=lambda value: f"{value:.6g}", na_rep="", index_names=False)
        )


def _claims(options: argparse.Namespace) -> int:
    from nncourse import claims

    print(claims.claims().to_string(index=False))
    return 0


def _fuzz(options: argparse.Namespace) -> int:
    from nncourse import fuzz

    return fuzz.main(streams=options.streams, seed=options.seed)


def _bench(options: argparse.Namespace) -> int:
    if options.what == "codecs":
        from nncourse import bench_codecs

        return bench_codecs.main()
    if options.what == "classroom":
        from nncourse import bench_classroom

        return bench_classroom.main(
            submissions=options.submissions, ordinary=options.ordinary, kills=options.kills
        )
    from nncourse import bench

    return bench.main(notebooks=options.notebooks)


if __name__ == "__main__":
    sys.exit(main())
