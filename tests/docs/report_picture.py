"""docs/report.jpg, which README.md shows: the large radiographs of this run's page, in Chromium.

Run it after `make demo`: `make picture`.
"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(REPO))

from tests.stages.chromium import ALONE, CHROMIUM  # noqa: E402

PAGE, PICTURE = REPO / "report/index.html", REPO / "docs/report.jpg"
WIDTH, QUALITY = 1100, 82


def main() -> None:
    """Write the picture, half as wide again as README.md shows it."""
    if not CHROMIUM:
        sys.exit("needs Chromium, which is not there: apt install chromium")
    if not PAGE.exists():
        sys.exit(f"{PAGE} is not there; run `make demo` first")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ALONE))
        page = chromium.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto(PAGE.as_uri())
        page.wait_for_load_state("networkidle")
        taken = page.locator("#radiographs").screenshot()
        chromium.close()
    with Image.open(BytesIO(taken)) as image:
        image.convert("RGB").save(PICTURE, quality=QUALITY, optimize=True)
    sys.stdout.write(f"{PICTURE.relative_to(REPO)}: {PICTURE.stat().st_size / 1e3:,.0f} kB\n")


if __name__ == "__main__":
    main()
