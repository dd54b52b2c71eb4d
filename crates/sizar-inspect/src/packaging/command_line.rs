//! Install commands: `pip install …`, `conda install …`, `apt-get install …`.

use super::conda;
use super::kind::Kind;
use super::read::Read;
use super::text::{group, pattern, plain};

/// Returns whether `text` runs an installer.
pub(super) fn is_install(text: &str) -> bool {
    may_install(text) && commands(text).iter().any(|words| Install::of(words).is_some())
}

/// A cheap look before the words are split.
fn may_install(text: &str) -> bool {
    ["install", "create", "update", " add "].iter().any(|word| text.contains(word))
}

/// Reads the install commands of one line of a shell.
pub(super) fn read(read: &mut Read, text: &str, line: u32, scope: &str) {
    if !may_install(text) {
        return;
    }
    let text = plain(text);
    for words in commands(&text) {
        if let Some(install) = Install::of(&words) {
            install.record(read, text.trim(), line, scope);
        }
    }
}

/// Splits a line at `&&`, `||`, `;` and `|` into commands, and those into words.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut chars = line.chars().peekable();
    let end = |word: &mut String, commands: &mut Vec<Vec<String>>, next: bool| {
        if let Some(last) = commands.last_mut()
            && !word.is_empty()
        {
            last.push(std::mem::take(word));
        }
        if next {
            commands.push(Vec::new());
        }
    };
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '#') if word.is_empty() && commands.last().is_some_and(|c| !c.is_empty()) => {
                break;
            }
            (None, ';' | '|' | '\n') => end(&mut word, &mut commands, true),
            (None, '&') if chars.peek() == Some(&'&') => {
                chars.next();
                end(&mut word, &mut commands, true);
            }
            (None, c) if c.is_whitespace() => end(&mut word, &mut commands, false),
            (None, c) => word.push(c),
        }
    }
    end(&mut word, &mut commands, false);
    commands.retain(|words| !words.is_empty());
    commands
}

/// An install command: its words after the verb.
struct Install<'a> {
    installer: Installer,
    words: &'a [String],
    /// The version in the program's name, such as `3.6` of `pip3.6`.
    python: Option<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Installer {
    Pip,
    Conda,
    CondaEnv,
    System(&'static str),
}

impl<'a> Install<'a> {
    fn of(words: &'a [String]) -> Option<Self> {
        let mut words = without_prefix(words);
        let program = words.first()?;
        let program = program.trim_start_matches(['!', '%', '$']);
        let program = program.rsplit('/').next().unwrap_or(program);
        let mut python = version_of(program);
        words = words.get(1..)?;
        let is_python =
            program.starts_with("python") || program == "{sys.executable}" || program == "py";
        if is_python {
            let at = words.iter().position(|word| word == "-m")?;
            if words.get(at + 1).is_none_or(|module| module != "pip" && module != "pip3") {
                return None;
            }
            words = words.get(at + 2..)?;
        } else if program == "uv" {
            words = words.get(1..).filter(|_| words.first().is_some_and(|word| word == "pip"))?;
        }
        let is_pip = is_python
            || program == "uv"
            || matches!(program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'), "pip");
        let installer = match program {
            _ if is_pip => Installer::Pip,
            "easy_install" => {
                return Some(Self { installer: Installer::Pip, words, python: None });
            }
            "conda" | "mamba" | "micromamba" => Installer::Conda,
            "apt" | "apt-get" | "aptitude" => Installer::System("apt"),
            "yum" | "dnf" => Installer::System("yum"),
            "apk" => Installer::System("apk"),
            "brew" => Installer::System("brew"),
            _ => return None,
        };
        if !is_pip {
            python = None;
        }
        let verb_at = words.iter().position(|word| !word.starts_with('-'))?;
        let verb = words.get(verb_at)?.as_str();
        let words = words.get(verb_at + 1..)?;
        let env = installer == Installer::Conda && verb == "env";
        if env {
            return Some(Self { installer: Installer::CondaEnv, words, python });
        }
        let known = verb == "install"
            || installer == Installer::Conda && matches!(verb, "create" | "update")
            || installer == Installer::System("apk") && verb == "add";
        known.then_some(Self { installer, words, python })
    }

    fn record(&self, read: &mut Read, written: &str, line: u32, scope: &str) {
        if let Some(python) = self.python {
            read.python_named(python, line);
        }
        match self.installer {
            Installer::Pip => pip(read, self.words, &Place { text: written, line, scope }),
            Installer::Conda => {
                conda_packages(read, self.words, &Place { text: written, line, scope });
            }
            Installer::CondaEnv => conda_env(read, self.words, line),
            Installer::System(manager) => system(read, manager, self.words, line),
        }
    }
}

struct Place<'a> {
    text: &'a str,
    line: u32,
    scope: &'a str,
}

/// Cuts prompts, `sudo`, `RUN` and variables off.
fn without_prefix(mut words: &[String]) -> &[String] {
    pattern!(
        PREFIX,
        r"^(?:[$>#!%~]+|>>>|sudo|RUN|run:?|time|exec|then|do|else|-[HEy]|\w+=\S*|\(\w+\)\$?|--mount=\S+|(?:\w+@)?[\w-]+:\S*\$|env|[-*•]|\d+[.)])$"
    );
    while let Some((first, rest)) = words.split_first() {
        if PREFIX.is_match(first) && !rest.is_empty() {
            words = rest;
        } else {
            break;
        }
    }
    words
}

/// `pip3.6`, `python3.7`
fn version_of(program: &str) -> Option<&str> {
    pattern!(VERSIONED, r"^(?:pip|python)([23]\.\d+)$", needs ["pip", "python"]);
    Some(VERSIONED.captures(program)?.get(1)?.as_str())
}

/// Where prose goes on after a command.
fn is_prose(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "or"
            | "to"
            | "from"
            | "then"
            | "the"
            | "in"
            | "for"
            | "with"
            | "if"
            | "on"
            | "into"
            | "(or"
            | "should"
            | "will"
            | "command"
            | "is"
            | "as"
            | "=>"
            | "->"
    )
}

