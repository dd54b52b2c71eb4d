//! READMEs: install lines, and versions that the prose names.

use super::command_line;
use super::kind::Kind;
use super::mentions::{self, Section};
use super::read::Read;
use super::requirement::is_specifiers;
use super::text::{group, pattern, plain, words};
use super::version_table::VersionTable;

/// Reads a README, in Markdown, reStructuredText or plain text.
pub(super) fn read(path: &str, text: &str) -> Read {
    pattern!(SPAN, r"``([^`]+)``|`([^`\n]+)`", needs["`"]);
    let mut read = Read::new(path, Kind::Readme);
    let lines = joined(text);
    let mut section = Section::default();
    let mut in_code = false;
    let mut table = VersionTable::default();
    for (index, (line, written)) in lines.iter().enumerate() {
        let line = *line;
        let written = plain(written);
        if written.starts_with("```") || written.starts_with("~~~") {
            in_code = !in_code;
            table.close(&mut read);
        } else if in_code {
            table.take(&written, line);
        }
        // `# comment` in a block of commands is no heading
        if !in_code && let Some(begun) = Section::begun_by(&written) {
            section = begun;
        }
        if command_line::is_install(&written) {
            command_line::read(&mut read, &written, line, "mentioned");
            continue;
        }
        for span in SPAN.captures_iter(&written) {
            let command =
                if group(&span, 1).is_empty() { group(&span, 2) } else { group(&span, 1) };
            command_line::read(&mut read, command, line, "mentioned");
        }
        let next = lines.get(index + 1).map_or("", |(_, next)| next.as_str());
        if ends_before_a_version(&written) {
            prose(&mut read, &format!("{written} {next}"), line);
        } else {
            prose(&mut read, &written, line);
        }
        pinned_names(&mut read, &written, line);
        if !in_code {
            mentions::read(&mut read, &written, line, section);
        }
    }
    read
}

/// Whether what a line names last has its version on the next one.
fn ends_before_a_version(line: &str) -> bool {
    let named = ["python", "pytorch", "tensorflow", "keras", "version"];
    words(line).next_back().is_some_and(|last| named.iter().any(|it| last.eq_ignore_ascii_case(it)))
}

/// Joins lines that end in a backslash.
fn joined(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim();
        let (part, goes_on) = match trimmed.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (trimmed, false),
        };
        match lines.last_mut() {
            Some((_, last)) if open => {
                last.push(' ');
                last.push_str(part);
            }
            _ => lines.push((number, part.to_owned())),
        }
        open = goes_on;
    }
    lines
}

/// A line, a list item or a code span that is a requirement with a version: `timm==0.3.2`.
fn pinned_names(read: &mut Read, written: &str, line: u32) {
    pattern!(
        LINE,
        r"^(?:[-*+#]\s+|\d+[.)]\s+)?`?([A-Za-z][\w.-]*(?:\[[\w,]+\])?\s*(?:==|>=|~=)\s*\d[\w.*]*(?:\s*,\s*[<>=!]=?\s*\d[\w.]*)?)`?[.,;]?$", needs ["==", ">=", "~="]
    );
    pattern!(SPAN, r"`([A-Za-z][\w.-]*(?:==|>=|~=)\d[\w.]*)`");
    let spans = if LINE.is_match(written.trim()) {
        LINE.captures_iter(written.trim())
    } else {
        SPAN.captures_iter(written)
    };
    for found in spans {
        let asked = group(&found, 1).trim_end_matches('.');
        let lower = asked.to_ascii_lowercase();
        let is_framework = FRAMEWORKS.iter().any(|(name, _)| {
            lower
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(|c: char| " =<>~!".contains(c)))
        });
        if is_framework || super::requirement::is_program(asked) {
            continue;
        }
        read.require_with(asked, written, line, "mentioned", Some("read from prose"));
    }
}

