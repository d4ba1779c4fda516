"""What tests of pages read in HTML."""

import re
from html import unescape
from html.parser import HTMLParser


class Tags(HTMLParser):
    """Checks that tags are closed in order, and keeps what refers elsewhere."""

    VOID = ("meta", "img", "br", "rect", "image", "line", "input")

    def __init__(self, page):
        super().__init__()
        self.open, self.sources, self.images_without_alt = [], [], 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.sources += [values[name] for name in ("src", "href") if name in values]
        self.images_without_alt += tag == "img" and not values.get("alt")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def words_of(part):
    """The text of a part of a page, blanks as one."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", part))).strip()
