# SPDX-License-Identifier: BSD-2-Clause
"""Manual pages and completion, made of the command line's own definition, so that they
cannot be behind it.

    ./tessera man FOLDER            tessera.1, tessera-ps.1, ...; then man -M or man -l
    source <(./tessera completion bash)
    source <(./tessera completion zsh)
"""

import argparse
import re
from pathlib import Path
from typing import Iterable, Iterator

from control import systems
from control.client import Client, Refused, Unreachable

from .paths import Failure

STATUSES = """\
.SH EXIT STATUS
.IP 0
done; of boot: the guest has powered off by itself
.IP 1
it failed, or the system refused
.IP 2
bad arguments
.IP 3
no system is running, or it does not answer
.IP 4
the control domain lacks the right
.IP 124
it took longer than allowed
.IP 130
interrupted
"""
ENVIRONMENT = """\
.SH ENVIRONMENT
.IP TESSERA_BUILD
folder of what is built, instead of build
.IP TESSERA_CACHE
folder of what is fetched, instead of cache in it
.IP NO_COLOR
if set, no colours
"""

# Names of the running system, with the verb that lists them; and of which commands they are.
NAMES = {"domains": "ps", "ports": "net", "disks": "blk", "devices": "devices"}
LISTED = {"net": "ports", "blk": "disks"}


def _commands(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, help and parser of each command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield name, helps.get(name, ""), command


def _roff(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def _option_roff(action: argparse.Action) -> str:
    words = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    if action.option_strings and action.nargs != 0:
        value = action.metavar or (
            "|".join(map(str, action.choices)) if action.choices else action.dest.upper())
        words += f" {value}"
    elif action.choices and not action.option_strings:
        words = "|".join(map(str, action.choices))
    text = action.help or ""
    if isinstance(action.default, (int, float, str)) and action.option_strings and (
            action.default is not False and action.nargs != 0):
        text += f" (default: {action.default})"
    return f".TP\n.B {_roff(words)}\n{_roff(text) or '.'}\n"


def page(name: str, help_: str, parser: argparse.ArgumentParser) -> str:
    """The manual page of one command, or of all."""
    title = f"tessera-{name}" if name else "tessera"
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    parts = [f'.TH {title.upper()} 1 "" Tessera\n.SH NAME\n{_roff(title)} \\- {_roff(help_)}\n',
             f".SH SYNOPSIS\n{_roff(usage)}\n"]
    commands = list(_commands(parser))
    if commands:
        parts.append(".SH COMMANDS\n")
        parts += [f".TP\n.B {_roff(word)}\n{_roff(text) or '.'}\n" for word, text, _ in commands]
    options = [action for action in parser._actions
               if not isinstance(action, argparse._SubParsersAction)]
    if options:
        parts.append(".SH OPTIONS\n")
        parts += map(_option_roff, options)
    return "".join(parts) + STATUSES + ENVIRONMENT


def pages(parser: argparse.ArgumentParser) -> dict[str, str]:
    """All manual pages by their files' names."""
    found = {"tessera.1": page("", parser.description or "", parser)}
    for name, help_, command in _commands(parser):
        found[f"tessera-{name}.1"] = page(name, help_, command)
        for action, text, behind in _commands(command):
            found[f"tessera-{name}-{action}.1"] = page(f"{name}-{action}", text, behind)
    return found


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """What may follow a command: its options, and the words that it knows."""
    found: list[str] = []
    for action in parser._actions:
        found += action.option_strings
        if action.choices:
            found += map(str, action.choices)
    return found


def _takes(parser: argparse.ArgumentParser, what: str) -> bool:
    return any(action.dest == what and not action.option_strings for action in parser._actions)


def _cases(commands: Iterable[tuple[str, str, argparse.ArgumentParser]]) -> Iterator[str]:
    """What may follow, by the words before it."""
    for name, _, command in commands:
        behind = list(_commands(command))
        if _takes(command, "device"):
            yield f"        '{name} '?*) words={' '.join(_words(command))!r}; names=devices"
        yield f"        {name}{'' if behind else '*'}) words={' '.join(_words(command))!r}" + (
            "; names=domains" if _takes(command, "name") else "")
        for action, _, words in behind:
            yield f"        '{name} {action}'*) words={' '.join(_words(words))!r}" + (
                f"; names={LISTED.get(name, 'domains')}" if _takes(words, "name") else "")


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """A script for the shell. zsh takes bash's by its own means."""
    commands = list(_commands(parser))
    cases = "".join(f"{case} ;;\n" for case in _cases(commands))
    script = f"""\
_tessera() {{
    local words='' names='' before='' current=${{COMP_WORDS[COMP_CWORD]}}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words='{' '.join(name for name, _, _ in commands)}'
    else
        before=${{COMP_WORDS[1]}}
        [ "$COMP_CWORD" -eq 2 ] || before="$before ${{COMP_WORDS[2]}}"
        case $before in
{cases}        esac
        [ -z "$names" ] || words="$words $("${{COMP_WORDS[0]}}" completion $names 2>/dev/null)"
    fi
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
    [ -n "${{COMPREPLY[*]}}" ] || \\
        while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
}}
complete -o filenames -F _tessera tessera ./tessera
"""
    return ("autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else "") + script


def _names(kind: str) -> list[str]:
    """Of what the running system has; none if there is none, or they are not for this line."""
    running = systems.running()
    if running is None or not running.lines:
        return []
    try:
        with Client(Path(next(iter(running.lines.values()))), 1) as client:
            return [item["name"] for item in client.items(NAMES[kind])]
    except (Unreachable, Refused):
        return []


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    whole: argparse.ArgumentParser,
) -> None:
    def write(arguments: argparse.Namespace) -> int:
        folder = Path(arguments.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in pages(whole).items():
                (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise Failure(f"{error.filename}: {error.strerror}") from error
        return 0

    def complete(arguments: argparse.Namespace) -> int:
        if arguments.shell in NAMES:
            print("\n".join(_names(arguments.shell)))
        else:
            print(completion(whole, arguments.shell), end="")
        return 0

    man = commands.add_parser("man", help="write the manual pages into a folder")
    man.add_argument("folder", metavar="FOLDER", help="made if it is not there")
    man.set_defaults(call=write)
    shell = commands.add_parser("completion", help="print a script that completes commands")
    shell.add_argument("shell", choices=("bash", "zsh", *NAMES),
                       help="a script for it; or names, which the scripts ask for")
    shell.set_defaults(call=complete)
