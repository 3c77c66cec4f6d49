"""The ``firefly`` command: a lazy group, and the one place where an error becomes a line and an exit code.

Exit codes: 0 done; 1 a check failed; 2 usage, bad input or something outside that failed; 3 drift found; 130 interrupted.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence

import click

from firefly_mcp import __version__
from firefly_mcp.errors import FireflyError

COMMANDS: dict[str, str] = {
    "run": "The whole pipeline: explore servers, synthesise tasks, prove them.",
    "record": "Stand before MCP servers and record every call.",
    "replay": "Serve a recording as an MCP server.",
    "stats": "What a recording holds, in numbers.",
    "tools": "The tools of a recording.",
    "sessions": "The sessions of a recording.",
    "calls": "The calls of a recording.",
    "effects": "Which tools may change what others answer.",
    "misses": "What replay could not answer, and why.",
    "scan": "Look for secrets in a recording.",
    "merge": "Put recordings together.",
    "prune": "Forget sessions.",
    "diff": "Compare two recordings.",
    "export": "Write cassettes, chats and training sets.",
    "import": "Read cassettes and recorded data sets.",
    "fidelity": "Measure replay on held-out calls.",
    "drift": "Ask the live servers whether they still answer so.",
    "graph": "The tool graph: what can feed what.",
    "sample": "Draw sub-DAGs from the tool graph.",
    "explore": "Walk sub-DAGs on live servers, recorded.",
    "compose": "Hold short live sessions of calls known to work.",
    "synthesize": "Make tasks backward from what was observed.",
    "verify": "Prove every task, and say why the others fell.",
    "neighbours": "Record the calls beside proven plans.",
    "tasks": "List and show tasks.",
    "dataset": "The whole data set: explore, compose, prove, export.",
    "train": "Train with verl GRPO through the replay proxy.",
    "bench": "Score a model on proven tasks.",
    "regrade": "Grade stored rollouts again, without a model.",
    "serve": "Offer tasks to any MCP client.",
    "ui": "Browse recording, graph, tasks and rollouts.",
    "doctor": "What works on this machine, and what to install.",
}
"""Every command in the order in which help lists them; one whose module is not there is left out."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if importlib.util.find_spec(_module(name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(_module(cmd_name)).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table, not from the commands: help must not import them.
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


def _module(name: str) -> str:
    return f"firefly_mcp.cli.{name}_" if name == "import" else f"firefly_mcp.cli.{name}"


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="firefly")
def cli() -> None:
    """Firefly MCP: real MCP servers become verified, offline, trainable tool-calling environments."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. ``FIREFLY_DEBUG=1`` shows the traceback behind an error's line."""
    stdout = sys.stdout
    try:
        outcome = cli.main(args=None if args is None else list(args), prog_name="firefly", standalone_mode=False)
        if not stdout.closed:  # a proxy on stdio closes it when its client goes
            stdout.flush()
        return outcome if isinstance(outcome, int) else 0
    except BaseException as error:
        if isinstance(error, BrokenPipeError) or sys.stdout is not stdout:
            # The reader has seen enough (``firefly calls | head``): click puts another stdout in its place and exits with 1.
            # Python would complain once more when it closes the real one.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
            return 0
        if os.environ.get("FIREFLY_DEBUG") and not isinstance(error, SystemExit | click.ClickException):
            raise
        return _report(error)


def _report(error: BaseException) -> int:
    """Tell the error in one line on stderr; give its exit code. What is not ours to tell is raised again."""
    if isinstance(error, BaseExceptionGroup):
        return _report(_heart(error))
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return 2
    if isinstance(error, click.ClickException):
        _line(error.format_message())
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(f"Try '{error.ctx.command_path} --help'.", err=True)
        return error.exit_code
    if isinstance(error, FireflyError):
        _line(str(error))
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        _line("interrupted")
        return 130
    if isinstance(error, OSError):
        _line(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 2
    raise error


def _heart(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a task group wraps: one of ours if there is one, else the first."""
    found: list[BaseException] = []

    def gather(error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                gather(part)
        else:
            found.append(error)

    gather(group)
    return next((error for error in found if isinstance(error, FireflyError)), found[0])


def _line(message: str) -> None:
    click.echo(f"firefly: {' '.join(message.split())}", err=True)
