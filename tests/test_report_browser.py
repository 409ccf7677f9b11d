"""The page in a browser: headless Chromium, if it and its driver are installed."""

import shutil
from pathlib import Path

import pytest

from brl.report.page import write_page
from tests.reported import class_names, results

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here (apt: chromium-driver)"
)
PHONE, DESK = (380, 800), (1280, 900)
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in QUIET:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def opened(browser, page: Path, size: tuple[int, int], scheme: str = "light"):
    """The page on a screen of this size in points, with this preferred colour scheme."""
    width, height = size
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    browser.get_log("browser")
    browser.get(page.as_uri())
    return browser


@pytest.fixture(scope="module", params=[10, 60])
def page(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_page(folder / "index.html", results(folder, class_names(request.param)))
    return folder / "index.html"


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_no_error_and_every_section_shows_something(browser, page, size):
    opened(browser, page, size)
    assert browser.get_log("browser") == []
    heights = browser.execute_script(
        "return [...document.querySelectorAll('section')].map(s => [s.id, s.offsetHeight])"
    )
    assert len(heights) == 9 and all(height > 60 for _, height in heights), heights


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_page_is_not_wider_than_the_screen(browser, page, size):
    """Wider parts, such as the confusion matrix of many classes, scroll by themselves."""
    opened(browser, page, size)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]


def test_letters_are_large_enough_on_a_phone(browser, page):
    opened(browser, page, PHONE)
    smallest = browser.execute_script(
        "return Math.min(...[...document.querySelectorAll('svg text')].filter(t => t.textContent)"
        ".map(t => t.getBoundingClientRect()).map(r => Math.min(r.width, r.height)))"
    )
    assert smallest >= 5


def test_skeletons_move_and_stop(browser, page):
    opened(browser, page, DESK)
    look = "return document.querySelector('canvas').toDataURL()"
    canvas = browser.find_element("css selector", "canvas")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    wait = "setTimeout(arguments[arguments.length - 1], 400)"
    browser.execute_async_script(wait)
    first = browser.execute_script(look)
    browser.execute_async_script(wait)
    assert browser.execute_script(look) != first
    canvas.click()
    stopped = browser.execute_script(look)
    browser.execute_async_script(wait)
    assert browser.execute_script(look) == stopped


def test_letters_stand_out_in_light_and_dark(browser, page):
    """The luminances of background and text are far apart, in charts too."""
    light = (
        "const rgb = c => c.match(/[0-9.]+/g).slice(0, 3).map(Number);"
        "const sum = c => rgb(c).reduce((a, b) => a + b, 0) / 765;"
        "const style = n => getComputedStyle(document.querySelector(n));"
        "return [sum(style('body').backgroundColor), sum(style('body').color),"
        " sum(style('svg text').fill)]"
    )
    for scheme, paper in (("light", 1), ("dark", 0)):
        opened(browser, page, DESK, scheme)
        background, letters, of_charts = browser.execute_script(light)
        assert abs(background - paper) < 0.15
        assert abs(letters - background) > 0.6 and abs(of_charts - background) > 0.6
