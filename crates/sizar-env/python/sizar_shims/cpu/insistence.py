# What a program means by asking if there is a GPU.
#
# `device = "cuda" if torch.cuda.is_available() else "cpu"` wants to know, and gets the truth.
# `assert torch.cuda.is_available()` stops without one, and wants nothing else: it may go on.

from __future__ import absolute_import

import ast
import linecache

INSISTS = "insists"
ASKS = "asks"
USES = "uses"

# file -> [(first line, last line, meaning)] of its calls, by name of the called function
_files = {}


def meaning(frame, name):
    """Returns what the call of `name` at a frame's line is for; None where no source tells."""
    path = frame.f_code.co_filename
    key = (path, name)
    if key not in _files:
        _files[key] = _read("".join(linecache.getlines(path, frame.f_globals)), name)
    found = None
    for first, last, kind in _files[key]:
        if first <= frame.f_lineno <= last:
            # two calls in one line: the one that insists decides
            if found is None or kind == INSISTS:
                found = kind
    return found


def _read(text, name):
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, TypeError):
        return []
    parents = {}
    calls = []
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            parents[child] = node
        if isinstance(node, ast.Call) and _called(node) == name:
            calls.append(node)
    return [(call.lineno, _end(call), _meaning(call, parents)) for call in calls]


def _end(node):
    # Python before 3.8 does not say where it ends
    return getattr(node, "end_lineno", None) or max(
        [node.lineno] + [getattr(child, "lineno", 0) for child in ast.walk(node)]
    )


def _called(call):
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _meaning(call, parents):
    node, denied, compared = call, False, False
    while True:
        parent = parents.get(node)
        if isinstance(parent, ast.Assert):
            return INSISTS if node is parent.test and not denied else ASKS
        if isinstance(parent, (ast.If, ast.While)) and node is parent.test:
            if isinstance(parent, ast.If):
                without = parent.body if _is_absence(node, denied) else parent.orelse
                if _stops(without) and not _is_part(node, call):
                    return INSISTS
            return ASKS
        if isinstance(parent, ast.IfExp) and node is parent.test:
            return ASKS
        if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
            denied = not denied
        elif isinstance(parent, ast.Compare):
            compared = True
        elif isinstance(parent, ast.BoolOp):
            compared = True
        elif isinstance(parent, ast.Call) and _called(parent) == "bool":
            compared = True
        else:
            return ASKS if compared or denied else USES
        node = parent


def _is_absence(test, denied):
    """Whether a test is true where there is no GPU."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        bound = getattr(test.comparators[0], "n", getattr(test.comparators[0], "value", None))
        if isinstance(test.ops[0], ast.Eq):
            return bound == 0
        return isinstance(test.ops[0], (ast.Lt, ast.LtE))
    return denied


def _is_part(test, call):
    """Whether a test depends on more than the call: `args.fp16 and not is_available()`."""
    return any(isinstance(node, ast.BoolOp) for node in ast.walk(test))


def _stops(body):
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.Raise):
        return True
    value = getattr(last, "value", None)
    return (
        isinstance(last, ast.Expr)
        and isinstance(value, ast.Call)
        and _called(value) in ("exit", "quit", "_exit", "abort")
    )
