"""The process that renders: started once, alone with Jinja, replaced when it dies, and gone when its user is."""

import ast
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lima import LimaError
from lima_chat import sandbox, sandbox_process
from lima_chat.sandbox import Template

pytestmark = pytest.mark.slow

HANG = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"
SLOW = "{% set t = 'a' * 3000000 %}{% for i in range(n) %}{% set x = t|upper %}{% endfor %}{{ n }}"
PROGRAM = """
import os, sys, time
from lima_chat import sandbox
print(sandbox.Template("'good'", "{{ a }}").render({"a": "rendered"}), sandbox.WORKER._process.pid, flush=True)
"""


@pytest.fixture
def worker(monkeypatch):
    """A process of the test's own"""
    own = sandbox.Worker()
    monkeypatch.setattr(sandbox, "WORKER", own)
    yield own
    own.stop()


def alive(pid):
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def ends(pid, within):
    until = time.monotonic() + within
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


def program(code, **options):
    """A program of a user's, in a session of its own as behind a terminal; its process for rendering"""
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever started the tests in the background lets them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )
    said, pid = running.stdout.readline().split()
    assert said == "rendered"
    return running, int(pid)


HANGS = f'print("hangs", flush=True)\nsandbox.Template("\'bad\'", "{HANG}").render({{}})'


def test_ctrl_c_ends_a_hanging_render_and_the_process_without_a_word():
    running, pid = program(
        "import lima.cli, click\n"
        "def hang(arguments):\n"
        + "".join(f"    {line}\n" for line in HANGS.splitlines())
        + "lima.cli._run = hang\nlima.cli.main()"
    )
    assert running.stdout.readline() == "hangs\n"
    time.sleep(0.3)
    started = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    said = running.communicate(timeout=20)
    assert time.monotonic() - started < 4  # well before the limit
    assert (said, running.returncode) == (("", "Interrupted.\n"), 130)
    assert not alive(pid)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "until the limit"])
