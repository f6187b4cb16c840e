# SPDX-License-Identifier: BSD-2-Clause
"""rawvs-web's page in a real browser: numbers, news, whom it asks, widths, colours, keys, what a screen reader gets."""
import os
import pathlib
import re

from case import all_answered, case, same, true
from chromium import Chromium
from health import check, web
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP
from web import HERE, Web, told

RS1, RS2 = f"{ADDRESS['rs1']}:80", f"{ADDRESS['rs2']}:80"
WATCH = """(() => {
  window.polls = [];
  window.shown = null;
  const ask = window.fetch;
  window.fetch = (...args) => { polls.push(Date.now()); return ask(...args); };
  new MutationObserver(() => {
    const text = document.getElementById("problems").innerText;
    if (!shown && text.includes("%s of")) {
      shown = {at: Date.now(), text, events: document.getElementById("events").innerText};
    }
  }).observe(document.querySelector("main"), {childList: true, subtree: true});
})()"""
# Each text's colour against what is behind it, as WCAG 2.1 counts it; the worst ones first.
CONTRAST = """(() => {
  const light = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const bright = (c) => 0.2126 * light(c[0]) + 0.7152 * light(c[1]) + 0.0722 * light(c[2]);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [bright(rgb(getComputedStyle(e).color)), bright(behind(e))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), e.tagName + "." + e.className + ": " + e.textContent.slice(0, 30)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
})()"""


def busy_director(lab):
    web(lab, "rs1")
    director = Director(lab, check(), virtual(check="well"), "[vrrp gateway]\nvrid = 5\ninterval = 100ms\n",
                        "[sync]\n").start()
    director.wait_for_health("rs1", "up")
    director.wait_for_health("rs2", "down")
    eventually(lambda: '"master", "priority"' in director.admin("vrrp", "--json"), 20, "a master")
    all_answered(lab.request("client", 4), 4)
    return director


def no_fault(browser):
    """Nothing was asked for elsewhere, and neither the policy nor the script complained."""
    asked = {one["request"]["url"] for one in browser.of("Network.requestWillBeSent")}
    true({f"{HERE}/style.css", f"{HERE}/page.js"} <= asked, asked)
    same([url for url in asked if not url.startswith((f"{HERE}/", "data:", "about:"))], [], "requests to others")
    same(browser.of("Runtime.exceptionThrown") + browser.of("Runtime.consoleAPICalled"), [], "what the script said")
    same([one["entry"]["text"] for one in browser.of("Log.entryAdded")], [], "the browser's log")


