"""The pages of the documentation, taken apart into blocks and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from string import Template
from typing import NamedTuple

from tests.running import ROOT

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")


class Block(NamedTuple):
    """A fenced block: where it is, its language, its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


class Command(NamedTuple):
    """A command of a shell block: where it is, its words without variables."""

    place: str
    words: list[str]

    def __str__(self) -> str:
        return f"{self.place}: {shlex.join(self.words)}"

    @property
    def line(self) -> str:
        """The words as one line, for the tables of patterns."""
        return " ".join(self.words)


def find_blocks(*languages: str) -> list[Block]:
    """All fenced blocks in some languages, page by page."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text[: match.start()].count("\n") + 2
            name = page.relative_to(ROOT).as_posix()
            found.append(Block(name, line, match[1], match[2]))
    return [block for block in found if block.language in languages]


def config_path(block: Block) -> str | None:
    """Where a block's first line says that it belongs, if it is a config file."""
    match = re.match(r"# (configs/\S+\.py)\n", block.text)
    return match[1] if match else None


def find_commands() -> list[Command]:
    """All commands of the shell blocks, page by page."""
    found: list[Command] = []
    variables: dict[str, str] = {}
    page = None
    for block in find_blocks("bash", "sh", "shell"):
        if block.page != page:
            page, variables = block.page, {}
        for number, line in _logical_lines(block):
            line = Template(line).safe_substitute(variables)
            for part in _split(shlex.split(line, comments=True)):
                if all(_ASSIGNMENT.fullmatch(word) for word in part):
                    variables |= dict(word.split("=", 1) for word in part)
                else:
                    found.append(Command(f"{page}:{number}", part))
    return found


def _logical_lines(block: Block) -> Iterator[tuple[int, str]]:
    """Lines with their continuations, and their number on the page."""
    for match in re.finditer(r"(?:.*\\\n)*.+\n", block.text):
        number = block.line + block.text[: match.start()].count("\n")
        yield number, match[0].replace("\\\n", " ")


def _split(words: list[str]) -> Iterator[list[str]]:
    """The commands of a line with &&; pipes and redirections are cut off."""
    part: list[str] = []
    for word in [*words, "&&"]:
        if word == "&&":
            for end in ("|", ">", ">>", "2>&1"):
                part = part[: part.index(end)] if end in part else part
            if part:
                yield part
            part = []
        else:
            part.append(word)