/// Joins `torch`, `>=`, `1.0` to one word. A lone `>` before a file is the shell's.
fn joined(words: &[String]) -> Vec<String> {
    const OPERATORS: &[char] = &['=', '<', '>', '~', '!'];
    let mut joined: Vec<String> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let version = word.trim_start_matches(OPERATORS);
        let version = match version {
            "" => words.get(index + 1).map_or("", String::as_str),
            version => version,
        };
        let goes_on = version.starts_with(|c: char| c.is_ascii_digit());
        match joined.last_mut() {
            Some(last)
                if goes_on
                    && !last.starts_with('-')
                    && !last.contains("://")
                    && (word.starts_with(OPERATORS) || last.ends_with(OPERATORS)) =>
            {
                last.push_str(word);
            }
            _ if matches!(word.as_str(), ">" | ">>" | "2>" | "&>") => break,
            _ => joined.push(word.clone()),
        }
    }
    joined
}

/// A name with a version, or an address; no placeholder, folder or variable.
fn is_package(word: &str) -> bool {
    pattern!(PACKAGE, r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[\w,.-]*\])?(?:\s*[<>=!~@,].*|\s*;.*)?$");
    pattern!(ADDRESS, r"(?i)^(?:git\+|https?://)\S+$", needs ["git+", "://"]);
    pattern!(
        PLACEHOLDER,
        r"(?i)your[-_]?(?:repo|github|user|name|package|project|org)|\buser/repo\b", needs ["your", "user/repo"]
    );
    !word.contains(['$', '{', '}'])
        && !PLACEHOLDER.is_match(word)
        && !word.ends_with('>')
        && !word.contains("...")
        && (PACKAGE.is_match(word) || ADDRESS.is_match(word))
}

