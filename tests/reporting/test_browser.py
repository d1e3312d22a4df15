"""The page as a user has it: in a real browser, opened from disk."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from encore import PreferencePairs, Rulebook, Weights, compose, examples
from encore.evaluation import accuracy, evaluate, outcomes
from encore.reporting import Report, report
from encore.reporting import embed as embedding
from encore.reporting.content import Content
from encore.reporting.embed import simulated
from encore.weights import BradleyTerry, Linear, Softmax
from tests.reporting.made import FIVE, HOSTILE, pairs

pytestmark = pytest.mark.early


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def bundled(browser: Any, folder: Path) -> tuple[Path, Report]:
    made = report(examples.ratings_path(), examples.rules())
    made.save(folder / "bundled.html", command="encore report ratings.parquet")
    return folder / "bundled.html", made


@pytest.fixture(scope="module")
def gaps(folder: Path) -> tuple[Path, Report]:
    """Pairs with ratings left out."""
    return saved(folder / "gaps.html", pairs(150, gaps=0.15))


@pytest.fixture(scope="module")
def odd(folder: Path) -> Path:
    """Rules whose names are hard to set."""
    ids = ("🛡" * 30, "規則" * 15, "W" * 40, "short")
    return saved(folder / "odd.html", pairs(200, ids=ids))[0]


@pytest.fixture(scope="module")
def hundred(folder: Path) -> tuple[Path, Report]:
    """A hundred rules."""
    ids = tuple(f"rule-{k}" for k in range(100))
    return saved(folder / "100.html", pairs(60, ids=ids, gaps=0.01))


def saved(path: Path, rated: PreferencePairs) -> tuple[Path, Report]:
    made = report(rated, rated.rules)
    made.save(path)
    return path, made


class Visit:
    """One page in a window of its own, and everything that it did unasked."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}} | context)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def _refuse(self, dialog: Any) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def slide(self, name: str, value: float) -> None:
        """Move a slider as a hand does, and wait for the next picture."""
        self.page.evaluate(
            """([name, value]) => new Promise((done) => {
                const slider = document.getElementById(name);
                slider.value = String(value);
                slider.dispatchEvent(new Event("input"));
                slider.dispatchEvent(new Event("change"));
                requestAnimationFrame(() => requestAnimationFrame(done));
            })""",
            [name, value],
        )

    def label(self, holder: str) -> str:
        return str(self.page.get_attribute(f"{holder} svg", "aria-label"))

    @property
    def summary(self) -> str:
        return str(self.page.inner_text("#summary"))


def pairs_of(content: Content) -> PreferencePairs:
    assert content.subject.pairs is not None
    return content.subject.pairs


def expected(rated: PreferencePairs, weights: Weights, ties: str = "half") -> str:
    """What the page should say of a setting, from the library."""
    rewards = compose(rated.ratings, weights)
    verdicts = outcomes(rewards[rated.chosen], rewards[rated.rejected])
    separation = evaluate(rated, weights).separation
    return f"Separation {separation:.3f} (all rules alike: |Accuracy {accuracy(verdicts, ties):.1%}"


def says(summary: str, wanted: str) -> bool:
    return all(part.replace("%", " %") in summary for part in wanted.split("|"))


def test_it_loads_from_disk_without_a_word_or_a_request(
    browser: Any, bundled: tuple[Path, Report]
) -> None:
    with Visit(browser, bundled[0]) as visit:
        assert visit.page.title() == "ENCORE report: ratings.parquet"
        assert visit.said == []
        assert [url for url in visit.asked if not url.startswith("data:")] == [bundled[0].as_uri()]


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.5, 4.0])
def test_sliding_gives_the_numbers_that_python_computes(
    browser: Any, bundled: tuple[Path, Report], strength: float
) -> None:
    content = bundled[1].content
    weights = Linear(strength=strength)(content.calibration)
    with Visit(browser, bundled[0]) as visit:
        visit.slide("strength", strength)
        rated = pairs_of(content)
        assert says(visit.summary, expected(rated, weights)), visit.summary
        # The bars are as long as the shares, in the order of the axis.
        widths = visit.page.eval_on_selector_all(
            "#figure-shares .bars-of-shares rect",
            "bars => bars.map(bar => Number(bar.getAttribute('width')))",
        )
        order = np.argsort(-content.weights.shares, kind="stable")
        assert np.array(widths) / sum(widths) == pytest.approx(weights.shares[order], abs=1e-9)
        first = content.calibration.rules.ids[order[0]]
        share = f"{weights.shares[order[0]]:.1%}".replace("%", " %")
        label = visit.label("#figure-shares .live")
        assert label.startswith(f"Share of each rule: {first} {share}")