@case(seconds=150)
def a_browser_shows_the_numbers_and_asks_nobody_else(lab):
    director = busy_director(lab)
    Web(lab, director)
    with Chromium(director.host, lab.directory / "browser") as browser:
        browser.show(HERE)
        eventually(lambda: browser.evaluate("document.getElementById('live').textContent") == "Live", 20, "the script")
        page = browser.evaluate("document.documentElement.outerHTML")
        status = told(director, "status")
        for server in status["services"][0]["servers"]:
            row = re.search(rf"<tr><th scope=\"row\">{re.escape(server['server'])}</th>.*?</tr>", page).group(0)
            cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
            same([int(cell.replace(",", "")) for cell in cells[2:5]],
                 [server[key] for key in ("weight", "active", "inactive")], f"numbers of {server['server']}")
            true(cells[-1].startswith(server["why"][:20]), row)
        true(f" {status['services'][0]['conns']} connections so far" in page, page)
        for event in told(director, "events")["events"]:
            true(event["text"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page, event)
        no_fault(browser)


@case(seconds=150)
def a_server_that_dies_shows_in_the_browser_with_the_next_answers(lab):
    director = busy_director(lab)
    second = web(lab, "rs2")
    director.wait_for_health("rs2", "up")
    Web(lab, director)
    with Chromium(director.host, lab.directory / "browser") as browser:
        browser.show(HERE)
        eventually(lambda: browser.evaluate("document.getElementById('live').textContent") == "Live", 20, "the script")
        browser.evaluate(WATCH % RS2)
        second.stop()
        shown = eventually(lambda: browser.evaluate("shown"), 30, "the server, among the page's problems")
        event = [one for one in told(director, "events")["events"]
                 if f"server {RS2} is down" in one["text"]][-1]
        true("connection refused" in shown["text"], shown)
        true(event["text"] in shown["events"], f"{event} is not among {shown['events'][:500]}")
        happened = float(event["time"]) * 1000
        polls = browser.evaluate("polls")
        # Each of the answers shows what the director said less than a second before it was asked for.
        late = [at for at in polls if happened < at <= shown["at"]]
        true(late or shown["at"] >= happened, f"{shown['at']} is before {happened}")
        gaps = [b - a for a, b in zip(polls, polls[1:])]
        no_fault(browser)
    return f"{shown['at'] - happened:.0f} ms after the event, in answer {len(late)}; {min(gaps, default=0)} ms between"


def screenshots(lab):
    """Where they stay; else they go with the test's folder."""
    return pathlib.Path(os.environ.get("RAWVS_SCREENSHOTS", lab.directory))


@case(seconds=200)
def the_page_is_for_narrow_and_wide_dark_and_light_screens(lab):
    director = busy_director(lab)
    Web(lab, director)
    with Chromium(director.host, lab.directory / "browser") as browser:
        for width in (360, 1280):
            for dark in (False, True):
                browser.show(HERE, width, dark)
                name = f"{'dark' if dark else 'light'}-{width}"
                browser.screenshot(screenshots(lab) / f"rawvs-web-{name}.png")
                same(browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), True,
                     f"whether {name} fits its screen")
                worst = browser.evaluate(CONTRAST)
                true(len(worst) > 100, worst)
                true(worst[0][0] >= 4.5, f"contrast, {name}: {worst[:5]}")
        no_fault(browser)


def roles(browser, *wanted):
    """The names that a screen reader gives what has this role."""
    nodes = browser.ask("Accessibility.getFullAXTree")["nodes"]
    return [node.get("name", {}).get("value", "") for node in nodes
            if not node["ignored"] and node["role"]["value"] in wanted]


@case(seconds=150)
def keys_and_screen_readers_reach_everything_without_a_script_too(lab):
    director = busy_director(lab)
    Web(lab, director)
    with Chromium(director.host, lab.directory / "browser") as browser:
        browser.show(HERE, script=False)
        headings = roles(browser, "heading")
        for heading in ("Problems", "Summary", "Services", "Events", "History", "VRRP", "Sync", "Addresses",
                        "Drops and other exits", "Interfaces"):
            true(heading in headings, f"no heading {heading} among {headings}")
        true("Events, newest first" in roles(browser, "table"), roles(browser, "table"))
        for head in ("Server", "State", "Since", "Reason", "Time", "Topic"):
            true(head in roles(browser, "columnheader"), roles(browser, "columnheader"))
        true(RS1 in roles(browser, "rowheader"), roles(browser, "rowheader"))
        plots = [name for name in roles(browser, "image", "img") if name.startswith("Check latency, last hour")]
        same(len(plots), 1, f"plots with a text: {roles(browser, 'image', 'img')}")
        same("Search" in roles(browser, "searchbox"), True, "whether the search has a name")
        browser.show(HERE)
        reached = []
        for _ in range(40):
            browser.key("Tab", 9)
            reached.append(browser.evaluate("document.activeElement.id || document.activeElement.textContent ||"
                                            "document.activeElement.getAttribute('aria-label')"))
        for wanted in ("q", "Find", "Metrics"):
            true(wanted in reached, f"the key Tab does not reach {wanted}: {[str(one)[:20] for one in reached]}")
        true(any(VIP in str(one) for one in reached), "the key Tab does not reach the service")
        browser.evaluate("document.getElementById('q').focus()")
        browser.ask("Input.insertText", text="12:80")
        loads = len(browser.of("Page.loadEventFired"))
        browser.ask("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13,
                    text="\r")
        eventually(lambda: browser.evaluate("location.search") == "?q=12%3A80" and
                   len(browser.of("Page.loadEventFired")) > loads, 20, "the search's page")
        found = browser.evaluate("document.body.innerText")
        true(RS2 in found and f"{RS1}\t" not in found, found)
        no_fault(browser)
