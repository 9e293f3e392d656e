"""The keymap of a home: which actions have other keys, read from keymap.toml beside config.toml.

A file of its own, because the daemon reads config.toml too: a slip of the finger here must not keep it from starting.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from textual.binding import Binding, BindingType
from textual.keys import Keys, _character_to_key

from cli.dashboard.keys import EVERY_KEY, KEYMAP, Key, rebound
from order_engine.errors import Malformed
from order_engine.home import Home

_MODIFIERS = frozenset({"ctrl", "shift", "alt"})
_NAMES = frozenset(key.value for key in Keys) | {_character_to_key(chr(code)) for code in range(0x20, 0x7F)}


def file_of(home: Home) -> Path:
    """Where the keymap of a home is, if it has one."""
    return home.config_file.with_name(KEYMAP)


def read(path: Path) -> dict[str, str]:
    """The other keys by the names of actions; none where there is no file. Raises Malformed with file, name and what is meant."""
    import tomllib

    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: cannot be read: {error}") from error
    return checked(given, str(path))


def checked(given: Mapping[str, object], where: str) -> dict[str, str]:
    """The keymap, every name and key of it known and none of them twice. Raises Malformed."""
    known = [key.name for key in EVERY_KEY]
    keymap: dict[str, str] = {}
    for name, keys in given.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"Did you mean {near[0]}?" if near else "See them: oee help keys"
            raise Malformed(f"{where}: {name[:40]!a} is no action. {meant}")
        if not isinstance(keys, str) or not keys.strip():
            raise Malformed(f'{where}: {name} needs keys in quotation marks, such as {name} = "ctrl+x" or "x,f2".')
        keymap[name] = ",".join(_key(key.strip(), f"{where}: {name}") for key in keys.split(","))
    _refuse_twins(rebound(EVERY_KEY, keymap), where)
    return keymap


def _key(text: str, where: str) -> str:
    """Textual's name of a key: itself, or that of a single sign."""
    *modifiers, last = text.split("+") if len(text) > 1 else [text]
    name = _character_to_key(last) if len(last) == 1 else last
    if not set(modifiers) <= _MODIFIERS or name not in _NAMES:
        raise Malformed(f"{where}: {text[:40]!a} is no key. Keys are x, X, /, f2, space, escape, ctrl+x, shift+tab …")
    return "+".join([*modifiers, name])


def _refuse_twins(keys: Iterable[Key], where: str) -> None:
    taken: dict[tuple[str, str], Key] = {}
    for key in keys:
        for name in dict.fromkeys(key.keys.split(",")):
            for page in key.pages:
                other = taken.setdefault((page, name), key)
                if other is not key:
                    raise Malformed(f"{where}: {name} would be both {other.name} and {key.name}. Give one another key.")


def bindings(keys: Iterable[Key], *, priority: bool = False, screen: bool = False) -> list[BindingType]:
    """Textual's bindings, each with the name by which a keymap changes it. `screen`: the action is the screen's."""
    return [
        Binding(
            key.keys,
            f"screen.{key.action}" if screen else key.action,
            key.help,
            show=False,
            priority=priority,
            id=key.name,
        )
        for key in keys
    ]