def on_shared_pairs(
    rated: PreferencePairs, *weights: Weights
) -> tuple[list[list[NDArray[np.float64]]], NDArray[np.bool_]]:
    """Chosen and rejected rewards by weights, on the pairs that all know; and which these are."""
    every = [compose(rated.ratings, w) for w in weights]
    sides = np.array([[r[rated.chosen], r[rated.rejected]] for r in every])
    shared = ~np.isnan(sides).any(axis=(0, 1))
    return [[side[shared] for side in both] for both in sides], shared


@pytest.mark.parametrize("which", ["bundled", "gaps"])
def test_curves_and_dots_stand_where_python_puts_them(
    browser: Any, request: pytest.FixtureRequest, which: str
) -> None:
    from encore.reporting.density import density

    path, found = request.getfixturevalue(which)
    content = found.content
    rated = pairs_of(content)
    # The slider's twenty-one steps of 0.2, each beside the mean.
    steps = [
        on_shared_pairs(rated, Linear(strength=s)(content.calibration), content.uniform)
        for s in np.arange(21) * 0.2
    ]
    assert all(shared.all() for _, shared in steps) == (which == "bundled")
    least = min(float(side.min()) for both, _ in steps for sides in both for side in sides)
    most = max(float(side.max()) for both, _ in steps for sides in both for side in sides)
    pad = 0.05 * (most - least)
    low, high = max(0.0, least - pad), min(1.0, most + pad)
    peaks = [max(float(density(side, low, high).max()) for side in both[0]) for both, _ in steps]
    top = 1.05 * min(max(peaks), 3 * max(peaks[0], peaks[5]))
    with Visit(browser, path) as visit:
        for at in (10, 15):
            visit.slide("strength", 0.2 * at)
            (now, alike), shared = steps[at]
            for name, rewards in (("line", now), ("alike", alike)):
                for side in (0, 1):
                    drawn = visit.page.get_attribute(f"#live-rewards .{name}-{side} path", "d")
                    points = np.array([p.split(",") for p in drawn[1:].split("L")], float)
                    # The plot is 240 high, margins 24 above and 40 below; paths have one decimal.
                    curve = np.minimum(density(rewards[side], low, high), top)
                    assert points[:, 1] == pytest.approx(200 - 176 * curve / top, abs=0.051)
            values = visit.page.locator(".values-now text").all_text_contents()
            verdicts = outcomes(*now)
            names = rated.subsets.names
            codes = rated.subsets.codes[shared]
            wanted = [accuracy(verdicts)]
            for code in range(len(names)):
                wins = verdicts.sums()[codes == code].sum(axis=0)
                wanted.append((wins[0] + wins[1] / 2) / wins[2])
            assert values == [f"{100 * value:.1f}" for value in wanted]
            # Dots of one axis: as far apart as their numbers.
            places = visit.page.eval_on_selector_all(
                ".dots-now circle", "dots => dots.map(dot => Number(dot.getAttribute('cx')))"
            )
            slope, start = np.polyfit(wanted, places, 1)
            assert slope > 0
            assert slope * np.array(wanted) + start == pytest.approx(places, abs=1e-6)


def test_schemes_temperature_and_ties_can_be_chosen(
    browser: Any, bundled: tuple[Path, Report]
) -> None:
    content = bundled[1].content
    rated = pairs_of(content)
    with Visit(browser, bundled[0]) as visit:
        assert visit.page.is_disabled("#temperature")
        visit.page.select_option("#scheme", "softmax")
        assert visit.page.is_enabled("#temperature")
        visit.slide("temperature", 0.5)
        visit.slide("strength", 2.0)
        weights = Softmax(temperature=0.25)(content.calibration)
        assert says(visit.summary, expected(rated, weights)), visit.summary
        visit.page.select_option("#ties-slider", "strict")
        assert says(visit.summary, expected(rated, weights, "strict")), visit.summary
        visit.page.select_option("#scheme", "agreement")
        visit.slide("strength", 1.0)
        weights = content.embedded.schemes["agreement"]
        assert says(visit.summary, expected(rated, weights, "strict")), visit.summary


