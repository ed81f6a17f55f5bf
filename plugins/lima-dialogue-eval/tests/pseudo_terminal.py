"""A command in a pseudo-terminal of its own: what it prints, and the keys that a test sends; what several tests share."""

import os
import select
import subprocess
import sys
import time
from contextlib import contextmanager

SECONDS = 30


OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"Makes standard input the terminal whose Ctrl-C this process gets, as a shell's is"


class Terminal:
    """A command in a pseudo-terminal: `until` waits for a text, `press` sends keys"""

    def __init__(self, master, process):
        self.master, self.process, self.seen = master, process, ""

    def until(self, text):
        """What was printed up to this text"""
        late = time.monotonic() + SECONDS
        while text not in self.seen:
            assert time.monotonic() < late, f"{text!r} did not come: {self.seen!r}"
            assert self._read() or self.process.poll() is None, f"{text!r} did not come: {self.seen!r}"
        before, _, self.seen = self.seen.partition(text)
        return before

    def _read(self):
        if not select.select([self.master], [], [], 0.2)[0]:
            return False
        try:
            self.seen += os.read(self.master, 65_536).decode().replace("\r\n", "\n")
        except OSError:  # the other end is closed
            return False
        return True

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        """(exit code, the rest of what it printed)"""
        code = self.process.wait(timeout=SECONDS)
        while self._read():
            pass
        return code, self.seen


@contextmanager
def terminal(store, *arguments, command=("dialogues", "grade"), plugins="lima-chat,lima-dialogue-eval", **environment):
    master, slave = os.openpty()
    environment = os.environ | {"LIMA_LOAD_PLUGINS": plugins, "TERM": "dumb", "COLUMNS": "100"} | environment
    whole = [
        sys.executable,
        "-c",
        OWN_TERMINAL,
        sys.executable,
        "-m",
        "lima",
        *command,
        *arguments,
        "--terminal",
        "-d",
        str(store.path),
    ]
    process = subprocess.Popen(whole, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True)
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait(timeout=SECONDS)
        os.close(master)
