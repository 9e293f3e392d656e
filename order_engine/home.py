"""Where things are: the folders and files of one home. One daemon per home.

`OEE_HOME` puts everything under one folder; otherwise the platform's own folders are used. Imports almost nothing, because
every command needs it.
"""

import os
from pathlib import Path


class Home:
    """The paths of one home. Nothing is created here; `make` does that, with modes that keep others out."""

    def __init__(self, config_dir: Path, data_dir: Path, runtime_dir: Path, log_dir: Path) -> None:
        self.config_dir = config_dir
        self.data_dir = data_dir
        self.runtime_dir = runtime_dir
        self.log_dir = log_dir

    @classmethod
    def from_environment(cls) -> "Home":
        """The home that `OEE_HOME` names, or the user's own."""
        if root := os.environ.get("OEE_HOME"):
            return cls.at(Path(root))
        from platformdirs import PlatformDirs  # noqa: PLC0415 - 8 ms that OEE_HOME saves

        folders = PlatformDirs("oee", appauthor=False)
        return cls(folders.user_config_path, folders.user_data_path, _runtime_dir(folders), folders.user_log_path)

    @classmethod
    def at(cls, root: Path) -> "Home":
        """A home with everything under one folder."""
        root = root.expanduser().absolute()
        return cls(root / "config", root / "data", root / "run", root / "log")

    @property
    def name(self) -> str:
        """The one path that stands for this home in messages and records."""
        return str(self.data_dir)

    @property
    def config_file(self) -> Path:
        return self.config_dir / "config.toml"

    @property
    def journal(self) -> Path:
        return self.data_dir / "journal.db"

    @property
    def queue(self) -> Path:
        return self.data_dir / "queue.db"

    @property
    def chain(self) -> Path:
        return self.data_dir / "chain.db"

    @property
    def lock(self) -> Path:
        return self.data_dir / "daemon.lock"

    @property
    def halted(self) -> Path:
        """There while trading is halted in this home; see `order_engine.halt`."""
        return self.data_dir / "halted"

    @property
    def start_lock(self) -> Path:
        return self.runtime_dir / "start.lock"

    @property
    def daemon_file(self) -> Path:
        """Where the running daemon says where it is: JSON with url, pid, version and token file."""
        return self.runtime_dir / "daemon.json"

    @property
    def token_file(self) -> Path:
        return self.runtime_dir / "token"

    @property
    def auth_header_file(self) -> Path:
        """The same token as a header line, for `curl -H @FILE`."""
        return self.runtime_dir / "auth-header"

    @property
    def log_file(self) -> Path:
        return self.log_dir / "daemon.log"

    def make(self) -> None:
        """Creates the folders, mode 0700. Raises PermissionError for one that others could write to."""
        for folder in (self.config_dir, self.data_dir, self.runtime_dir, self.log_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.stat()
            if found.st_uid != os.getuid() or found.st_mode & 0o022:
                raise PermissionError(
                    f"{folder} belongs to another user or can be written by others "
                    f"(mode {found.st_mode & 0o777:04o}). Run: chmod 700 {folder}"
                )


def _runtime_dir(folders: object) -> Path:
    """XDG_RUNTIME_DIR if it is there, else a folder beside the data that survives a log-out: never a shared /tmp."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and Path(base).is_dir():
        return Path(base) / "oee"
    return Path(str(getattr(folders, "user_state_dir"))) / "run"  # noqa: B009
