"""The sandbox: what is inside, what is not, and what is said where there is none."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nncourse.classroom import sandbox
from nncourse.classroom.lab import Lab, Task
from nncourse.classroom.process import student_process
from nncourse.classroom.sandbox import SandboxMissing, inside, python_words, require, why_missing

REASONS = {
    "it needs Linux with bubblewrap, and this is darwin": {"platform": "darwin"},
    "bubblewrap is not installed": {"bwrap": None},
}


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine that lacks something, as far as this module can see."""

    def lacking(*, platform="linux", bwrap=""):
        monkeypatch.setattr(sandbox, "is_root", lambda: False)
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(sandbox.shutil, "which", lambda name: bwrap)
        why_missing.cache_clear()

    yield lacking
    monkeypatch.undo()
    why_missing.cache_clear()


@pytest.mark.parametrize(("reason", "lack"), REASONS.items(), ids=REASONS)
def test_why_there_is_no_sandbox_is_a_sentence_with_a_way_out(machine, reason, lack):
    machine(**lack)
    with pytest.raises(SandboxMissing, match=reason) as caught:
        require("auto")
    assert "--sandbox none" in str(caught.value)


def test_walls_that_the_kernel_refuses_are_reported_in_its_words(machine, tmp_path):
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    machine(bwrap=str(refusing))
    with pytest.raises(SandboxMissing, match="No permissions to create namespace"):
        require("auto")


def test_a_process_is_never_started_without_the_sandbox_it_was_to_have(machine):
    machine(bwrap=None)
    task = Task(name="f", points=1, check=lambda student, rng: iter(()))
    with (
        pytest.raises(SandboxMissing),
        student_process("def f(): pass", task, Lab(name="lab", tasks=(task,))),
    ):
        raise AssertionError


def test_to_go_without_is_a_choice_that_warns(machine, capsys):
    machine(bwrap=None)
    require("none")
    assert "without a wall" in capsys.readouterr().err


def test_another_choice_is_named():
    with pytest.raises(ValueError, match="sandbox is one of auto, none, got 'docker'"):
        require("docker")


ROOT = pytest.param(True, marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))


@pytest.fixture(params=[ROOT, False], ids=["as root", "as an ordinary user"])
def run(request, missing, monkeypatch):
    """The output of a program inside a sandbox; it fails the test if the program does."""
    if why_missing():
        missing(f"The sandbox ({why_missing()})", "make tools")
    if not request.param:
        monkeypatch.setattr(sandbox, "is_root", lambda: False)

    def output(code, **options):
        program = f"import os, sys\nsys.path.append({sandbox.PACKAGES_FOLDER!r})\n{code}"
        with inside([*python_words(), "-c", program], **{"packages": (), **options}) as command:
            finished = subprocess.run(
                command.words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env={"SECRET": "x"},
                pass_fds=command.descriptors,
                check=False,
            )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    output.as_root = request.param
    return output


def refused(code):
    return (
        f"try:\n    {code}\n    print('done')\nexcept OSError as error:\n    print(error.errno)\n"
    )


def test_numpy_and_the_standard_library_work(run):
    code = (
        "import ctypes, decimal, json, sqlite3, numpy as np; print(np.linalg.inv(np.eye(2)).sum())"
    )
    assert run(code) == "2.0\n"


def test_nothing_else_can_be_imported(run):
    code = (
        "import importlib\n"
        "for name in ('nncourse', 'torch', 'scipy', 'pandas', 'IPython', 'pip', 'setuptools', 'pytest'):\n"
        "    try:\n        importlib.import_module(name); print(name)\n"
        "    except ModuleNotFoundError:\n        pass"
    )
    assert run(code) == ""


def test_a_listed_module_is_there_and_its_neighbors_are_not(run):
    code = (
        "import nncourse.meaning, dahuffman\nprint(os.listdir(nncourse.__path__[0]))\n"
        "try:\n    import nncourse.formats\nexcept ModuleNotFoundError:\n    print('absent')"
    )
    printed = run(code, packages=("nncourse.meaning", "dahuffman"))
    assert "formats" not in printed
    assert printed.endswith("absent\n")


def test_a_package_that_is_not_installed_is_named():
    for name in ("no_such_package", "nncourse.no_such_room"):
        with (
            pytest.raises(ValueError, match=f"packages names {name}"),
            inside([], packages=(name,)),
        ):
            pass


def test_no_process_device_home_or_configuration_is_in_sight(run):
    allowed = {"etc", "lib", "lib32", "lib64", "libx32", "packages", "runner", "usr"}
    seen = set(run("print(*os.listdir('/'))").split()) - allowed
    assert not seen & {"proc", "dev", "sys", "home", "var", "run", "mnt", "work"}
    python = [path for path in map(str, (*Path(sandbox._python()).parents,)) if path != "/"]
    top = {Path(path).parts[1] for path in python}
    assert seen <= top  # the folder that Python is installed in
    assert run("print(os.listdir('/etc'))") in ("['ld.so.cache']\n", "[]\n")


