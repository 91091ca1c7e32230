"""The screen that follows the database, on a real file and with real processes."""

from __future__ import annotations

import json
import os
import queue
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress

import pytest

# Long enough for the slowest machine: nothing is asserted of time.
DEADLINE = 120.0
ASKED = ("--contract", "USX-01JUN26", "--contract", "ONyc-13MAY26", "--set", "exponent.trading_fee=0.001")
HURDLE = (
    "date,venue,asset,supply_apy,borrow_apy,supply_usd,borrow_usd\n"
    "2026-05-04,kamino_main,USDC,{supply},0.25,4e8,3e8\n"
)


@pytest.fixture(scope="module")
def settled(tmp_path_factory, _bundled_file):
    """The bundled history, brought up to date once."""
    path = tmp_path_factory.mktemp("watch") / "settled.db"
    shutil.copy(_bundled_file, path)
    return path


@pytest.fixture
def database(settled, tmp_path):
    """A database of one's own."""
    path = tmp_path / "watched.db"
    shutil.copy(settled, path)
    return path


def yieldtrade(*arguments):
    """Run a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "yieldtrade", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert "Traceback" not in done.stderr
    return done


def screened(database, *arguments):
    """Screen once."""
    return yieldtrade("screen", *ASKED, "--db", str(database), *arguments)


def loaded(database, folder, supply, name="rates.csv"):
    """Load a supply rate of USDC, which is the hurdle of every trade, from another process."""
    table = folder / name
    table.write_text(HURDLE.format(supply=supply))
    assert yieldtrade("load", str(table), "--db", str(database)).returncode == 0


# A process started in the background of a shell is deaf to Ctrl-C unless it says otherwise.
HEARS = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from yieldtrade.cli.main import main; main()"
)


class Watch:
    """A watching process whose lines are read as they come."""

    def __init__(self, database, *arguments):
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", HEARS, "screen", *ASKED, "--db", str(database)),
                *("--watch", "0.05", *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines, self.notes = queue.Queue(), queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=pair)
            for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.notes))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    def until(self, words):
        """Wait for a note that contains these words."""
        while words not in (line := self.notes.get(timeout=DEADLINE) or "the watch has ended"):
            assert line != "the watch has ended"

    def event(self):
        """The next event."""
        return json.loads(self.lines.get(timeout=DEADLINE))

    def rest(self):
        """Wait for the end: its code, and the events not yet read."""
        code = self.process.wait(timeout=DEADLINE)
        found = []
        while (line := self.lines.get(timeout=DEADLINE)) is not None:
            found.append(json.loads(line))
        return code, found

    def close(self):
        """End what still runs and read to the end."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(timeout=DEADLINE)
        for reader in self._readers:
            reader.join(timeout=DEADLINE)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def watch(database):
    """Start watches and end them whatever happens."""
    started = []

    def start(*arguments):
        started.append(Watch(database, *arguments))
        return started[-1]

    yield start
    for process in started:
        process.close()


def runs(database):
    """How many screens are stored."""
    with closing(sqlite3.connect(database)) as conn:
        return conn.execute("SELECT count(*) FROM run WHERE command = 'screen'").fetchone()[0]


def sound(database):
    """What SQLite says of the file."""
    with closing(sqlite3.connect(database)) as conn:
        return conn.execute("PRAGMA integrity_check").fetchone()[0]


def test_data_loaded_by_another_process_wakes_the_watch(watch, database, tmp_path):
    """A hurdle of 30 % leaves no fixed income acceptable: status, reason and hurdle change, old and new."""
    watching = watch("--watch-count", "1", "--jsonl", "--exit-code")
    first = watching.event()
    assert first["event"] == "appeared"
    assert first["fields"]["status"] == [None, "accepted"]
    watching.until("watching for changes")
    loaded(database, tmp_path, 0.30)
    code, events = watching.rest()
    changed = {event["row_id"]: event for event in events if event["event"] == "changed"}
    fields = changed[first["row_id"]]["fields"]
    assert fields["status"] == ["accepted", "rejected"]
    assert fields["reasons"] == [[], ["risk_adjusted_negative"]]
    assert fields["hurdle_apy"][1] == 0.30
    assert fields["hurdle_apy"][0] < 0.30
    # nothing is accepted at the end
    assert code == 0
    assert runs(database) == 2