def test_ctrl_c_that_is_caught_leaves_nothing_of_the_last_answer(waits, worker, monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.8 if waits else 20)
    Template("'good'", "{{ a }}").render({"a": 1})
    first = worker._process.pid
    # A signal that another thread gets does not wake this one; Python tells it when it wakes.
    interrupt = (signal.raise_signal,) if waits else (signal.pthread_kill, threading.main_thread().ident)
    timer = threading.Timer(0.3, *interrupt[:1], [*interrupt[1:], signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        Template("'slow'", SLOW).render({"n": 100_000})
    timer.join()
    assert not alive(first)
    assert Template("'good'", "{{ a }}").render({"a": 2}) == "2"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_ends_with_its_user(how):
    running, pid = program("time.sleep(60)")
    running.send_signal(how)
    running.communicate(timeout=20)
    assert ends(pid, within=5)


def test_a_process_whose_user_is_killed_in_a_render_ends_at_the_limit():
    running, pid = program(f"sandbox.SECONDS = 1; sandbox.WORKER.stop()\n{PROGRAM}{HANGS}")
    pid = int(running.stdout.readline().split()[1])
    assert running.stdout.readline() == "hangs\n"
    time.sleep(0.3)
    running.kill()
    running.communicate(timeout=20)
    assert ends(pid, within=2 + 4)  # the limit, a second, and what a busy machine takes


def test_a_program_that_ends_leaves_no_process_and_no_word():
    running, pid = program("", env=os.environ | {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"})
    assert (running.communicate(timeout=20), running.returncode) == (("", ""), 0)
    assert not alive(pid)


def test_a_script_without_a_guard_keeps_its_streams(tmp_path):
    """Spawned processes of multiprocessing would run it again; this one is not one of them"""
    script = tmp_path / "script.py"
    script.write_text(PROGRAM + "print('read', sys.stdin.read(), flush=True)")
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    done = subprocess.run(
        [sys.executable, "-P", "script.py"], cwd=tmp_path, input="all of it", capture_output=True, text=True
    )
    assert (re.sub(r"\d+", "N", done.stdout), done.stderr) == ("rendered N\nread all of it\n", "")


def test_what_is_forked_off_renders_in_a_process_of_its_own_and_keeps_none_alive():
    forked = """
child = os.fork()
if not child:
    print(sandbox.Template("'good'", "{{ a }}").render({"a": "child"}), sandbox.WORKER._process.pid, flush=True)
    time.sleep(0.5)
    sys.exit()  # runs what is to be run at the end
os.wait()
print(sandbox.Template("'good'", "{{ a }}").render({"a": "parent"}), sandbox.WORKER._process.pid, flush=True)
if not os.fork():
    time.sleep(60)  # has what it inherited open
print(sandbox.Template("'good'", "{{ a }}").render({"a": "parent"}), sandbox.WORKER._process.pid, flush=True)
time.sleep(60)
"""
    running, pid = program(forked)
    (of_child, its), (of_parent, own), (again, same) = (running.stdout.readline().split() for _ in range(3))
    assert (of_child, of_parent, again) == ("child", "parent", "parent")
    assert int(its) != pid
    assert int(own) == int(same) == pid
    assert ends(int(its), within=5)
    running.kill()
    assert ends(pid, within=5)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=20)


def test_threads_get_their_own_answers(worker):
    template = Template("'good'", "{% for i in range(100) %}{% endfor %}{{ n }}{{ 'x' * n }}")

    def both(n):
        return template.render_all([{"n": n}, {"n": n + 1}])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(both, range(400)))
    assert answers == [[f"{m}{'x' * m}" for m in (n, n + 1)] for n in range(400)]


def test_a_process_that_was_killed_is_replaced_and_that_is_said(worker, caplog):
    template = Template("'good'", "{{ a }}")
    os.kill(worker._process.pid, signal.SIGKILL)
    assert template.render({"a": 1}) == "1"
    os.kill(worker._process.pid, signal.SIGINT)  # means nothing to it
    assert template.render({"a": 2}) == "2"
    assert caplog.record_tuples == [
        (
            "lima",
            logging.WARNING,
            "The process that renders chat templates ended (Killed); the render is tried again in a new one.",
        )
    ]


def killer(worker, times):
    """Kill the process in the middle of a render, so often"""

    def kill():
        seen = set()
        until = time.monotonic() + 30
        while len(seen) < times and time.monotonic() < until:
            process = worker._process
            if process is not None and process.pid not in seen:
                time.sleep(0.3)
                seen.add(process.pid)
                os.kill(process.pid, signal.SIGSEGV)
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_render_in_whose_middle_the_process_is_killed_is_done_again(worker, caplog):
    template = Template("'slow'", SLOW)
    thread = killer(worker, times=1)
    assert template.render({"n": 200}) == "200"
    thread.join()
    assert [r.getMessage() for r in caplog.records] == [
        "The process that renders chat templates ended (Segmentation fault); the render is tried again in a new one."
    ]


def test_a_process_that_dies_twice_is_an_error(worker):
    template = Template("'slow'", SLOW)
    thread = killer(worker, times=2)
    with pytest.raises(LimaError) as e:
        template.render({"n": 100_000})
    thread.join()
    assert str(e.value) == (
        "The template 'slow' ended the process that renders it, twice (Segmentation fault). Correct it, or use another one; "
        "`lima renderers` lists them."
    )


def test_a_process_that_is_stopped_is_given_up(worker, monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.5)
    template = Template("'good'", "{{ a }}")
    os.kill(worker._process.pid, signal.SIGSTOP)
    with pytest.raises(LimaError, match=r"^The template 'good' was stopped after 0\.5 seconds"):
        template.render({"a": "x" * 10_000_000})  # more than fits in between
    assert template.render({"a": 1}) == "1"


def test_its_user_may_be_stopped_for_longer_than_the_limit():
    """As by Ctrl-Z: the text is there when it is wanted, though more than the operating system keeps in between"""
    running, _ = program(f"""
import threading
sandbox.SECONDS = 2; sandbox.WORKER.stop()
template = sandbox.Template("'slow'", {SLOW + "{{ t }}"!r})
threading.Timer(0.1, print, ["renders"], {{"flush": True}}).start()
print(len(template.render({{"n": 100, "given": "x" * 150_000}})))
""")
    assert running.stdout.readline() == "renders\n"
    running.send_signal(signal.SIGSTOP)
    time.sleep(4)
    running.send_signal(signal.SIGCONT)
    assert running.communicate(timeout=20) == ("3000003\n", "")


@pytest.mark.parametrize(
    ("executable", "why"), [("/no/python", "No such file or directory"), ("/bin/false", r"\(exit code 1\)")]
)
def test_a_process_that_does_not_start_is_an_error_with_a_command_that_shows_why(executable, why, worker, monkeypatch):
    python = sys.executable
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(LimaError, match=rf"does not start \(.*{why}|does not start {why}") as e:
        Template("'good'", "x")
    command = re.search(r"run `(.*)`, which should print \"ready\"\.$", str(e.value))[1].replace(executable, python)
    assert subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, capture_output=True).stdout == b'"ready"\n'


def test_the_process_has_a_session_of_its_own_and_little_of_the_environment(worker, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("LD_PRELOAD", "/no/such/library.so")
    monkeypatch.setenv("PYTHONPATH", "/no/such/folder")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert Template("'good'", "{{ a }}").render({"a": 1}) == "1"
    names = {v.partition("=")[0] for v in Path(f"/proc/{worker._process.pid}/environ").read_text().split("\0") if v}
    assert names <= {"TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
    assert os.getsid(worker._process.pid) == worker._process.pid  # Ctrl-C does not reach it, not even while it starts


def test_the_process_imports_jinja_and_nothing_heavy(worker):
    tree = ast.parse(Path(sandbox_process.__file__).read_text())
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} - sys.stdlib_module_names == {"jinja2"}
    Template("'good'", "{{ a }}").render({"a": 1})
    status = Path(f"/proc/{worker._process.pid}/status").read_text()
    assert int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) < 40_000
    limits = Path(f"/proc/{worker._process.pid}/limits").read_text()
    assert re.search(rf"Max address space +{sandbox.MEMORY} ", limits)
    assert re.search(r"Max core file size +0 ", limits)


def test_a_limit_that_the_user_has_is_not_raised(worker):
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 * 2**28, 3 * 2**28))\nsandbox.WORKER.stop()\n"
    running, _ = program(code + PROGRAM + "print(open(f'/proc/{sandbox.WORKER._process.pid}/limits').read())")
    said = running.communicate(timeout=20)[0]
    assert said.startswith("rendered ")
    assert re.search(rf"Max address space +{3 * 2**28} ", said)


