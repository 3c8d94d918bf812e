"""The command `clusterprobe`: a thin face of the library; a subcommand imports what it needs when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from clusterprobe.config.errors import UserError

CATALOGUES = Path("config")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; return 0, or 1 after a message for a mistake that a person can mend."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except UserError as error:
        print(f"clusterprobe: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader has seen enough (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


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
    return parser


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
