"""The page of a node in a headless browser, against real nodes on loopback.

Wanted in the environment: FAIRHAUL, the program; CHROMEDRIVER and CHROMIUM, where they are not in
the path. With PAGE_PICTURES, a folder, pictures of the page are left there. Nothing here says how
fast something has to be: a wait ends when the thing has happened, and fails after 20 s.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from browser import ENTER, ESCAPE, TAB, Browser
from nodes import group

FAIRHAUL = os.path.abspath(os.environ.get("FAIRHAUL", "target/debug/fairhaul"))
MARKUP = "<img src=x onerror=window.hacked=1>"
ENTITY = "&lt;b&gt;&amp;"
# Turns the direction of what follows: a name that ends in gpj.exe is read as exe.jpg.
TURNED = "an \u202egpj.exe"

BROWSER = None
FOLDER = None


def setUpModule():
    """One browser for all tests: it takes longest to start."""
    global BROWSER, FOLDER
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    BROWSER = Browser(driver, chromium)
    FOLDER = Path(tempfile.mkdtemp())


def tearDownModule():
    """Leaves nothing behind."""
    BROWSER.close()
    shutil.rmtree(FOLDER)


def row(name):
    """The selector of a peer's row, which a test finds by the names of its buttons."""
    return f'tr:has(button[aria-label^="weight of {name}:"])'


def knob(what, name):
    """The selector of a value that can be changed."""
    return f'button[aria-label^="{what} of {name}:"]'


def rate_of(text):
    """Bytes per second of what the page says."""
    number, unit = text.split()[-2:]
    return float(number) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit.removesuffix("/s")]


class Page(unittest.TestCase):
    """What all tests of the page have: nodes, and a browser that has complained of nothing."""

    names = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(dir=FOLDER))
        cls.nodes = group(FAIRHAUL, cls.folder / "n", cls.names)
        for node in cls.nodes.values():
            node.start()

    @classmethod
    def tearDownClass(cls):
        for node in cls.nodes.values():
            node.stop()

    def setUp(self):
        self.page = BROWSER
        self.page.size(1280, 900)
        self.page.console()

    def tearDown(self):
        # The page breaks no rule of its own policy, and no error is left to chance. What a node
        # that is away or a wrong token leave in the console is no error of the page.
        for line in self.page.console():
            known = "ERR_CONNECTION_REFUSED", "401 (Unauthorized)", "ERR_INCOMPLETE_CHUNKED_ENCODING"
            known += "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"
            self.assertTrue(any(one in line for one in known), line)

    def open(self, node):
        """Opens a node's page with its token, and waits for the node to be shown."""
        self.page.open(node.page)
        self.page.wait(lambda: self.page.find("#main"))
        if not self.page.run("return document.querySelector('#add').open"):
            self.page.press("#add summary")

    def file(self, name, length):
        """A file of that many bytes."""
        path = self.folder / name
        with path.open("wb") as out:
            out.truncate(length)
        return path

    def pictures(self, name):
        """Pictures of the page, if somebody wants them."""
        folder = os.environ.get("PAGE_PICTURES")
        for width in (1280, 400) if folder else ():
            for dark in (False, True):
                self.page.size(width, 900, dark)
                self.page.run("window.dispatchEvent(new Event('resize'))")
                where = Path(folder) / f"{name}-{width}-{'dark' if dark else 'light'}.png"
                self.page.picture(where)
        self.page.size(1280, 900)

    def fits(self):
        """Nothing sticks out at the right, on a screen and on a phone."""
        for width in (1280, 400):
            self.page.size(width, 900)
            self.page.run("window.dispatchEvent(new Event('resize'))")
            wide = self.page.run("return document.documentElement.scrollWidth")
            self.assertLessEqual(wide, width)
        self.page.size(1280, 900)


