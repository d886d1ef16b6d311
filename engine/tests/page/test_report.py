"""Reports of committed results in a headless browser: nothing runs off the page, no label is cut.

At 1280 px each table and figure is whole in its frame. At 400 px a row of a table is a card, and a
figure, which would be too small to read, can be moved within its frame.
"""

import os
import shutil
import unittest
from pathlib import Path

from browser import Browser

RESULTS = Path(__file__).resolve().parents[3] / "results"
BROWSER = None

FAULTS = """
const [frames, found] = [arguments[0], []];
if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
for (const frame of document.querySelectorAll(frames))
  if (frame.scrollWidth > frame.clientWidth)
    found.push(`${frame.innerText.slice(0, 40)}: ${frame.scrollWidth} of ${frame.clientWidth} px`);
for (const figure of document.querySelectorAll('figure svg')) {
  const page = figure.getBoundingClientRect();
  for (const text of figure.querySelectorAll('text')) {
    const own = text.getBoundingClientRect();
    if (own.left < page.left - 1 || own.right > page.right + 1 || own.top < page.top - 1
        || own.bottom > page.bottom + 1) found.push(`${text.textContent}: leaves its figure`);
  }
}
return found;
"""


def setUpModule():
    """One browser for all tests."""
    global BROWSER
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    BROWSER = Browser(os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver"), chromium)


def tearDownModule():
    """Ends it."""
    BROWSER.close()


class Reports(unittest.TestCase):
    """Every report that is committed."""

    def look(self, width, frames):
        """Opens each report in a window of that width; what is wrong with it."""
        reports = sorted(RESULTS.glob("**/report.html"))
        self.assertGreaterEqual(len(reports), 7)
        BROWSER.size(width, 900)
        pictures = os.environ.get("PAGE_PICTURES")
        for report in reports:
            with self.subTest(report.parent):
                BROWSER.open(report.as_uri())
                self.assertEqual(BROWSER.run(FAULTS, frames), [])
            if pictures:
                BROWSER.picture(Path(pictures) / f"report-{report.parent.name}-{width}.png")

    def test_a_report_fits_a_window(self):
        self.look(1280, ".scroll")

    def test_a_report_fits_a_phone(self):
        self.look(400, ".scroll:has(table)")


if __name__ == "__main__":
    unittest.main()
