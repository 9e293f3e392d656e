"""config.toml as the command line reads and changes it: through `settings`, which alone decides what can be used."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError

from order_engine import settings
from order_engine.errors import Malformed
from order_engine.settings import ConfigError

BUILT_IN = "built in"


class Setting(NamedTuple):
    """A setting that holds, and where it comes from: built in, the file, or the variable's name."""

    key: str
    value: Any
    origin: str


def resolved(config_file: Path) -> list[Setting]:
    """All settings. Raises Malformed for a file or a variable that cannot be used."""
    try:
        found, origins = settings.resolve(config_file)
    except ConfigError as error:
        raise Malformed(str(error), hint="See them: oee config show") from error
    return [Setting(key, getattr(found, key), origins.get(key, BUILT_IN)) for key in found.__struct_fields__]


def change(config_file: Path, key: str, text: str) -> None:
    """Sets one key, keeping comments and order. Raises Malformed, and changes nothing, for what cannot be used."""
    try:
        settings.check_key(key, config_file)
        document = tomlkit.parse(config_file.read_text("utf-8")) if config_file.exists() else tomlkit.document()
        document[key] = _value(text)
        draft = config_file.with_name(f".{config_file.name}.{os.getpid()}")
        try:
            draft.touch(mode=0o600)
            draft.write_text(tomlkit.dumps(document), "utf-8")
            settings.load(draft, {})
            draft.replace(config_file)
        finally:
            draft.unlink(missing_ok=True)
    except ConfigError as error:
        raise Malformed(_about(str(error), config_file), field=key, hint="Nothing was changed.") from error
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise Malformed(f"{config_file}: not valid TOML: {error}", hint="Nothing was changed.") from error


def _value(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text


def _about(message: str, config_file: Path) -> str:
    """The message, about the file itself and not about the draft beside it."""
    return message.replace(f".{config_file.name}.{os.getpid()}", config_file.name)
