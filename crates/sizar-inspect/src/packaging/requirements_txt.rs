//! `requirements.txt` and its relatives, as pip reads them, and as people fill them.

use super::kind::{Kind, scope_of};
use super::read::Read;
use super::text::{group, pattern};
use super::{command_line, conda_list};

/// Reads a requirements file; `scope` is that of the file which includes it.
pub(super) fn read(path: &str, text: &str, scope: Option<&str>) -> Read {
    if let Some(style) = conda_list::recognise(text) {
        return conda_list::read(path, text, style);
    }
    let mut read = Read::new(path, Kind::RequirementsTxt);
    let scope = scope_of(path).or(scope).unwrap_or("install").to_owned();
    for (line, text) in logical_lines(text) {
        entry(&mut read, &text, line, &scope);
    }
    read
}

/// Joins continued lines and cuts comments; each with the line that it starts on.
pub(super) fn logical_lines(text: &str) -> Vec<(u32, String)> {
    pattern!(COMMENT, r"(^|\s)#.*$", needs["#"]);
    let mut lines: Vec<(u32, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        // a comment between continued lines does not end them
        if open && line.trim_start().starts_with('#') {
            continue;
        }
        let line = COMMENT.replace(line, "");
        let (part, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line.as_ref(), false),
        };
        match lines.last_mut() {
            Some((_, last)) if open => {
                last.push(' ');
                last.push_str(part.trim());
            }
            _ => lines.push((number, part.trim().to_owned())),
        }
        open = goes_on;
    }
    lines.retain(|(_, line)| !line.is_empty());
    lines
}

/// Reads one logical line.
pub(super) fn entry(read: &mut Read, written: &str, line: u32, scope: &str) {
    pattern!(OPTION, r"^(--?[A-Za-z][A-Za-z-]*)(?:\s*=\s*|\s+|$)(.*)$", needs["-"]);
    pattern!(JOINED, r"^(-[rcefi])([^\s=-].*)$", needs["-"]);
    // no package of an index, but the driver's or the system's
    pattern!(
        CUDA,
        r"(?i)^(?:[-*]\s+)?cuda(?:[ -]?toolkit)?\s*(?:version)?\s*[=<>~: (]*\s*(\d{1,2}(?:\.\d+)*)[.\dx*+]*\)?$",
        needs["cuda"]
    );
    pattern!(
        NOISE,
        r"^(?:Package\s+Version\b.*|[-=\s]+|\[[\w.-]+\]|```.*|WARNING: .*|You are using pip .*)$"
    );
    let written = written.trim_start_matches('\u{feff}').trim();
    if written.is_empty() || NOISE.is_match(written) {
        return;
    }
    if command_line::is_install(written) {
        command_line::read(read, written, line, scope);
        return;
    }
    if let Some(cuda) = CUDA.captures(written) {
        read.on_platform("cuda", group(&cuda, 1), line);
        return;
    }
    let option = JOINED.captures(written).or_else(|| OPTION.captures(written));
    let Some(option) = option else {
        requirement(read, written, line, scope);
        return;
    };
    let value = group(&option, 2).trim().trim_matches(['"', '\'']);
    match group(&option, 1) {
        "-r" | "--requirement" => read.refer(value, Kind::RequirementsTxt, scope, line, true),
        "-c" | "--constraint" => read.refer(value, Kind::RequirementsTxt, "constraint", line, true),
        "-e" | "--editable" => editable(read, value, written, line, scope),
        "-i" | "--index-url" | "--pypi-url" => read.index("index", value, line),
        "--extra-index-url" => read.index("extra_index", value, line),
        "-f" | "--find-links" => read.index("find_links", value, line),
        "--pre"
        | "--no-index"
        | "--no-binary"
        | "--only-binary"
        | "--prefer-binary"
        | "--trusted-host"
        | "--require-hashes"
        | "--use-feature"
        | "--no-deps"
        | "--always-unzip"
        | "-Z"
        | "--use-wheel"
        | "--no-use-wheel"
        | "--process-dependency-links" => {}
        other => read.cannot_read(format!("line {line}: the option `{other}` is unknown")),
    }
}

fn editable(read: &mut Read, value: &str, written: &str, line: u32, scope: &str) {
    read.require_with(value, written, line, scope, None);
}