def test_the_second_tab_runs_on_the_simulated_mixture(
    browser: Any, bundled: tuple[Path, Report]
) -> None:
    example = simulated()
    assert example.pairs is not None
    with Visit(browser, bundled[0]) as visit:
        visit.page.focus("#tab-0")
        visit.page.keyboard.press("ArrowRight")
        assert visit.page.get_attribute("#tab-1", "aria-selected") == "true"
        assert visit.page.evaluate("document.activeElement.id") == "tab-1"
        assert visit.page.is_visible("#about-simulated")
        visit.slide("strength", 1.5)
        weights = Linear(strength=1.5)(example.calibration)
        assert says(visit.summary, expected(example.pairs, weights)), visit.summary
        visit.page.keyboard.press("Home")
        assert visit.page.get_attribute("#tab-0", "aria-selected") == "true"


def test_what_a_control_says_is_what_is_shown(browser: Any, folder: Path) -> None:
    made = pairs(80)
    weights = BradleyTerry()(made)
    report(made, made.rules, weights=weights).save(folder / "given.html")
    with Visit(browser, folder / "given.html") as visit:
        assert visit.page.input_value("#scheme") == "given (bradley_terry)"
        assert says(visit.summary, expected(made, weights)), visit.summary
        visit.page.click("#tab-1")
        visit.page.click("#tab-0")
        assert visit.page.input_value("#scheme") == "given (bradley_terry)"
        # Paper has no controls: the words say what was chosen.
        visit.page.select_option("#scheme", "softmax")
        visit.page.select_option("#ties-slider", "strict")
        visit.slide("strength", 3.0)
        start = "softmax of temperature 2.00 at strength 3.00; ties count as wrong (strict). "
        assert visit.summary.startswith(start)
        assert "ties count as wrong (strict)" in visit.page.inner_text("#correlation-now")
        assert "ties count as wrong (strict)" in visit.page.inner_text(
            "#figure-comparison figcaption"
        )
        visit.page.goto("about:blank")
        visit.page.go_back()
        assert visit.page.input_value("#strength") == "1"
        assert visit.page.inner_text("#strength-now") == "1.00"


def test_before_and_after_is_of_all_pairs_that_are_compared(
    browser: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "MAX_EMBEDDED_PAIRS", 40)
    made = pairs(200)
    found = report(made, made.rules)
    found.save(folder / "sampled.html")
    with Visit(browser, folder / "sampled.html") as visit:
        label = visit.label("#figure-before-after .live")
        for weights in (found.content.uniform, found.content.weights):
            assert f"separation {evaluate(made, weights).separation:.3f}" in label
        told = visit.page.inner_text("section:has(#slider)")
        assert "40 embedded pairs, an even sample" in told
        assert "which use 200 pairs" in told


def test_rewards_are_compared_on_the_pairs_that_both_know(
    browser: Any, gaps: tuple[Path, Report]
) -> None:
    path, found = gaps
    made = pairs_of(found.content)
    sharp = Linear(strength=3.0)(found.content.calibration)
    both, shared = on_shared_pairs(made, sharp, found.content.uniform)
    assert 20 < shared.sum() < on_shared_pairs(made, sharp)[1].sum() < 150
    now, alike = (f"{accuracy(outcomes(*sides)):.1%}".replace("%", " %") for sides in both)
    with Visit(browser, path) as visit:
        visit.slide("strength", 3.0)
        assert f"Accuracy {now} (alike: {alike})." in visit.summary
        wanted = f"Of 150 pairs, on the {shared.sum()} whose reward is known either way."
        assert visit.summary.endswith(wanted)
        assert f"all pairs {now}," in visit.label("#live-accuracy")
        text = visit.page.inner_text("#comparison-title + p")
        assert "The dots are not all about the same pairs here" in text


def test_a_screen_reader_hears_where_the_slider_stops(
    browser: Any, bundled: tuple[Path, Report]
) -> None:
    with Visit(browser, bundled[0]) as visit:
        assert visit.page.locator("#summary").get_attribute("role") is None
        said = visit.page.locator("#summary-said[role=status]")
        visit.page.focus("#strength")
        move = """name => new Promise((done) => {
            const slider = document.getElementById("strength");
            slider.value = "3";
            slider.dispatchEvent(new Event(name));
            requestAnimationFrame(() => requestAnimationFrame(done));
        })"""
        visit.page.evaluate(move, "input")
        assert "strength 3.00" in visit.summary
        assert said.text_content() == ""
        visit.page.evaluate(move, "change")
        assert said.text_content() == visit.summary
        visit.page.click("#tab-1")
        assert said.text_content() == ""  # what was said was of the other ratings


