"""A written page, read back."""

import re
from html.parser import HTMLParser
from pathlib import Path

__all__ = ["Parsed"]


class Parsed(HTMLParser):
    """Elements and visible text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._skip = False
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._skip = tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._skip = False

    def says(self, text: str) -> bool:
        return text in " ".join(" ".join(self.text).split())

    def ids(self) -> set[str]:
        return {attrs["id"] or "" for _, attrs in self.elements if "id" in attrs}

    def rows(self) -> list[str]:
        """Labels of the leaderboard's rows, in order."""
        table = self.source.partition('id="leaderboard"')[2].partition("</table>")[0]
        return re.findall(r'<th scope="row" data-value="([^"]*)"', table)