fn pip(read: &mut Read, arguments: &[String], at: &Place<'_>) {
    let arguments = joined(arguments);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut value = || value.clone().or_else(|| words.next().cloned()).unwrap_or_default();
        match option {
            "-r" | "--requirement" => {
                read.refer(&value(), Kind::RequirementsTxt, "install", at.line, false);
            }
            "-c" | "--constraint" => {
                read.refer(&value(), Kind::RequirementsTxt, "constraint", at.line, false);
            }
            "-e" | "--editable" => {
                // a bare word is a folder here
                let target = value();
                if target.contains("://") && is_package(&target) {
                    read.require_with(&target, at.text, at.line, at.scope, None);
                }
            }
            "-i" | "--index-url" => read.index("index", &value(), at.line),
            "--extra-index-url" => read.index("extra_index", &value(), at.line),
            "-f" | "--find-links" => read.index("find_links", &value(), at.line),
            "-t" | "--target" | "--prefix" | "--root" | "--trusted-host" | "--timeout"
            | "--no-binary" | "--only-binary" | "--global-option" | "--install-option"
            | "--upgrade-strategy" | "--proxy" | "--cache-dir" | "--python-version"
            | "--platform" | "--src" | "--config-settings" | "--default-timeout" | "--retries"
            | "--log" | "-d" | "-b" => {
                value();
            }
            option if option.starts_with('-') => {}
            // the installer brings itself up to date
            "pip" => {}
            // a local wheel or folder is not to be had
            option
                if option.starts_with(['.', '/', '~'])
                    || has_extension(option, "whl") && !option.contains("://") => {}
            option if is_prose(option) => break,
            option if is_package(option) => {
                let option = option.trim_end_matches([',', '.']);
                read.require_with(option, at.text, at.line, at.scope, None);
            }
            _ => {}
        }
    }
}

fn has_extension(file: &str, wanted: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case(wanted))
}

fn conda_packages(read: &mut Read, arguments: &[String], at: &Place<'_>) {
    let arguments = joined(arguments);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-c" | "--channel" => {
                read.index("conda_channel", words.next().map_or("", String::as_str), at.line);
            }
            "-n" | "--name" | "-p" | "--prefix" | "--clone" | "--solver" => {
                words.next();
            }
            "-f" | "--file" => {
                if let Some(file) = words.next() {
                    let kind = if has_extension(file, "txt") {
                        Kind::CondaList
                    } else {
                        Kind::EnvironmentYml
                    };
                    read.refer(file, kind, "conda", at.line, false);
                }
            }
            option if option.starts_with("--channel=") => {
                read.index("conda_channel", option.trim_start_matches("--channel="), at.line);
            }
            option if option.starts_with('-') => {}
            option if is_prose(option) => break,
            option if option.contains(['$', '{', '<', '/']) && !option.contains("<=") => {}
            // the base installation is not a package of the code
            "conda" | "anaconda" | "pip" | "--all" => {}
            option => conda_one(read, option.trim_end_matches(','), at),
        }
    }
}

/// One package of a command: a match specification, but mentioned, with the command as written.
fn conda_one(read: &mut Read, spec: &str, at: &Place<'_>) {
    pattern!(SPEC, r"^(?:[\w-]+::)?[A-Za-z0-9_][\w.-]*(?:[=<>!~].*)?$");
    if !SPEC.is_match(spec) {
        return;
    }
    let before = read.declared.len();
    conda::require(read, spec, at.line, at.scope);
    for declared in read.declared.iter_mut().skip(before) {
        declared.raw = super::text::shorten(at.text);
    }
}

fn conda_env(read: &mut Read, arguments: &[String], line: u32) {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let file = match word.as_str() {
            "-f" | "--file" => words.next().map(String::as_str),
            option => option.strip_prefix("--file="),
        };
        if let Some(file) = file {
            read.refer(file, Kind::EnvironmentYml, "conda", line, false);
        }
    }
}

