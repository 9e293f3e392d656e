"""`oee help`: a command, a topic, or everything."""

from difflib import get_close_matches
from typing import Annotated

import typer

from cli.exits import Exit
from cli.session import Session
from cli.topics import TOPICS
from order_engine.errors import NotFound


def help_(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC]", help=f"A command, or {', '.join(TOPICS)}.")
    ] = None,
) -> Exit:
    """Explain a command or a topic.

    \b
      oee help submit
      oee help exit-codes
      oee help pipelines
    """
    session = Session.of(context)
    oee = context.parent
    assert oee is not None
    if not words:
        session.output.line(oee.get_help())
        session.output.line(f"\nTopics: {', '.join(f'oee help {topic}' for topic in TOPICS)}")
        return Exit.OK
    if words[0] in TOPICS:
        paint = session.output.out
        for line in TOPICS[words[0]]():
            session.output.line(paint.text(line, cut=False))
        return Exit.OK
    here, command = oee, oee.command
    for word in words:
        found = getattr(command, "get_command", lambda *_: None)(here, word)
        if found is None:
            near = get_close_matches(word, [*TOPICS, *getattr(command, "registry", ())], n=1)
            meant = f" Did you mean: oee help {' '.join([*words[: words.index(word)], *near])}?" if near else ""
            raise NotFound(
                f"{word[:40]!a} is neither a command nor a topic.{meant}",
                hint=f"Topics: {', '.join(TOPICS)}. Commands: oee --help",
            )
        here, command = found.context_class(found, info_name=word, parent=here), found
    session.output.line(here.get_help())
    return Exit.OK
