"""Makes docs/report.png, the picture of a report: `python docs/screenshot.py [COPY OF THE PAGE]`.

Needs Linux, Chromium and Graphviz. A script of the fixtures is run as anybody would run it, and the top of
the page that it gives is taken.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SCRIPT = CHECKOUT / "fixtures" / "buggy" / "segmentation_view_as_permute.py"
PICTURE = CHECKOUT / "docs" / "report.png"
WIDTH, HEIGHT = 1100, 1630


def main() -> None:
    """Run, take the picture, write it; ends with a message where something is missing."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("docs/screenshot.py needs Chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The marks are for the tests.
        text = re.sub(r"  # error: .*", "", SCRIPT.read_text(encoding="utf-8"))
        # More epochs, so that the range test comes to its end.
        text = text.replace("range(5)", "range(15)")
        (folder / "train.py").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "nnlint", "run", "--isolated", "--budget", "600"]
        done = subprocess.run([*command, "--report", "report.html", "train.py"], cwd=folder, check=False)
        if not (folder / "report.html").exists():
            sys.exit(f"nnlint ended with {done.returncode} and wrote no page")
        subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={folder / 'profile'}",
                f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={PICTURE}",
                (folder / "report.html").as_uri(),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        if len(sys.argv) > 1:
            shutil.copy(folder / "report.html", sys.argv[1])
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
