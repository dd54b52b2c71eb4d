//! One requirement, as people write it, to PEP 508.

use std::str::FromStr;

use uv_pep508::{Pep508Error, Requirement, VerbatimUrl, VersionOrUrl};

use super::repair::REPAIRS;
use super::text::{group, pattern};
use super::{address, text};

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Distribution(Distribution),
    /// A Python: a version such as `3.7`, or specifiers such as `>=3.6`.
    Python(String),
    /// Nothing that could be installed.
    Nothing,
    /// A sentence.
    Prose,
}

/// A distribution that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Normalised by PEP 503.
    pub name: String,
    /// As PEP 508, where it could be read.
    pub requirement: Option<String>,
    /// What was mended to read it.
    pub repaired: Option<String>,
    /// Why it could not be read.
    pub unreadable: Option<String>,
}

impl Distribution {
    /// Adds to what was mended.
    pub(super) fn note(&mut self, note: &str) {
        match &mut self.repaired {
            Some(notes) => {
                notes.push_str("; ");
                notes.push_str(note);
            }
            None => self.repaired = Some(note.to_owned()),
        }
    }

    pub(super) fn unreadable(name: &str, why: impl Into<String>) -> Self {
        Self { name: normalise(name), unreadable: Some(why.into()), ..Self::default() }
    }
}

/// Normalises the name of a distribution (PEP 503).
pub fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' => {
                if !normal.ends_with('-') {
                    normal.push('-');
                }
            }
            other => normal.extend(other.to_lowercase()),
        }
    }
    normal
}

/// Reads one requirement, mending what can be mended.
pub fn read(written: &str) -> Asked {
    let mut notes: Vec<String> = Vec::new();
    let plain = text::plain(written);
    if plain != written {
        notes.push("unusual characters are read as ASCII".to_owned());
    }
    pattern!(REMARK, r"(^|\s)#.*$", needs["#"]);
    let mut asked = REMARK.replace(plain.trim(), "").trim().to_owned();

    if let Some(python) = python_itself(&asked) {
        return python;
    }
    let lower = asked.to_ascii_lowercase();
    if asked.is_empty()
        || lower.starts_with("pkg-resources==0.0.0")
        || lower == "pkg_resources==0.0.0"
    {
        return Asked::Nothing;
    }
    if let Some(mut found) = address::read(&asked) {
        for note in notes {
            found.note(&note);
        }
        if found.requirement.as_deref().is_some_and(|asked| !is_valid(asked)) {
            found.requirement = None;
            found.unreadable = Some("no valid name before the address".to_owned());
        }
        return Asked::Distribution(found);
    }
    if let Some(split) = version_in_the_name(&asked) {
        notes.push("the version is taken out of the name".to_owned());
        asked = split;
    }
    let first_error = match strict(&asked) {
        Ok(found) => return finish(found, &notes),
        Err(error) => error,
    };
    for repair in REPAIRS {
        let Some(mended) = (repair.mend)(&asked) else { continue };
        asked = mended;
        notes.push(repair.note.to_owned());
        if let Some(python) = python_itself(&asked) {
            return python;
        }
        if let Ok(found) = strict(&asked) {
            return finish(found, &notes);
        }
    }
    pattern!(PROSE, r"^[A-Za-z'’]+(?:[,;:]?\s+[A-Za-z'’()-]+){2,}[.:!,]?$");
    if PROSE.is_match(plain.trim()) {
        return Asked::Prose;
    }
    pattern!(LEADING, r"^[\s'\x22]*([A-Za-z0-9][A-Za-z0-9._-]*)");
    match LEADING.captures(&plain) {
        Some(found) => Asked::Distribution(Distribution::unreadable(
            group(&found, 1).trim_end_matches(['.', '-', '_']),
            first_error,
        )),
        None => Asked::Nothing,
    }
}

/// A requirement that is PEP 508 as it stands.
struct Strict {
    name: String,
    requirement: String,
    note: Option<&'static str>,
}

fn finish(found: Strict, notes: &[String]) -> Asked {
    let mut distribution = Distribution {
        name: found.name,
        requirement: Some(found.requirement),
        ..Distribution::default()
    };
    for note in notes.iter().map(String::as_str).chain(found.note) {
        distribution.note(note);
    }
    Asked::Distribution(distribution)
}