/// A requirement, without the options for one requirement (`--hash`, `--install-option`).
fn requirement(read: &mut Read, written: &str, line: u32, scope: &str) {
    pattern!(PER_REQUIREMENT, r"\s+--[a-z][a-z-]*[=\s].*$", needs["--"]);
    let bare = PER_REQUIREMENT.replace(written, "");
    read.require_with(&bare, written, line, scope, None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> String {
        let read = read(path, text, None);
        let mut told: Vec<(u32, String)> = Vec::new();
        for d in &read.declared {
            let asked = d.requirement.clone().unwrap_or_else(|| format!("({})", d.name));
            let note = d.repaired.as_deref().or(d.unreadable.as_deref()).unwrap_or_default();
            told.push((d.line, format!("{} {asked}   {note}", d.scope)));
        }
        told.extend(read.indexes.iter().map(|s| (s.line, format!("{} {}", s.kind, s.text))));
        told.extend(
            read.references.iter().map(|r| (r.line, format!("reads {} as {}", r.path, r.scope))),
        );
        told.extend(read.python.named.iter().map(|s| (s.line, format!("python {}", s.text))));
        told.sort_by_key(|(line, _)| *line);
        let mut told: Vec<String> =
            told.into_iter().map(|(line, told)| format!("{line} {}", told.trim_end())).collect();
        told.extend(read.file.unreadable);
        told.join("\n")
    }

    #[test]
    fn options_continuations_and_comments() {
        let text = "\u{feff}# core\n--extra-index-url https://user:secret@pypi.example.org/simple\n-f https://download.pytorch.org/whl/torch_stable.html\n-i=https://pypi.tuna.tsinghua.edu.cn/simple\ntorch==1.7.1+cu110  # GPU\nnumpy \\\n    >=1.16, \\\n    <2\ncertifi==2020.6.20 \\\n    --hash=sha256:5930 \\\n    --hash=sha256:8fc0\n-r base.txt\n-c ../constraints.txt\n-rbase2.txt\n-e .\n-e git+https://github.com/a/b.git@v1#egg=b&subdirectory=py\n--no-binary :all:\n--frobnicate\n";
        insta::assert_snapshot!(told("requirements/gpu.txt", text), @r#"
2 extra_index https://pypi.example.org/simple
3 find_links https://download.pytorch.org/whl/torch_stable.html
4 index https://pypi.tuna.tsinghua.edu.cn/simple
5 install torch==1.7.1   the local label is dropped: no package index has it
6 install numpy>=1.16,<2
9 install certifi==2020.6.20
12 reads requirements/base.txt as install
13 reads constraints.txt as constraint
14 reads requirements/base2.txt as install
15 install (.)   a folder or file, not a package of an index
16 install b @ git+https://github.com/a/b.git@v1#subdirectory=py
line 18: the option `--frobnicate` is unknown
"#);
    }

    #[test]
    fn what_people_paste_into_the_file() {
        let text = "$ pip install h5py==2.10 Pillow\npip3 install tqdm\nPackage    Version\n---------- -------\nscipy      1.4.1\npython>=3.6\npkg-resources==0.0.0\n[dev]\n- pandas\n```\nFor the baseline you need\nPyYAML;\n";
        insta::assert_snapshot!(told("requirements.txt", text), @r#"
1 install h5py==2.10
1 install pillow
2 install tqdm
5 install scipy==1.4.1   the version after a space is read as `==`
6 python >=3.6
9 install pandas   a list bullet is cut
12 install pyyaml   a stray end is cut
line 11: `For the baseline you need` is no requirement
"#);
        assert!(told("requirements-dev.txt", "flake8\n").starts_with("1 dev flake8"));
        assert!(told("constraints.txt", "numpy<2\n").starts_with("1 constraint numpy<2"));
    }

    #[test]
    fn slips_systems_and_exports() {
        let text = "\u{feff}opencv-pyhton\r\nscikit_lern==0.22\r\npython 3.6\r\nCUDA 10.1\r\ncuda==10.1\r\nnumpy 1.16.2\r\npytorch (1.0)\r\ntorch >= 1.0 (tested on 1.4)\r\nscipy=>1.0\r\nh5py=2.10\r\nsix @ file:///home/conda/six_1\r\n# Editable install with no version control (foo==1.0)\r\nhttps://download.pytorch.org/whl/cu90/torch-0.4.1-cp36-cp36m-linux_x86_64.whl\r\ncu10 = 1\r\n";
        let read = read("requirements.txt", text, None);
        assert_eq!(read.platform.len(), 2);
        assert_eq!(read.platform[0].text, "10.1");
        insta::assert_snapshot!(told("requirements.txt", text), @r#"
1 install opencv-python   `opencv-pyhton` is read as `opencv-python`, one letter away
2 install scikit-learn==0.22   `scikit-lern` is read as `scikit-learn`, one letter away
3 python 3.6
6 install numpy==1.16.2   the version after a space is read as `==`
7 install pytorch==1.0   the version in parentheses is read as `==`
8 install torch>=1.0   a remark in parentheses is cut
9 install scipy>=1.0   the operator is put right
10 install h5py==2.10   `=` is read as `==`
11 install six   the address on the authors' machine is dropped
13 install torch==0.4.1   the address of a wheel for one platform is read as its release
14 install cu10==1   `=` is read as `==`
"#);
    }
}
