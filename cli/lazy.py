"""A Typer group that imports a command only when it runs, so that fifteen commands cost no more than one."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cli.flags import flags
from cli.registry import Entry, Group

CONTEXT = {"help_option_names": ["-h", "--help"]}
_COMMON = frozenset(flag.name for flag in flags()) | {"help"}


class Command(TyperCommand):
    """A command with the flags of all commands, shown in a section of their own."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name, without the braces that Typer puts around those that are required."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then the options that are the command's own, then those that every command has."""
        shown: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], "Everywhere": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                shown["Arguments"].append(record)
            else:
                shown["Everywhere" if parameter.name in _COMMON else "Options"].append(record)
        for section, records in shown.items():
            if records:
                with formatter.section(section):
                    formatter.write_dl(records)


class LazyGroup(TyperGroup):
    """Commands by name from a registry."""

    def __init__(self, name: str, commands: Mapping[str, Entry | Group], help: str) -> None:
        super().__init__(
            name=name,
            help=help,
            params=[*flags()],
            context_settings=CONTEXT,
            rich_markup_mode=None,
        )
        self.registry = commands

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The options of the group. No word at all asks for help, which is no mistake: as gh, docker and kubectl have it."""
        return super().parse_args(ctx, args or ["--help"])

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer gives it
        """All names, in the order of the registry."""
        return list(self.registry)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer gives it
        """The command of this name, imported now, or None."""
        entry = self.registry.get(cmd_name)
        return None if entry is None else load(cmd_name, entry)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first word names. An unknown one is refused with those that are close."""
        name = args[0]
        if name not in self.registry and not name.startswith("-"):
            close = get_close_matches(name, self.registry, n=1)
            hint = f' Did you mean "{close[0]}"?' if close else f" See them: {ctx.command_path} --help"
            ctx.fail(f"No command {_quoted(name)}.{hint}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands by section, from the registry alone, then the options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.registry.items():
            sections.setdefault(entry.section, []).append((name, entry.help))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows)
        with formatter.section("Options, before or after the command"):
            formatter.write_dl([record for p in self.get_params(ctx) if (record := p.get_help_record(ctx))])


def load(name: str, entry: Entry | Group) -> Any:
    """The command itself."""
    if isinstance(entry, Group):
        return LazyGroup(name, entry.commands, entry.help)
    module, _, function = entry.target.partition(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name, cls=Command, context_settings=CONTEXT)(getattr(import_module(module), function))
    command = typer.main.get_command(app)
    command.params.extend(flags())
    return command


def _quoted(text: str) -> str:
    return '"' + ascii(text[:40])[1:-1] + '"'
