"""Starts a driver, and ends it when it has imported what it needs and read its arguments.

Written for every Python from 2.7 on. The first argument is the file for the answer, the second
the order: `{"how": "script" or "module", "name": ..., "args": [...], "parse": true or false}`.
"""

import json
import os
import sys


def answer(**what):
    with open(ANSWER + ".part", "w") as file:
        json.dump(what, file)
    os.rename(ANSWER + ".part", ANSWER)
    sys.stdout.flush()
    sys.stderr.flush()
    # nothing of the driver's own runs after this, not even what it registered for its end
    os._exit(0)


def is_ours(args):
    """Whether a parser was given the arguments of the command line, or the end of them."""
    if args is None:
        return True
    args = list(args)
    return bool(args) and args == sys.argv[len(sys.argv) - len(args):] or not sys.argv[1:]


def watch_argparse():
    import argparse

    parser = argparse.ArgumentParser
    depth = [0]

    def watched(original):
        def parse(self, args=None, *more, **named):
            depth[0] += 1
            try:
                result = original(self, args, *more, **named)
            finally:
                depth[0] -= 1
            if depth[0] == 0 and is_ours(args):
                answer(reached="parsed")
            return result

        return parse

    def error(self, message):
        if depth[0] > 0:
            answer(reached="refused", message="%s" % message)
        raise SystemExit(2)

    for name in ("parse_args", "parse_known_args"):
        setattr(parser, name, watched(getattr(parser, name)))
    parser.error = error


def watch_optparse():
    import optparse

    parser = optparse.OptionParser
    original = parser.parse_args

    def parse(self, args=None, *more, **named):
        result = original(self, args, *more, **named)
        if is_ours(args):
            answer(reached="parsed")
        return result

    parser.parse_args = parse
    parser.error = lambda self, message: answer(reached="refused", message="%s" % message)


def watch_click():
    try:
        import click
    except ImportError:
        return
    # newer ones have it under an older name, which warns
    command = vars(click.core).get("BaseCommand") or click.core.Command

    def main(self, args=None, prog_name=None, *more, **named):
        args = list(sys.argv[1:] if args is None else args)
        try:
            context = self.make_context(prog_name or "driver", args)
            rest = list(getattr(context, "_protected_args", [])) + list(context.args)
            while hasattr(self, "resolve_command") and rest:
                name, self, rest = self.resolve_command(context, rest)
                context = self.make_context(name, rest, parent=context)
                rest = list(getattr(context, "_protected_args", [])) + list(context.args)
        except click.exceptions.UsageError as error:
            answer(reached="refused", message=error.format_message())
        except click.exceptions.Exit:
            pass
        answer(reached="parsed")

    command.main = main


def watch_docopt():
    try:
        import docopt
    except ImportError:
        return
    original = docopt.docopt

    def parse(*args, **named):
        try:
            original(*args, **named)
        except docopt.DocoptExit as error:
            answer(reached="refused", message="%s" % error)
        answer(reached="parsed")

    docopt.docopt = parse


def file_of(module):
    """The file that `python -m` would run, and the package that it is in."""
    try:
        from importlib.util import find_spec
    except ImportError:
        return None, None
    for name in (module + ".__main__", module):
        try:
            spec = find_spec(name)
        except ImportError:
            # it is no package, or there is no such module
            continue
        if spec is not None and spec.origin and spec.origin.endswith(".py"):
            return spec.origin, spec.parent
    return None, None


def only_imports(path, package):
    """Does the imports at the top of a file, and nothing else of it."""
    import ast

    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    imports = (ast.Import, ast.ImportFrom)
    names = {"__name__": "rehearsed", "__file__": path, "__package__": package}
    future = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            future.append(node)
        elif isinstance(node, imports):
            if getattr(node, "level", 0) and not package:
                continue
            tree.body = future + [node]
            exec(compile(tree, path, "exec"), names)


def main():
    with open(sys.argv[2]) as file:
        order = json.load(file)
    name = str(order["name"])
    sys.argv = [name] + [str(arg) for arg in order["args"]]
    script = order["how"] == "script"
    sys.path[0] = os.path.dirname(os.path.abspath(name)) if script else os.getcwd()
    if not order["parse"]:
        path, package = (name, None) if script else file_of(name)
        if path is None:
            answer(reached="nothing")
        only_imports(path, package)
        answer(reached="imported")
    for watch in (watch_argparse, watch_optparse, watch_click, watch_docopt):
        watch()
    import runpy

    if script:
        runpy.run_path(name, run_name="__main__")
    else:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    answer(reached="ended")


ANSWER = sys.argv[1]
main()
