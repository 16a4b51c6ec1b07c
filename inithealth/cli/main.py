"""The commands and their options. Each command is imported only when it runs, which keeps ``--help`` fast."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from inithealth import __version__
from inithealth.cli.errors import BadInput
from inithealth.cli.printing import OutputError, noted, shown
from inithealth.report.formats import DEFAULT, FORMATS

LEVELS = ("error", "warning", "info", "never")
_EXIT_STATUS = "exit status: 0 healthy, 1 unhealthy, 2 invalid input"

# Subcommand -> the module whose ``run(options)`` returns the exit status.
_COMMANDS = {
    "check": "inithealth.cli.check",
    "fix": "inithealth.cli.fix",
    "report": "inithealth.cli.report",
    "diff": "inithealth.cli.diff",
    "init": "inithealth.cli.init",
    "rules": "inithealth.cli.rules",
    "explain": "inithealth.cli.rules",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    try:
        options = parser().parse_args(arguments)
        status: int = import_module(_COMMANDS[options.command]).run(options)
        return status
    except (BadInput, OutputError) as error:
        noted(" ".join(f"inithealth: error: {error}".splitlines()))
        return 2
    except KeyboardInterrupt:
        noted("inithealth: stopped")
        return 130  # the usual exit status of an interrupted program


class _Parser(argparse.ArgumentParser):
    """Prints help and errors, which repeat arguments, like everything else."""

    def _print_message(self, message: str, file: Any = None) -> None:
        (shown if file is sys.stdout else noted)(message.rstrip("\n"))


def parser() -> _Parser:
    """Return the parser of the whole command line."""
    top = _Parser(
        prog="inithealth",
        description="Finds a bad weight initialization before the first training step.",
        epilog=_EXIT_STATUS,
    )
    top.add_argument("--version", action="version", version=f"inithealth {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_check(commands)
    _add_fix(commands)
    _add_init(commands)
    _add_report(commands)
    _add_diff(commands)
    listing = commands.add_parser("rules", help="list the rules")
    listing.add_argument("--output-format", choices=("table", "json"), default="table")
    explain = commands.add_parser("explain", help="what a rule checks, why it matters, and how to fix what it finds")
    explain.add_argument("rule", metavar="RULE", help="a code (IH201) or a name (vanishing-activations)")
    return top


def _add_check(commands: argparse._SubParsersAction[_Parser]) -> None:
    check = commands.add_parser("check", help="judge a model by one batch", epilog=_EXIT_STATUS)
    _add_target(check, "TARGET", "")
    _add_seeds(check)
    check.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="try each fix on the model and say what it does (default, except with --memory); --no-verify saves these "
        "checks",
    )
    check.add_argument(
        "--memory",
        metavar="SIZE",
        help="for a model that does not fit in memory: create each weight when it is used, within SIZE (8GB)",
    )
    check.add_argument("--weights", metavar="DIR", help="with --memory: folder of safetensors files with the weights")
    _add_selection(check)
    _add_output(check)


def _add_fix(commands: argparse._SubParsersAction[_Parser]) -> None:
    fix = commands.add_parser(
        "fix", help="code that fixes a model, as a function to paste or in its source file", epilog=_EXIT_STATUS
    )
    _add_target(fix, "TARGET|REPORT.json", "; or a saved report")
    _add_seeds(fix)
    source = fix.add_mutually_exclusive_group()
    source.add_argument("--diff", action="store_true", help="show the edits of the source files instead, as a diff")
    source.add_argument(
        "--write", action="store_true", help="show the diff and apply it; refuses files with uncommitted changes"
    )
    _add_selection(fix)
    _add_verdict(fix.add_argument_group("output"))
    fix.set_defaults(output_format=None, output_file=None, verbose=False, write_baseline=None)


def _add_init(commands: argparse._SubParsersAction[_Parser]) -> None:
    init = commands.add_parser(
        "init", help="code of a whole initialization, by the role of each weight", epilog=_EXIT_STATUS
    )
    _add_target(init, "TARGET", "")
    _add_selection(init)
    init.add_argument("--fail-on", choices=LEVELS, help="minimum severity that fails (error)")
    init.add_argument("--exit-zero", action="store_true", help="always exit 0")
    init.set_defaults(seeds=1)


def _add_target(command: argparse.ArgumentParser, metavar: str, more: str) -> None:
    command.add_argument(
        "target",
        metavar=metavar,
        nargs="?",
        help="package.module:name, package.module.name or path/file.py:name (without a name: its only model) of a "
        "module, a LightningModule, a class, or a function that returns a model, (model, batch) or (model, batch, "
        f"loss); or timm:NAME, torchvision:NAME, transformers:NAME{more}",
    )
    command.add_argument(
        "--arg", action="append", default=[], metavar="NAME=VALUE", help="argument of the class or function, repeatable"
    )
    command.add_argument(
        "--model-config",
        metavar="FILE",
        help="model (and data) of a LightningCLI or Hydra configuration: class_path and init_args, or _target_; with "
        "TARGET its arguments alone; or the config.json of a model of transformers",
    )
    command.add_argument(
        "--data", metavar="TARGET", help="a LightningDataModule, DataLoader or batch, named as TARGET is; first batch"
    )
    command.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="8,3,224,224[:dtype]",
        help="shape of a random input, 32,20:int64 for integers; repeat it for each argument and the target of --loss",
    )
    command.add_argument(
        "--loss",
        metavar="NAME",
        help="function of torch.nn.functional (cross_entropy), or package.module:function of output and target",
    )
    command.add_argument("--optimizer", metavar="sgd|adam|adamw[:lr]", help="optimizer to assume")


def _add_seeds(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--seeds", type=_positive, default=1, metavar="N", help="number of initializations; the worst is reported"
    )


def _add_report(commands: argparse._SubParsersAction[_Parser]) -> None:
    report = commands.add_parser("report", help="a saved report in any format", epilog=_EXIT_STATUS)
    report.add_argument("report", metavar="REPORT.json", help="file written by InitHealth(report_path=...)")
    _add_output(report)


def _add_diff(commands: argparse._SubParsersAction[_Parser]) -> None:
    diff = commands.add_parser(
        "diff", help="what became better or worse between two saved reports", epilog=f"{_EXIT_STATUS} (1: worse)"
    )
    diff.add_argument("old", metavar="OLD.json")
    diff.add_argument("new", metavar="NEW.json")
    diff.add_argument("--output-format", choices=("table", "json"), default="table")
    diff.add_argument("--exit-zero", action="store_true", help="always exit 0")


def _add_selection(command: argparse.ArgumentParser) -> None:
    chosen = command.add_argument_group("rules")
    chosen.add_argument("--select", type=_words, metavar="CODES", help="check only these rules: codes, prefixes, names")
    chosen.add_argument("--extend-select", type=_words, default=(), metavar="CODES", help="add to --select")
    chosen.add_argument("--ignore", type=_words, metavar="CODES", help="skip these rules")
    chosen.add_argument("--config", metavar="FILE", help="TOML file to read instead of the project's")
    chosen.add_argument("--isolated", action="store_true", help="read no configuration file")


def _add_output(command: argparse.ArgumentParser) -> None:
    output = command.add_argument_group("output")
    output.add_argument(
        "--output-format",
        action="append",
        metavar="FORMAT[=FILE]",
        help=f"{', '.join(FORMATS)} (default: {DEFAULT}); may be given several times",
    )
    output.add_argument("--output-file", metavar="FILE", help="file for the format that has none of its own")
    output.add_argument("--verbose", action="store_true", help="a row for each layer in the table")
    _add_verdict(output)
    output.add_argument("--write-baseline", metavar="FILE", help="save the findings as a baseline")


def _add_verdict(output: argparse._ArgumentGroup) -> None:
    output.add_argument("--fail-on", choices=LEVELS, help="minimum severity that fails (error)")
    output.add_argument("--exit-zero", action="store_true", help="always exit 0")
    output.add_argument("--baseline", metavar="FILE", help="known findings, which do not fail")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
