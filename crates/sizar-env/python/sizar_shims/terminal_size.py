# Progress bars of the time ask `stty size` how wide the terminal is, and stop where there is none:
# in a job, in a pipe, under a queue.

from __future__ import absolute_import

import io

from sizar_shims import hooks, ledger

NAME = "terminal-size"

ROWS, COLUMNS = 24, 80


def install():
    hooks.after("os", NAME, mend_os)
    hooks.after("subprocess", NAME, mend_subprocess)


def mend_os(module):
    popen = module.popen

    def popen_with_size(command, *args, **options):
        if not _asks_for_size(command):
            return popen(command, *args, **options)
        pipe = popen("stty size 2>/dev/null")
        try:
            said = pipe.read()
        finally:
            pipe.close()
        return _text(_answer(said))

    module.popen = popen_with_size
    if hasattr(module, "get_terminal_size"):
        size_of = module.get_terminal_size

        def get_terminal_size(*args):
            try:
                return size_of(*args)
            except (OSError, ValueError):
                ledger.record(NAME, "os.get_terminal_size")
                return module.terminal_size((COLUMNS, ROWS))

        module.get_terminal_size = get_terminal_size


def mend_subprocess(module):
    check_output = module.check_output

    def check_output_with_size(command, *args, **options):
        try:
            return check_output(command, *args, **options)
        except module.CalledProcessError:
            if not _asks_for_size(command):
                raise
            said = _answer("")
            texts = ("text", "universal_newlines", "encoding", "errors")
            return said if any(options.get(name) for name in texts) else said.encode("ascii")

    module.check_output = check_output_with_size


def _asks_for_size(command):
    words = command.split() if hasattr(command, "split") else command
    try:
        return [str(word) for word in list(words)[:2]] == ["stty", "size"]
    except TypeError:
        return False


def _answer(said):
    if len(said.split()) == 2:
        return said
    ledger.record(NAME, "stty size")
    return "%d %d\n" % (ROWS, COLUMNS)


def _text(said):
    return io.StringIO(said if isinstance(said, type(u"")) else said.decode("ascii"))
