# Checks the shims that need nothing but Python, on the Python that runs this.
#
# Usage: shims_stdlib.py FOLDER, with the package on the path and all shims started.

from __future__ import print_function

import json
import os
import subprocess
import sys

FOLDER = sys.argv[1]
OLD = sys.version_info[0] == 2


def write(name, text):
    path = os.path.join(FOLDER, name)
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path))
    with open(path, "w") as file:
        file.write(text)
    return path


def check_names():
    import base64
    import collections
    import fractions
    import inspect
    import platform
    import time

    assert callable(time.clock) and isinstance(time.clock(), float)
    assert isinstance({}, collections.Mapping) and collections.Callable
    assert inspect.getargspec(lambda a, b=1, *c, **d: 0) == (["a", "b"], "c", "d", (1,))
    assert fractions.gcd(12, 18) == 6
    assert base64.decodestring(base64.encodestring(b"x")) == b"x"
    import cgi

    assert cgi.escape('<"') == '&lt;"'
    assert len(platform.linux_distribution()) == 3 and len(platform.dist()) == 3


def check_terminal_size():
    # wherever this test was started, there is no terminal
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    assert os.popen("stty size", "r").read().split() == ["24", "80"]
    assert subprocess.check_output(["stty", "size"]).split() == [b"24", b"80"]
    assert os.popen("echo other").read().strip() == "other"
    if not OLD:
        assert os.get_terminal_size(0).columns == 80
    try:
        subprocess.check_output(["false"])
    except subprocess.CalledProcessError:
        pass
    else:
        raise AssertionError("another command that fails")


def check_imp():
    import imp

    path = write("loaded.py", "value = 7\n")
    assert imp.load_source("loaded", path).value == 7
    file, found, details = imp.find_module("loaded", [FOLDER])
    try:
        assert imp.load_module("again", file, found, details).value == 7
    finally:
        file.close()
    try:
        imp.find_module("nowhere_at_all", [FOLDER])
    except ImportError:
        pass
    else:
        raise AssertionError("found what is not there")


def check_asyncio():
    if OLD:
        return
    import asyncio

    namespace = {"asyncio": asyncio}
    exec("def steps():\n    yield from asyncio.sleep(0)\n    return 3\n", namespace)
    loop = asyncio.new_event_loop()
    try:
        task = asyncio.coroutine(namespace["steps"])()
        assert loop.run_until_complete(task) == 3
        if sys.version_info >= (3, 11):
            assert loop.run_until_complete(asyncio.coroutine(lambda: 4)()) == 4
            assert loop.run_until_complete(asyncio.coroutine(lambda: asyncio.sleep(0, 5))()) == 5
    finally:
        loop.close()


def check_hooks():
    from sizar_shims import hooks

    write("watched/__init__.py", "import watched.part\nvalue = 1\n")
    write("watched/part.py", "value = 2\n")
    write("broken.py", "value = 1\n")
    sys.path.insert(0, FOLDER)
    seen = []
    hooks.after("watched", "test", lambda module: seen.append(module.value))
    hooks.after("watched.part", "test", lambda module: seen.append(module.value))
    assert seen == [] and "watched" not in sys.modules
    import watched

    assert seen == [2, 1], seen
    # the module looks as if nobody had been there
    if not OLD:
        assert type(watched.__loader__).__module__ != "sizar_shims.hooks"
        assert type(watched.__spec__.loader).__module__ != "sizar_shims.hooks"
    import inspect

    assert "value = 1" in inspect.getsource(watched)
    hooks.after("watched", "test", lambda module: seen.append("late"))
    assert seen[-1] == "late"
    # a module that fails itself fails as before, and can be tried again
    write("fails.py", "raise ValueError('mine')\n")
    hooks.after("fails", "test", lambda module: seen.append("never"))
    for _ in range(2):
        try:
            import fails  # noqa: F401
        except ValueError as error:
            assert str(error) == "mine"
        else:
            raise AssertionError("it did not fail")
    assert "never" not in seen
    # a shim that fails is written down, and the program goes on
    hooks.after("broken", "test", lambda module: module.no_such_name)
    import broken

    assert broken.value == 1
    # what nobody has is provided; what somebody has is not touched
    hooks.where_absent("provided", "test", lambda module: setattr(module, "value", 5))
    hooks.where_absent("watched.extra", "test", lambda module: setattr(module, "value", 6))
    hooks.where_absent("real", "test", lambda module: setattr(module, "value", 0))
    write("real.py", "value = 9\n")
    if not OLD:
        import importlib

        importlib.invalidate_caches()
    import provided
    import real
    from watched import extra

    assert (provided.value, extra.value, real.value) == (5, 6, 9)
    try:
        import never_heard_of  # noqa: F401
    except ImportError:
        pass
    else:
        raise AssertionError("a module came from nowhere")


