# Imports modules and compiles files, and says for each how it went, as tagged JSON in a file.
#
# Usage: verify_imports.py ANSWER [--compile FILE]... [MODULE]...
#
# Runs on every Python from 2.7 on. The answer goes to a file, because what is imported prints
# whatever it likes.

import json
import os
import sys
import traceback

# what lies beside this script is no module of the environment
sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]


def innermost(trace):
    frames = traceback.extract_tb(trace)
    # the last frame that is not of the import machinery says where it went wrong
    for frame in reversed(frames):
        if not frame[0].startswith("<frozen"):
            return frame[0], frame[1]
    return None, None


def text(value):
    # Python 2 has bytes here, in whatever encoding a file was written
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def message(error):
    try:
        return text(str(error))
    except Exception:
        return text(repr(error))


def attempt(kind, name, action):
    try:
        action()
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        # a script without a guard read its arguments; only a message is a complaint
        if not isinstance(error.code, str):
            return {"result": "success", "kind": kind, "name": name}
        return {
            "result": "failure",
            "kind": kind,
            "name": name,
            "exception": "SystemExit",
            "message": text(error.code)[:2000],
            "path": None,
            "line": None,
            "traceback": text(traceback.format_exc())[-6000:],
        }
    except BaseException as error:
        path, line = innermost(sys.exc_info()[2])
        trace = text(traceback.format_exc())
        return {
            "result": "failure",
            "kind": kind,
            "name": name,
            "exception": type(error).__name__,
            "message": message(error)[:2000],
            "path": path,
            "line": line,
            "traceback": trace[-6000:],
        }
    return {"result": "success", "kind": kind, "name": name}


def compile_file(path):
    with open(path, "rb") as file:
        compile(file.read(), path, "exec", dont_inherit=True)


def main(arguments):
    answer_path = arguments[0]
    answers = []
    rest = arguments[1:]
    # modules that read the arguments find none
    sys.argv[1:] = []
    while rest:
        if rest[0] == "--compile":
            path = rest[1]
            answers.append(attempt("compile", path, lambda: compile_file(path)))
            rest = rest[2:]
        else:
            module = rest[0]
            answers.append(attempt("import", module, lambda: __import__(module)))
            rest = rest[1:]
        with open(answer_path, "w") as file:
            json.dump(answers, file)


main(sys.argv[1:])
sys.stdout.flush()
# threads and exit handlers of what was imported are of no interest
os._exit(0)
