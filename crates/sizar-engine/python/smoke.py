# Does a few seconds of a source's own work, and says how it went, as tagged JSON in a file.
#
# Usage: smoke.py ANSWER JOB
#
# JOB is a JSON object:
#   mode       tests: run test files; network: build models and feed them random tensors
#   root       the tree
#   folder     the driver's folder
#   script     the driver's file, relative to the root; absent where it may not be imported
#   closure    the driver's own files, relative to the root
#   tests      test files, relative to the root, the lightest first
#   seconds    when to stop trying
#   table      knowledge/smoke.toml
#
# Each answer is {"result": "success" | "failure", "kind", "name", …}. Runs on every Python from
# 2.7 on, and with every torch from 0.4 on.

import ast
import inspect
import json
import os
import re
import sys
import time
import traceback
import types
import unittest

sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]

BEGAN = time.time()


def real(path):
    return os.path.realpath(os.path.abspath(path))


class Job(object):
    def __init__(self, answer_path, job):
        self.answer_path = answer_path
        self.job = job
        self.root = job["root"]
        self.answers = []

    def say(self, answer):
        self.answers.append(answer)
        part = self.answer_path + ".part"
        with open(part, "w") as file:
            json.dump(self.answers, file)
        os.rename(part, self.answer_path)

    def fail(self, kind, name, error):
        self.say({
            "result": "failure",
            "kind": kind,
            "name": name,
            "exception": type(error).__name__,
            "message": str(error)[:1000],
            "traceback": traceback.format_exc()[-4000:],
        })

    def is_late(self):
        return time.time() - BEGAN > self.job["seconds"]

    def absolute(self, path):
        return os.path.join(self.root, *path.split("/"))

    def put_first(self, folder):
        if not self.job["on_path"] and folder in (self.root, self.job["folder"]):
            return
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)


def source_of(path):
    with open(path, "rb") as file:
        return file.read()


def load(path, name):
    module = types.ModuleType(str(name))
    module.__file__ = path
    sys.modules[str(name)] = module
    try:
        exec(compile(source_of(path), path, "exec", 0, True), module.__dict__)
    except BaseException:
        sys.modules.pop(str(name), None)
        raise
    return module


# --- tests ---------------------------------------------------------------------------------------

def imports_own(path, root, folders):
    # whether a test imports something of the tree
    tree = compile(source_of(path), path, "exec", ast.PyCF_ONLY_AST, True)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                return True
            names = [node.module]
        for name in names:
            top = name.split(".")[0]
            for folder in folders:
                base = os.path.join(folder, top)
                if os.path.isfile(base + ".py") or os.path.isdir(base):
                    return True
    return False


