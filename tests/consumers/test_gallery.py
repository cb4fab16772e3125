"""Galleries in a headless Chromium: they open from a file, ask for nothing else, and answer clicks and keys.

Skipped where there is no browser.
"""

import hashlib
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

import synthgen
from synthgen.look.gallery import gallery

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "browser.py"))
pytestmark = pytest.mark.skipif(TOOL["program"]() is None, reason="needs chromium: apt-get install chromium")
NAMES = ["good", "<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "naïve 例 \u2028 & 'x'"]


@pytest.fixture(scope="module")
def browser():
    with TOOL["Browser"]() as browser:
        yield browser


@pytest.fixture(scope="module")
def renamed(plates, tmp_path_factory):
    """The plates with names of classes that would harm a page."""
    folder = tmp_path_factory.mktemp("renamed") / "plates <b>"
    shutil.copytree(plates, folder)
    table = [json.loads(line) for line in (folder / "classes.jsonl").read_text().splitlines()]
    lines = [json.dumps({**row, "name": name}) for row, name in zip(table, NAMES, strict=True)]
    text = "".join(f"{line}\n" for line in lines)
    (folder / "classes.jsonl").write_text(text)
    manifest = json.loads((folder / "dataset.json").read_text())
    manifest["classes_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    manifest["recipe"]["name"] = NAMES[2]
    (folder / "dataset.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module", params=["one.html", "site"])
def path(request, renamed, tmp_path_factory):
    """The page of a gallery, in one file or in a folder."""
    out = tmp_path_factory.mktemp("out") / request.param
    gallery(renamed, out, cell=48)
    return out if out.suffix else out / "index.html"


@pytest.fixture
def page(browser, path):
    page = browser.open(path)
    page.wait("document.querySelectorAll('.thumb').length > 0")
    yield page
    assert page.complaints() == []
    page.close()
    outside = [url for url in page.requests() if not url.startswith(("data:", path.parent.as_uri()))]
    assert outside == []


def texts(page, selector):
    return page.value(f"[...document.querySelectorAll('{selector}')].map((node) => node.textContent)")


def pixels(page):
    """Return how many pixels of the canvas over a picture are colored."""
    return page.value(
        "(() => { const c = document.querySelector('.stage canvas'); if (c.hidden) return 0;"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })()"
    )


def open_sample(page, label=1, slot=0):
    page.value(f"location.hash = '#/sample/{label}/' + data.classes[{label}].indices[{slot}]")
    page.wait("document.querySelectorAll('.stage canvas').length > 0")


def test_names_with_markup_are_shown_as_text(page):
    assert texts(page, ".class h3") == NAMES
    assert page.value("document.title") == NAMES[2]
    page.click(".class:nth-of-type(2) h3 a")
    page.wait("location.hash === '#/class/1'")
    page.wait("document.querySelector('h1').textContent.startsWith('<img')")
    assert page.value("document.querySelectorAll('img[src=x]').length") == 0


def test_fields_are_switched_by_buttons_keys_and_the_pointer(page):
    shown = "document.querySelector('.thumb').style.backgroundImage"
    page.wait(f"{shown} !== ''")
    image = page.value(shown)
    page.key("2")
    mask = page.value(shown)
    assert mask != image
    page.click(".top button:first-of-type")
    assert page.value(shown) == image
    page.move(".thumb")
    assert page.value(shown) not in (image, mask)


def test_keys_move_among_samples_open_them_and_go_back(page):
    page.key("ArrowRight")
    page.key("ArrowRight")
    page.key("Enter")
    page.wait("document.querySelectorAll('.stage').length > 0")
    second = page.value("location.hash")
    page.key("ArrowLeft")
    page.wait(f"location.hash !== '{second}'")
    assert page.value("location.hash") == page.value("`#/sample/0/${data.classes[0].indices[0]}`")
    page.key("Escape")
    page.wait("location.hash === '#/class/0'")
    page.key("g")
    page.wait("document.querySelectorAll('.class').length === 4")
    page.key("/")
    assert page.value("document.activeElement.type") == "search"