fn system(read: &mut Read, manager: &str, arguments: &[String], line: u32) {
    pattern!(NAME, r"^([a-z0-9][a-z0-9.+-]+?)(?:=\S*|:\w+|[,.])?$");
    pattern!(PYTHON, r"^python([23]\.\d+)(?:-\w+)?$");
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-t" | "--target-release" | "-o" => {
                words.next();
            }
            option if option.starts_with('-') => {}
            option if is_prose(option) => break,
            option => {
                if let Some(version) = PYTHON.captures(option) {
                    read.python_named(group(&version, 1), line);
                } else if let Some(name) = NAME.captures(option) {
                    read.system_package(manager, group(&name, 1), line);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let mut seen = Read::new("README.md", Kind::Readme);
        read(&mut seen, text, 1, "mentioned");
        let mut told: Vec<String> = seen
            .declared
            .iter()
            .map(|d| d.requirement.clone().unwrap_or_else(|| format!("({})", d.name)))
            .collect();
        told.extend(seen.python.named.iter().map(|s| format!("python:{}", s.text)));
        told.extend(seen.indexes.iter().map(|s| format!("{}:{}", s.kind, s.text)));
        told.extend(seen.system_packages.iter().map(|s| format!("{}:{}", s.kind, s.text)));
        told.extend(seen.references.iter().map(|r| format!("file:{}", r.path)));
        told.extend(seen.platform.iter().map(|s| format!("{}:{}", s.kind, s.text)));
        told.join(" ")
    }

    #[test]
    fn install_commands_as_readmes_have_them() {
        let lines = [
            "$ pip install torch==1.7.1+cu110 torchvision -f https://download.pytorch.org/whl/torch_stable.html",
            "pip3.6 install --user 'numpy>=1.10' scipy",
            "!python3 -m pip install -q kornia",
            "%pip install -U git+https://github.com/openai/CLIP.git",
            "cd x && sudo apt-get update && sudo apt-get install -y --no-install-recommends libsndfile1 ffmpeg=4:3 python3.6-dev",
            "conda create -n py36 python=3.6 numpy pytorch=1.2 -y",
            "conda install pytorch torchvision cudatoolkit=10.0 -c pytorch -c conda-forge",
            "conda env create -f env/environment.yml",
            "pip install -r requirements.txt",
            "pip install -e .[dev]",
            "pip install <package>",
            "pip install torch >= 1.0",
            "pip install tensorflow or tensorflow-gpu",
            "(base) $ pip install einops; pip install \"timm==0.3.2\"  # and so on",
            "RUN TORCH_CUDA_ARCH_LIST=7.0 pip --no-cache-dir install apex",
            "brew install sox",
            "-r ../../etc/passwd",
            "pip install -r ../../etc/passwd",
            "pip freeze > requirements.txt",
            "pip install git+https://github.com/a/b > ~/log.txt",
            "pip install git+https://github.com/YourName/your-repo.git",
            "pip install -e detectron2_repo",
            "npm install x",
        ];
        let told: Vec<String> =
            lines.iter().map(|line| format!("{line}\n    {}", told(line))).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
$ pip install torch==1.7.1+cu110 torchvision -f https://download.pytorch.org/whl/torch_stable.html
    torch==1.7.1 torchvision find_links:https://download.pytorch.org/whl/torch_stable.html
pip3.6 install --user 'numpy>=1.10' scipy
    numpy>=1.10 scipy python:3.6
!python3 -m pip install -q kornia
    kornia
%pip install -U git+https://github.com/openai/CLIP.git
    clip @ git+https://github.com/openai/CLIP.git
cd x && sudo apt-get update && sudo apt-get install -y --no-install-recommends libsndfile1 ffmpeg=4:3 python3.6-dev
    python:3.6 apt:libsndfile1 apt:ffmpeg
conda create -n py36 python=3.6 numpy pytorch=1.2 -y
    numpy torch==1.2.* python:3.6
conda install pytorch torchvision cudatoolkit=10.0 -c pytorch -c conda-forge
    torch torchvision (cudatoolkit) conda_channel:pytorch conda_channel:conda-forge cuda:10.0
conda env create -f env/environment.yml
    file:env/environment.yml
pip install -r requirements.txt
    file:requirements.txt
pip install -e .[dev]
    
pip install <package>
    
pip install torch >= 1.0
    torch>=1.0
pip install tensorflow or tensorflow-gpu
    tensorflow
(base) $ pip install einops; pip install "timm==0.3.2"  # and so on
    einops timm==0.3.2
RUN TORCH_CUDA_ARCH_LIST=7.0 pip --no-cache-dir install apex
    apex
brew install sox
    brew:sox
-r ../../etc/passwd
    
pip install -r ../../etc/passwd
    
pip freeze > requirements.txt
    
pip install git+https://github.com/a/b > ~/log.txt
    b @ git+https://github.com/a/b
pip install git+https://github.com/YourName/your-repo.git
    
pip install -e detectron2_repo
    
npm install x
"#);
    }
}