/// Versions of Python, CUDA and the frameworks that a line of prose names.
fn prose(read: &mut Read, written: &str, line: u32) {
    pattern!(
        PYTHON,
        r"(?i)(?:^|[^\w.-])python(?:[\s*_`\]\[(:v-]|%20|version|versions|requires|=|badge/)*\s*(>=|<=|==|≥|>|<|~=|~)?[\s`*v]*([23](?:\.\d+){0,2})\b((?:\s*(?:,|/|\||&|and|or|-|–|to)\s*(?:python\s*)?v?[23]\.\d+(?:\.\d+)?\b)*)(\.x)?(\s*\+|\.\*|(?:%2B)|\s*\(?(?:or|and)\s+(?:newer|later|above|higher|greater|up)|\s*(?:or|and)?\s*upwards?)?",
        needs["python"]
    );
    pattern!(COMMAND, r"(?i)\bpython[23]\s+(?:-\w|\S+\.py|\S+/)|\bpip[23]?\b|\bapt(?:-get)?\b");
    pattern!(ANOTHER, r"[23]\.\d+(?:\.\d+)?");
    pattern!(
        CUDA,
        r"(?i)\bcuda(?:\s*toolkit)?(?:[\s*_`(:v-]|version)*\s*(?:>=|==|≥|=)?\s*(\d{1,2}\.\d)\b",
        needs["cuda"]
    );
    for found in PYTHON.captures_iter(written) {
        // `python3 train.py` names no version that anybody chose
        if group(&found, 2).len() == 1 && COMMAND.is_match(written) {
            continue;
        }
        let (operator, version, later) = (group(&found, 1), group(&found, 2), group(&found, 5));
        let operator = if operator == "≥" { ">=" } else { operator };
        let at_least = !later.trim().is_empty() && later != ".*";
        let mut listed: Vec<&str> =
            ANOTHER.find_iter(group(&found, 3)).map(|m| m.as_str()).collect();
        listed.insert(0, version);
        let last = listed.len() - 1;
        for (index, version) in listed.into_iter().enumerate() {
            match operator {
                ">=" | "<=" | ">" | "<" | "~=" if index == 0 => {
                    read.python_named(&format!("{operator}{version}"), line);
                }
                // of `2.7 or 3.5 or newer` the last is open
                _ if at_least && index == last => read.python_named(&format!(">={version}"), line),
                _ => read.python_named(version, line),
            }
        }
    }
    for found in CUDA.captures_iter(written) {
        read.on_platform("cuda", group(&found, 1), line);
    }
    frameworks(read, written, line);
}

/// The frameworks whose versions prose names, with their distribution.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("pytorch", "torch"),
    ("torch", "torch"),
    ("torchvision", "torchvision"),
    ("tensorflow", "tensorflow"),
    ("tensorflow-gpu", "tensorflow-gpu"),
    ("keras", "keras"),
    ("jax", "jax"),
];

fn frameworks(read: &mut Read, written: &str, line: u32) {
    pattern!(
        FRAMEWORK,
        r"(?i)(?:^|[^\w.-])(pytorch|torchvision|torch|tensorflow-gpu|tensorflow|keras|jax)\b(?:[\s*_`\]\[(:v-]|\(version|version|%20)*\s*(>=|<=|==|≥|>|<|~=|=)?[\s`*v]*(\d+\.\d+(?:\.\d+)*(?:\.?post\d+)?)(\.x)?\b(\s*\+|\s*\(?(?:or|and)\s+(?:newer|later|above|higher|greater|up))?", needs ["torch", "tensorflow", "keras", "jax"]
    );
    for found in FRAMEWORK.captures_iter(written) {
        let name = group(&found, 1).to_ascii_lowercase();
        let Some((_, distribution)) = FRAMEWORKS.iter().find(|(known, _)| *known == name) else {
            continue;
        };
        let version = group(&found, 3);
        let requirement = match group(&found, 2) {
            "≥" | ">=" => format!("{distribution}>={version}"),
            operator @ ("<=" | ">" | "<" | "~=") => format!("{distribution}{operator}{version}"),
            _ if !group(&found, 5).is_empty() => format!("{distribution}>={version}"),
            _ => pinned(distribution, version),
        };
        let already = |d: &sizar_model::inspection::Declared| {
            d.line == line && d.requirement.as_deref() == Some(requirement.as_str())
        };
        if !read.declared.iter().any(already) {
            read.require_with(&requirement, written, line, "mentioned", Some("read from prose"));
        }
    }
}

