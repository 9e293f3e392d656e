"""Which panes are seen at which size of the terminal, and how they share the room."""

SMALL, BASE, WIDE, SPLIT, FULL = "small", "base", "wide", "split", "full"
LAYOUTS = (SMALL, BASE, WIDE, SPLIT, FULL)


def layout_for(width: int, height: int) -> str:
    """The layout for so many columns and rows."""
    if width < 80 or height < 24:
        return SMALL
    if width >= 200 and height >= 60:
        return FULL
    if width >= 160 and height >= 50:
        return SPLIT
    return WIDE if height >= 40 else BASE


CSS = """
Workspace { layout: vertical; background: $background; color: $foreground; }
Workspace Painted { background: $background; color: $foreground; }
#header { height: 2; dock: top; }
#bar { height: 1; dock: bottom; }
Workspace.small #header { height: 1; }
.page { display: none; height: 1fr; width: 1fr; }
.page.on { display: block; }
.stale { text-opacity: 60%; }

#orders-page { layout: vertical; }
#upper { height: 1fr; layout: vertical; }
#orders { height: 1fr; width: 1fr; border-top: solid $panel; }
#side { height: 6; width: 1fr; layout: vertical; }
#panel { height: 1fr; border-top: solid $panel; }
#tail { display: none; height: 7; border-top: solid $panel; }
Workspace.small #orders { border-top: none; }
Workspace.small #side { display: none; }
#small-hint { display: none; height: 1; }
Workspace.small #small-hint { display: block; }

Workspace.wide #side { height: 16; }
Workspace.wide #tail { display: block; }

Workspace.split #upper, Workspace.full #upper { layout: horizontal; }
Workspace.split #side { width: 76; height: 1fr; border-left: solid $panel; }
Workspace.split #tail { display: block; height: 11; }

Workspace.full #side { width: 84; height: 1fr; border-left: solid $panel; }
Workspace.full #tail { display: block; height: 13; }
Workspace.full #panel { height: 22; }
.beside { display: none; border-top: solid $panel; }
Workspace.full .beside { display: block; }
#venues-beside { height: 5; }
#pools-beside { height: 1fr; }
#wallet-beside { height: 10; }

#orders:focus, #panel:focus, #tail:focus, .beside:focus { border-top: solid $primary; }
#detail, #log, #venues, #pools, #wallet { border-top: solid $panel; height: 1fr; }
#venues { height: 6; }

#prompt { display: none; dock: bottom; height: 1; background: $surface; layout: horizontal; }
#prompt.on { display: block; }
#prompt-sign { width: 2; height: 1; background: $surface; color: $primary; text-style: bold; padding-left: 1; }
#prompt-input { width: 1fr; height: 1; border: none; background: $surface; padding: 0; }
#prompt-hint { width: auto; max-width: 80%; height: 1; background: $surface; color: $warning; padding: 0 1; }

HelpScreen { align: center middle; background: $background; }
#help-card { width: 100%; max-width: 100; height: 100%; border: round $primary; background: $surface; padding: 0 1; }
Workspace.typing #bar { display: none; }
Toast { max-width: 70%; padding: 0 1; margin-top: 0; }
ToastRack { margin-bottom: 2; }
"""
