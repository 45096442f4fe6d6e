"""Run the parts of the test suite side by side, and print one table at the end.

    scripts/run_tests.py gate                 what `make test` runs
    scripts/run_tests.py all                  what `make test-all` runs
    scripts/run_tests.py only tests/real/test_site.py::test_x   one file or test

A part is a target of the Makefile. Parts of one lane follow each other; lanes run beside each other, since what
computes and what waits for servers get in each other's way little. What a part prints goes to
``test-results/<part>.log``, and to the terminal as well when it has failed. A part that fails stops no other one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLASSIC = ".venv-classic"
NO_TESTS = 5
"""pytest's exit code where it found none."""
JOBS_OF_A_FOLDER = 2
SLOWEST = 10
SHOW_SECONDS = 15.0
TAIL_LINES = 400
"""How much of a failed part's output is printed; all of it is in its file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One target of the Makefile, with its variables."""

    name: str
    target: str = ""
    """Where it isn't the name."""
    variables: tuple[str, ...] = ()
    budget: int = 0
    """How many seconds it may take on two quiet cores; 0 for no limit."""


GATE: tuple[tuple[Part, ...], ...] = (
    (
        Part(name="check", budget=60),
        Part(name="js", budget=30),
        Part(name="unit", budget=200),
        Part(name="unit-postgresql", budget=240),
        Part(name="classic", budget=120),
    ),
    (Part(name="real", budget=660),),
)
BROKERS = ("installed", "trixie", "sid")
REST: tuple[Part, ...] = (
    Part(name="slow"),
    *[Part(name=f"broker-{name}", target="test-brokers", variables=(f"BROKERS={name}",)) for name in BROKERS],
    Part(name="faults"),
)
"""What `make test-all` runs after the gate, one after another: these disturb others, and are disturbed by them."""


@dataclass(kw_only=True)
class Running:
    """A part that runs or has run."""

    part: Part
    log: Path
    report: Path
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    code: int | None = None
    process: subprocess.Popen[bytes] | None = None

    def counts(self) -> dict[str, int]:
        """Return passed, failed, skipped, done and total; what isn't pytest's counts as one test."""
        try:
            told = json.loads(self.report.read_text())
        except (OSError, ValueError):
            told = _of_node(self.log) or {}
        if not told:
            over = self.code is not None
            good = self.code == 0
            return {"passed": int(over and good), "failed": int(over and not good), "skipped": 0, "done": 0, "total": 0}
        if self.code and not told["failed"]:
            told["failed"] = 1  # it ended badly for another reason than a test
        return {name: told.get(name, 0) for name in ("passed", "failed", "skipped", "done", "total")}

    def files(self) -> dict[str, dict[str, float]]:
        """Return the seconds of each file of tests: setup, call, teardown."""
        try:
            found: dict[str, dict[str, float]] = json.loads(self.report.read_text())["files"]
        except (OSError, ValueError, KeyError):
            return {}
        return found


def _of_node(log: Path) -> dict[str, int]:
    """Return the counts at the end of what Node's test runner has printed."""
    text = log.read_text(errors="replace") if log.exists() else ""
    found = dict(re.findall(r"^\S+ (pass|fail|skipped) (\d+)$", text, re.MULTILINE))
    names = {"pass": "passed", "fail": "failed", "skipped": "skipped"}
    return {names[name]: int(count) for name, count in found.items()} if len(found) == len(names) else {}


