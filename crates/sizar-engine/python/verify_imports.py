# Imports what a driver imports, as the driver would, and says for each how it went, as tagged JSON
# in a file.
#
# Usage: verify_imports.py ANSWER JOB
#
# JOB is a JSON object:
#   modules      modules of others that the driver cannot start without
#   conditional  modules of others that it imports under a condition or inside a function
#   root         the tree, absent for an installed program
#   script       the driver's file, relative to the root
#   as_module    whether the driver is started with `python -m`
#   closure      the driver's own files, relative to the root
#   others       other drivers' files, relative to the root
#   packages     the packages that the source installs
#
# Runs on every Python from 2.7 on. The answer goes to a file, because what is imported prints
# whatever it likes.

import __future__

import ast
import errno
import json
import os
import re
import sys
import traceback
import types

# what lies beside this script is no module of the environment
sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]

# calls that do nothing but look or set something, so that a file that makes them at its top can
# still be imported
HARMLESS = (
    "sys.path.", "sys.setrecursionlimit", "sys.stdout.", "sys.stderr.", "site.addsitedir",
    "os.path.", "osp.", "os.environ.", "os.getenv", "os.getcwd", "os.putenv", "os.cpu_count",
    "os.sep.", "warnings.", "logging.", "logger.", "log.", "platform.", "locale.", "signal.", "gc.",
    "re.compile", "time.time", "datetime.", "random.seed", "np.random.seed", "numpy.random.seed",
    "matplotlib.use", "mpl.use", "plt.switch_backend", "plt.style.use", "plt.rcParams.",
    "mpl.rcParams.", "np.set_printoptions", "pd.set_option", "sns.set", "np.seterr",
    "torch.manual_seed", "torch.cuda.is_available", "torch.cuda.manual_seed",
    "torch.cuda.device_count", "torch.device", "torch.set_", "torch.backends.",
    "torch.autograd.set_detect_anomaly", "torch.multiprocessing.set_", "multiprocessing.set_",
    "mp.set_", "cv2.setNumThreads", "cv2.ocl.", "tf.logging.", "tf.compat.v1.logging.",
    "tf.get_logger", "tf.set_random_seed", "tf.random.set_seed", "tf.enable_", "tf.disable_",
    "tf.compat.v1.enable_", "tf.compat.v1.disable_", "jax.config.", "config.update",
    "argparse.ArgumentParser", "ArgumentParser", "parser.add_", "parser.set_defaults",
    "collections.namedtuple", "namedtuple", "functools.partial", "partial", "Path", "pathlib.Path",
    "print", "dict", "list", "set", "tuple", "range", "len", "str", "int", "float", "bool", "min",
    "max", "sum", "sorted", "zip", "map", "isinstance", "hasattr", "getattr", "frozenset",
)
# methods of any object that are harmless
HARMLESS_METHODS = (
    "format", "join", "split", "rsplit", "strip", "replace", "lower", "upper", "startswith",
    "endswith", "copy", "keys", "values", "items", "get", "resolve", "absolute", "joinpath",
    "add_argument", "add_argument_group", "mark_flag_as_required", "parse_flags_with_absl",
)
# calls that read arguments or data, or that never come back
RISKY = (
    "parse_args", "parse_known_args", "open", "load", "loads", "read", "imread", "read_csv",
    "loadtxt", "load_data", "urlopen", "urlretrieve", "input", "raw_input", "system", "Popen",
    "check_call", "check_output", "run", "main", "fit", "train", "predict", "download", "cuda",
    "exit", "init_process_group",
)
# what an import raises where the environment lacks something or has it in another version
OF_IMPORT = (ImportError, AttributeError, NameError, SyntaxError, TypeError)


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


def absent_file(error):
    # the file that was opened and is not there, where it is no part of the environment
    path = getattr(error, "filename", None)
    if not isinstance(error, (OSError, IOError)) or error.errno != errno.ENOENT:
        return None
    if not isinstance(path, (str, type(u""))) or os.sep not in path or path.endswith(".so"):
        return None
    of_environment = path.startswith((sys.prefix + os.sep, os.path.dirname(os.__file__)))
    # a program is nobody's data
    program = "/bin/" in path or "/sbin/" in path
    return None if of_environment or program else printable(path)


def printable(value):
    # a name need not be text, and the answer has to be
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.encode("utf-8", "replace").decode("utf-8")


