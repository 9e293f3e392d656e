"""`oee completion`: the script that makes a shell complete `oee`."""

from typing import Annotated

import typer

from cli.choices import one_of
from cli.exits import Exit
from cli.session import Session

BASH = r"""# bash completion for oee
_oee() {
    local line value about found=() shown=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r value; do found+=("$value"); done < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
            COMPREPLY=("${found[@]}")
            return
        fi
        value=${line%%$'\t'*}
        about=${line#"$value"}
        found+=("$value")
        shown+=("$value${about:+  (${about#?})}")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ $COMP_TYPE == 63 && ${#found[@]} -gt 1 ]]; then
        COMPREPLY=("${shown[@]}")  # a list to read: with what each one is
    else
        COMPREPLY=("${found[@]}")
        [[ ${#found[@]} == 1 && $found == *= ]] && compopt -o nospace 2>/dev/null
    fi
}
complete -o nosort -F _oee oee 2>/dev/null || complete -F _oee oee
"""

ZSH = r"""#compdef oee
_oee() {
    local line value
    local -a found
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            _files
            return
        fi
        value=${line%%$'\t'*}
        found+=("${value//:/\\:}${${line#"$value"}/$'\t'/:}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    _describe -V oee found -U
}
if [[ ${funcstack[1]} == _oee ]]; then
    _oee "$@"  # it was loaded from a folder of fpath, at the first TAB
else
    compdef _oee oee
fi
"""

FISH = r"""# fish completion for oee
function __oee_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            printf '%s\n' $line
        end
    end
end
complete --command oee --no-files --keep-order --arguments '(__oee_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def completion(
    context: typer.Context,
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> Exit:
    """Print the script that completes oee in your shell.

    \b
      eval "$(oee completion bash)"         # a line for ~/.bashrc
      eval "$(oee completion zsh)"          # a line for ~/.zshrc, below compinit
      oee completion fish > ~/.config/fish/completions/oee.fish

    Completes commands, options, tokens, and, where a daemon runs, venues and the ids of orders. Starts nothing.
    """
    session = Session.of(context)
    session.output.line(SCRIPTS[one_of(shell, SCRIPTS, "SHELL")].rstrip("\n"))
    return Exit.OK
