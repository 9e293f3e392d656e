"""The flags that every command has: --json, -q, --field, --color, --no-input. Written once, so that they are the same everywhere.

They set the session before the command runs and are no parameters of its function.
"""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperOption
from typer.models import CallbackParam

COLORS = ("auto", "always", "never")


def flags() -> list[TyperOption]:
    """Fresh options for one command."""
    return [
        _flag(["--json"], _json, "One record per line."),
        _flag(["--quiet", "-q"], _quiet, "Ids only."),
        _value(["--field"], _field, "NAME", "One bare value of the record."),
        _value(["--color"], _color, "WHEN", "auto, always or never."),
        _flag(["--no-input"], _no_input, "Never ask or wait for typing."),
    ]


def _flag(names: list[str], callback: Callable[..., Any], help: str) -> TyperOption:
    return TyperOption(param_decls=names, is_flag=True, expose_value=False, is_eager=True, callback=callback, help=help)


def _value(names: list[str], callback: Callable[..., Any], metavar: str, help: str) -> TyperOption:
    return TyperOption(
        param_decls=names, type=str, expose_value=False, is_eager=True, callback=callback, metavar=metavar, help=help
    )


def _json(context: typer.Context, _: CallbackParam, value: bool | None) -> None:
    if value:
        context.obj.output.json = True


def _quiet(context: typer.Context, _: CallbackParam, value: bool | None) -> None:
    if value:
        context.obj.output.quiet = True


def _field(context: typer.Context, _: CallbackParam, value: str | None) -> None:
    if value is not None:
        context.obj.output.field = value


def _color(context: typer.Context, _: CallbackParam, value: str | None) -> None:
    if value is None:
        return
    if value not in COLORS:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(COLORS)}.", param_hint="--color")
    context.obj.output.color = value


def _no_input(context: typer.Context, _: CallbackParam, value: bool | None) -> None:
    if value:
        context.obj.no_input = True
