"""The page in a browser: its test images, their heatmaps, its tables, both widths and schemes."""

import base64
import json
import re

import numpy as np
import pytest
from made_page import RULE, draw, made_cases, made_evaluation, made_figures, render_made
from made_results import made_radiographs
from playwright.sync_api import sync_playwright

from pipeline.attention.drawing import draw_on_image
from pipeline.base.findings import FINDINGS
from pipeline.base.tables import positive
from pipeline.results.pictures.cases import coarse
from pipeline.results.pictures.overlays import OPACITY
from pipeline.results.report.views import case_browser
from pipeline.results.report.views.case_browser import write_beside_page
from tests.stages.chromium import ALONE, CHROMIUM, in_a_browser, watch

pytestmark = [in_a_browser, pytest.mark.xdist_group("report_page")]

MASS = FINDINGS.index("Mass")

CONTRAST = """
() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => {
      const c = v / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
    if (["SCRIPT", "STYLE", "NOSCRIPT", "OPTION"].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const front = light(rgb(node instanceof SVGElement ? style.fill : style.color));
    const back = light(rgb(style.backgroundColor.endsWith(", 0)") ? "" + behind(node) : style.backgroundColor));
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${node.tagName} ${walker.currentNode.textContent.trim().slice(0, 30)}`);
  }
  return found;
}
"""  # noqa: E501


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return made_radiographs(tmp_path_factory.mktemp("cohort"), rule=RULE)


@pytest.fixture(scope="module")
def cases(cohort, tmp_path_factory):
    return made_cases(cohort[0], tmp_path_factory.mktemp("cases") / "cases")


@pytest.fixture(scope="module")
def figures(cohort):
    return made_figures(cohort, made_evaluation(cohort))


@pytest.fixture(scope="module")
def address(cohort, cases, figures, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(render_made(cases, cohort, figures, draw(cohort[0], 2)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ALONE))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, address):
    """A page of some width and scheme; complaints and requests are looked at when it closes."""
    contexts = []

    def opened(width=1400, scheme="light", at=address):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        page = context.new_page()
        contexts.append((context, *watch(page)))
        page.goto(at)
        return page

    yield opened
    for context, complaints, requests in contexts:
        context.close()
        assert complaints == []
        assert all(one.startswith(("file:", "data:")) for one in requests)


def choose(page, finding, kind, order="probable"):
    page.select_option("#case-finding", label=finding)
    page.click(f"label.pill.{kind}")
    page.select_option("#case-order", order)