def of_variables(trace):
    # whether `os.environ` itself raised, which is frozen since Python 3.11
    path, _, function, _ = traceback.extract_tb(trace)[-1]
    name = os.path.basename(path).split(".")[0]
    return function == "__getitem__" and name in ("os", "UserDict", "<frozen os>")


# `assert os.environ.get("X")`, and how people say that they want it
ASKED = re.compile(r"os\.(?:environ(?:\.get\(|\[)|getenv\()\s*['\"](\w+)['\"]")
SAID = re.compile(r"\b[Ee][Nn][Vv]\w*[ _-]?[Vv]ariables?:?\s+[\"'`$]*([A-Z][A-Z0-9_]+)\b")


# `os.getenv("X")` without another value, and what is named so at the top of a file
NOTHING = r"os\.(?:environ\.get|getenv)\([ \t]*['\"](\w+)['\"][ \t]*(?:,[ \t]*None[ \t]*)?\)"
HERE = re.compile(NOTHING)
NAMED = re.compile(r"^(\w+)[ \t]*=[ \t]*" + NOTHING + r"[ \t\r]*(?:#.*)?$", re.M)


def used_as_text(error):
    # the variable that is not set and used as if it were: `os.path.join(os.getenv("X"), "data")`
    if not isinstance(error, (TypeError, AttributeError)) or "NoneType" not in message(error):
        return None
    frame, line = innermost_own(sys.exc_info()[2])
    if frame is None:
        return None
    found = HERE.search(line)
    if found and found.group(1) not in os.environ:
        return found.group(1)
    try:
        source = text(read(frame.f_code.co_filename))
    except (OSError, IOError):
        return None
    names = set(re.findall(r"\w+", line))
    for name, variable in NAMED.findall(source):
        value = frame.f_locals.get(name, frame.f_globals.get(name, ""))
        if name in names and value is None and variable not in os.environ:
            return variable
    return None


def innermost_own(trace):
    # the last frame of the tree's own code, and its line
    found = None, ""
    lines = traceback.extract_tb(trace)
    for at in range(len(lines)):
        if not is_foreign(lines[at][0]):
            found = trace.tb_frame, lines[at][3] or ""
        trace = trace.tb_next
    return found


def is_foreign(path):
    # whether a file is of the environment, of Python or of this check
    folders = (sys.prefix + os.sep, os.path.dirname(os.__file__) + os.sep, "<")
    return path.startswith(folders) or real(path) == real(__file__)


def named_variable(error):
    # the variable that the code itself says it lacks
    if isinstance(error, AssertionError):
        frames = traceback.extract_tb(sys.exc_info()[2])
        found = ASKED.search(frames[-1][3] or "") if frames else None
        if found:
            return found.group(1)
    used = used_as_text(error)
    if used is not None:
        return used
    found = None if isinstance(error, ImportError) else SAID.search(message(error))
    return found.group(1) if found else None


def asks(error):
    # whether somebody should type something: there is nobody
    frames = traceback.extract_tb(sys.exc_info()[2])
    line = frames[-1][3] or "" if frames else ""
    return isinstance(error, EOFError) and re.search(r"\b(?:raw_)?input\(", line) is not None


def wanting(error):
    # what the user has and the environment cannot have: a file, a corpus, a variable, an answer
    path = absent_file(error)
    if path is not None:
        return {"file": path}
    if isinstance(error, LookupError) and not isinstance(error, (KeyError, IndexError)):
        found = re.search(r"nltk\.download\(['\"]([\w-]+)['\"]\)", message(error))
        return {"corpus": found.group(1)} if found else None
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        if of_variables(sys.exc_info()[2]):
            return {"variable": printable(error.args[0])}
    if asks(error):
        return {"input": message(error)}
    variable = named_variable(error)
    return None if variable is None else {"variable": printable(variable)}


def failure(kind, name, error):
    path, line = innermost(sys.exc_info()[2])
    said = error.code if isinstance(error, SystemExit) else error
    return {
        "result": "failure",
        "kind": kind,
        "name": name,
        "exception": type(error).__name__,
        "message": message(said)[:2000],
        "wanting": wanting(error),
        "modules": modules_in(sys.exc_info()[2]),
        "path": path,
        "line": line,
        "traceback": text(traceback.format_exc())[-6000:],
    }


def modules_in(trace):
    # the modules that were being imported when something was raised
    found = []
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__")
        if isinstance(name, str) and trace.tb_frame.f_code.co_name == "<module>":
            found.append(name)
        trace = trace.tb_next
    return found