class Nothing(Page):
    """A node that knows nobody."""

    names = ("alone",)

    def test_a_first_screen_says_what_to_do_and_what_this_node_is(self):
        self.open(self.nodes["alone"])
        self.page.says("#first", "Nothing moves yet")
        self.page.says("#no-peers", "fairhaul init DIR --peers")
        self.page.says("h1", "alone")
        about = self.page.text("#node")
        key = self.nodes["alone"].ask("identity", "show")
        for word in ("version", key.split()[-1], "127.0.0.1"):
            self.assertIn(word, about)
        self.page.says("#disk", "free")
        self.pictures("nothing")
        self.fits()

    def test_the_token_leaves_the_address_and_outlives_a_reload(self):
        self.open(self.nodes["alone"])
        here = self.nodes["alone"].address
        self.assertEqual(self.page.run("return location.href"), here)
        self.page.reload()
        self.page.says("h1", "alone")
        self.assertEqual(self.page.run("return location.href"), here)

    def test_a_wrong_token_shows_nothing_and_says_so_and_the_right_one_can_be_typed(self):
        node = self.nodes["alone"]
        self.page.open(f"{node.address}#token=0123456789abcdef")
        self.page.says("#trouble", "the token is wrong")
        self.assertIsNone(self.page.find("#main"))
        self.assertNotIn("alone", self.page.text("body"))
        self.pictures("refused")
        self.page.type("#token", node.token)
        self.page.press("#login button")
        self.page.says("h1", "alone")
        self.assertEqual(self.page.text("#trouble"), "")

    def test_without_a_token_nothing_is_asked_of_the_node(self):
        node = self.nodes["alone"]
        self.page.open(f"{node.address}#token=")
        self.page.says("#trouble", "the address has no token")

    def test_the_page_runs_no_script_but_its_own_and_makes_no_markup(self):
        self.open(self.nodes["alone"])
        blocked = """const script = document.createElement('script');
                     try { script.textContent = 'window.ran = 1'; document.body.append(script); }
                     catch (error) { return String(error); }
                     return window.ran || 'refused';"""
        self.assertNotEqual(self.page.run(blocked), 1)
        self.assertIsNone(self.page.run("return window.ran || null"))
        markup = "try { document.body.innerHTML = '<b>x</b>'; return 'made'; } catch (e) { return e.name; }"
        self.assertEqual(self.page.run(markup), "TypeError")
        away = """return fetch('http://127.0.0.1:9/').then(() => 'went', (error) => error.name)"""
        self.assertEqual(self.page.run(away), "TypeError")
        # These were tried on purpose.
        refused = self.page.console()
        self.assertTrue(any("Content Security Policy" in line for line in refused), refused)

    def test_what_a_person_typed_wrongly_is_answered_in_one_line(self):
        self.open(self.nodes["alone"])
        for field, text, answer in (
            ("ticket", "nonsense", "ticket"),
            ("ticket", "fhs1-abcdefgh", "`fairhaul get LINE` in a terminal"),
        ):
            self.page.type(f"#get input[name={field}]", text)
            self.page.press("#get button")
            self.page.says("#get output", answer)
        self.page.type("#share input[name=path]", "relative/file")
        self.page.press("#share button")
        self.page.says("#share output", "is relative")
        self.page.type("#share input[name=path]", str(self.folder / "missing"))
        self.page.press("#share button")
        self.page.says("#share output", "missing")
        self.page.type("#send input[name=path]", str(self.folder / "missing"))
        self.page.press("#send button")
        self.page.says("#send output", "choose at least one peer")

    def test_an_offer_prints_its_ticket_and_a_name_is_text_whatever_is_in_it(self):
        node = self.nodes["alone"]
        self.open(node)
        # A name of a file is no markup in this world: what it could be is refused, as text.
        self.page.type("#share input[name=path]", str(self.file(MARKUP, 1)))
        self.page.press("#share button")
        self.page.says("#share output", f'"{MARKUP}" has the character U+003C')
        self.assertIsNone(self.page.find("#share img"))
        self.page.type("#share input[name=path]", str(self.file(ENTITY, 1_000)))
        self.page.press("#share button")
        self.page.says("#share output", f"{ENTITY}, 1.0 kB. Its ticket:")
        ticket = self.page.run("return document.querySelector('#share textarea').value")
        self.assertTrue(ticket.startswith("fh1-"), ticket)
        self.page.says("#transfers h3", ENTITY)
        self.page.says("#transfers p", "serving")
        # It costs nobody, but it cannot be taken back: it is asked once more.
        cancel = f'button[aria-label="Cancel {ENTITY}"]'
        self.page.press(cancel)
        self.page.says("#sure", "Nobody can fetch it from here any more.")
        self.page.press("#sure-no")
        self.page.says("#transfers p", "serving")
        self.page.press(cancel)
        self.page.press("#sure-yes")
        self.page.says("#first", "Nothing moves yet")


