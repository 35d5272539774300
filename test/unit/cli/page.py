#!/usr/bin/env python3
"""The report's page in headless Chromium: light and dark, alone on the machine, with its filter.

Skips with a reason where no Chromium is installed."""

import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

BIN = os.environ["SLICEWRIGHT_BIN"]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)
SECTIONS = ("gpus", "cost", "harm", "map", "decisions")
WIDTH, HEIGHT = 800, 600


class Test:
    """Cases in the form of TAP."""

    def __init__(self):
        self.number = self.failed = 0

    def case(self, name, ok, note=""):
        """One case."""
        self.number += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.number} - {name}")
        if not ok and note:
            print(f"#   {str(note)[:300]}")


def chromium(page, *arguments):
    """Standard output and error of the browser over a page; its profile goes with the folder."""
    profile = page.parent / "profile"
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
         f"--user-data-dir={profile}", f"--window-size={WIDTH},{HEIGHT}", *arguments,
         page.as_uri()],
        capture_output=True, timeout=90, check=False)


def pixels(png):
    """The brightness of each pixel, 0 to 255, row by row."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, width, channels = 8, b"", 0, 0
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, _, _, color = struct.unpack(">IIBB", body[:10])
            channels = {2: 3, 6: 4}[color]
        elif kind == b"IDAT":
            data += body
        at += 12 + size
    raw, stride = zlib.decompress(data), width * channels
    row, grey = bytearray(stride), []
    for start in range(0, len(raw), stride + 1):
        row = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + stride]), row, channels)
        grey.append([sum(row[i:i + 3]) // 3 for i in range(0, stride, channels)])
    return grey


def unfilter(kind, row, above, step):
    """A row of a PNG as it was (PNG specification, 9.2)."""
    for i, value in enumerate(row):
        left = row[i - step] if i >= step else 0
        up = above[i]
        corner = above[i - step] if i >= step else 0
        if kind == 1:
            value += left
        elif kind == 2:
            value += up
        elif kind == 3:
            value += (left + up) // 2
        elif kind == 4:
            guess = left + up - corner
            value += min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                         (abs(guess - corner), 2, corner))[2]
        row[i] = value & 255
    return row


def requests(log):
    """The addresses in a network log that are neither the page nor the browser's own errands."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    urls = set(re.findall(r'"url":"([a-z]+:[^"]*)"', text))
    own = re.compile(r"(file|data|chrome|about):|https?://[a-z0-9.-]*\.(google|googleapis|gvt1)\.com/")
    return sorted(u for u in urls if not own.match(u))


def look(test, page, theme):
    """One theme: a picture, and what the browser said while it drew."""
    picture, log = page.parent / f"{theme}.png", page.parent / f"{theme}.json"
    done = chromium(page, *(["--force-dark-mode"] if theme == "dark" else []),
                    f"--screenshot={picture}", f"--log-net-log={log}")
    said = done.stderr.decode("utf-8", "replace")
    test.case(f"{theme}: a picture comes", picture.is_file(), said[-300:])
    if not picture.is_file():
        return
    console = [line for line in said.splitlines() if "CONSOLE" in line]
    test.case(f"{theme}: nothing on the console", not console, console)
    test.case(f"{theme}: no request leaves", not requests(log), requests(log))
    grey = pixels(picture.read_bytes())
    values = [value for row in grey for value in row]
    mean = sum(values) // len(values)
    drawn = sum(abs(value - grey[0][0]) > 24 for value in values)
    test.case(f"{theme}: the ground is {theme}", mean > 200 if theme == "light" else mean < 60, mean)
    test.case(f"{theme}: it is not blank", drawn > len(values) // 50 and len(set(values)) > 32,
              f"{drawn} pixels, {len(set(values))} shades")


def rows(dom):
    """Rows of the decisions: all, and those that show."""
    log = dom[dom.index('id="log"'):]
    found = re.findall(r"<tr([^>]*)>(.*?)</tr>", log[:log.index("</tbody>")], re.S)
    return found, [text for attributes, text in found if "hidden" not in attributes]


def main():
    if CHROMIUM is None:
        print("1..0 # SKIP chromium is not installed")
        return 77
    test = Test()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = pathlib.Path(folder, "report.html")
        run = subprocess.run([BIN, "simulate", "-q", "--scenario", "small", "--report", page,
                              "-o", "json"], capture_output=True, text=True, check=True)
        result = json.loads(run.stdout)
        html = page.read_text("utf-8")
        outside = re.findall(r"(?:src|href)\s*=|url\(|@import|https?://", html)
        test.case("the page names nothing outside itself", not outside, outside)
        for theme in ("light", "dark"):
            look(test, page, theme)
        dom = chromium(page, "--dump-dom").stdout.decode("utf-8")
        for section in SECTIONS:
            test.case(f"section {section}", f'<section id="{section}">' in dom)
        test.case("three figures", dom.count("<svg") >= 3, dom.count("<svg"))
        money = f"${result['after']['cost_usd_per_day']:,.0f}"
        test.case("the cost of the result stands on it", money in dom, money)
        everything, shown = rows(dom)
        test.case("a row a decision", len(everything) == result["decisions"] == len(shown),
                  (len(everything), len(shown), result["decisions"]))
        copy = page.with_name("filtered.html")
        copy.write_text(html.replace("</body>", """<script>
            var box = document.querySelector('input[type=search]');
            box.value = 'refused guard-history';
            box.dispatchEvent(new Event('input'));</script></body>"""), "utf-8")
        _, shown = rows(chromium(copy, "--virtual-time-budget=1000",
                                 "--dump-dom").stdout.decode("utf-8"))
        test.case("the filter keeps what matches", shown and len(shown) < len(everything)
                  and all("guard-history" in text and "refused" in text for text in shown),
                  len(shown))
    print(f"1..{test.number}")
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())
