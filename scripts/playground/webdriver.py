"""A browser, driven by the W3C WebDriver protocol over HTTP: what the check of the playground needs of it, and no more.

Needs chromium and chromedriver (Debian: chromium-driver), and nothing of pip.
"""
import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"tab": "\ue004", "enter": "\ue007", "escape": "\ue00c", "space": " ", "left": "\ue012", "up": "\ue013", "right": "\ue014",
        "down": "\ue015", "home": "\ue011", "end": "\ue010", "shift": "\ue008", "control": "\ue009"}


class Browser:
    """One headless window. Downloads land in `downloads`."""

    def __init__(self, downloads, width=1280, height=1000):
        driver = shutil.which("chromedriver")
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not driver or not chromium:
            raise FileNotFoundError("chromium and chromedriver are needed (Debian: apt-get install chromium-driver)")
        self.driver = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.base = f"http://127.0.0.1:{self._port()}"
        options = {"binary": chromium, "prefs": {"download.default_directory": str(downloads)},
                   "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--window-size={width},{height}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.base += "/session/" + self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _port(self):
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return int(line.strip().rstrip(".").rsplit(" ", 1)[1])
        raise RuntimeError("chromedriver ended before it listened")

    def _send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            told = json.load(error)["value"]
            raise RuntimeError(f"{path}: {told['error']}: {told['message'].splitlines()[0]}") from None

    def close(self):
        try:
            self._send("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()

    def open(self, address):
        self._send("POST", "/url", {"url": address})

    def run(self, script, *args):
        """The value of a script's `return`."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(args)})

    def find(self, selector):
        """The first element of a CSS selector."""
        return self._send("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self._send("POST", f"/element/{self.find(selector)}/click", {})

    def write(self, selector, text):
        """Types over what a field holds."""
        element = self.find(selector)
        self._send("POST", f"/element/{element}/clear", {})
        self._send("POST", f"/element/{element}/value", {"text": text})

    def press(self, *keys, held=()):
        """Presses keys one after another, whatever has the focus; `held` are down meanwhile."""
        down = [{"type": "keyDown", "value": KEYS.get(key, key)} for key in held]
        up = [{"type": "keyUp", "value": KEYS.get(key, key)} for key in held]
        each = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._send("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": down + each + up}]})

    def wait(self, script, *args, seconds=60):
        """Until a script returns something true, which is returned."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            value = self.run(script, *args)
            if value:
                return value
            time.sleep(0.03)
        raise TimeoutError(f"not within {seconds} s: {script}")

    def cdp(self, command, **params):
        """A command of Chromium's own protocol."""
        return self._send("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def console(self):
        """What the console was told since the last call."""
        return self._send("POST", "/se/log", {"type": "browser"})

    def picture(self, path):
        """The whole page as an image."""
        self.cdp("Emulation.setScrollbarsHidden", hidden=True)
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        image = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(image))