/// Parses by the letter of PEP 508. The marker keeps the author's words.
fn strict(asked: &str) -> Result<Strict, String> {
    // the parser would put our own environment variables into addresses; those are read elsewhere
    if asked.contains(" @") || asked.contains("@ ") {
        return Err("an address that cannot be read".to_owned());
    }
    let parsed = parse(asked)?;
    let mut requirement = parsed.name.to_string();
    if !parsed.extras.is_empty() {
        let extras: Vec<String> = parsed.extras.iter().map(ToString::to_string).collect();
        requirement = format!("{requirement}[{}]", extras.join(","));
    }
    let mut note = None;
    match &parsed.version_or_url {
        None => {}
        Some(VersionOrUrl::Url(_)) => return Err("an address that cannot be read".to_owned()),
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
            let mut written = Vec::new();
            for specifier in specifiers.iter() {
                let specifier = specifier.to_string();
                // a local label (`+cu110`) is a build of another index
                match specifier.split_once('+') {
                    Some((public, _)) => {
                        note = Some("the local label is dropped: no package index has it");
                        written.push(public.to_owned());
                    }
                    None => written.push(specifier),
                }
            }
            requirement.push_str(&written.join(","));
        }
    }
    if let Some((_, marker)) = asked.split_once(';')
        && parsed.marker.contents().is_some()
    {
        requirement = with_marker(&requirement, marker.trim());
    }
    Ok(Strict { name: normalise(parsed.name.as_ref()), requirement, note })
}

/// Parses a requirement that is not made to exhaust the parser, which recurses into parentheses
/// and multiplies alternatives.
fn parse(asked: &str) -> Result<Requirement<VerbatimUrl>, String> {
    const LONGEST: usize = 4096;
    const MOST_PARENTHESES: usize = 40;
    const MOST_WORDS: usize = 400;
    if asked.len() > LONGEST
        || asked.matches('(').count() > MOST_PARENTHESES
        || asked.split_whitespace().count() > MOST_WORDS
    {
        return Err("too long for a requirement".to_owned());
    }
    Requirement::from_str(asked).map_err(|error| reason(&error))
}

/// Returns the parser's message in one line, without its drawing (whose offsets count characters
/// and may not fall on the bytes of the text).
fn reason(error: &Pep508Error<VerbatimUrl>) -> String {
    let message = error.message.to_string();
    text::shorten(message.lines().next().unwrap_or_default())
}

/// Returns whether `asked` names what no package index has: compilers, drivers, systems.
pub(super) fn is_program(asked: &str) -> bool {
    pattern!(
        PROGRAM,
        r"(?i)^(?:cuda|cudnn|gcc|g\+\+|clang|cmake|conda|anaconda|miniconda|ubuntu|linux|windows|macos|nvcc|nvidia|driver|docker|matlab|java|node|opencv|bazel|version)\b(?:[^-]|$)"
    );
    PROGRAM.is_match(asked)
}

/// Returns whether `requirement` is one of PEP 508. Of an address only the name is looked at.
pub(super) fn is_valid(requirement: &str) -> bool {
    let head = match requirement.split_once(" @ ") {
        Some((head, address)) if !address.trim().is_empty() => head,
        Some(_) => return false,
        None => requirement,
    };
    parse(head).is_ok()
}

/// Returns whether `marker` is one of PEP 508.
pub(super) fn is_marker(marker: &str) -> bool {
    parse(&format!("x ; {marker}")).is_ok()
}

/// Returns whether `specifiers` are ones of PEP 440.
pub(super) fn is_specifiers(specifiers: &str) -> bool {
    uv_pep440::VersionSpecifiers::from_str(specifiers).is_ok()
}

/// Adds a marker to a requirement, beside the one that it has.
pub(super) fn with_marker(requirement: &str, marker: &str) -> String {
    match requirement.split_once(" ; ") {
        Some((head, old)) if old != marker => format!("{head} ; ({old}) and ({marker})"),
        Some(_) => requirement.to_owned(),
        None => format!("{requirement} ; {marker}"),
    }
}