def attempt(kind, name, action):
    try:
        action()
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        # a script without a guard read its arguments; only a message is a complaint
        if isinstance(error.code, str):
            return failure(kind, name, error)
    except BaseException as error:
        return failure(kind, name, error)
    return {"result": "success", "kind": kind, "name": name}


def is_of_import(answer):
    # whether the environment lacks something or has it in another version
    names = [base.__name__ for base in OF_IMPORT] + ["ModuleNotFoundError"]
    return answer["exception"] in names and answer["wanting"] is None


def kind_of(node):
    return type(node).__name__


def called(node):
    # the dotted name of what is called, or "" where it has none
    parts = []
    node = node.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(parts))


def is_harmless(call):
    name = called(call)
    last = name.rsplit(".", 1)[-1]
    if last in HARMLESS_METHODS or last.startswith("DEFINE_"):
        return True
    return any(name == known or (known[-1] in "._" and name.startswith(known)) for known in HARMLESS)


def calls(node):
    # what is called when the statement runs: not what stands in functions and lambdas
    found = []
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            found.append(node)
        if not isinstance(node, (ast.Lambda, ast.FunctionDef)):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def is_guard(node):
    if kind_of(node) != "If":
        return False
    names = [n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)]
    return "__name__" in names


def blocks(node):
    # the statements inside a statement
    inside = []
    for field in ("body", "orelse", "finalbody"):
        inside.extend(getattr(node, field, None) or [])
    for handler in getattr(node, "handlers", None) or []:
        inside.extend(handler.body)
    return inside


def works(node, guarded):
    # whether a statement at the top of a file does more than to define and import
    kind = kind_of(node)
    if kind in ("Import", "ImportFrom", "FunctionDef", "AsyncFunctionDef", "ClassDef", "Pass",
                "Global", "Print", "Delete"):
        return False
    if kind in ("If", "Try", "TryExcept", "TryFinally"):
        return not is_guard(node) and any(works(inner, guarded) for inner in blocks(node))
    if kind in ("Assert", "Raise", "Exec"):
        return True
    if guarded:
        # who guards the program means the rest to be imported
        return any(called(call).rsplit(".", 1)[-1] in RISKY for call in calls(node)
                   if not is_harmless(call))
    if kind in ("Expr", "Assign", "AnnAssign", "AugAssign"):
        return any(not is_harmless(call) for call in calls(node))
    return True


def is_script(tree):
    guarded = any(is_guard(node) for node in tree.body)
    return any(works(node, guarded) for node in tree.body)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Imports(object):
    """The imports of one file, without the rest of it."""

    def __init__(self, path, tree, source, namespace):
        self.path = path
        self.lines = source.splitlines()
        self.namespace = namespace
        self.failures = []
        self.doubtful = []
        self.flags = 0
        for node in tree.body:
            if kind_of(node) == "ImportFrom" and node.module == "__future__":
                for alias in node.names:
                    self.flags |= getattr(__future__, alias.name).compiler_flag

    def execute(self, node):
        module = ast.parse("")
        module.body = [node]
        code = compile(module, self.path, "exec", self.flags, True)
        exec(code, self.namespace)

    def text(self, node):
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else b""
        return line.decode("utf-8", "replace").strip()[:200]

    def run(self, body, certain):
        for node in body:
            kind = kind_of(node)
            if kind in ("Import", "ImportFrom"):
                answer = attempt("statement", self.text(node), lambda: self.execute(node))
                if answer["result"] == "failure":
                    (self.failures if certain else self.doubtful).append(answer)
            elif kind in ("Expr", "Assign", "AugAssign"):
                self.prepare(node)
            elif kind == "If":
                self.branch(node, certain)
            elif kind in ("Try", "TryExcept", "TryFinally"):
                self.trial(node, certain)
            elif kind == "With":
                self.run(node.body, certain)

    def prepare(self, node):
        # paths and variables that the imports after them may need; what needs more is left out
        found = calls(node)
        paths = all(is_harmless(call) and not called(call).startswith("print") for call in found)
        if not paths or (kind_of(node) == "Expr" and not found):
            return
        try:
            self.execute(node)
        except Exception:
            pass

    def branch(self, node, certain):
        if all(is_harmless(call) for call in calls(node.test)):
            try:
                code = compile(ast.Expression(node.test), self.path, "eval", self.flags, True)
                chosen = node.body if eval(code, self.namespace) else node.orelse
            except Exception:
                chosen = None
            if chosen is not None:
                return self.run(chosen, certain)
        self.run(node.body, False)
        self.run(node.orelse, False)

    def trial(self, node, certain):
        handlers = getattr(node, "handlers", None) or []
        before = len(self.failures), len(self.doubtful)
        self.run(node.body, certain)
        failed = (len(self.failures), len(self.doubtful)) != before
        if failed and handlers:
            # whoever catches it has another way
            del self.failures[before[0]:]
            del self.doubtful[before[1]:]
            for handler in handlers[:1]:
                self.run(handler.body, certain)
        elif not failed:
            self.run(getattr(node, "orelse", None) or [], certain)
        self.run(getattr(node, "finalbody", None) or [], certain)