class Steering(Page):
    """Two peers fetch from a node that may send 4 MB/s, each another file."""

    names = ("a", "b", "c")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nodes["a"].ask("limit", "node", "4 MB/s")
        cls.tickets = {}
        for name in "bc":
            # Long enough for all tests at that rate. A file of zeros would be whole after a restart,
            # for so is what was not written of it.
            path = cls.folder / f"big-{name}"
            some = os.urandom(1_000_000)
            with path.open("wb") as out:
                for _ in range(400):
                    out.write(some)
            cls.tickets[name] = cls.nodes["a"].ask("share", path)
        c = cls.nodes["c"]
        command = c.command("get", cls.tickets["c"], cls.folder / "got-c")
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=quiet, stderr=quiet) as waits:
            while "big-c" not in c.ask("status"):
                time.sleep(0.05)
            # The fetch goes on in the node.
            waits.terminate()

    def fetch_by_page(self):
        """The other peer fetches too, by its page, if it does not yet."""
        b = self.nodes["b"]
        if "big-b" in b.ask("status"):
            return
        self.open(b)
        self.page.type("#get input[name=ticket]", self.tickets["b"])
        self.page.type("#get input[name=dir]", str(self.folder / "got-b"))
        self.page.press("#get button")
        self.page.says("#get output", "see the transfers")
        article = 'article:has(button[aria-label="Cancel big-b"])'
        self.page.says(article, "fetching")
        self.page.wait(lambda: rate_of(self.page.text("#down")) > 0)

    def rates(self):
        """What goes to b and to c, as the page says."""
        return [rate_of(self.page.text(f"{row(name)} td[data-label='sends to it']")) for name in "bc"]

    def serves_both(self):
        """Opens the page of a, which serves both."""
        self.fetch_by_page()
        self.open(self.nodes["a"])
        self.page.wait(lambda: min(self.rates()) > 5e5)

    def test_a_weight_is_changed_in_place_and_the_shares_move(self):
        self.serves_both()
        self.page.press(knob("weight", "b"))
        self.page.type('input[aria-label="weight of b"]', "4")
        self.page.press("form.edit button.main")
        # c pays for it.
        self.page.says("#sure", "Change the weight of b from 1 to 4? c gets less from this node then.")
        self.pictures("sure")
        self.page.press("#sure-no")
        self.assertIn("weight 1,", self.nodes["a"].ask("weight", "c", "1"))
        self.assertEqual(self.weight_of_b(), 1)
        self.page.press("form.edit button.main")
        self.page.press("#sure-yes")
        self.page.wait(lambda: self.page.text(knob("weight", "b")) == "4")
        self.assertEqual(self.weight_of_b(), 4)

        def moved():
            b, c = self.rates()
            return c > 0 and b > 2.5 * c
        self.page.wait(moved)
        # In the words of the command line.
        held = self.page.text(f"{row('c')} td[data-label='held by']")
        self.assertIn(held, ("others have their turn", "the limit of the node", "moving"))
        self.page.press("#what input[value=up]")
        self.page.says("#legend", "b ")
        self.page.says("#legend", "c ")
        self.assertEqual(self.page.run("return document.querySelectorAll('#chart polyline').length"), 2)
        self.pictures("steering")
        self.fits()
        # Less for b costs b, and is asked too; back again.
        self.page.press(knob("weight", "b"))
        self.page.type('input[aria-label="weight of b"]', "1")
        self.page.press("form.edit button.main")
        self.page.says("#sure", "b gets less from this node then.")
        self.page.press("#sure-yes")
        self.page.wait(lambda: self.page.text(knob("weight", "b")) == "1")

    def weight_of_b(self):
        """As the node has it."""
        peers = json.loads(self.nodes["a"].ask("peers", "--json"))
        return next(peer["weight_hundredths"] for peer in peers if peer["name"] == "b") / 100

    def test_a_value_is_changed_by_the_keyboard_alone_and_left_with_escape(self):
        self.serves_both()
        for _ in range(100):
            if self.page.focused().startswith("limit of the node"):
                break
            self.page.keys(TAB)
        self.assertEqual(self.page.focused(), "limit of the node: 4 MB/s, change")
        self.page.keys(ENTER)
        self.assertEqual(self.page.focused(), "limit of the node")
        self.page.keys("1", "2", ESCAPE)
        self.assertEqual(self.page.focused(), "limit of the node: 4 MB/s, change")
        self.page.keys(ENTER, "1", "2", ENTER)
        # More costs nobody, so nothing is asked.
        self.page.wait(lambda: self.page.focused() == "limit of the node: 12 MB/s, change")
        self.page.keys(ENTER, "4", ENTER)
        self.page.says("#sure", "b and c get less from this node then.")
        # What changes nothing has the focus there; the other button is one step back.
        self.assertEqual(self.page.focused(), "Leave it")
        self.page.run("document.getElementById('sure-yes').focus()")
        self.page.keys(ENTER)
        self.page.wait(lambda: self.page.focused() == "limit of the node: 4 MB/s, change")

    def test_a_limit_and_a_floor_of_a_peer_hold_and_what_cannot_be_is_refused_in_place(self):
        self.serves_both()
        self.page.press(knob("limit", "c"))
        self.page.choose("form.edit select", "MB/s")
        self.page.type('input[aria-label="limit of c"]', "1")
        self.page.press("form.edit button.main")
        self.page.press("#sure-yes")
        self.page.wait(lambda: self.page.text(knob("limit", "c")) == "1 MB/s")
        self.page.wait(lambda: self.rates()[1] < 1.3e6 and self.rates()[0] > 2e6)
        self.page.press(knob("floor", "c"))
        self.page.choose("form.edit select", "MB/s")
        self.page.type('input[aria-label="floor of c"]', "2")
        self.page.press("form.edit button.main")
        self.page.press("#sure-yes")
        self.page.says("form.edit", "the floor is above the cap of the same target")
        self.page.type('input[aria-label="floor of c"]', "0")
        self.page.press("form.edit button.main")
        self.page.says("form.edit", "allowed are 1 B/s to 1 Tbit/s")
        self.page.keys(ESCAPE)
        self.assertEqual(self.page.text(knob("floor", "c")), "none")
        self.page.press(knob("limit", "c"))
        self.page.choose("form.edit select", "unlimited")
        self.page.press("form.edit button.main")
        self.page.press("#sure-yes")
        self.page.wait(lambda: self.page.text(knob("limit", "c")) == "unlimited")

    def test_a_pause_is_asked_where_it_costs_somebody_and_its_end_is_not(self):
        self.serves_both()
        self.page.press('button[aria-label="Pause big-b"]')
        self.page.says("#sure", "b fetches it from here and waits until it is resumed.")
        self.page.press("#sure-yes")
        resume = 'button[aria-label="Resume big-b"]'
        self.page.wait(lambda: self.page.find(resume))
        self.page.wait(lambda: self.rates()[0] < 1e5)
        self.page.says(f"article:has({resume})", "paused")
        self.page.press(resume)
        self.page.wait(lambda: self.page.find('button[aria-label="Pause big-b"]'))
        self.page.wait(lambda: self.rates()[0] > 5e5)

    def test_what_others_fetch_from_us_has_its_progress(self):
        self.serves_both()
        article = 'article:has(button[aria-label="Pause big-b"])'
        self.page.says(f"{article} tbody", "b")
        bar = f'{article} progress[aria-label="what b has of big-b"]'
        has = lambda: self.page.run("return document.querySelector(arguments[0])?.value || 0", bar)
        before = self.page.wait(has)
        self.page.wait(lambda: has() > before)

    def test_the_history_is_the_nodes_and_still_there_after_a_reload(self):
        self.serves_both()
        points = """const line = document.querySelector('#chart polyline.up');
                    return line ? line.getAttribute('points').split(' ').length : 0;"""
        before = self.page.wait(lambda: self.page.run(points))
        self.page.reload()
        after = self.page.wait(lambda: self.page.run(points))
        self.assertGreaterEqual(after, before)
        axes = self.page.text("#chart")
        self.assertTrue("MB/s" in axes and "now" in axes and "minutes" in axes, axes)
        self.page.press("#span input[value='3600']")
        self.page.says("#chart", "each point the mean of")

    def test_what_a_peer_says_is_text_and_turns_nothing(self):
        self.open(self.nodes["a"])
        self.page.wait(lambda: "connected" in self.page.text(row("b")))
        # Events are followed once the node has answered.
        self.page.wait(lambda: "not connected" not in self.page.text(row("b")))
        said = lambda: MARKUP in self.page.text("#events")
        for _ in range(20):
            self.nodes["b"].ask("message", "a", MARKUP)
            if said():
                break
        self.page.wait(said)
        self.nodes["b"].ask("message", "a", TURNED)
        self.page.says("#events", "an \\u{202e}gpj.exe")
        self.assertIsNone(self.page.find("#events img"))
        self.assertIsNone(self.page.run("return window.hacked || null"))

    def test_a_node_that_stops_is_said_to_and_one_that_comes_back_is_shown_again(self):
        c = self.nodes["c"]
        self.open(c)
        c.stop()
        self.page.says("#trouble", "The node does not answer")
        self.assertTrue(self.page.run("return document.querySelector('main').matches('.stale')"))
        self.pictures("stopped")
        c.start()
        self.page.wait(lambda: self.page.text("#trouble") == "")
        self.assertFalse(self.page.run("return document.querySelector('main').matches('.stale')"))

    def test_a_file_is_sent_to_a_peer_that_was_chosen(self):
        self.open(self.nodes["a"])
        self.page.type("#send input[name=path]", str(self.file("small", 10_000)))
        self.page.press("#send-to input[value=b]")
        self.page.press("#send button")
        arrived = self.folder / "n" / "b" / "data" / "inbox" / "small"
        self.page.wait(arrived.exists)
        self.page.says("#send output", "b has it")
        self.page.says('article:has(button[aria-label="Cancel small"])', "100 %")


if __name__ == "__main__":
    unittest.main()