def needs_pytest(path):
    tree = compile(source_of(path), path, "exec", ast.PyCF_ONLY_AST, True)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(a.name == "pytest" for a in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "pytest":
            return True
        # fixtures are handed in by name
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            arguments = [a for a in node.args.args]
            names = [getattr(a, "arg", getattr(a, "id", "")) for a in arguments]
            if [name for name in names if name != "self"] and not node.args.defaults:
                return True
    return False


def dotted(path):
    return path[:-3].replace("/", ".")


def run_with_pytest(job, path):
    import pytest

    class Counts(object):
        passed = 0
        failed = None

        def pytest_runtest_logreport(self, report):
            if report.when == "call" and report.passed:
                self.passed += 1
            if report.failed and self.failed is None:
                self.failed = str(report.longrepr)

    counts = Counts()
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", job.absolute(path)], plugins=[counts])
    if int(code) == 0 and counts.passed:
        return counts.passed
    raise AssertionError(counts.failed or "pytest exits %d" % int(code))


def run_plainly(job, path):
    absolute = job.absolute(path)
    packaged = os.path.isfile(os.path.join(os.path.dirname(absolute), "__init__.py"))
    try:
        module = load(absolute, os.path.basename(path)[:-3])
    except (ImportError, ValueError, SystemError):
        # relative imports need the package that the file lies in
        if not packaged:
            raise
        __import__(dotted(path))
        module = sys.modules[dotted(path)]
    if "absl.flags" in sys.modules:
        flags = sys.modules["absl.flags"].FLAGS
        if not flags.is_parsed():
            flags(["smoke"])
    suite = unittest.TestSuite()
    suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
    for name, function in sorted(vars(module).items()):
        if name.startswith("test") and isinstance(function, types.FunctionType):
            if function.__code__.co_argcount == 0:
                suite.addTest(unittest.FunctionTestCase(function))
    result = unittest.TextTestRunner(stream=sys.stderr, failfast=True).run(suite)
    problems = result.errors + result.failures
    if problems:
        raise AssertionError(problems[0][1])
    return result.testsRun - len(result.skipped)


def tests(job):
    try:
        import pytest
        has_pytest = pytest is not None
    except Exception:
        has_pytest = False
    for path in job.job["tests"]:
        if job.is_late():
            return
        absolute = job.absolute(path)
        folders = [os.path.dirname(absolute), job.job["folder"], job.root]
        for folder in (job.root, job.job["folder"], os.path.dirname(absolute)):
            job.put_first(folder)
        sys.argv[:] = [absolute]
        try:
            if not imports_own(absolute, job.root, folders):
                continue
            if needs_pytest(absolute):
                if not has_pytest:
                    continue
                ran = run_with_pytest(job, path)
            else:
                ran = run_plainly(job, path)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            job.fail("tests", path, error)
            continue
        if ran:
            return job.say({"result": "success", "kind": "tests", "name": path, "ran": ran})


# --- networks ------------------------------------------------------------------------------------

def matching(rows, name):
    name = name.lower()
    for row in rows:
        if re.match("(?:%s)$" % row["pattern"], name):
            return row
    return None


def parameters(function):
    # (name, whether required, annotation) of what a function takes beside self
    if hasattr(inspect, "signature"):
        found = []
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            note = parameter.annotation
            note = None if note is parameter.empty else note
            found.append((parameter.name, parameter.default is parameter.empty, note))
        return found
    spec = inspect.getargspec(function)
    names = [name for name in spec.args if name != "self"]
    required = len(names) - len(spec.defaults or ())
    return [(name, at < required, None) for at, name in enumerate(names)]


def constructor_of(cls):
    if not hasattr(inspect, "signature"):
        return cls.__init__
    return cls


def arguments_for(table, function):
    # what is passed by name, or None where something required is not known
    passed = {}
    for name, required, note in parameters(function):
        override = matching(table["override"], name)
        if required:
            row = override or matching(table["argument"], name)
            if row is not None:
                passed[name] = row["value"]
            elif note in (int, "int"):
                passed[name] = 2
            elif note in (float, "float"):
                passed[name] = 0.1
            elif note in (bool, "bool"):
                passed[name] = False
            else:
                return None
        elif override is not None:
            passed[name] = override["value"]
    return passed


def closure_modules(job):
    files = dict((real(job.absolute(path)), path) for path in job.job["closure"])
    folder = job.job["folder"]
    for absolute, path in sorted(files.items()):
        if path == job.job.get("script"):
            continue
        if job.is_late() or not path.endswith(".py") or path == job.job.get("driver"):
            continue
        plain = job.absolute(path)
        base = folder if plain.startswith(folder + os.sep) else job.root
        name = os.path.relpath(plain, base)[:-3].replace(os.sep, ".")
        name = name[:-len(".__init__")] if name.endswith(".__init__") else name
        try:
            __import__(name)
        except (Exception, SystemExit) as error:
            job.fail("import", path, error)
    script = job.job.get("script")
    if script:
        stem = os.path.basename(script)[:-3]
        try:
            load(job.absolute(script), stem)
        except (Exception, SystemExit) as error:
            job.fail("import", script, error)
    found = []
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            path = path[:-1] if path.endswith(".pyc") else path
            if real(path) in files:
                found.append((files[real(path)], module))
    return sorted(found, key=lambda pair: pair[0])


def texts(job):
    found = {}
    for path in job.job["closure"]:
        try:
            found[path] = source_of(job.absolute(path)).decode("utf-8", "replace")
        except (IOError, OSError):
            found[path] = u""
    return found


def ordered(job, modules, is_model):
    # whole models before their parts: what the driver names, what no other class is built of
    driver = job.job.get("driver")
    sources = texts(job)
    found = {}
    for path, module in modules:
        for name, value in sorted(vars(module).items()):
            if isinstance(value, type) and is_model(value) and value.__module__ == module.__name__:
                called = re.compile(r"\b%s\(" % re.escape(name))
                parts = sum(len(called.findall(text)) for at, text in sources.items()
                            if at != driver) - 1
                named = bool(re.search(r"\b%s\b" % re.escape(name), sources.get(driver, u"")))
                telling = bool(re.search("net|model|former|gan|gcn|coder|kan|cnn|rnn|lstm", name.lower()))
                score = (not named, parts > 0, not telling, path, name)
                found[name] = (score, path, value)
    return [(path, value) for _, path, value in sorted(found.values(), key=lambda row: row[0])]


def flattened(value, depth=0):
    if depth > 6:
        return []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [leaf for inner in value for leaf in flattened(inner, depth + 1)]
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return [value]
    if hasattr(value, "__dict__") and not callable(value):
        return flattened(list(vars(value).values()), depth + 1)
    return []


def shapes(arrays):
    return " and ".join("x".join(str(int(n)) for n in a.shape) or "1" for a in arrays[:3])


class Framework(object):
    """What a framework's models are, and how one is fed."""

    channels_last = True

    def takes(self, model):
        # the least and the largest number of tensors that its forward takes
        return 1, 1


class Torch(Framework):
    channels_last = False

    def __init__(self):
        import torch
        self.torch = torch
        torch.manual_seed(0)
        torch.set_num_threads(2)
        torch.set_grad_enabled(False)

    def is_model(self, cls):
        module = self.torch.nn.Module
        # what computes a loss, or is a container, is no network
        return (issubclass(cls, module) and cls.forward is not module.forward
                and not cls.__name__.lower().endswith("loss"))

    def built(self, function, passed):
        model = function(**passed)
        if not isinstance(model, self.torch.nn.Module):
            raise TypeError("it is no network")
        model.eval()
        return model

    def takes(self, model):
        rows = parameters(model.forward)
        required = sum(1 for row in rows if row[1])
        return max(required, 1), max(len(rows), 1)

    def tensor(self, spec):
        if "below" in spec:
            least = spec.get("least", 0)
            if least >= spec["below"]:
                return self.torch.zeros(*spec["shape"]).long() + least
            return (self.torch.rand(*spec["shape"]) * (spec["below"] - least)).long() + least
        return self.torch.rand(*spec["shape"])

    def fed(self, model, tensors):
        return model(*tensors)

    def is_finite(self, array):
        array = array.detach().double()
        return bool((array == array).all()) and float(array.abs().max()) < float("inf")


class Keras(Framework):
    def __init__(self):
        import numpy
        self.numpy = numpy
        self.models = []
        if "tensorflow" in sys.modules:
            import tensorflow
            self.models.append(tensorflow.keras.Model)
            if "random" in vars(tensorflow) and hasattr(tensorflow.random, "set_seed"):
                tensorflow.random.set_seed(0)
        if "keras" in sys.modules:
            import keras
            self.models.append(keras.models.Model)
        numpy.random.seed(0)

    def is_model(self, cls):
        return any(issubclass(cls, model) and cls is not model for model in self.models)

    def built(self, function, passed):
        model = function(**passed)
        if not isinstance(model, tuple(self.models)):
            raise TypeError("it is no network")
        return model

    def tensor(self, spec):
        if "below" in spec:
            return self.numpy.random.randint(spec.get("least", 0), spec["below"], spec["shape"])
        return self.numpy.random.rand(*spec["shape"]).astype("float32")

    def fed(self, model, tensors):
        shape = getattr(model, "input_shape", None)
        if isinstance(shape, tuple) and shape and not isinstance(shape[0], tuple):
            # a functional model says what it takes
            fitting = [1 if at == 0 else (n or 64) for at, n in enumerate(shape)]
            return model.predict(self.numpy.random.rand(*fitting).astype("float32"))
        return model.predict(tensors[0])

    def is_finite(self, array):
        return bool(self.numpy.isfinite(self.numpy.asarray(array, dtype="float64")).all())


class Flax(Framework):
    def __init__(self):
        import flax.linen
        import jax
        import numpy
        self.linen = flax.linen
        self.jax = jax
        self.numpy = numpy

    def is_model(self, cls):
        return issubclass(cls, self.linen.Module)

    def built(self, function, passed):
        passed = dict((k, v) for k, v in passed.items() if k not in ("parent", "name"))
        return function(**passed)

    def tensor(self, spec):
        if "below" in spec:
            return self.numpy.random.randint(spec.get("least", 0), spec["below"], spec["shape"])
        return self.numpy.random.rand(*spec["shape"]).astype("float32")

    def fed(self, model, tensors):
        key = self.jax.random.PRNGKey(0)
        return model.apply(model.init(key, *tensors), *tensors)

    def is_finite(self, array):
        return bool(self.numpy.isfinite(self.numpy.asarray(array, dtype="float64")).all())


def frameworks():
    # only what the source itself imported
    known = [("torch", Torch), ("flax", Flax), ("tensorflow", Keras), ("keras", Keras)]
    found = []
    for name, framework in known:
        if name in sys.modules and not any(isinstance(other, framework) for other in found):
            try:
                found.append(framework())
            except Exception:
                traceback.print_exc()
    return found


def builders(modules):
    found = []
    for path, module in modules:
        for name, value in sorted(vars(module).items()):
            if (isinstance(value, types.FunctionType) and value.__module__ == module.__name__
                    and re.match(r"_?(build|create|get|make)_?\w*(model|net)$|\w*unet$", name.lower())):
                found.append((path, value))
    return found


def compute(job, framework, path, function):
    table = job.job["table"]
    name = "%s of %s" % (function.__name__, path)
    target = constructor_of(function) if isinstance(function, type) else function
    try:
        passed = arguments_for(table, target)
        if passed is None:
            return False
        model = framework.built(function, passed)
    except (Exception, SystemExit) as error:
        job.fail("construct", name, error)
        return False
    least, most = framework.takes(model)
    first = None
    for row in table["input"]:
        count = len(row["tensors"])
        if bool(row.get("channels_last")) != framework.channels_last or not least <= count <= most:
            continue
        if job.is_late():
            break
        try:
            tensors = [framework.tensor(spec) for spec in row["tensors"]]
            leaves = [leaf for leaf in flattened(framework.fed(model, tensors))
                      if "float" in str(leaf.dtype) and 0 not in leaf.shape]
        except (Exception, SystemExit) as error:
            if first is None:
                first = name
                job.fail("compute", name, error)
            continue
        if leaves and all(framework.is_finite(leaf) for leaf in leaves):
            given = ", ".join("%s=%r" % pair for pair in sorted(passed.items()))
            job.say({
                "result": "success",
                "kind": "network",
                "name": "%s(%s)" % (function.__name__, given),
                "input": shapes(tensors),
                "output": shapes(leaves),
            })
            return True
    return False


def networks(job):
    job.put_first(job.root)
    job.put_first(job.job["folder"])
    sys.argv[:] = [job.absolute(job.job["driver"])] if job.job.get("driver") else ["smoke"]
    modules = closure_modules(job)
    for framework in frameworks():
        candidates = ordered(job, modules, framework.is_model)[:8] + builders(modules)[:4]
        for path, candidate in candidates:
            if job.is_late() or compute(job, framework, path, candidate):
                return


with open(sys.argv[2], "rb") as job_file:
    JOB = Job(sys.argv[1], json.loads(job_file.read().decode("utf-8")))
if JOB.job["mode"] == "tests":
    tests(JOB)
else:
    networks(JOB)
sys.stdout.flush()
sys.stderr.flush()
os._exit(0)
