# Writes down what a shim did: once for each kind of call and line of the program.
#
# With SIZAR_LEDGER in the environment, JSON lines are appended to the file of that name; without,
# one line on standard error says it when the program ends.

from __future__ import absolute_import

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
# a loop over generated code must not fill the disk
_MOST = 500

_seen = set()
_told = []


def caller(inside=()):
    """Returns the frame of the program that made a call, outside of the modules `inside`."""
    frame = sys._getframe(1)
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    nearest = frame
    while frame is not None:
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if top not in inside:
            return frame
        frame = frame.f_back
    return nearest


def _is_ours(frame):
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "sizar_shims"


def record(shim, kind, inside=(), note=None):
    """Notes that `shim` took over a call of the kind `kind`. Never raises."""
    try:
        frame = caller(inside)
        while frame is not None and frame.f_code.co_filename.startswith("<frozen"):
            frame = frame.f_back
        code = frame.f_code if frame is not None else None
        line = frame.f_lineno if frame is not None else 0
        key = (kind, code, line)
        if key in _seen or len(_seen) >= _MOST:
            return
        _seen.add(key)
        entry = {"shim": shim, "kind": kind, "line": line, "path": None}
        if code is not None:
            path = code.co_filename
            entry["path"] = path if path.startswith("<") else os.path.abspath(path)
        if note:
            entry["note"] = note
        _write(entry)
    except Exception:
        pass


def failed(shim, error):
    """Notes that a shim itself failed. Never raises."""
    try:
        _write({"shim": shim, "error": "%s: %s" % (type(error).__name__, error)})
    except Exception:
        pass


def _write(entry):
    path = os.environ.get("SIZAR_LEDGER")
    if path:
        import json

        text = json.dumps(entry, sort_keys=True) + "\n"
        # one write, so that the lines of several processes stay whole
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, text.encode("utf-8"))
        finally:
            os.close(handle)
        return
    if not _told:
        import atexit

        atexit.register(_tell, os.getpid())
    _told.append(entry)


def _tell(pid):
    # a forked child has what its parent noted, and leaves it to the parent
    if os.getpid() != pid:
        return
    kinds = []
    for entry in _told:
        if "error" in entry:
            text = "shim %s failed (%s)" % (entry["shim"], entry["error"])
        else:
            where = os.path.basename(entry["path"] or "?")
            text = "%s at %s:%s" % (entry["kind"], where, entry["line"])
        if text not in kinds:
            kinds.append(text)
    more = "" if len(kinds) <= 6 else " and %d more" % (len(kinds) - 6)
    try:
        sys.stderr.write("sizar: shims took over %s%s\n" % (", ".join(kinds[:6]), more))
        sys.stderr.flush()
    except Exception:
        pass