def test_a_view_that_was_left_while_it_loaded_answers_keys_and_is_not_shown_later(page):
    page.value(
        "let real = details; let load; const held = new Promise((done) => { load = done; });"
        "details = (place) => held.then(() => real(place));"
        "location.hash = '#/sample/0/' + data.classes[0].indices[0]"
    )
    page.wait("visits > 1")
    page.value("details = real")
    page.key("Escape")
    page.wait("document.querySelector('.pair') !== null")
    page.value("load()")
    page.value("new Promise((done) => setTimeout(done, 200))")
    assert page.value("location.hash") == "#/class/0"
    assert page.value("document.querySelectorAll('.stage').length") == 0


def test_objects_are_shown_by_kind_and_one_by_one(page):
    open_sample(page)
    page.wait("document.getElementById('option-overlay') !== null")
    assert pixels(page) == 0
    page.click("#option-overlay")
    page.wait("!document.querySelector('.stage canvas').hidden")
    everything = pixels(page)
    page.click(".objects input")
    without_one = pixels(page)
    page.click(".kinds input")
    assert everything > without_one > pixels(page)
    page.move(".objects tbody tr")
    assert page.value("document.querySelectorAll('.frame').length") == 1


def test_the_slider_lays_the_image_over_its_clean_twin(page):
    open_sample(page)
    page.click("#option-compare")
    assert page.value("document.querySelector('.stage .over').style.clipPath").startswith("inset(0px 0px 0px ")
    page.key("2")
    assert page.value("document.querySelectorAll('.stage .over').length") == 0


def test_a_sample_can_be_drawn_again_by_the_line_that_its_page_shows(page, renamed):
    open_sample(page, 1, 2)
    command = texts(page, ".copyable code")[0]
    dataset = synthgen.open(renamed)
    index = page.value("data.classes[1].indices[2]")
    assert command == f"synthgen render 'plates <b>' --label 1 --index {index} --size 1024x853 -o " + (
        f"{dataset[dataset.find(1, index)].key}.png"
    )
    page.click(".copyable button")
    page.wait("document.querySelector('.copyable button').textContent === 'copied'")


def test_bars_and_the_heat_map_filter_the_samples(page):
    page.key("d")
    page.wait("document.querySelectorAll('.bars button').length > 0")
    assert texts(page, "main p a") == ["20 of 20 images match"]
    page.click(".figures figure:nth-of-type(3) .bars button:last-of-type")
    page.wait("document.querySelectorAll('.chips button').length === 1")
    some = page.value("matching().reduce((sum, [, slots]) => sum + slots.length, 0)")
    assert 0 < some < 20
    page.click(".heat img")
    page.wait("document.querySelectorAll('.heat .cell').length === 1")
    page.key("g")
    page.wait("document.querySelector('main h1').textContent === data.title")
    assert page.value("document.querySelectorAll('.thumb').length") <= some


def test_a_class_links_to_the_nearest_ones(page):
    page.value("location.hash = '#/class/1'")
    page.wait("document.querySelectorAll('.nearest .thumb').length === 3")
    nearest = page.value("data.map.nearest[1].map((place) => data.classes[place].name)")
    assert texts(page, ".nearest figcaption") == nearest
    assert sorted(nearest) == sorted(set(NAMES) - {NAMES[1]})
    page.click(".nearest .thumb")
    page.wait(f"document.querySelector('h1').textContent === {json.dumps(nearest[0])}")
    assert page.value("placeOf.get(Number(location.hash.split('/')[2])) === data.map.nearest[1][0]")


def around(page, place):
    """Return points of the screen around a class of the map, the first of them again at the end."""
    page.wait("document.querySelectorAll('.map .thumb').length === 4")
    x, y = page.place(f".map .thumb:nth-of-type({place + 1})")
    corners = [(-9, -9), (0, -9), (9, -9), (9, 9), (0, 9), (-9, 9), (-9, -9)]
    return [(x + right, y + down) for right, down in corners]