def test_what_can_be_saved_is_said_and_is_of_the_ratings(
    browser: Any, bundled: tuple[Path, Report]
) -> None:
    with Visit(browser, bundled[0]) as visit:
        files = visit.page.locator("#figure-shares .files")
        assert files.inner_text().startswith("To save: Share of each rule, weighted by linear,")
        visit.page.click("#tab-1")
        assert not files.is_visible()
        visit.page.click("#tab-0")
        assert files.is_visible()


def test_what_is_undefined_is_said_to_be_so(browser: Any, folder: Path) -> None:
    rules = Rulebook.from_ids(["a", "b"], FIVE)
    chosen, rejected = [[3, 3]] * 4, [[3, 3]] * 4
    tied = PreferencePairs.from_arrays(chosen, rejected, rules)
    report(tied, rules).save(folder / "tied.html")
    with Visit(browser, folder / "tied.html") as visit:
        assert "Separation undefined (all rules alike: undefined)" in visit.summary
        visit.page.select_option("#ties-slider", "resolved")
        assert "Accuracy undefined" in visit.summary
        # A dot at 0 % would say that every pair is ranked wrong.
        assert visit.page.get_attribute(".dots-now circle", "visibility") == "hidden"
        assert visit.said == []


def test_what_two_rewards_do_not_share_is_undefined(browser: Any, folder: Path) -> None:
    # Rule a tells the halves apart: where it is rated linear knows the reward, elsewhere the mean.
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, (2, 120, 6)).astype(float)
    values[:, :, 0] = np.where(rng.random((2, 120)) < 0.85, 5, 4)
    values[:, :60, 0] = np.nan
    values[:, 60:, 1:3] = np.nan
    rules = Rulebook.from_ids(list("abcdef"), FIVE)
    apart = PreferencePairs.from_arrays(values[0], values[1], rules)
    found = report(apart, rules)
    comparison = found.content.comparison
    assert comparison is not None
    assert np.isnan(comparison.row("linear").difference.value)
    found.save(folder / "apart.html")
    with Visit(browser, folder / "apart.html") as visit:
        assert "on the 0 whose reward is known either way" in visit.summary
        assert "Separation undefined (all rules alike: undefined)" in visit.summary
        visit.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        words = visit.page.inner_text("main").lower().split()
        assert not {"nan", "+nan", "-nan"} & set(words)
        row = visit.page.locator("#numbers tbody tr", has_text="linear").first
        assert row.locator("td").all_inner_texts()[-2:] == ["–", "–"]
        assert visit.said == []


def test_a_waterfall_ends_at_its_total(browser: Any, folder: Path) -> None:
    ids = tuple(f"r{k}" for k in range(20))
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, (2, 200, 20)).astype(float)
    rules = Rulebook.from_ids(ids, FIVE)
    made = PreferencePairs.from_arrays(values[0], values[1], rules)
    weights = Weights(rules, np.array([3.0, 0.0, *[1.0] * 18]))
    found = report(made, rules, weights=weights)
    found.save(folder / "waterfall.html")
    contrast = found.content.contrasts[0]
    assert sum(1 for part in contrast.by_rule if part.uniform) > 12
    with Visit(browser, folder / "waterfall.html") as visit:
        names = visit.page.locator("#figure-contributions .live svg text").all_text_contents()
        assert "other rules" in names
        ends = visit.page.evaluate(
            """() => [...document.querySelectorAll("#figure-contributions .live .parts rect")].map(
                (bar) => [Number(bar.getAttribute("x")), Number(bar.getAttribute("width"))])"""
        )
        lines = visit.page.evaluate(
            """() => [...document.querySelectorAll("#figure-contributions .live .totals line")].map(
                (line) => Number(line.getAttribute("x1")))"""
        )
        half = len(ends) // 2
        for total, (x, width) in zip(lines, (ends[half - 1], ends[-1]), strict=True):
            assert min(abs(total - x), abs(total - x - width)) < 0.6


