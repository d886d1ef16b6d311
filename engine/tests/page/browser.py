"""A headless browser that is driven over the WebDriver protocol, with the standard library alone."""

import base64
import json
import re
import subprocess
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

# As https://www.w3.org/TR/webdriver2/ has them.
ENTER, TAB, ESCAPE = "\ue007", "\ue004", "\ue00c"

# Whatever proxy the machine has is not for this.
NEAR = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """What the driver says of a command that it cannot do."""


class Browser:
    """One window, whose console is kept."""

    def __init__(self, driver, chromium):
        self.process = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for line in self.process.stdout:
            if found := re.search(r"successfully on port (\d+)", line):
                break
        else:
            raise RuntimeError("the driver of the browser says no port")
        self.root = f"http://127.0.0.1:{found[1]}/session"
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     "--hide-scrollbars", "--force-prefers-reduced-motion"]
        options = {"binary": chromium, "args": arguments}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options,
                  "goog:loggingPrefs": {"browser": "ALL"}}
        try:
            made = self.send("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        except Exception:
            self.end_driver()
            raise
        self.root += "/" + made["sessionId"]

    def close(self):
        """Ends the browser and its driver."""
        try:
            self.send("DELETE", "")
        finally:
            self.end_driver()

    def end_driver(self):
        """Ends the process that is driven."""
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def send(self, method, path, body=None):
        """One command of the protocol, and its value."""
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.root + path, data, method=method,
                                         headers={"content-type": "application/json"})
        try:
            with NEAR.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)["value"]["message"]) from None

    def cdp(self, command, **params):
        """A command of the browser's own protocol."""
        return self.send("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def open(self, address):
        """Loads a page in a tab that has seen none: what an earlier one kept is gone."""
        self.send("POST", "/url", {"url": "about:blank"})
        self.send("POST", "/url", {"url": address})

    def reload(self):
        """As a person reloads."""
        self.send("POST", "/refresh")

    def run(self, script, *arguments):
        """What a script in the page returns."""
        return self.send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        """The first element of a selector that is shown, or None."""
        script = """for (const one of document.querySelectorAll(arguments[0]))
                      if (one.checkVisibility()) return one;
                    return null;"""
        return self.run(script, selector)

    def text(self, selector):
        """What a person reads there; empty without one."""
        return self.run("const one = arguments[0]; return one ? one.innerText ?? one.textContent : '';",
                        self.find(selector))

    def press(self, selector):
        """Clicks, as a mouse does."""
        self.send("POST", f"/element/{self.wait(lambda: self.find(selector))[ELEMENT]}/click")

    def type(self, selector, text):
        """Writes into a field, in the place of what is in it."""
        element = self.wait(lambda: self.find(selector))[ELEMENT]
        self.send("POST", f"/element/{element}/clear")
        self.send("POST", f"/element/{element}/value", {"text": text})

    def choose(self, selector, value):
        """Chooses of a list, as a person does, with the events of that."""
        self.wait(lambda: self.find(selector))
        self.run("""const list = document.querySelector(arguments[0]);
                    list.value = arguments[1];
                    list.dispatchEvent(new Event('change', {bubbles: true}));""", selector, value)

    def keys(self, *keys):
        """Presses keys, wherever the focus is."""
        pressed = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.send("POST", "/actions", {"actions": [
            {"type": "key", "id": "keyboard", "actions": pressed}]})

    def focused(self):
        """The name by which a reader of the screen calls what has the focus."""
        return self.run("""const one = document.activeElement;
                           return one.getAttribute('aria-label') || one.name || one.textContent;""")

    def wait(self, condition, seconds=20):
        """What `condition` gives once it is something; fails if that takes too long."""
        end = time.monotonic() + seconds
        while True:
            if found := condition():
                return found
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s; the page:\n{self.text('body')}")
            time.sleep(0.05)

    def says(self, selector, words, seconds=20):
        """Waits until a person reads `words` there."""
        return self.wait(lambda: words in self.text(selector), seconds)

    def console(self):
        """Errors that the console has got since the last call."""
        logged = self.send("POST", "/se/log", {"type": "browser"})
        return [one["message"] for one in logged if one["level"] == "SEVERE"]

    def size(self, width, height, dark=False):
        """The window of a person."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path):
        """The whole page as it is drawn now."""
        shot = self.cdp("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