/// `torch==1.0.1` for a release, `torch==1.0.*` for two numbers.
pub(super) fn pinned(name: &str, version: &str) -> String {
    let exact = format!("=={version}");
    if version.matches('.').count() < 2 || !is_specifiers(&exact) {
        format!("{name}=={version}.*")
    } else {
        format!("{name}{exact}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_prose() {
        let lines = [
            "The code is tested with PyTorch 1.0.1 and Python 3.6.",
            "2. [Install PyTorch 1.13 or later](https://pytorch.org/get-started/locally/)",
            "- Python >= 3.6, PyTorch >= 0.4",
            "**Note : Use Python 3.6 or newer**",
            "Python 3.5/3.6/3.7",
            "you must have either Python 2.7 or Python 3.5 or newer",
            "It was tested with Python2 and Python3 (but more thoroughly with Python2)",
            "![](https://img.shields.io/badge/python-3.6+-blue)",
            "* Tensorflow 1.15, Keras 2.2.4, CUDA 10.0",
            "needed to work with PyTorch 1.8.1+.",
            "Python3.7",
            "python 3.x",
            "Requires Python ≥ 3.8",
            "`torch==1.2.0`",
            "torchvision (0.4.0)",
            "TensorFlow v1.4",
            "```(with python 3.7)",
            "Table 2.1 lists the 3.14 results of our python code",
            "Python 3.6+ and PyTorch 1.x",
            "python3 run.py --x",
            "based on [`timm==0.3.2`](https://x/y), a fix is needed for PyTorch 1.8.1+",
            "- opencv-python>=3.4.2",
            "CUDA >= 9.0",
            "gcc >= 5.4",
        ];
        let told: Vec<String> = lines
            .iter()
            .map(|line| {
                let read = read("README.md", line);
                let mut told: Vec<&str> =
                    read.declared.iter().filter_map(|d| d.requirement.as_deref()).collect();
                let named: Vec<String> =
                    read.python.named.iter().map(|s| format!("python {}", s.text)).collect();
                told.extend(named.iter().map(String::as_str));
                told.extend(read.platform.iter().map(|s| s.text.as_str()));
                format!("{line}\n    {}", told.join(", "))
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
The code is tested with PyTorch 1.0.1 and Python 3.6.
    torch==1.0.1, python 3.6
2. [Install PyTorch 1.13 or later](https://pytorch.org/get-started/locally/)
    torch>=1.13
- Python >= 3.6, PyTorch >= 0.4
    torch>=0.4, python >=3.6
**Note : Use Python 3.6 or newer**
    python >=3.6
Python 3.5/3.6/3.7
    python 3.5, python 3.6, python 3.7
you must have either Python 2.7 or Python 3.5 or newer
    python 2.7, python >=3.5
It was tested with Python2 and Python3 (but more thoroughly with Python2)
    python 2, python 3
![](https://img.shields.io/badge/python-3.6+-blue)
    python >=3.6
* Tensorflow 1.15, Keras 2.2.4, CUDA 10.0
    tensorflow==1.15.*, keras==2.2.4, 10.0
needed to work with PyTorch 1.8.1+.
    torch>=1.8.1
Python3.7
    python 3.7
python 3.x
    python 3
Requires Python ≥ 3.8
    python >=3.8
`torch==1.2.0`
    torch==1.2.0
torchvision (0.4.0)
    torchvision==0.4.0
TensorFlow v1.4
    tensorflow==1.4.*
```(with python 3.7)
    python 3.7
Table 2.1 lists the 3.14 results of our python code
    
Python 3.6+ and PyTorch 1.x
    python >=3.6
python3 run.py --x
    
based on [`timm==0.3.2`](https://x/y), a fix is needed for PyTorch 1.8.1+
    torch>=1.8.1, timm==0.3.2
- opencv-python>=3.4.2
    opencv-python>=3.4.2
CUDA >= 9.0
    9.0
gcc >= 5.4
"#);
    }

    #[test]
    fn install_lines_in_blocks_and_spans() {
        let text = "# X\n\nYou may need espeak: `apt-get install espeak`\n\n```bash\npip install torch==1.2.0 \\\n    torchvision==0.4.0\n```\n\nor::\n\n    $ conda install -c conda-forge pyvips\n";
        let read = read("README.md", text);
        let told: Vec<_> = read.declared.iter().map(|d| (d.line, d.name.as_str())).collect();
        assert_eq!(told, [(6, "torch"), (6, "torchvision"), (12, "pyvips")]);
        assert_eq!(read.system_packages[0].text, "espeak");
        assert!(read.declared.iter().all(|d| d.scope == "mentioned"));
    }
}