def test_the_slider_moves_by_keys(browser: Any, bundled: tuple[Path, Report]) -> None:
    with Visit(browser, bundled[0]) as visit:
        visit.page.focus("#strength")
        visit.page.keyboard.press("ArrowRight")
        visit.page.locator("#strength-now", has_text="1.02").wait_for()
        visit.page.keyboard.press("End")
        visit.page.locator("#strength-now", has_text="4.00").wait_for()


def test_ties_switch_the_correlation_everywhere(browser: Any, bundled: tuple[Path, Report]) -> None:
    comparison = bundled[1].content.comparison
    assert comparison is not None
    with Visit(browser, bundled[0]) as visit:
        for ties in ("strict", "half", "resolved"):
            visit.page.select_option("#ties-entropy-accuracy", ties)
            r = comparison.entropy_correlations.accuracy[ties].pearson
            assert f"{r.value:+.2f} ({r.low:+.2f} to {r.high:+.2f})" in visit.page.inner_text(
                "#correlation-now"
            )
            for other in ("#ties-slider", "#ties-comparison"):
                assert visit.page.input_value(other) == ties
            label = visit.label("#figure-comparison .live")
            assert f"uniform {100 * comparison.row('uniform').accuracy[ties].value:.1f} %" in label
        visit.page.select_option("#subset", label="donotanswer")
        value = comparison.row("linear").subsets["donotanswer"]["resolved"].value
        assert f"linear {100 * value:.1f} %" in visit.label("#figure-comparison .live")


def test_a_pair_can_be_looked_into(browser: Any, bundled: tuple[Path, Report]) -> None:
    contrasts = bundled[1].content.contrasts
    with Visit(browser, bundled[0]) as visit:
        visit.page.select_option("#contrast", "1")
        label = visit.label("#figure-contributions .live")
        assert f"pair {contrasts[1].pair}." in label
        assert f"weighted: {contrasts[1].weighted:.3f}" in label


def test_columns_sort_both_ways(browser: Any, bundled: tuple[Path, Report]) -> None:
    rows = bundled[1].content.rules
    column = "#rules tbody tr > :nth-child(1) bdi"
    with Visit(browser, bundled[0]) as visit:
        head = visit.page.get_by_role("button", name="Sort by entropy")
        for key, direction in ((1, "ascending"), (-1, "descending")):
            head.click()
            wanted = sorted(rows, key=lambda row: key * row.entropy.value)
            assert visit.page.locator(column).all_inner_texts() == [row.rule for row in wanted]
            assert visit.page.locator(f"th[aria-sort={direction}]").count() == 1
        visit.page.get_by_role("button", name="Sort by rule").click()
        assert visit.page.locator(column).all_inner_texts() == sorted(row.rule for row in rows)


def test_flags_explain_themselves_on_hover_and_focus_and_escape_closes_them(
    browser: Any, bundled: tuple[Path, Report]
) -> None:
    with Visit(browser, bundled[0]) as visit:
        flag = visit.page.locator(".flag").first
        tip = flag.locator("[role=tooltip]")
        assert not tip.is_visible()
        flag.focus()
        assert tip.is_visible()
        assert "resolves fewer than 10%" in tip.inner_text()
        visit.page.keyboard.press("Escape")
        assert not tip.is_visible()
        other = visit.page.locator(".flag").nth(1)
        other.hover()
        assert other.locator("[role=tooltip]").is_visible()
        # A pointer can come and rest on it.
        other.locator("[role=tooltip]").hover()
        visit.page.wait_for_timeout(900)
        assert other.locator("[role=tooltip]").is_visible()


def test_themes(browser: Any, bundled: tuple[Path, Report]) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with Visit(browser, bundled[0], color_scheme="dark") as visit:
        dark = visit.page.evaluate(background)
        visit.page.click("[data-theme-choice=light]")
        light = visit.page.evaluate(background)
        assert (light, dark) == ("rgb(255, 255, 255)", "rgb(21, 24, 29)")
        assert visit.page.get_attribute("[data-theme-choice=light]", "aria-pressed") == "true"
        visit.page.click("[data-theme-choice=dark]")
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate(background) == light  # paper is white
        assert not visit.page.is_visible(".themes")
        assert visit.page.is_visible("#figure-comparison .live svg")


