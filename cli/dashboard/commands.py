"""What the command palette finds: every action, every open order, every theme."""

from collections.abc import Callable, Iterator

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from cli.dashboard import keys
from cli.dashboard.workspace import Workspace
from cli.render import short_id

Entry = tuple[str, str, Callable[[], object]]  # words, help, what it does


class Everything(Provider):
    """The entries of the palette."""

    def _entries(self) -> Iterator[Entry]:
        workspace = self.screen
        if not isinstance(workspace, Workspace):
            return
        for key in workspace.dashboard.keys:
            if key.pages & keys.EVERYWHERE and (key.section != keys.MOVE or key.action.startswith("page")):
                words = key.help[:1].upper() + key.help[1:]
                yield words, f"key {key.shown}", workspace.doing(key.action)
        yield "Resume: take orders again", "key :resume", workspace.doing("resume")
        for name in workspace.theme_names():
            yield f"Theme: {name}", "colours", workspace.theming(name)
        for story in workspace.desk.needs_you():
            yield self._order(workspace, story.order_id, story.state)
        for story in reversed(workspace.desk.stories.values()):
            if not story.final and story.state != "unknown":
                yield self._order(workspace, story.order_id, story.state)

    @staticmethod
    def _order(workspace: Workspace, order_id: str, state: str) -> Entry:
        asked = workspace.desk.stories[order_id].request
        what = f"{asked.get('amount', '')} {asked.get('inputToken', '')}→{asked.get('outputToken', '')}"
        return f"Order {short_id(order_id)}: {what}", state, workspace.opening(order_id)

    async def discover(self) -> Hits:
        """Everything, before a word is typed."""
        for words, help_, do in self._entries():
            yield DiscoveryHit(Content(words), do, text=words, help=help_)

    async def search(self, query: str) -> Hits:
        """What the query finds."""
        matcher = self.matcher(query)
        for words, help_, do in self._entries():
            score = matcher.match(words)
            if score > 0:
                yield Hit(score, matcher.highlight(words), do, text=words, help=help_)
