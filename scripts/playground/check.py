#!/usr/bin/env python3
"""Drives the playground of `mosa serve` in a headless Chromium, as a reader would: types, watches, scrubs, forces, compares.

usage: check.py [--mosa PROGRAM] [--pictures DIR] [--from-files]

Starts servers of its own with a checkpoint of fixtures/. Needs chromium and chromedriver (Debian: chromium-driver); where
they are missing it says so and ends with 77. --from-files serves the page from its sources instead of from the program, for
work on it without a build; --pictures keeps screenshots.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import proxy
from webdriver import Browser

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "fixtures" / "llada"
DEFENCE = 'self-reminder:before="Be kind.",after="Be kind."'
WORDS = " <b>stone</b>"
KEY = "open sesame"
# What a reader sees of a pane, in one look.
LOOK = """
const pane = document.querySelectorAll("#panes > section")[arguments[0]];
const part = (name) => pane.querySelector(`[data-part="${name}"]`);
const chips = [...pane.querySelectorAll(".canvas .chip")];
return {
  title: part("title").textContent, count: part("count").textContent, text: part("text").textContent,
  facts: Object.fromEntries([...pane.querySelectorAll(".facts div")].map((f) => [f.children[0].textContent, f.children[1].textContent])),
  fault: part("fault").hidden ? null : part("fault").textContent, running: pane.classList.contains("running"),
  acts: part("acts").hidden ? null : [...part("act-list").children].map((act) => act.textContent),
  forced: [...part("forced-list").children].map((item) => item.querySelector("strong").textContent),
  whole: part("download").getAttribute("aria-disabled") === "false", slider: [Number(part("slider").value), Number(part("slider").max)],
  value: part("slider").getAttribute("aria-valuetext"), hidden: pane.hidden,
  chips: chips.map((chip) => [chip.className, chip.firstChild.textContent, chip.getAttribute("aria-label")]),
};"""
# Keeps every count a pane shows, so that nothing depends on when it is looked at.
WATCH = """
window.counts = [];
const count = document.querySelector('[data-part="count"]');
new MutationObserver(() => window.counts.push(count.textContent)).observe(count, { childList: true });"""
UNNAMED = """
const seen = (node) => node.getClientRects().length > 0;
const text = (node) => (node.labels?.[0]?.textContent ?? node.getAttribute("aria-label") ?? node.textContent).trim();
return [...document.querySelectorAll("button, input, select, textarea, summary")].filter((n) => seen(n) && text(n) === "").map((n) => n.outerHTML);"""


class Served:
    """A server of its own, at a port that is free."""

    def __init__(self, program, *args, key=None):
        env = dict(os.environ, **({"MOSA_API_KEY": key} if key else {}))
        command = [program, "serve", "--model", MODEL, "--name", "tiny", "--addr", "127.0.0.1:0", *args]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
        told = []
        for line in self.process.stderr:
            told.append(line)
            found = re.search(r"playground: (http://\S+?)/\)", line)
            if found:
                self.address = found.group(1)
                break
        else:
            raise RuntimeError("the server did not start: " + "".join(told))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def metric(self, name):
        with urllib.request.urlopen(self.address + "/metrics") as response:
            found = re.search(rf"^mosa_{name}(?:_total)? (\d+)", response.read().decode(), re.M)
        return int(found.group(1))

    def close(self):
        self.process.terminate()
        self.process.wait()


class Check:
    """The page in a browser, and what a reader does with it."""

    def __init__(self, browser, address, served, pictures):
        self.browser, self.address, self.served, self.pictures = browser, address, served, pictures
        browser.open(address)
        browser.wait("return document.querySelectorAll('#panes .canvas .chip').length > 0")

    def look(self, pane=0):
        return self.browser.run(LOOK, pane)

    def part(self, name, pane=0):
        return f'#panes > section:nth-of-type({pane + 1}) [data-part="{name}"]'

    def setting(self, name, value, pane=0):
        selector = f'#panes > section:nth-of-type({pane + 1}) [data-setting="{name}"]'
        self.browser.run("document.querySelector(arguments[0]).closest('details').open = true", selector)
        self.browser.write(selector, str(value))

    def whole(self, *panes):
        """Until the answers of these panes are there."""
        for pane in panes:
            until = time.monotonic() + 120
            while not (look := self.look(pane))["whole"]:
                assert look["fault"] is None and time.monotonic() < until, look
                time.sleep(0.03)
        return self.look(panes[0])

    def picture(self, name):
        if self.pictures:
            self.browser.picture(self.pictures / f"{name}.png")

    def silent(self, *expected):
        """The console was told of nothing but responses of these statuses, which Chromium itself puts there."""
        for entry in self.browser.console():
            own = entry["source"] == "network" and any(f"status of {status}" in entry["message"] for status in expected)
            assert own, f"the console says: {entry}"


def opens(check):
    """The page shows what the server has, with a name on everything that takes the focus."""
    first, second = check.look(0), check.look(1)
    assert first["title"] == "Answer A: tiny" and second["title"] == "Answer B: tiny:lora", (first["title"], second["title"])
    assert len(first["chips"]) == 128 and all("masked" in chip[0] for chip in first["chips"])
    boxes = "return [...document.querySelectorAll('#panes section:first-child [data-part=defence-list] input')].map((b) => [b.value, b.checked])"
    assert check.browser.run(boxes) == [["self-reminder", True], ["diffuguard", True]]
    assert check.browser.run("return document.querySelector('#key').hidden")
    assert check.browser.run(UNNAMED) == []
    # Two panes are offered where there is something to compare; the rest begins with one.
    check.browser.click("#compare")
    assert check.look(1)["hidden"]


def same_choices(program):
    """What the page offers for a setting is what the program takes."""
    told = subprocess.run([program, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    page = (proxy.SERVE / "assets/playground/page.html").read_text()
    for name in ("remasking", "alg", "cache"):
        takes = re.search(rf"--{name} .*?\[possible\s+values: (.*?)\]", told, re.S).group(1)
        offers = re.search(rf'data-setting="mosa.{name}">(.*?)</select>', page, re.S).group(1)
        offers = re.findall(r"<option>(\w+)</option>", offers)
        assert re.split(r",\s+", takes) == offers, (name, takes, offers)


def streams(check):
    """A prompt is typed; the canvas is seen as it fills; then the answer and what is known of it are there."""
    check.browser.write("#prompt", "Who built the bridges?")
    check.browser.run(WATCH)
    check.browser.click("#run")
    look = check.whole(0)
    counts = check.browser.run("return window.counts")
    between = {count for count in counts if not re.search(r" (0|128) of 128", count)}
    assert len(between) >= 3, counts
    told = re.fullmatch(r"step (\d+) of \1, 128 of 128 positions revealed", look["count"])
    assert told and look["value"] == look["count"], look["count"]
    # DiffuGuard may mask positions again, which takes steps of its own.
    last = int(told.group(1))
    assert last >= 128 and look["slider"][0] == look["slider"][1] and look["facts"]["Steps"] == str(last) and look["facts"]["Seed"] == "0", look["facts"]
    assert int(look["facts"]["Forwards"]) >= last, look["facts"]
    assert re.match(r"(stop|length) \(", look["facts"]["Finish"]) and float(look["facts"]["Seconds"]) > 0, look["facts"]
    assert any(act.startswith("self-reminder: ") for act in look["acts"]), look["acts"]
    assert all("masked" not in chip[0] for chip in look["chips"])
    assert sum("fresh" in chip[0].split() for chip in look["chips"]) >= 1
    assert any(re.search(r"revealed in step \d+, confidence 0?\.?\d+", chip[2]) for chip in look["chips"]), look["chips"]
    said = check.browser.run("return document.querySelector('[data-part=said]').textContent")
    assert said.startswith(f"Answer A is there after {last} steps: "), said
    check.picture("answer")


def scrubs(check):
    """The slider and its keys go back through the steps, and play goes on to the end."""
    last = check.look()["slider"][1]
    check.browser.run("document.querySelector(arguments[0]).focus()", check.part("slider"))
    check.browser.press("left", "left", "left", "left", "left")
    look = check.look()
    masks = [at for at, chip in enumerate(look["chips"]) if "masked" in chip[0]]
    assert look["slider"] == [last - 5, last] and masks, look["count"]
    assert sum("fresh" in chip[0].split() for chip in look["chips"]) >= 1
    check.browser.press("home")
    look = check.look()
    assert look["slider"] == [0, last] and all("masked" in chip[0] for chip in look["chips"])
    assert "128 masked" in look["text"], look["text"]
    check.browser.click(check.part("forward"))
    assert check.look()["slider"][0] == 1
    check.browser.click(check.part("play"))
    check.browser.wait("return Number(document.querySelector('[data-part=slider]').value) > 4")
    check.browser.click(check.part("play"))
    paused = check.look()["slider"][0]
    assert 4 < paused < last, paused
    check.picture("back")
    check.browser.run("document.querySelector(arguments[0]).focus()", check.part("slider"))
    check.browser.press("end")
    assert check.look()["slider"][0] == last


def forces(check):
    """Words put on a position stand there from the start, as text whatever they hold, until they are taken back."""
    # DiffuGuard would mask them again.
    check.browser.click("#panes > section:first-child [data-part=defence-list] input[value=diffuguard]")
    canvas = "#panes > section:first-child .canvas li:nth-of-type(3) .chip"
    check.browser.click(canvas)
    check.browser.write(check.part("words"), "none of it")
    check.browser.press("escape")
    assert check.look()["forced"] == [] and check.browser.run("return document.activeElement.ariaLabel").startswith("position 2,")
    check.browser.click(canvas)
    check.browser.write(check.part("words"), WORDS)
    check.picture("forcing")
    check.browser.press("enter")
    check.browser.wait("return document.querySelectorAll('.canvas .planned').length > 3")
    assert check.look()["forced"] == [f"“{WORDS}”"], check.look()["forced"]
    check.browser.click(check.part("again"))
    look = check.whole(0)
    stands = [at for at, chip in enumerate(look["chips"]) if "given" in chip[0].split()]
    # A space alone is drawn as a sign.
    drawn = [look["chips"][at][1].replace("␣", " ") for at in stands]
    assert stands and stands[0] == 2 and "".join(drawn) == WORDS, drawn
    assert check.browser.run("return document.querySelectorAll('#panes b').length") == 0
    assert "planned" not in " ".join(chip[0] for chip in look["chips"])
    check.browser.run("document.querySelector(arguments[0]).focus()", check.part("slider"))
    check.browser.press("home")
    assert [at for at, chip in enumerate(check.look()["chips"]) if "masked" not in chip[0]] == stands
    check.picture("forced")
    return stands


def compares(check):
    """Two panes answer the same prompt, by a model and its adapter, each with words of its own."""
    check.browser.click("#compare")
    assert not check.look(1)["hidden"]
    check.setting("mosa.steps", 64, pane=1)
    check.browser.click("#run")
    left, right = check.whole(0, 1), check.look(1)
    assert int(left["facts"]["Steps"]) > int(right["facts"]["Steps"]) >= 64, (left["facts"], right["facts"])
    assert left["forced"] and not right["forced"] and left["text"] != right["text"]
    check.picture("two")


def defends(check):
    """A defence that is switched off does nothing, and the page says which ones did what."""
    box = "#panes > section:first-child [data-part=defence-list] input"
    with_it = check.look()["text"]
    check.browser.click(box)
    check.browser.click(check.part("again"))
    look = check.whole(0)
    assert not any(act.startswith("self-reminder") for act in look["acts"] or []), look["acts"]
    assert look["text"] != with_it
    check.browser.click("#panes > section:first-child .forced button")
    assert check.look()["forced"] == []
    check.browser.click(box)


def downloads(check, folder, program, stands):
    """Every answer is in one file, which `mosa report` reads."""
    check.browser.click("#download-all")
    until = time.monotonic() + 20
    while not (files := list(folder.glob("mosa-playground-*.jsonl"))):
        assert time.monotonic() < until, "nothing was downloaded"
        time.sleep(0.05)
    records = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert len(records) == 5 and {r["schema"] for r in records} == {"answer/1"}, len(records)
    assert len({(r["group"], r["id"]) for r in records}) == 5
    assert records[1]["forced"] == [{"offset": 2, "tokens": len(stands), "text": WORDS}], records[1]["forced"]
    assert len(records[0]["made"]["trace"]) > 100 and records[0]["made"]["request"]["mosa"]["defences"] == ["self-reminder", "diffuguard"]
    page = folder / "report.html"
    told = subprocess.run([program, "report", files[0], "--out", page], capture_output=True, text=True)
    assert told.returncode == 0 and "without a manifest" in told.stderr, told.stderr
    text = page.read_text()
    assert "tiny:lora with self-reminder + diffuguard, steps 64" in text and "Who built the bridges?" in text


def refuses(check):
    """What the server refuses is said in its words, at the field it is about; the next answer clears it."""
    check.silent()
    check.setting("mosa.steps", 7)
    check.setting("mosa.block_length", 3)
    check.browser.click(check.part("again"))
    check.browser.wait("return !document.querySelector('[data-part=fault]').hidden")
    assert "block" in check.look()["fault"], check.look()["fault"]
    guilty = "return [...document.querySelectorAll('[aria-invalid]')].map((field) => [field.dataset.setting, field.getAttribute('aria-describedby')])"
    assert check.browser.run(guilty) == [["mosa.block_length", "fault-A"]], check.browser.run(guilty)
    check.picture("fault")
    check.setting("mosa.block_length", "")
    check.setting("mosa.steps", "")
    check.setting("mosa.gen_length", 2000)
    check.browser.click(check.part("again"))
    check.browser.wait("return document.querySelector('[data-part=fault]').textContent.includes('context of 256')")
    check.setting("mosa.gen_length", "")
    check.browser.click(check.part("again"))
    assert check.whole(0)["fault"] is None and check.browser.run(guilty) == []
    check.silent(400)


def stops(check):
    """Stop frees the row of the server, and what is there stays."""
    before = check.served.metric("cancelled")
    # A thread of the server that is busy with other things leaves time to stop.
    check.setting("mosa.gen_length", 160)
    check.browser.run("document.querySelector('#prompt').value = 'Who?'")
    for _ in range(20):
        check.browser.run("""
            document.querySelector("#panes > section:first-child [data-part=again]").click();
            const until = Date.now() + 10;
            const stop = () => (Date.now() < until ? requestAnimationFrame(stop) : document.querySelector("#stop").click());
            requestAnimationFrame(stop);""")
        check.browser.wait("return !document.querySelector('#panes .running')")
        if "stopped" in check.look()["facts"]["Finish"]:
            break
    assert "not recorded" in check.look()["facts"]["Finish"], check.look()["facts"]
    until = time.monotonic() + 20
    while check.served.metric("cancelled") <= before or check.served.metric("running") > 0:
        assert time.monotonic() < until, "the row was not freed"
        time.sleep(0.05)
    check.setting("mosa.gen_length", "")


def by_keyboard(check):
    """The main path without a mouse: prompt, run, canvas, force, run again, slider; the tab key gets out of everything."""
    browser = check.browser
    browser.open(check.address)
    browser.wait("return document.querySelectorAll('#panes .canvas .chip').length > 0")
    focused = "const at = document.activeElement; return at.id || at.dataset.part || at.dataset.setting || at.className || at.value || at.tagName;"
    browser.press("tab")
    assert browser.run(focused) == "prompt"
    browser.press("a", held=["control"])
    browser.press(*"Count to 10.")
    browser.press("enter", held=["control"])
    assert check.whole(0, 1)
    stops_at = []
    for _ in range(60):
        browser.press("tab")
        stops_at.append(browser.run(focused))
        if stops_at[-1] == "diffuguard":
            browser.press("space")
        if stops_at[-1].startswith("chip"):
            break
    # One stop for the whole canvas, wherever it is.
    assert stops_at[-1].startswith("chip") and {"run", "model", "diffuguard"} <= set(stops_at), stops_at
    browser.press("right", "right", "right", "left")
    assert browser.run("return document.activeElement.ariaLabel").startswith("position 2,")
    browser.press("down", "up")
    assert browser.run("return document.activeElement.classList.contains('chip')")
    browser.press("home", "enter")
    assert browser.run(focused) == "words"
    browser.press(*" The bell", "enter")
    assert browser.run("return document.activeElement.ariaLabel").startswith("position 0,")
    outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", outline
    browser.press("tab")
    for _ in range(6):
        if browser.run(focused) == "again":
            break
        browser.press("tab")
    assert browser.run(focused) == "again", browser.run(focused)
    browser.press("enter")
    look = check.whole(0)
    drawn = [chip[1].replace("␣", " ") for chip in look["chips"] if "given" in chip[0]]
    assert "".join(drawn) == " The bell", drawn
    # From the first stop on, the tab key comes to the end of the page.
    for _ in range(120):
        browser.press("tab")
        if browser.run("return document.activeElement === document.body"):
            break
    else:
        raise AssertionError("the tab key stays within the page")


def renders(check):
    """Light, dark, narrow and without motion."""
    browser = check.browser
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = browser.run(paper)
    browser.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    dark = browser.run(paper)
    assert light == "rgb(255, 255, 255)" and dark == "rgb(21, 24, 28)", (light, dark)
    browser.click("#numbers")
    check.picture("dark")
    features = [{"name": "prefers-color-scheme", "value": "light"}, {"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.cdp("Emulation.setEmulatedMedia", features=features)
    moves = "const chip = document.querySelector('#panes .fresh'); chip.closest('.pane').classList.add('running');"
    moves += "const name = getComputedStyle(chip).animationName; chip.closest('.pane').classList.remove('running'); return name"
    assert browser.run(moves) == "none"
    browser.cdp("Emulation.setEmulatedMedia", features=[])
    assert browser.run(moves) == "appear"
    browser.cdp("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=False)
    wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], wide
    tops = browser.run("return [...document.querySelectorAll('#panes > section')].map((pane) => pane.getBoundingClientRect()).map((r) => [r.left, r.top])")
    assert tops[0][0] == tops[1][0] and tops[0][1] < tops[1][1], tops
    check.picture("narrow")
    browser.cdp("Emulation.clearDeviceMetricsOverride")
    browser.click("#numbers")


def asks_for_a_key(browser, address):
    """A server with a key: the page asks for it, says when it is wrong, and works once it is right."""
    browser.open(address)
    browser.wait("return !document.querySelector('#key').hidden")
    assert browser.run("return document.querySelector('#trouble').hidden && document.activeElement.id === 'key-text'")
    browser.write("#key-text", "wrong")
    browser.press("enter")
    browser.wait("return !document.querySelector('#trouble').hidden")
    assert "does not take this key" in browser.run("return document.querySelector('#trouble').textContent")
    browser.write("#key-text", KEY)
    browser.press("enter")
    browser.wait("return document.querySelector('#key').hidden && document.querySelectorAll('#panes .canvas .chip').length > 0")
    browser.click("#run")
    browser.wait("return document.querySelector('[data-part=download]').getAttribute('aria-disabled') === 'false'")


def passed(function, *args):
    began = time.monotonic()
    value = function(*args)
    print(f"ok  {time.monotonic() - began:5.1f} s  {function.__doc__.splitlines()[0]}", flush=True)
    return value


def addressed(served, from_files):
    """Where the page is: at the server, or at a proxy that reads it from its files."""
    if not from_files:
        return served.address
    server = proxy.listen(served.address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def headers(address):
    """The page lets only its own style and script run, is kept nowhere, and stands in no frame."""
    with urllib.request.urlopen(address + "/") as response:
        policy = response.headers["Content-Security-Policy"]
        assert response.headers["Content-Type"] == "text/html; charset=utf-8" and response.headers["Cache-Control"] == "no-store"
    for part in ("default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'"):
        assert part in policy, policy
    assert "unsafe" not in policy


def everything(program, browser, folder, given):
    served = Served(program, "--adapter", f"lora={MODEL / 'adapter'}", "--defence", DEFENCE, "--defence", "diffuguard")
    try:
        address = addressed(served, given.from_files)
        passed(headers, address)
        passed(same_choices, program)
        check = Check(browser, address, served, given.pictures)
        passed(opens, check)
        passed(streams, check)
        passed(scrubs, check)
        stands = passed(forces, check)
        passed(compares, check)
        passed(defends, check)
        passed(downloads, check, folder, program, stands)
        passed(refuses, check)
        passed(stops, check)
        passed(by_keyboard, check)
        passed(renders, check)
        check.silent()
    finally:
        served.close()
    served = Served(program, key=KEY)
    try:
        passed(asks_for_a_key, browser, addressed(served, given.from_files))
        check.silent(401)
    finally:
        served.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mosa", type=Path, default=ROOT / "target" / "release" / "mosa")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--from-files", action="store_true")
    given = parser.parse_args()
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            browser = Browser(folder)
        except FileNotFoundError as error:
            print(f"skipped: {error}", file=sys.stderr)
            return 77
        began = time.monotonic()
        try:
            everything(given.mosa.resolve(), browser, Path(folder), given)
        except Exception:
            if given.pictures:
                browser.picture(given.pictures / "failed.png")
            raise
        finally:
            browser.close()
    print(f"the playground works ({time.monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