def shown(page):
    """The names of the images on the page, as a screen reader tells them."""
    buttons = page.locator("#case-grid button").all()
    return [one.get_attribute("aria-label").partition(",")[0] for one in buttons]


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_and_all_text_is_readable(open_page, width, scheme):
    page = open_page(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(
        "document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("kind", ["fp", "fn", "tp", "tn", "labelled", "all"])
def test_the_images_of_a_finding_are_those_of_the_kind(open_page, cohort, figures, kind):
    radiographs = cohort[0]
    test = radiographs.test
    thresholds = figures.evaluation["thresholds"].query("system == 'ensemble' and rule == 'f1'")
    threshold = thresholds.set_index("finding")["threshold"]["Mass"].iloc[0]
    labelled = positive(radiographs.index.set_index("image_index").loc[test.index], "Mass")
    called = (test["Mass"] >= threshold).to_numpy()
    wanted = {
        "fp": called & ~labelled, "fn": ~called & labelled, "tp": called & labelled,
        "tn": ~called & ~labelled, "labelled": labelled, "all": labelled | ~labelled,
    }[kind]  # fmt: skip
    page = open_page()
    choose(page, "Mass", kind)
    while page.locator("#case-more").is_visible():
        page.click("#case-more")
    expected = test["Mass"][wanted].sort_values(ascending=False, kind="stable")
    assert len(expected)
    assert shown(page) == list(expected.index)
    pill = page.locator(f"label.pill.{kind} output").text_content()
    assert pill == str(len(expected))


def test_images_can_be_ordered_by_where_the_heatmap_lies(open_page, cases):
    page = open_page()
    choose(page, "Mass", "labelled", "worst")
    ious = dict(zip(cases.about["images"], cases.about["ious"], strict=True))
    found = [ious[name]["Mass"] for name in shown(page)]
    assert found == sorted(found)
    choose(page, "Hernia", "labelled", "probable")  # has no boxes
    assert page.locator("#case-order option[value=worst]").is_disabled()


def drawn_map(page):
    """Opacity of the heatmap of the open image, as shares of what is most."""
    url = page.evaluate(
        "() => { const c = document.querySelector('#case canvas');"
        " return [c.width, c.height, ...c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data.filter((_, at) => at % 4 === 3)]; }"
    )
    width, height, *alpha = url
    return np.array(alpha, float).reshape(height, width) / (255 * OPACITY)


def test_the_heatmap_is_drawn_where_the_pipeline_draws_it(open_page, cohort):
    page = open_page()
    choose(page, "Mass", "labelled")
    name = shown(page)[0]
    page.locator("#case-grid button").first.click()
    page.wait_for_function("document.querySelectorAll('#case tbody tr').length === 14")
    found = drawn_map(page)
    seen = cohort[0].seen(name, "Mass", "cam")
    small, grid = coarse(seen.heatmap, seen.grid)
    small = np.rint(255 * small / small.max())
    expected = draw_on_image(small, grid, height=found.shape[0], width=found.shape[1])
    np.testing.assert_allclose(found, expected / expected.max(), atol=0.015)
    boxes = page.eval_on_selector_all(
        "#case .boxes rect.truth",
        "all => all.map((r) => ['x', 'y', 'width', 'height'].map((n) => +r.getAttribute(n)))",
    )
    (true,) = cohort[0].truths(name, "Mass")
    x, y, right, bottom = 100 * true
    assert boxes == [pytest.approx([x, y, right - x, bottom - y], abs=0.1)]


def test_arrow_keys_go_through_images_and_findings(open_page):
    page = open_page()
    choose(page, "Mass", "labelled")
    names = shown(page)
    page.locator("#case-grid button").first.click()
    name = page.locator("#case .name")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.querySelector('#case .name').textContent === '{names[1]}'")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"document.querySelector('#case .name').textContent === '{names[0]}'")
    page.keyboard.press("ArrowLeft")  # the first stays
    page.keyboard.press("ArrowDown")
    pressed = page.locator("#case [aria-pressed=true]")
    page.locator("#case [aria-pressed=true]", has_text=FINDINGS[MASS + 1]).wait_for()
    assert name.text_content() == names[0]
    assert pressed.count() == 1
    canvas = page.locator("#case canvas")
    assert canvas.is_visible()
    page.keyboard.press("m")
    assert not canvas.is_visible()
    assert page.locator("#case rect.predicted, #case rect.crop").first.is_visible()
    page.keyboard.press("b")
    assert not page.locator("#case rect.crop").first.is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#case").is_visible()
    assert page.evaluate("document.activeElement.parentElement.id") == "case-grid"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(names[1])


def test_a_table_sorts_by_the_column_that_is_clicked(open_page):
    page = open_page()
    page.locator("#thresholds summary").first.click()
    table = page.locator("#thresholds table").first

    def cells():
        return [float(text) for text in table.locator("tbody td:nth-child(2)").all_inner_texts()]

    head = table.locator("thead th").nth(1)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert cells() == sorted(cells(), reverse=True)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert cells() == sorted(cells())


def test_a_link_opens_what_is_folded(open_page):
    page = open_page()
    assert not page.locator("#subgroups table").first.is_visible()
    page.click("nav.contents a[href='#subgroups']")
    page.locator("#subgroups table").first.wait_for(state="visible")


def test_a_large_radiograph_opens_and_its_heatmap_can_be_switched_off(open_page):
    page = open_page()
    over = page.locator("#radiographs .large image.over").first
    assert over.is_visible()
    page.locator("#radiographs > p .switch-map").uncheck()
    assert not over.is_visible()
    page.locator("button.enlarge").first.click()
    enlarged = page.locator("#enlarged image.over")
    assert enlarged.is_visible()
    page.locator("#enlarged .switch-map").uncheck()
    assert not enlarged.is_visible()


def test_many_test_images_lie_beside_the_page(
    open_page, cohort, cases, figures, tmp_path, monkeypatch
):
    monkeypatch.setattr(case_browser, "MOST_BYTES", 0)
    path = tmp_path / "index.html"
    text = render_made(cases, cohort, figures, draw(cohort[0], 0))
    path.write_text(text, encoding="utf-8")
    (tmp_path / "cases").mkdir()
    write_beside_page(cases, tmp_path / "cases")
    page = open_page(at=path.as_uri())
    choose(page, "Mass", "all")
    page.wait_for_function(
        "[...document.querySelectorAll('#case-grid img')].every((one) => one.naturalWidth > 0)"
    )
    first = page.locator("#case-grid img").first.get_attribute("src")
    place = cases.about["images"].index(shown(page)[0])
    (own,) = [json.loads(cases.files[0].read_text())[place]["image"]]
    assert first == f"data:image/jpeg;base64,{own}"
    assert base64.b64decode(own)[:2] == b"\xff\xd8"
    assert not re.search(r'id="cases-\d', text)