def test_an_example_whose_render_hangs_is_named(tmp_path, worker, monkeypatch):
    import lima_chat
    from lima import Recipe
    from lima.data.dataset import prepare
    from lima.testing import only_plugins, tiny_base

    monkeypatch.setattr(sandbox, "SECONDS", 0.5)
    own = tmp_path / "user" / "templates"
    own.mkdir(parents=True)
    hangs = (
        "{% for m in messages %}{{ m.content ~ eot_token }}{% if 'for ever' in m.content %}"
        + HANG
        + "{% endif %}{% endfor %}"
    )
    (own / "bad.jinja").write_text(hangs)
    talks = [
        [{"role": "user", "content": "How long?"}, {"role": "assistant", "content": c}] for c in ("An hour", "for ever")
    ]
    file = tmp_path / "talks.jsonl"
    file.write_text("".join(json.dumps({"id": t[1]["content"], "messages": t}) + "\n" for t in talks))
    recipe = Recipe(base=str(tiny_base(tmp_path / "base")), sources=(str(file),), renderer="bad")
    with only_plugins(lima_chat=lima_chat) as plugins, pytest.raises(LimaError) as e:
        prepare(recipe, plugins)
    assert str(e.value) == (
        "Example 'for ever' of source 'talks.jsonl', rendered by 'bad': The template 'bad' was stopped after 0.5 seconds. "
        "Correct it, or use another one; `lima renderers` lists them."
    )
