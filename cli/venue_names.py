"""Venues by name. A name that no venue has would match nothing, which looks like an answer and is none."""

from cli.choices import meant
from cli.session import Session
from order_engine.errors import NotFound


def check(session: Session, name: str, option: str) -> None:
    """Raises NotFound, with the venue that may be meant, unless a venue has this name."""
    known = [venue["dex"] for venue in session.client.venues()]
    if name.lower() not in known:
        raise NotFound(f"{option}: no venue is named {name[:40]!a}. {meant(name, known)}", field=option)
