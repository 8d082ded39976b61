"""How long the page takes to answer a click, in a real browser.

    python -m benchmarks.clicks [--model demo-whisper] [--clicks 12] [--rows 10000]

Measured are the milliseconds from a finger's release to the change of the text that answers it: the
words under Listen's slider, what a cluster hears on Clusters, and the table of all utterances on
Evaluate as it is searched and filtered. The peer is Streamlit itself, in the same browser and the
same run: a page that holds one list and one line of text. Chromium has to be installed.
"""

import argparse
import math
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

from analysis.evaluation.corpora import Corpus, Utterance
from analysis.evaluation.corpus_evaluation import Evaluation
from analysis.evaluation.results import UtteranceResult
from analysis.evaluation.saved_results import RESULTS_FILE, results_to_json
from analysis.evaluation.scoring import corpus_score, score
from analysis.evaluation.significance import Interval
from analysis.evaluation.sweep import Row
from analysis.evaluation.sweep_spec import NamedRecipe, SweepCell
from analysis.models.footprint import Footprint
from analysis.plan.recipe import Recipe
from benchmarks.visitors import free_port, serve, stop, wait_until_up

_PATIENCE = 600_000.0  # milliseconds: the first listening of a large model takes minutes
_REST = 900.0  # milliseconds after an answer, in which the rest of the page is drawn

_PEER = """import streamlit as st
st.markdown(f"Chosen: {st.selectbox('One of', range(100))}")
"""