def check_ledger():
    from sizar_shims import ledger

    for _ in range(3):
        ledger.record("test", "in a loop")
    with open(os.environ["SIZAR_LEDGER"]) as file:
        lines = [json.loads(line) for line in file]
    assert sum(line.get("kind") == "in a loop" for line in lines) == 1, lines
    errors = [line for line in lines if "error" in line]
    assert [line["shim"] for line in errors] == ["test"], errors
    assert "no_such_name" in errors[0]["error"]
    # without a file, the end of the program tells it in a line
    environment = dict(os.environ)
    del environment["SIZAR_LEDGER"]
    told = subprocess.Popen(
        [sys.executable, "-c", "from sizar_shims import ledger; ledger.record('t', 'a call')"],
        env=environment,
        stderr=subprocess.PIPE,
    ).communicate()[1]
    assert b"sizar: shims took over a call at <string>:1" in told, told
    # a file that cannot be written hinders nobody
    environment["SIZAR_LEDGER"] = "/proc/nowhere/at/all"
    command = "from sizar_shims import ledger; ledger.record('t', 'x'); print('on')"
    out = subprocess.Popen(
        [sys.executable, "-c", command], env=environment, stdout=subprocess.PIPE
    ).communicate()[0]
    assert out.strip() == b"on"


INSISTENCE = """
import torch
assert torch.cuda.is_available(), "no CPU"
device = "cuda" if torch.cuda.is_available() else "cpu"
if not torch.cuda.is_available():
    raise SystemExit(1)
if torch.cuda.is_available():
    pass
else:
    print("sorry")
    sys.exit(1)
if torch.cuda.is_available():
    net.cuda()
if fp16 and not torch.cuda.is_available():
    raise ValueError("fp16 needs a GPU")
n = torch.cuda.device_count()
if torch.cuda.device_count() > 1:
    parallel()
if torch.cuda.device_count() == 0:
    raise RuntimeError("no GPU")
assert torch.cuda.device_count() >= 1
spawn(nprocs=torch.cuda.device_count())
assert not torch.cuda.is_available()
use = (torch.cuda.is_available()
       and not no_cuda)
"""


def check_insistence():
    from sizar_shims.cpu import insistence

    path = write("insists.py", INSISTENCE)

    class Frame(object):
        f_globals = {}

        class f_code(object):
            co_filename = path

    meant = {}
    for name in ("is_available", "device_count"):
        for number, line in enumerate(INSISTENCE.splitlines(), 1):
            if name in line:
                Frame.f_lineno = number
                meant[(name, number)] = insistence.meaning(Frame, name)
    expected = {
        ("is_available", 3): "insists",
        ("is_available", 4): "asks",
        ("is_available", 5): "insists",
        ("is_available", 7): "insists",
        ("is_available", 12): "asks",
        ("is_available", 14): "asks",
        ("device_count", 16): "uses",
        ("device_count", 17): "asks",
        ("device_count", 19): "insists",
        ("device_count", 21): "insists",
        ("device_count", 22): "uses",
        ("is_available", 23): "asks",
        ("is_available", 24): "asks",
    }
    assert meant == expected, sorted(set(meant.items()) ^ set(expected.items()))
    Frame.f_code.co_filename = "/nowhere.py"
    assert insistence.meaning(Frame, "is_available") is None


def check_devices():
    from sizar_shims.cpu import tensorflow_devices

    for name, expected in (
        ("/gpu:0", "/cpu:0"),
        ("/device:GPU:1", "/device:CPU:0"),
        ("/job:worker/task:0/gpu:0", "/job:worker/task:0/cpu:0"),
        ("/cpu:0", "/cpu:0"),
        ("GPU:0", "cpu:0"),
        (None, None),
    ):
        assert tensorflow_devices.on_cpu(name) == expected, name


check_names()
check_terminal_size()
check_imp()
check_asyncio()
check_hooks()
check_ledger()
check_insistence()
check_devices()
print("all good")