def real(path):
    return os.path.realpath(os.path.abspath(path))


def loaded():
    files = set()
    for module in list(sys.modules.values()):
        try:
            path = getattr(module, "__file__", None)
        except Exception:
            continue
        if isinstance(path, str):
            path = path[:-1] if path.endswith((".pyc", ".pyo")) else path
            files.add(real(path))
    return files


def of_environment():
    # what is loaded from the environment, relative to where it is
    prefix = sys.prefix + os.sep
    found = set()
    for module in list(sys.modules.values()):
        try:
            path = getattr(module, "__file__", None)
        except Exception:
            continue
        if isinstance(path, str) and path.startswith(prefix):
            path = path[:-1] if path.endswith((".pyc", ".pyo")) else path
            found.add(path[len(prefix):])
    return sorted(path for path in found if path.endswith(".py"))


class Job(object):
    def __init__(self, answer_path, job):
        self.answer_path = answer_path
        self.job = job
        self.root = job.get("root")
        self.answers = []
        # the modules that stopped for what the user has to give
        self.broken_off = set()

    def is_again(self, answer):
        # whether a module was begun that had been broken off: what it says then, such as that
        # something is registered already, is a consequence
        return bool(self.broken_off.intersection(answer.get("modules") or ()))

    def say(self, answer):
        if answer["result"] == "failure":
            answer["again"] = self.is_again(answer)
            answer.pop("modules", None)
        self.answers.append(answer)
        part = self.answer_path + ".part"
        with open(part, "w") as file:
            json.dump(self.answers, file)
        os.rename(part, self.answer_path)

    def absolute(self, path):
        return os.path.join(self.root, *path.split("/"))

    def put_on_path(self, path):
        # as `python path` does; `python -m` has the folder in which it is started there
        folder = self.root if self.job.get("as_module") else os.path.dirname(self.absolute(path))
        if getattr(self, "first", None) is not None and self.first in sys.path:
            sys.path.remove(self.first)
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)
        self.first = folder

    def namespace(self, path, name):
        module = types.ModuleType(str(name))
        module.__file__ = self.absolute(path)
        module.__builtins__ = __builtins__
        if self.job.get("as_module"):
            module.__package__ = str(".".join(path.split("/")[:-1]))
        else:
            module.__package__ = None
        return module

    def driver(self, path):
        absolute = self.absolute(path)
        sys.argv[:] = [absolute]
        found = {}

        def compile_it():
            source = read(absolute)
            found["source"] = source
            found["tree"] = compile(source, absolute, "exec", ast.PyCF_ONLY_AST, True)

        answer = attempt("compile", path, compile_it)
        self.say(answer)
        if answer["result"] == "failure":
            return
        tree, source = found["tree"], found["source"]
        if not is_script(tree):
            stem = os.path.splitext(os.path.basename(path))[0]
            if self.job.get("as_module"):
                # the package may bear the file's name: `nmt/nmt.py`
                stem = os.path.splitext(path)[0].replace("/", ".")
            module = self.namespace(path, stem)
            # under its own name, so that modules of the tree that import it find it
            before = sys.modules.get(stem)
            code = compile(source, absolute, "exec", 0, True)

            def run_it():
                if self.job.get("as_module") and "." in stem:
                    # as `python -m` does: the package first, which may import this very module
                    __import__(stem.rpartition(".")[0])
                    sys.modules.setdefault(stem, module)
                else:
                    sys.modules[stem] = module
                exec_in(code, module.__dict__)

            answer = attempt("driver", path, run_it)
            if answer["result"] == "success":
                imports = Imports(absolute, tree, source, module.__dict__)
                for node in tree.body:
                    if is_guard(node):
                        imports.run(node.body, True)
                return self.statements("driver", path, imports)
            sys.modules.pop(stem, None)
            if before is not None:
                sys.modules[stem] = before
            if is_of_import(answer):
                return self.say(answer)
            if answer["wanting"] is not None:
                self.broken_off = set(answer["modules"]) - set(["__main__", stem])
            # it asks for data, a device, arguments: that says nothing against its imports
            self.imports_only(path, tree, source, answer)
        else:
            self.imports_only(path, tree, source, None)

    def imports_only(self, path, tree, source, stopped):
        module = self.namespace(path, "__main__")
        imports = Imports(self.absolute(path), tree, source, module.__dict__)
        imports.run(tree.body, True)
        self.statements("imports_of", path, imports, stopped)

    def statements(self, kind, path, imports, stopped=None):
        # what lacks something of the user's says nothing against the environment
        failures = sorted(imports.failures, key=lambda answer: answer["wanting"] is not None)
        if stopped is not None and stopped["wanting"] is not None and failures:
            failures = [answer for answer in failures if not self.is_again(answer)] or [stopped]
        for answer in failures[:1]:
            wants = answer["wanting"] is not None and kind in ("driver", "imports_of")
            answer.update(kind="wanting" if wants else kind, name=path)
            return self.say(answer)
        answer = {"result": "success", "kind": kind, "name": path}
        if stopped is not None:
            answer["stopped"] = "%s: %s" % (stopped["exception"], stopped["message"][:200])
        self.say(answer)
        for answer in imports.doubtful:
            answer["kind"] = "doubtful"
            self.say(answer)

    def own(self, script):
        folder = os.path.dirname(self.absolute(script)) if script else self.root
        seen = loaded()
        for path in self.job.get("closure") or []:
            absolute = self.absolute(path)
            if path == script or real(absolute) in seen or not path.endswith(".py"):
                continue
            base = folder if absolute.startswith(folder + os.sep) else self.root
            name = os.path.relpath(absolute, base)[:-3].replace(os.sep, ".")
            if name.endswith("__init__"):
                name = name[:-len(".__init__")]
            if not name or "-" in name:
                continue
            try:
                tree = compile(read(absolute), absolute, "exec", ast.PyCF_ONLY_AST, True)
            except Exception:
                tree = None
            if tree is not None and is_script(tree):
                module = self.namespace(path, name)
                imports = Imports(absolute, tree, read(absolute), module.__dict__)
                imports.run(tree.body, True)
                self.statements("own", path, imports)
            else:
                self.say(attempt("own", path, lambda: __import__(name)))
            seen = loaded()

    def others(self):
        for path in self.job.get("others") or []:
            absolute = self.absolute(path)
            self.put_on_path(path)
            sys.argv[:] = [absolute]
            try:
                source = read(absolute)
                tree = compile(source, absolute, "exec", ast.PyCF_ONLY_AST, True)
            except Exception as error:
                self.say(failure("other", path, error))
                continue
            module = self.namespace(path, "__main__")
            imports = Imports(absolute, tree, source, module.__dict__)
            imports.run(tree.body, True)
            self.statements("other", path, imports)

    def packages(self):
        # as somebody who uses the source as a library has them: the installed ones
        if getattr(self, "first", None) in sys.path:
            sys.path.remove(self.first)
        for name in self.job.get("packages") or []:
            self.say(attempt("package", name, lambda: __import__(name)))

    def run(self):
        script = self.job.get("script")
        # modules that read the arguments find none
        sys.argv[1:] = []
        if script:
            self.put_on_path(script)
        for module in self.job.get("modules") or []:
            self.say(attempt("import", module, lambda: __import__(module)))
        if script:
            self.driver(script)
        for module in self.job.get("conditional") or []:
            self.say(attempt("conditional", module, lambda: __import__(module)))
        if script:
            self.own(script)
            self.others()
        self.packages()
        self.say({"result": "success", "kind": "end", "name": "", "loaded": of_environment()})


def exec_in(code, namespace):
    exec(code, namespace)


with open(sys.argv[2], "rb") as job_file:
    JOB = json.loads(job_file.read().decode("utf-8"))
Job(sys.argv[1], JOB).run()
sys.stdout.flush()
# threads and exit handlers of what was imported are of no interest
os._exit(0)