def test_it_prints(
    browser: Any, bundled: tuple[Path, Report], peer: Callable[[str], ModuleType]
) -> None:
    with Visit(browser, bundled[0]) as visit:
        sheets = pages_of(visit.page.pdf(format="A4"), peer)
        assert 3 <= len(sheets) <= 12
        # The numbers behind the dots are folded on the screen, and cannot be opened on paper.
        assert any("p Holm" in text for text in sheets)
        assert not visit.page.locator("#numbers").evaluate("numbers => numbers.open")


def test_a_long_table_has_its_heads_on_every_page(
    browser: Any, hundred: tuple[Path, Report], peer: Callable[[str], ModuleType]
) -> None:
    with Visit(browser, hundred[0]) as visit:
        sheets = pages_of(visit.page.pdf(format="A4"), peer)
        of_table = [
            text for text in sheets if text.count(" small") > 8
        ]  # a flag of every rule here
        assert len(of_table) >= 3
        for text in of_table:
            assert all(head in text for head in ("share", "resolved", "rated", "flags")), text


def pages_of(printed: bytes, peer: Callable[[str], ModuleType]) -> list[str]:
    """The text of each page of a PDF, without ligatures and line breaks."""
    sheets = peer("pypdf").PdfReader(io.BytesIO(printed)).pages
    return [" ".join(normalize("NFKC", sheet.extract_text()).split()) for sheet in sheets]


def test_provenance_is_copied_as_json(browser: Any, bundled: tuple[Path, Report]) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    with Visit(browser, bundled[0], permissions=permissions) as visit:
        visit.page.click("#copy")
        visit.page.locator("#copied", has_text="Copied.").wait_for()
        told = json.loads(visit.page.evaluate("navigator.clipboard.readText()"))
        assert told["command"] == "encore report ratings.parquet"
        assert told["calibration_digest"] == bundled[1].content.calibration.digest


def test_figures_are_saved_by_their_links(
    browser: Any, bundled: tuple[Path, Report], tmp_path: Path
) -> None:
    with Visit(browser, bundled[0]) as visit:
        for form, start in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("csv", b"rule,")):
            with visit.page.expect_download() as caught:
                visit.page.click(f"a[download='shares.{form}']")
            caught.value.save_as(tmp_path / form)
            assert (tmp_path / form).read_bytes().startswith(start)


def test_without_scripts_the_figures_and_tables_still_stand(
    browser: Any, bundled: tuple[Path, Report]
) -> None:
    with Visit(browser, bundled[0], java_script_enabled=False) as visit:
        for name in ("shares", "before-after", "strength", "entropy-accuracy", "comparison"):
            picture = visit.page.locator(f"#figure-{name} .still img")
            assert picture.is_visible()
            assert picture.bounding_box()["width"] > 700  # the text in it can be read
        assert visit.page.locator("#rules tbody tr").count() == 12
        for name in ("#strength-now", "#scheme", "#copy", ".themes"):
            assert not visit.page.is_visible(name)
        visit.page.locator(".flag").first.hover()
        assert visit.page.locator(".flag [role=tooltip]").first.is_visible()


@pytest.mark.parametrize("width", [360, 390, 768, 1440])
@pytest.mark.parametrize("scripts", [True, False])
def test_nothing_is_wider_than_the_screen(
    browser: Any, bundled: tuple[Path, Report], width: int, scripts: bool
) -> None:
    screen = {"width": width, "height": 800}
    with Visit(browser, bundled[0], viewport=screen, java_script_enabled=scripts) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.page.evaluate(TEXTS_OUTSIDE) == []


TEXTS_OUTSIDE = """() => [...document.querySelectorAll("svg.chart text")].filter((text) => {
    const { left, right, width } = text.getBoundingClientRect();
    return width > 0 && (left < 0 || right > document.documentElement.clientWidth);
}).map((text) => text.textContent)"""