/// `python==3.7`, `python>=3.6`, `python 3.6`, `python`.
fn python_itself(asked: &str) -> Option<Asked> {
    pattern!(
        PYTHON,
        r"(?i)^python\s*(?:version)?\s*(|[=<>!~\s:(].*|[23](?:\.[\dx*]+)*)$",
        needs["python"]
    );
    pattern!(VERSION, r"^[=:(\sv]*([23](?:\.\d+)*)\.?[*x]?(?:=\S*)?\)?$");
    let found = PYTHON.captures(asked)?;
    let rest = group(&found, 1).split(';').next().unwrap_or_default().trim();
    if rest.is_empty() {
        return Some(Asked::Nothing);
    }
    if let Some(version) = VERSION.captures(rest) {
        return Some(Asked::Python(group(&version, 1).to_owned()));
    }
    let specifiers: String =
        rest.chars().filter(|c| !c.is_whitespace() && !"()".contains(*c)).collect();
    is_specifiers(&specifiers).then_some(Asked::Python(specifiers))
}

/// `torch-1.7.1` is a valid name, and never meant as one.
fn version_in_the_name(asked: &str) -> Option<String> {
    pattern!(JOINED, r"^([A-Za-z][A-Za-z0-9_-]*?)-v?(\d+(?:\.\d+)+)$", needs["-"]);
    let found = JOINED.captures(asked)?;
    Some(format!("{}=={}", group(&found, 1), group(&found, 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(written: &str) -> String {
        match read(written) {
            Asked::Nothing => "nothing".to_owned(),
            Asked::Prose => "prose".to_owned(),
            Asked::Python(version) => format!("python {version}"),
            Asked::Distribution(found) => {
                let mut told = found.requirement.unwrap_or_else(|| format!("({})", found.name));
                if let Some(repaired) = found.repaired {
                    told = format!("{told}   # {repaired}");
                }
                if let Some(unreadable) = found.unreadable {
                    told = format!("{told}   ! {unreadable}");
                }
                told
            }
        }
    }

    #[test]
    fn requirements_as_people_write_them() {
        let lines = [
            "numpy",
            "Scikit_Learn >= 0.20 , < 1",
            "opencv-python >= 3.4 , < 4",
            "requests[security,socks]==2.22.0; python_version < \"3.8\"",
            "mkl-fft==1.0.6",
            "numpy>=1.11.*",
            "numpy==1.13.3=py36_0",
            "numpy=1.16.2=py37h7e9f1db_0",
            "six=1.11.0",
            "tqdm~=4",
            "python==3.7",
            "python>=3.6",
            "python = 3.6.9",
            "python",
            "pkg-resources==0.0.0",
            "torch==1.7.1+cu110",
            "torch 1.7",
            "torch\t1.7.1",
            "torch (1.7.1)",
            "torch-1.7.1",
            "numpy>= 1.10 (tested)",
            "numpy\u{a0}>=\u{a0}1.10",
            "\u{201c}scikit\u{2013}image\u{201d}",
            "sklearn",
            "scipy,",
            "pillow==6.2.1 ;",
            "- pandas>=0.25",
            "\u{2022} pandas",
            "* pandas",
            "h5py>=2.8<3",
            "h5py>=2.8 <3",
            "h5py =>2.8",
            "h5py > = 2.8",
            "torch >= 1.0 or higher",
            "torch 1.0+",
            "torch>=1.4+",
            "numpy: 1.16",
            "scipy=='1.2.1'",
            "\"torch>=1.0\"",
            "matplotlib==3.1.x",
            "pytz==2004d2x!",
            "tensorflow-gpu==1.15 (or tensorflow==1.15)",
            "yaml  # pip install pyyaml",
            "-",
            "numpy 1.16.2 py37h7e9f1db_0",
            "torch>=1.0,",
            "A-@a",
            "numpy==1.19.2 --hash=sha256:abc",
            "torch>=1.0.0;python_version>='3.6'",
            "see the wiki for more",
            "name==",
        ];
        let told: Vec<String> = lines.iter().map(|line| told(line)).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
numpy
scikit-learn>=0.20,<1
opencv-python>=3.4,<4
requests[security,socks]==2.22.0 ; python_version < "3.8"
mkl-fft==1.0.6
numpy>=1.11   # `.*` is dropped after an ordering
numpy==1.13.3   # the conda build is dropped
numpy==1.16.2   # the conda build is dropped
six==1.11.0   # `=` is read as `==`
tqdm>=4,<5   # `~=` with one number is read as a range
python 3.7
python >=3.6
python 3.6.9
nothing
nothing
torch==1.7.1   # the local label is dropped: no package index has it
torch==1.7   # the version after a space is read as `==`
torch==1.7.1   # the version after a space is read as `==`
torch==1.7.1   # the version in parentheses is read as `==`
torch==1.7.1   # the version is taken out of the name
numpy>=1.10   # a remark in parentheses is cut
numpy>=1.10   # unusual characters are read as ASCII
scikit-image   # unusual characters are read as ASCII; quotes are cut
sklearn
scipy   # a stray end is cut
pillow==6.2.1   # a stray end is cut
pandas>=0.25   # a list bullet is cut
pandas   # a list bullet is cut
pandas   # a list bullet is cut
h5py>=2.8,<3   # a comma is put between the versions
h5py>=2.8,<3   # a comma is put between the versions
h5py>=2.8   # the operator is put right
h5py>=2.8   # the operator is put right
torch>=1.0   # `or later` is read as `>=`
torch>=1.0   # `or later` is read as `>=`
torch>=1.4   # `or later` is read as `>=`
numpy==1.16   # the version after a colon is read as `==`
scipy==1.2.1   # quotes are cut
torch>=1.0   # quotes are cut
matplotlib==3.1.*   # `.x` is read as `.*`
(pytz)   ! after parsing `2004`, found `d2x!`, which is not part of a valid version
tensorflow-gpu==1.15   # a remark in parentheses is cut
yaml
nothing
numpy==1.16.2   # the conda build is dropped
torch>=1.0
(a-)   # the address on the authors' machine is dropped   ! no valid name before the address
(numpy)   ! Trailing `--hash=sha256:abc` is not allowed
torch>=1.0.0 ; python_version>='3.6'
prose
name   # a stray end is cut
"#);
    }

    #[test]
    fn addresses_as_people_write_them() {
        let lines = [
            "certifi @ file:///croot/certifi_1671487769961/work/certifi",
            "numpy @ file:///tmp/build/numpy-1.19.2-cp37-cp37m-linux_x86_64.whl",
            "git+https://github.com/facebookresearch/detectron2.git@v0.6#egg=detectron2",
            "git+https://user:secret@github.com/NVIDIA/apex",
            "git+git://github.com/tensorflow/docs",
            "git+ssh://git@github.com/openai/CLIP.git",
            "git+git@github.com:openai/CLIP.git",
            "clip @ git+https://github.com/openai/CLIP.git@d50d76d ; python_version >= '3.7'",
            "https://github.com/explosion/spacy-models/releases/download/en_core_web_sm-2.2.0/en_core_web_sm-2.2.0.tar.gz",
            "https://download.pytorch.org/whl/cu100/torch-1.0.0-cp36-cp36m-linux_x86_64.whl ; sys_platform == 'linux'",
            "https://github.com/pytorch/fairseq/archive/master.zip",
            "./wheels/mmcv_full-1.3.9-cp37-cp37m-manylinux1_x86_64.whl",
            "C:\\Users\\me\\torch-1.7.1-cp37-cp37m-win_amd64.whl",
            ".",
            "./ops",
            "x @ ${HOME}/x",
            "https://github.com/owner/name",
            "@",
        ];
        let told: Vec<String> = lines.iter().map(|line| told(line)).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
certifi   # the address on the authors' machine is dropped
numpy==1.19.2   # the address on the authors' machine is dropped
detectron2 @ git+https://github.com/facebookresearch/detectron2.git@v0.6
apex @ git+https://github.com/NVIDIA/apex   # named after its repository
docs @ git+https://github.com/tensorflow/docs   # https instead of the git or ssh protocol; named after its repository
clip @ git+https://github.com/openai/CLIP.git   # https instead of the git or ssh protocol; named after its repository
clip @ git+https://github.com/openai/CLIP.git   # https instead of the git or ssh protocol; named after its repository
clip @ git+https://github.com/openai/CLIP.git@d50d76d ; python_version >= '3.7'
en-core-web-sm @ https://github.com/explosion/spacy-models/releases/download/en_core_web_sm-2.2.0/en_core_web_sm-2.2.0.tar.gz
torch==1.0.0 ; sys_platform == 'linux'   # the address of a wheel for one platform is read as its release
fairseq @ https://github.com/pytorch/fairseq/archive/master.zip   # named after its repository
mmcv-full==1.3.9   # read from the name of a local file
torch==1.7.1   # read from the name of a local file
(.)   ! a folder or file, not a package of an index
(./ops)   ! a folder or file, not a package of an index
x   # the address on the authors' machine is dropped
name @ git+https://github.com/owner/name   # the page of a repository is read as its address; named after its repository
nothing
"#);
    }
}