def test_a_line_round_classes_of_the_map_leaves_these(page):
    page.key("m")
    page.drag(around(page, 2))
    page.wait("document.querySelectorAll('.map .faint').length === 3")
    (chip,) = texts(page, ".chips button")
    assert chip.startswith("Map of classes: 1 class ")
    assert page.value("location.hash") == "#/map"
    page.key("g")
    page.wait("document.querySelectorAll('.class').length === 1")
    assert texts(page, ".class h3") == [NAMES[2]]
    page.key("m")
    page.drag(around(page, 0))
    page.wait("matching().length === 1 && matching()[0][0] === 0")
    assert page.value("state.filters.length") == 1


def test_a_click_on_the_map_opens_the_class_and_keys_move_there(page):
    page.key("m")
    page.wait("document.querySelectorAll('.map .thumb').length === 4")
    page.key("ArrowRight")
    assert page.value("document.activeElement.title") == NAMES[0]
    page.click(".map .thumb:nth-of-type(3)")
    page.wait("location.hash === '#/class/2'")
    page.key("m")
    page.wait("document.querySelector('.map') !== null")
    page.key("Escape")
    page.wait("location.hash === '#/'")


class Brightness:
    """Stands for a network: it sees how bright an image is."""

    name = NAMES[1]

    def __call__(self, images):
        return np.array([[image.mean(), image.std()] for image in images])


def test_pages_say_which_network_the_nearest_classes_are_by(browser, renamed, tmp_path):
    gallery(renamed, tmp_path / "seen.html", cell=48, megabytes=0, viewer=Brightness())
    page = browser.open(tmp_path / "seen.html")
    page.key("m")
    page.wait("document.querySelectorAll('.map .thumb').length === 4")
    (note,) = texts(page, "main p.note")
    assert f"compared by the features that {NAMES[1]} finds in their images; the two" in note
    page.value("location.hash = '#/class/2'")
    page.wait("document.querySelectorAll('.nearest .thumb').length === 3")
    assert texts(page, ".nearest p.note")[0].startswith(
        f"Of those that this page shows, by the features that {NAMES[1]}"
    )
    assert page.complaints() == []


def test_a_search_leaves_the_classes_that_match(page):
    page.value("search.value = 'NAÏVE'; search.dispatchEvent(new Event('input'))")
    assert texts(page, ".class h3") == [NAMES[3]]


def test_the_page_is_dark_or_light_as_the_system_is_or_as_a_key_says(browser, path):
    color = "getComputedStyle(document.body).backgroundColor"
    page = browser.open(path, scheme="dark")
    dark = page.value(color)
    page.key("t")
    light = page.value(color)
    assert dark != light
    assert browser.open(path).value(color) == light
    assert page.complaints() == []


def test_the_format_and_the_card_are_part_of_the_page(page):
    page.wait(
        "[...document.querySelectorAll('details pre')].some((node) => node.textContent.includes('## Load it'))"
    )
    page.value("location.hash = '#/format'")
    page.wait("document.querySelector('main pre')?.textContent.startsWith('# The format of a synthgen data set')")


def test_a_report_shows_its_table_curves_and_images(browser, tmp_path):
    from synthgen.look.report import Chart, Line, Shot, Table, write_report

    steps = np.linspace(0, 1, 20)
    image = np.full((30, 90, 3), 128, np.uint8)
    path = write_report(
        tmp_path / "report.html",
        NAMES[1],
        [("test set", NAMES[2])],
        [Table("Table", ["kind", "auroc"], [["a", 0.5], ["b", 0.9], ["c", None]])],
        [Chart("ROC", "false", "true", [Line("all", steps, np.sqrt(steps)), Line("dent", steps, steps)])],
        [Shot("Worst", NAMES[3], image)],
    )
    page = browser.open(path)
    page.wait("document.querySelectorAll('.charts polyline').length === 2")
    page.wait("document.querySelector('.shots img').naturalWidth === 90")
    assert texts(page, "h1") == [NAMES[1]]
    page.click("th:nth-of-type(2) button")
    assert texts(page, "section tbody td:first-of-type") == ["b", "a", "c"]
    page.move(".legend button")
    assert page.value("document.querySelectorAll('.charts .faint').length") == 1
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith(("data:", path.as_uri()))] == []
