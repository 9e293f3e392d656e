"""The settings of a home: built-in defaults, then `config.toml`, then the environment. Unknown keys are refused by name.

Everything here has a meaning for the user; `oee config show --origin` prints each value with where it came from.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from order_engine.routes import Routing

Whole = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(gt=0)]

ENVIRONMENT = {
    "OEE_SIM_SPEED": "speed",
    "OEE_PORT": "port",
    "OEE_WORKERS": "workers",
    "OEE_SEED": "seed",
    "OEE_FAULTS": "faults",
    "OEE_SIM_MARKET": "market",
}


class ConfigError(Exception):
    """The configuration cannot be used. The message names file, key, value and the nearest known key."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings. Times in milliseconds, slots in blocks of the simulated chain, shares in bps."""

    speed: Literal["paper", "instant"] = "paper"
    port: Annotated[int, Meta(ge=0, le=65_535)] | None = (
        None  # none: 7420, or a free one where that is taken; 0: a free one
    )
    workers: Annotated[int, Meta(ge=1, le=256)] = 10
    attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    backoff_ms: Whole = 500  # before the second attempt; doubles for each one after
    slippage_bps: Annotated[int, Meta(ge=0, le=5_000)] = 50  # where an order does not say
    max_impact_bps: Annotated[int, Meta(ge=0, le=10_000)] = 300  # likewise
    routing: Routing = "best"  # likewise: over all pools and hops, or the best single pool
    quote_deadline_ms: Positive = 2_000
    max_open_orders: Positive = 20_000
    max_orders_per_minute: Positive | None = None  # none: no limit
    max_order_usd: Positive | None = (
        None  # what one order may be worth in whole US dollars, at the reference prices of the tokens
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    seed: Whole = 7  # of the simulated chain: its market and its landing times
    quote_ms: Whole = 200  # a venue's time to answer
    slot_ms: Whole = 400
    landing_slots_min: Positive = 6  # 2.0 to 2.8 s after sending
    landing_slots_max: Positive = 7
    valid_slots: Positive = 150  # a transaction dies this many blocks after it was built
    faults: str | None = None  # a TOML or JSON file of what goes wrong on purpose; from the folder of this file
    market: str = (
        "calm"  # until another is chosen: a regime of `oee sim market`, or a file beside this one, .toml or .json
    )

    @property
    def instant(self) -> bool:
        """True when nothing waits: same rules, all delays zero."""
        return self.speed == "instant"


NO_DELAYS = {"quote_ms": 0, "slot_ms": 0, "landing_slots_min": 1, "landing_slots_max": 1, "backoff_ms": 0}


def load(config_file: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that hold. Raises ConfigError for a file or value that cannot be used."""
    return resolve(config_file, environment)[0]


def resolve(config_file: Path, environment: Mapping[str, str] = os.environ) -> tuple[Settings, dict[str, str]]:
    """The settings that hold, and where each that is not built in came from: the file, or the variable's name."""
    given = _read(config_file)
    origins = dict.fromkeys(given, str(config_file))
    for variable, key in ENVIRONMENT.items():
        if text := environment.get(variable):
            given[key] = int(text) if text.isascii() and text.isdigit() else text
            origins[key] = variable
    for key in given:
        check_key(key, config_file)
    if isinstance(path := given.get("faults"), str):
        folder = Path.cwd() if origins["faults"] == "OEE_FAULTS" else config_file.parent
        given["faults"] = str(folder / Path(path).expanduser())
    if isinstance(path := given.get("market"), str) and path.endswith((".toml", ".json")):
        given["market"] = str(config_file.parent / Path(path).expanduser())
    if given.get("speed") == "instant":
        given = NO_DELAYS | given
        origins = dict.fromkeys(NO_DELAYS, "speed = instant") | origins
    try:
        settings = msgspec.convert(given, Settings)
    except msgspec.ValidationError as error:
        key = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else "?"
        where = origins.get(key, str(config_file))
        raise ConfigError(f"{where}: {key} = {given.get(key)!r} cannot be used: {error}") from error
    if settings.landing_slots_max < settings.landing_slots_min:
        raise ConfigError(f"{config_file}: landing_slots_max is below landing_slots_min ({settings.landing_slots_min})")
    return settings, origins


def check_key(key: str, config_file: Path) -> None:
    """Raises ConfigError, with the nearest known key, unless `key` is a setting."""
    if key in Settings.__struct_fields__:
        return
    near = get_close_matches(key, Settings.__struct_fields__, n=1)
    raise ConfigError(f"{config_file}: {key}: unknown key." + (f" Did you mean {near[0]}?" if near else ""))


def _read(config_file: Path) -> dict[str, Any]:
    try:
        with config_file.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{config_file}: not valid TOML: {error}") from error