def test_a_changed_parameter_is_told_with_its_old_and_new_value(watch, database, tmp_path):
    """A venue's fee redefined by another process is a change of the rows that pay it."""
    watching = watch("--watch-count", "1", "--jsonl", "--rejected")
    watching.until("watching for changes")
    definition = tmp_path / "exponent.toml"
    definition.write_text(
        '[venue]\nid = "exponent"\nname = "Exponent"\nchain = "solana"\nkind = "yield"\n'
        '[[parameter]]\nname = "yield_fee"\nvalue = 0.065\nunit = "fraction"\n'
        'valid_from = 2026-04-01T00:00:00Z\nbasis = "assumed"\nsource = "stated by hand"\n'
    )
    done = yieldtrade("load", str(definition), "--db", str(database))
    assert done.returncode == 0, done.stderr
    _, events = watching.rest()
    changed = [event["fields"] for event in events if event["event"] == "changed"]
    assert {"input.exponent.yield_fee": [0.055, 0.065]}.items() <= {
        name: pair for fields in changed for name, pair in fields.items()
    }.items()


def test_two_watches_of_one_file_do_not_wake_each_other_for_ever(watch, database, tmp_path):
    """Each stores its first screen and the one after the load; both end, and that is all."""
    watches = [watch("--watch-count", "1", "--jsonl") for _ in range(2)]
    for one in watches:
        one.until("watching for changes")
    before = runs(database)
    loaded(database, tmp_path, 0.30)
    for one in watches:
        one.rest()
    assert runs(database) == before + 2


def test_interrupted_it_leaves_with_130_and_the_database_whole(watch, database):
    """Ctrl-C while it waits."""
    watching = watch("--jsonl")
    watching.until("watching for changes")
    os.kill(watching.process.pid, signal.SIGINT)
    code, _ = watching.rest()
    assert code == 130
    assert sound(database) == "ok"
    assert runs(database) == 1


def test_each_event_goes_to_the_hook_and_a_failing_hook_is_a_warning(watch, database, tmp_path):
    """The event is JSON on standard input, arguments are split without a shell, and the watch goes on."""
    kept = tmp_path / "events with a blank; $HOME"
    script = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read()); print('noise'); sys.exit(7)"
    hook = shlex.join([sys.executable, "-c", script, str(kept)])
    watching = watch("--watch-count", "0", "--jsonl", "--exec", hook)
    code, events = watching.rest()
    assert code == 0
    assert events
    assert [json.loads(line) for line in kept.read_text().splitlines()] == events
    notes = list(iter(watching.notes.get, None))
    assert sum("ended with code 7" in line for line in notes) == len(events)
    # what the hook prints stays off the stream of events
    assert notes.count("noise") == len(events)


def test_a_hook_that_hangs_or_is_missing_is_a_warning(database):
    """It is stopped after its time; one that does not exist is told; the screen ends well."""
    hang = shlex.join([sys.executable, "-c", f"import time; time.sleep({10 * DEADLINE})"])
    late = screened(database, "--since-last", "--exec", hang, "--exec-timeout", "0.05")
    assert late.returncode == 0
    assert "was stopped after 0.05 s" in late.stderr
    gone = screened(database, "--watch", "--watch-count", "0", "--exec", "no-such-hook", "--rejected")
    assert gone.returncode == 0
    assert runs(database) == 2


def test_since_last_compares_with_the_last_run_of_the_same_arguments(database, tmp_path):
    """At first all is new; then nothing; after a load what changed; other arguments are another question."""
    first = screened(database, "--since-last", "--json", "--exit-code")
    assert first.returncode == 3
    assert "no earlier run of these arguments" in first.stderr
    assert {event["event"] for event in json.loads(first.stdout)} == {"appeared"}
    again = screened(database, "--since-last", "--json")
    assert (json.loads(again.stdout), "compared with run" in again.stderr) == ([], True)
    assert screened(database, "--since-last", "--table").stdout == "nothing changed\n"
    loaded(database, tmp_path, 0.30)
    other = screened(database, "--since-last", "--jsonl", "--size", "5000")
    assert "no earlier run of these arguments" in other.stderr
    changed = screened(database, "--since-last", "--csv", "--exit-code")
    assert changed.returncode == 0
    lines = changed.stdout.splitlines()
    assert lines[0] == "event,row_id,field,old,new,at"
    assert "changed,USX-01JUN26:fixed_income,status,accepted,rejected,2026-05-05T04:59:10Z" in lines


def test_the_first_screen_of_a_watch_is_compared_with_the_last_run(database, tmp_path):
    """Break-evens that changed between two runs are told at once; a tolerance of all hides figures."""
    assert screened(database).returncode == 0
    loaded(database, tmp_path, 0.0325)
    wide = screened(database, "--watch", "--watch-count", "0", "--tolerance", "1", "--jsonl")
    assert wide.stdout == ""
    loaded(database, tmp_path, 0.036, "later.csv")
    close = screened(database, "--watch", "--watch-count", "0", "--jsonl", "--exit-code")
    fields = [json.loads(line)["fields"] for line in close.stdout.splitlines()]
    assert any(pair["hurdle_apy"] == [0.0325, 0.036] for pair in fields)
    # at the end of a watch an accepted row sets the code
    assert close.returncode == 3
