"""The command `clusterprobe`: a thin face of the library; a subcommand imports what it needs when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clusterprobe.config.errors import UserError

CATALOGUES = Path("config")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; return 0, or 1 after a message for a mistake that a person can mend."""
    own, more = _parted(list(sys.argv[1:] if arguments is None else arguments))
    options = _parser().parse_args(own, argparse.Namespace(more=tuple(more)))
    try:
        code: int = options.run(options)
    except UserError as error:
        print(f"clusterprobe: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("clusterprobe: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has seen enough (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parted(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return what stands before and after the first `--`."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clusterprobe", description="Clustering as a probe of encoders.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    encoders = commands.add_parser("encoders", help="the catalogue of published encoders")
    actions = encoders.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="print the catalogue")
    listing.set_defaults(run=_list_encoders)
    checking = actions.add_parser("check", help="check one checkpoint from its hash to its features")
    checking.add_argument("name", help="name in the catalogue")
    checking.add_argument("--path", help="a file that you got by hand, in place of the download")
    checking.set_defaults(run=_check_encoder)
    _add_cluster(commands)
    assigning = commands.add_parser("assign", help="the clusters of new pictures by a model of `cluster`")
    assigning.add_argument("model", type=Path, help="the folder `model` of a result")
    assigning.add_argument("pictures", type=Path, help="a folder of pictures")
    assigning.add_argument("--out", type=Path, help="CSV file; default: assignments-NAME.csv")
    assigning.set_defaults(run=_assign)
    cutting = commands.add_parser("cut", help="a result at another level of its hierarchy")
    cutting.add_argument("result", type=Path, help="the folder of a result")
    cutting.add_argument("--k", type=_positive, required=True, help="number of clusters")
    cutting.add_argument("--out", type=Path, help="CSV file; default: assignments-kK.csv in the result")
    cutting.set_defaults(run=_cut)
    return parser


def _add_cluster(commands: Any) -> None:
    epilog = "What follows a `--` goes to snakemake, for example: -- --profile slurm"
    parser = commands.add_parser("cluster", help="cluster a folder of pictures", epilog=epilog)
    parser.add_argument("pictures", type=Path, help="a folder of pictures, at any depth; it is never changed")
    parser.add_argument("--out", type=Path, help="where everything goes; default: ./clusterprobe-NAME")
    parser.add_argument(
        "--k", type=_clusters, default="auto", help="number of clusters, or auto (the default)"
    )
    parser.add_argument(
        "--method",
        default="kmeans",
        choices=("kmeans", "spherical-kmeans", "scan", "temi", "turtle"),
        help="default: kmeans; the last three train heads and need --k",
    )
    parser.add_argument(
        "--encoder",
        default="auto",
        help="auto, simclr (trained on them), pixels, a name of `encoders list`, or a checkpoint file",
    )
    parser.add_argument("--checkpoint", type=Path, help="a file that you have, in place of the download")
    parser.add_argument("--architecture", help="network of a checkpoint file, e.g. torchvision:resnet50")
    parser.add_argument("--size", type=_positive, default=224, help="side of its input; default: 224 pixels")
    parser.add_argument(
        "--epochs", type=_positive, help="passes of a training on the pictures; default: by their number"
    )
    parser.add_argument(
        "--merge-from", type=_positive, help="find so many clusters first, merge them into --k"
    )
    parser.add_argument(
        "--labels", help="`folders`, or a CSV file (path, label): evaluates and names; a few are enough"
    )
    parser.add_argument(
        "--tree", choices=("links", "copies"), help="a folder for each cluster with its pictures"
    )
    parser.add_argument("--cores", type=_positive, default=0, help="default: all")
    parser.add_argument("--dry-run", action="store_true", help="say what would run, and how long it may take")
    parser.set_defaults(run=_cluster)


def _clusters(value: str) -> int | None:
    if value == "auto":
        return None
    if not (value.isascii() and value.isdigit()) or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is neither auto nor a number from 1 on")
    return int(value)


def _positive(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is no number from 1 on")
    return int(value)


def _cluster(options: argparse.Namespace) -> int:
    from clusterprobe.commands.cluster import Wishes, cluster

    wishes = {name: value for name, value in vars(options).items() if name != "run"}
    cluster(Wishes(**wishes))
    return 0


def _assign(options: argparse.Namespace) -> int:
    from clusterprobe.commands.apply import assign

    assign(options.model, options.pictures, options.out)
    return 0


def _cut(options: argparse.Namespace) -> int:
    from clusterprobe.commands.apply import cut

    cut(options.result, options.k, options.out)
    return 0


def _list_encoders(options: argparse.Namespace) -> int:
    from clusterprobe.config.published_encoders import catalogue_table, read_catalogue

    for line in catalogue_table(read_catalogue(_catalogue())):
        print(line)
    return 0


def _check_encoder(options: argparse.Namespace) -> int:
    _catalogue()
    from clusterprobe.encoders.inspection import check_encoder

    for what, finding in check_encoder(options.name, CATALOGUES, options.path):
        print(f"{what:9} {finding}", flush=True)
    print(f"{options.name} is in order.")
    return 0


def _catalogue() -> Path:
    path = CATALOGUES / "encoders.yaml"
    if not path.is_file():
        raise UserError(f"there is no {path} here: run this in the folder of the project")
    return path


if __name__ == "__main__":
    sys.exit(main())
