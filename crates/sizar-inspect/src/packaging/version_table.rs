//! Tables of versions in a README's blocks: `numpy          1.15.4`, one name and one version a
//! line, as authors write them by hand or as `pip list` prints them.

use super::read::Read;
use super::readme::pinned;
use super::requirement::is_program;
use super::text::{group, pattern};

/// How many lines of one block make a table.
const ROWS: usize = 2;

/// The rows of the block that is being read.
#[derive(Debug, Default)]
pub(super) struct VersionTable {
    rows: Vec<Row>,
    /// Lines that are neither rows nor the head of `pip list`.
    others: usize,
}

#[derive(Debug)]
struct Row {
    name: String,
    version: String,
    written: String,
    line: u32,
}

impl VersionTable {
    /// Takes one line of a block.
    pub(super) fn take(&mut self, written: &str, line: u32) {
        pattern!(ROW, r"^([A-Za-z][\w.-]*)[ \t]+v?(\d+(?:\.\d+)+(?:\.?post\d+)?)$");
        pattern!(HEAD, r"(?i)^(?:(?:package|name)\s+version|[-= |]+|#.*|)$");
        let text = written.trim();
        match ROW.captures(text) {
            Some(found) => self.rows.push(Row {
                name: group(&found, 1).to_owned(),
                version: group(&found, 2).to_owned(),
                written: written.to_owned(),
                line,
            }),
            None if HEAD.is_match(text) => {}
            None => self.others += 1,
        }
    }

    /// Records the rows when the block ends, if it was a table.
    pub(super) fn close(&mut self, read: &mut Read) {
        let table = std::mem::take(self);
        if table.rows.len() < ROWS || table.others > table.rows.len() / 4 {
            return;
        }
        for Row { name, version, written, line } in table.rows {
            let lower = name.to_ascii_lowercase();
            // Python is read as prose; so are the frameworks
            let known = read.declared.iter().any(|declared| declared.line == line);
            if known || lower == "python" || is_program(&name) {
                continue;
            }
            let requirement = pinned(&name, &version);
            read.require_with(&requirement, &written, line, "mentioned", Some("read from prose"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::readme;

    fn told(text: &str) -> String {
        let read = readme::read("README.md", text);
        let told: Vec<&str> =
            read.declared.iter().filter_map(|d| d.requirement.as_deref()).collect();
        told.join(" ")
    }

    #[test]
    fn names_and_versions_in_columns_are_pins() {
        let block = "```\nnetworkx          2.4\ntqdm              4.28.1\npython  3.6\n\
                     torch             1.1.0\ntorch-scatter     1.4.0\n```\n";
        assert_eq!(told(block), "torch==1.1.0 networkx==2.4.* tqdm==4.28.1 torch-scatter==1.4.0");
        let printed = "```\nPackage    Version\n---------- -------\nnumpy      1.19.5\nscipy      1.5.4\n```\n";
        assert_eq!(told(printed), "numpy==1.19.5 scipy==1.5.4");
    }

    #[test]
    fn a_block_of_anything_else_is_no_table() {
        assert_eq!(told("```\nfound    0.93\nlost here and there\nstep\nloss 1.2\n```\n"), "");
        assert_eq!(told("```\naccuracy 0.93\n```\n"), "");
        // outside of a block it is prose
        assert_eq!(told("widget 1.2.3\ngadget 2.3.4\n"), "");
    }
}
