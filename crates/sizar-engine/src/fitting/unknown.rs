//! What was seen, and what is said where it is not enough.

use std::fmt;

/// How many things that were seen an error names.
const SHOWN: usize = 8;

/// Something that was seen, with its file and line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    pub words: String,
    /// Empty where it is no file that says it.
    pub path: String,
    pub line: u32,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.words),
            false => write!(f, "{} ({}:{})", self.words, self.path, self.line),
        }
    }
}

/// Why it is not known what a driver expects.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unknown {
    #[error("nothing in the source shows where it expects {what}{}", list(.seen))]
    Nothing {
        what: String,
        seen: Vec<Reason>,
        example: String,
        /// The format that it expects instead.
        instead: Option<&'static str>,
        data: String,
    },
    #[error("`{driver}` gets the folder of its data from `{option}` ({}), which was not passed", .at)]
    Unset { driver: String, option: String, at: String, example: String },
    #[error(
        "`{option} {value}` names a part of the data set, and the others are not known to be there"
    )]
    PartPassed { option: String, value: String, data: String },
    #[error(
        "the data set is expected at `{place}`, which is nowhere that it can be laid out ({reason})"
    )]
    Unusable { place: String, reason: Reason, example: String },
}

impl Unknown {
    /// Returns how to say it by hand.
    pub fn hint(&self) -> String {
        match self {
            Self::PartPassed { option, data, .. } => format!(
                "leave `{option}` out, and sizar passes all of them; or show each part by hand, as in \
                 `--data {data}/images:THERE`"
            ),
            Self::Nothing { instead: Some(format), data, example, .. } => format!(
                "it expects the format `{format}`: `--data {format}:{data}`; or say where the \
                 program looks, as in `--data {example}`"
            ),
            Self::Nothing { example, .. } | Self::Unusable { example, .. } => {
                format!("say where the program looks, as in `--data {example}`")
            }
            Self::Unset { example, .. } => {
                format!("pass it, as in `{example}`: the data set is laid out there")
            }
        }
    }
}

fn list(seen: &[Reason]) -> String {
    if seen.is_empty() {
        return "; it names no loader of a known data set and no path of data".to_owned();
    }
    let some: Vec<String> = seen.iter().take(SHOWN).map(|one| format!("\n  {one}")).collect();
    let some = some.concat();
    let more = match seen.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n  and {more} more: `sizar inspect` shows them"),
    };
    format!("; it has\n{}{more}", some.trim_start_matches('\n'))
}