_WATCH = """selector => {
  const told = () => [...document.querySelectorAll(selector)].map(e => e.innerText).join('|');
  window.answer = {since: null, last: told(), took: null};
  for (const name of ['pointerup', 'keydown'])
    document.addEventListener(name, () => {
      window.answer = {since: performance.now(), last: told(), took: null};
    }, true);
  new MutationObserver(() => {
    const own = window.answer;
    if (own.since !== null && own.took === null && told() !== own.last)
      own.took = performance.now() - own.since;
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


def main() -> None:
    """Run the benchmark and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="demo-whisper")
    parser.add_argument("--clicks", type=int, default=12)
    parser.add_argument("--rows", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        peer_port = free_port()
        peer_page = Path(folder, "peer.py")
        peer_page.write_text(_PEER, encoding="utf-8")
        command = [sys.executable, "-m", "streamlit", "run", str(peer_page)]
        command += [f"--server.port={peer_port}", "--server.headless=true"]
        peer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = free_port()
        server = serve(options.model, port, str(Path(folder, "cache")))
        try:
            wait_until_up(peer_port, peer)
            wait_until_up(port, server)
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(_PATIENCE)
            plain = _peer(page, f"http://127.0.0.1:{peer_port}", options.clicks)
            _tell("Streamlit alone", plain, plain)
            address = f"http://127.0.0.1:{port}"
            _tell("slider to words", _slider(page, address, options.clicks), plain)
            _tell("cluster to what it hears", _clusters(page, address, options), plain)
            results = Path(folder, "results")
            results.mkdir()
            (results / RESULTS_FILE).write_bytes(_results(options.rows))
            name = f"search and filter {options.rows:,} rows"
            _tell(name, _explorer(page, address, results), plain)
        finally:
            stop(server)
            stop(peer)
            browser.close()


def _tell(name: str, taken: Sequence[float], peer: Sequence[float]) -> None:
    middle = statistics.median(taken)
    print(
        f"{name}: {middle:.0f} ms median ({min(taken):.0f} to {max(taken):.0f}, n = {len(taken)}),"
        f" {middle / statistics.median(peer):.1f} x Streamlit alone",
        flush=True,
    )


def _answers(page: Page, selector: str, acts: Sequence[Callable[[], None]]) -> list[float]:
    """Milliseconds that each act waits for a change of what the selector finds."""
    page.evaluate(_WATCH, selector)
    found = []
    for act in acts:
        act()
        page.wait_for_function("window.answer.took !== null")
        found.append(float(page.evaluate("window.answer.took")))
        page.wait_for_timeout(_REST)
    return found


def _chooser(page: Page, box: Locator, place: int) -> Callable[[], None]:
    def choose() -> None:
        box.scroll_into_view_if_needed()
        page.wait_for_timeout(_REST)
        box.click()
        option = page.get_by_role("option").nth(place)
        option.hover()
        option.click()

    return choose


def _peer(page: Page, address: str, n_clicks: int) -> list[float]:
    page.goto(address)
    box = page.get_by_role("combobox")
    box.wait_for()
    acts = [_chooser(page, box, 1 + place % 5) for place in range(n_clicks)]
    return _answers(page, "[data-testid=stMarkdown]", acts)


def _slider(page: Page, address: str, n_clicks: int) -> list[float]:
    """The words of Listen; all were written beforehand, and stand at every tenth."""
    page.goto(address)
    slider = page.get_by_role("slider")
    slider.wait_for()
    page.wait_for_timeout(20_000)  # the pieces are made beforehand, one after the other
    slider.focus()
    value = int(slider.get_attribute("aria-valuenow") or 0)

    def step(key: str) -> Callable[[], None]:
        return lambda: page.keyboard.press(key)

    keys = ["ArrowLeft", "ArrowRight"] if value else ["ArrowRight", "ArrowLeft"]
    acts = [step(keys[place % 2]) for place in range(n_clicks)]
    return _answers(page, "[data-testid=stMain] [data-testid=stHtml]", acts)


def _clusters(page: Page, address: str, options: argparse.Namespace) -> list[float]:
    """What clusters hear that nobody has looked at before; the layer was listened to."""
    view = f"model={options.model}&view=group&group=encoder.0.ffn&k=600&cluster=3&side=sounds"
    page.goto(f"{address}/clusters?{view}")
    page.get_by_text("work hardest at").first.wait_for()
    page.wait_for_timeout(3000)
    box = page.get_by_role("combobox", name=re.compile("Clusters of two or more"))
    acts = [_chooser(page, box, 1 + place) for place in range(options.clicks)]
    return _answers(page, "[data-testid=stMain] [data-testid=stMarkdown] p", acts)


def _explorer(page: Page, address: str, results: Path) -> list[float]:
    """The count of what is found; the first search of all makes an index, too."""
    page.goto(f"{address}/evaluate")
    page.get_by_role("button", name="Open results").click()
    page.get_by_role("textbox", name="Folder or file").fill(str(results))
    box = page.get_by_test_id("stPopoverBody")
    box.get_by_role("button", name="Open", exact=True).click()
    page.get_by_role("heading", name="All utterances").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_timeout(4000)
    field = page.get_by_role("textbox", name="Words")

    def search(words: str) -> Callable[[], None]:
        def act() -> None:
            field.fill(words)
            page.wait_for_timeout(_REST)
            field.press("Enter")

        return act

    def press(name: str) -> Callable[[], None]:
        group = page.get_by_role("radio", name=name, exact=True)
        return lambda: group.first.click(force=True)

    def show_all() -> None:
        page.get_by_role("button", name="Show all", exact=True).click()

    acts = [*map(search, ("cat", "dog ran", "the bird")), show_all, *map(press, ("Wrong", "New"))]
    return _answers(page, "[data-testid=stMain] [data-testid=stMarkdown] p", acts)


def _results(n_rows: int) -> bytes:
    """Results of two models on a made corpus, as `coalesce evaluate` keeps them."""
    generator = random.Random(0)
    nouns, verbs = ("cat", "dog", "bird", "horse"), ("ran", "sat", "slept", "sang")
    said = [
        f"the {generator.choice(nouns)} {generator.choice(verbs)} {generator.choice(nouns)}"
        for _ in range(n_rows)
    ]
    utterances = tuple(
        Utterance(
            f"{place:06}.wav",
            Path(f"/nowhere/{place:06}.wav"),
            text,
            f"s{place % 40}",
            2.0 + place % 7,
            f"{place:064x}",
            (("snr", str(place % 30)), ("room", f"room {place % 5}")),
        )
        for place, text in enumerate(said)
    )
    corpus = Corpus("made", ("manifest",), utterances, ())
    cost = Footprint(2_000_000, 1_000_000, 8_000_000, 8_000_000, 1e9, 1e9)
    rows = []
    for number, name in enumerate(("original", "smaller")):
        written = [
            text.replace("cat", "hat") if place % (9 - 5 * number) == 0 else text
            for place, text in enumerate(said)
        ]
        results = tuple(
            UtteranceResult(own.id, own.digest, text, 0.1)
            for own, text in zip(utterances, written, strict=True)
        )
        evaluation = Evaluation(
            corpus,
            results,
            tuple(score(a, b, "basic") for a, b in zip(said, written, strict=True)),
            corpus_score(said, written, "basic"),
            Interval(math.nan, math.nan, 0),
        )
        way = NamedRecipe(name=name, recipe=Recipe())
        cell = SweepCell(way, 0.2, "uniform", 0) if number else None
        rows.append(Row("made", cell, 0.2 * number, cost, evaluation))
    return results_to_json(corpus, rows)


if __name__ == "__main__":
    main()