def test_of_the_folder_that_python_is_in_only_python_is_in_sight(run):
    home = Path.home()
    code = f"print(*[os.path.join(f, n) for f, _, ns in os.walk({str(home)!r}) for n in ns])"
    prefix = str(Path(sys.base_prefix).resolve())
    assert all(name.startswith(prefix) for name in run(code).split())


def test_nothing_can_be_written_or_changed(run):
    for place in ("/", "/tmp", "/runner", "/packages", "/packages/numpy", "/usr/lib", "/etc"):
        assert run(refused(f"open('{place}/x', 'w')")) in ("30\n", "2\n", "13\n"), place
    assert run(refused("os.chmod('/packages/numpy/__init__.py', 0o777)")) in ("30\n", "1\n")
    assert run(refused("os.remove('/packages/numpy/__init__.py')")) in ("30\n", "13\n")


def test_no_folder_can_be_written_to(run):
    code = (
        "import itertools\nopen_ones = []\n"
        "for folder, _, _ in itertools.islice(os.walk('/'), 200_000):\n"
        "    if os.access(folder, os.W_OK):\n        open_ones.append(folder)\n"
        "print(open_ones)"
    )
    assert run(code) == "[]\n"


def test_the_environment_is_new_and_holds_nothing(run):
    names = set(run("print(*os.environ)").split())
    threads = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    assert names <= {"LANG", "LC_CTYPE", "LD_LIBRARY_PATH", "PWD"} | threads


def test_its_user_owns_nothing_and_has_no_rights(run):
    uid, gid, *groups = map(int, run("print(os.getuid(), os.getgid(), *os.getgroups())").split())
    assert uid not in (0, os.getuid())
    assert gid != 0
    assert 0 not in groups
    code = (
        "import ctypes\n"
        "header = (ctypes.c_uint32 * 2)(0x20080522, 0)\nsets = (ctypes.c_uint32 * 6)()\n"
        "assert ctypes.CDLL(None).capget(header, sets) == 0\nprint(*sets)\n"
        "print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))"
    )
    capabilities, no_new_privileges = run(code).splitlines()
    assert capabilities == "0 0 0 0 0 0"
    assert no_new_privileges == "1"
    assert run(refused("os.setuid(0)")) in ("1\n", "22\n")


def test_it_is_alone(run):
    assert int(run("print(os.getpid())")) < 5
    assert run("import socket; print(socket.gethostname())") == "sandbox\n"


def test_it_inherits_no_open_file(run):
    code = (
        "kept = []\nfor n in range(3, 256):\n"
        "    try:\n        os.fstat(n); kept.append(n)\n    except OSError:\n        pass\n"
        "print(kept)"
    )
    assert run(code) == "[]\n"


def test_no_network_can_be_reached_or_made(run):
    code = "import socket\n" + refused("socket.socket()")
    assert run(code) == "1\n"


def test_a_new_namespace_cannot_be_made(run):
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "print(*[libc.unshare(flag) for flag in (0x10000000, 0x20000, 0x40000000)])"
    )
    assert run(code) == "-1 -1 -1\n"


def test_files_that_are_given_are_there(run, tmp_path):
    given = tmp_path / "given.txt"
    given.write_text("text")
    given.chmod(0o644)
    if run.as_root:
        tmp_path.chmod(0o700)  # what lies above it does not matter
    assert run("print(open('/runner/given.txt').read())", files=(given,)) == "text\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has one id for all sandboxes")
def test_two_sandboxes_at_once_have_two_users(missing):
    if why_missing():
        missing(f"The sandbox ({why_missing()})", "make tools")
    with sandbox._user_of_its_own() as one, sandbox._user_of_its_own() as other:
        assert one != other
        assert min(one, other) >= min(sandbox._user_ids())


def test_a_users_id_is_free_again_afterwards(monkeypatch):
    monkeypatch.setattr(sandbox, "_user_ids", lambda: range(70_001, 70_002))
    for _ in range(2):
        with (
            sandbox._user_of_its_own() as user,
            pytest.raises(RuntimeError, match="all 1 users for sandboxes are taken"),
            sandbox._user_of_its_own(),
        ):
            raise AssertionError
        assert user == 70_001


def test_it_dies_with_the_grader(missing, tmp_path):
    if why_missing():
        missing(f"The sandbox ({why_missing()})", "make tools")
    words = f"sleeping-{os.getpid()}"
    code = (
        "import subprocess, sys\n"
        "from nncourse.classroom.sandbox import inside, python_words\n"
        f"program = 'import time; print(1, flush=True); time.sleep(600) # {words}'\n"
        "with inside([*python_words(), '-c', program], packages=()) as command:\n"
        "    subprocess.run(command.words, pass_fds=command.descriptors)\n"
    )
    grader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    grader.stdout.readline()
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    grader.stdout.close()
    for _ in range(100):
        if not any(words in line for line in command_lines()):
            return
        time.sleep(0.1)
    raise AssertionError([line for line in command_lines() if words in line])


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().decode(errors="replace")
        except OSError:
            continue


def test_the_runner_and_the_wire_can_be_read_by_everybody():
    for name in ("runner.py", "wire.py"):
        mode = Path(sandbox.__file__).with_name(name).stat().st_mode
        assert mode & stat.S_IROTH, f"{name} has the mode {mode:o}, so no other user can run it"
