"""Where the project, its recordings and its test beds lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
HELDOUT = DEMO / "heldout"
TESTBED = ROOT.parent / "shared" / "testbed"
"""Models and speech that are too large to ship; tests that need them are skipped without them."""