@pytest.mark.parametrize("width", [360, 1440])
def test_odd_names_stand_beside_their_charts(browser: Any, odd: Path, width: int) -> None:
    with Visit(browser, odd, viewport={"width": width, "height": 800}) as visit:
        assert visit.page.evaluate(TEXTS_OUTSIDE) == []
        # The name of a side stands below the title of its panel.
        texts = visit.page.locator("#figure-before-after .live svg text")
        boxes = [(text.text_content(), text.bounding_box()) for text in texts.all()]
        titles = [box for text, box in boxes if "separation" in text]
        sides = [box for text, box in boxes if text in ("chosen", "rejected")]
        assert (len(titles), len(sides)) == (2, 4)
        for title in titles:
            for side in sides:
                assert (
                    side["y"] >= title["y"] + title["height"] - 1
                    or side["y"] + side["height"] <= title["y"] + 1
                    or side["x"] >= title["x"] + title["width"]
                )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_no_violation(
    browser: Any,
    bundled: tuple[Path, Report],
    peer: Callable[[str], ModuleType],
    scheme: str,
    width: int,
) -> None:
    axe = peer("axe_playwright_python.sync_playwright").Axe()
    screen = {"width": width, "height": 844}
    with Visit(browser, bundled[0], viewport=screen, color_scheme=scheme, bypass_csp=True) as visit:
        visit.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        found = axe.run(visit.page).response["violations"]
        assert [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in found] == []


def test_axe_finds_no_violation_among_texts(
    browser: Any, folder: Path, peer: Callable[[str], ModuleType]
) -> None:
    axe = peer("axe_playwright_python.sync_playwright").Axe()
    made = pairs(120)
    columns: dict[str, Any] = {
        name: [f"{name} " * 300 for _ in range(120)] for name in ("prompt", "chosen", "rejected")
    }
    for side, rows in (("chosen", made.chosen), ("rejected", made.rejected)):
        for k, rule_id in enumerate(made.rules.ids):
            columns[f"{side}.{rule_id}"] = made.ratings.values[rows, k]
    pq.write_table(pa.table(columns), folder / "texts.parquet")
    found = report(folder / "texts.parquet", made.rules)
    found.save(folder / "texts.html", include_text=True)
    with Visit(browser, folder / "texts.html", bypass_csp=True) as visit:
        visit.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert axe.run(visit.page).response["violations"] == []


def test_hostile_ids_run_nothing(browser: Any, folder: Path) -> None:
    rated = pairs(80, ids=HOSTILE)
    report(rated, rated.rules).save(folder / "hostile.html", command="</script><script>alert(2)")
    with Visit(browser, folder / "hostile.html") as visit:
        assert visit.said == []
        assert visit.asked == [(folder / "hostile.html").as_uri()] + [
            url for url in visit.asked if url.startswith("data:")
        ]
        assert set(visit.page.locator("#rules tbody th bdi").all_inner_texts()) == set(HOSTILE)
        assert (
            visit.page.locator(
                "main img:not(.still img), main script, main a:not([download])"
            ).count()
            == 0
        )
        assert "<script>alert(1…script>" in " ".join(
            visit.page.locator("#figure-shares svg text").all_text_contents()
        )
        visit.slide("strength", 3.0)
        assert visit.said == []


@pytest.mark.parametrize("n_rules", [1, 100])
def test_one_rule_and_a_hundred(
    browser: Any, folder: Path, hundred: tuple[Path, Report], n_rules: int
) -> None:
    one = pairs(60, ids=("rule-0",), gaps=0.01)
    path, made = hundred if n_rules == 100 else saved(folder / "1.html", one)
    rated = pairs_of(made.content)
    assert len(rated.rules) == n_rules
    with Visit(browser, path) as visit:
        visit.slide("strength", 2.0)
        weights = Linear(strength=2.0)(made.content.calibration)
        assert says(visit.summary, expected(rated, weights)), visit.summary
        assert visit.said == []


def test_responses_and_a_calibration_have_what_can_be_had(browser: Any, folder: Path) -> None:
    rated = pairs(60)
    calibration = report(rated, rated.rules).content.calibration
    report(rated.ratings, rated.rules).save(folder / "responses.html")
    report(calibration).save(folder / "calibration.html")
    order = np.argsort(-Linear()(calibration).shares, kind="stable")
    for name, curves in (("responses", 1), ("calibration", 0)):
        with Visit(browser, folder / f"{name}.html") as visit:
            visit.slide("strength", 4.0)
            share = Linear(strength=4.0)(calibration).shares[order[0]]
            assert f"{share:.1%}".replace("%", " %") in visit.summary
            assert visit.page.locator("#live-rewards svg path[d^=M]").count() >= 2 * curves
            assert visit.page.is_visible("#live-rewards svg") == bool(curves)
            assert not visit.page.is_visible("#live-accuracy")
            assert not visit.page.is_visible("#figure-strength .live svg")
            visit.page.click("#tab-1")
            assert visit.page.is_visible("#live-accuracy svg")
            assert visit.said == []