class Run:
    """All parts of one run."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._results = root / "test-results"
        self._results.mkdir(exist_ok=True)
        self.parts: list[Running] = []
        self._began = time.monotonic()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._is_cut_short = False

    def lane(self, parts: tuple[Part, ...]) -> None:
        """Run the parts one after another."""
        for part in parts:
            if not self._stopped.is_set():
                self._run(part)

    def _run(self, part: Part) -> None:
        running = Running(part=part, log=self._results / f"{part.name}.log", report=self._results / f"{part.name}.json")
        running.report.unlink(missing_ok=True)
        with running.log.open("wb") as output, self._lock:
            if self._stopped.is_set():
                return
            self.parts.append(running)
            running.process = subprocess.Popen(
                ["make", "--no-print-directory", part.target or part.name, *part.variables],
                cwd=self._root,
                env={**_environment(), "TEST_REPORT": str(running.report)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all of it can be ended
            )
        running.code = running.process.wait()
        running.seconds = time.monotonic() - running.began
        counts = running.counts()
        self._say(
            f"{part.name}: {counts['passed']} passed, {counts['failed']} failed, "
            f"{counts['skipped']} skipped in {running.seconds:.0f} s"
        )
        if running.code:
            lines = running.log.read_text(errors="replace").splitlines()
            with self._lock:
                print(
                    f"\n===== {part.name} failed (exit code {running.code}); it said last:",
                    *lines[-TAIL_LINES:],
                    sep="\n",
                )
                print(f"===== end of {part.name}; all of it is in {running.log.relative_to(self._root)}\n", flush=True)

    def _say(self, text: str) -> None:
        passed = int(time.monotonic() - self._began)
        with self._lock:
            print(f"[{passed // 60:2}:{passed % 60:02}] {text}", flush=True)

    def progress(self) -> None:
        """Say where each running part is, until the run is over."""
        while not self._stopped.wait(SHOW_SECONDS):
            with self._lock:
                now = [one for one in self.parts if one.code is None]
            told = [(one.part.name, one.counts()) for one in now]
            self._say(", ".join(f"{name} {of['done']}/{of['total']}" if of["total"] else name for name, of in told))

    def stop(self) -> None:
        """Start nothing more, and end what runs: pytest ends what its fixtures have started, then itself."""
        self._is_cut_short = True
        self._stopped.set()
        for one in list(self.parts):
            if one.process and one.process.poll() is None:
                os.killpg(one.process.pid, signal.SIGTERM)

    def finish(self) -> int:
        """Print the table; returns the exit code."""
        self._stopped.set()
        rows = [(one, one.counts()) for one in self.parts]
        width = max((len(one.part.name) for one in self.parts), default=4)
        print(f"\n{'part':{width}} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
        for one, of in rows:
            print(f"{one.part.name:{width}} {of['passed']:7} {of['failed']:7} {of['skipped']:8} {one.seconds:8.0f}")
        files = [
            (sum(seconds.values()), one.part.name, name, seconds)
            for one in self.parts
            for name, seconds in one.files().items()
        ]
        if files:
            print(f"\n{SLOWEST} slowest files: seconds (of which for setting up)")
        for total, part, name, seconds in sorted(files, key=lambda row: -row[0])[:SLOWEST]:
            print(f"{total:7.1f} ({seconds['setup']:.1f})  {name}  [{part}]")
        for one in self.parts:
            if one.part.budget and one.seconds > one.part.budget:
                print(f"Over its budget: {one.part.name} took {one.seconds:.0f} s of {one.part.budget}.")
        passed, failed, skipped = (sum(of[name] for _, of in rows) for name in ("passed", "failed", "skipped"))
        print(f"\nAll parts in {(time.monotonic() - self._began) / 60:.1f} min.")
        print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
        return 1 if self._is_cut_short or any(one.code for one in self.parts) else 0


def _environment() -> dict[str, str]:
    """Return the environment without what a `make` above has put there for its own children."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def only(target: str) -> int:
    """Run one file, folder or test with all that it needs; returns the exit code."""
    path, _, test = target.partition("::")
    if not (ROOT / path).exists():
        print(f"There is no {path!r} in this checkout; ONLY names a file, a folder or a test, as pytest does.")
        return 2
    if path.endswith(".js"):
        return _call("make", "--no-print-directory", "js", f"JS_TESTS={path}")
    jobs = JOBS_OF_A_FOLDER if (ROOT / path).is_dir() else 0
    options = ["-m", "pytest", "-m", "", f"--numprocesses={jobs}", "--dist=loadfile", target]
    codes = [_call(sys.executable, *options)]
    if _has_classic_tests(ROOT / path):
        _call("make", "--no-print-directory", f"{CLASSIC}/installed")
        codes.append(_call(f"{CLASSIC}/bin/python", *options, "-m", "classic"))
    found = [code for code in codes if code != NO_TESTS]  # of two environments, one may have none
    if not found:
        print(f"There is no test {test!r} in {path}." if test else f"There is no test in {path}.")
    return max(found, default=NO_TESTS)


def _has_classic_tests(path: Path) -> bool:
    files = path.rglob("test_*.py") if path.is_dir() else [path]
    return any("mark.classic" in file.read_text(encoding="utf-8") for file in files)


def _call(*command: str) -> int:
    """Run a command to its end in the project's root, and return its exit code."""
    return subprocess.run(command, cwd=ROOT, env=_environment(), check=False).returncode


def run(lanes: tuple[tuple[Part, ...], ...], rest: tuple[Part, ...] = (), root: Path = ROOT) -> int:
    """Run the lanes beside each other, then the rest; returns the exit code."""
    whole = Run(root)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: whole.stop())
    threading.Thread(target=whole.progress, daemon=True).start()
    threads = [threading.Thread(target=whole.lane, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():  # a signal's handler runs between two of these
            thread.join(1)
    whole.lane(rest)
    return whole.finish()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["gate"]:
            sys.exit(run(GATE))
        case ["all"]:
            sys.exit(run(GATE, REST))
        case ["only", target]:
            sys.exit(only(target))
        case _:
            sys.exit(__doc__)
