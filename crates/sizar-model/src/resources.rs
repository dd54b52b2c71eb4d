//! What a job needs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a job needs, in the words of PSI/J: <https://exaworks.org/job-api-spec/>.
///
/// Where a scheduler takes no such wish (a QOS on OAR), it is refused and not dropped; only memory
/// is, with a remark, where OAR has no property for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Processor cores of each task; of the job, where it has one task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Resident memory of all processes together on each node, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// GPUs of each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// The longest time it may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub walltime: Option<Walltime>,
    /// Machines; one where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Processes that the program starts over all nodes (MPI ranks); one where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u32>,
    /// The kind of GPU, in the site's word: `a100`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_type: Option<String>,
    /// The partition (Slurm) or queue (OAR).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Who pays: the account (Slurm) or project (OAR).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The quality of service (Slurm).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// Which nodes: an expression of features (Slurm: `skylake&ib`) or properties (OAR:
    /// `cluster='c1'`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// An advance reservation by its name (Slurm), or the job id of a container (OAR).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    /// Whether it may be stopped for the sake of other jobs: `besteffort` on OAR. On Slurm the
    /// QOS or partition decides; the job then says that it may be put back into the queue.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preemptible: bool,
    /// Whether its nodes are shared with no other job.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// Licences, as `name` or `name:count`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<String>,
    /// To whom the scheduler writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mail>,
    /// How long before its walltime the job is told, by a signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_before: Option<Walltime>,
    /// Words for the scheduler that are handed over as they are, each one argument.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scheduler_args: Vec<String>,
}

/// To whom the scheduler writes, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    pub to: String,
    /// At what; at the end and at failure where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<MailEvent>,
}

/// What the scheduler writes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailEvent {
    Begin,
    End,
    Fail,
}

/// A number of bytes, written as `512M` or `4G` (powers of 1024).
///
/// It is read from a number, too, as which it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "NumberOrText")]
pub struct ByteSize(pub u64);

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size such as `512M` or `4G`")]
pub struct InvalidByteSize(pub String);

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidByteSize(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match &lower[digits.len()..] {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            _ => return Err(invalid()),
        };
        let number: f64 = digits.parse().map_err(|_| invalid())?;
        let bytes = number
            * f64::from(1u32 << (shift % 32))
            * if shift >= 32 { 4_294_967_296.0 } else { 1.0 };
        if !(1.0..=9e18).contains(&bytes) {
            return Err(invalid());
        }
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let text = if unit == 0 || value >= 100.0 {
            format!("{value:.0} {}", UNITS[unit])
        } else {
            format!("{value:.1} {}", UNITS[unit])
        };
        f.pad(&text)
    }
}

/// A length of time in whole seconds, written as `90s`, `30m`, `4h`, `1h30m`, `2d` or `HH:MM:SS`.
///
/// It is read from a number of seconds, too, as which it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "NumberOrText")]
pub struct Walltime(pub u64);

/// What people write into files, and what programs do.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl TryFrom<NumberOrText> for ByteSize {
    type Error = InvalidByteSize;

    fn try_from(read: NumberOrText) -> Result<Self, Self::Error> {
        match read {
            NumberOrText::Number(bytes) => Ok(Self(bytes)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl From<ByteSize> for u64 {
    fn from(size: ByteSize) -> Self {
        size.0
    }
}

impl TryFrom<NumberOrText> for Walltime {
    type Error = InvalidWalltime;

    fn try_from(read: NumberOrText) -> Result<Self, Self::Error> {
        match read {
            NumberOrText::Number(seconds) => Ok(Self(seconds)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl From<Walltime> for u64 {
    fn from(time: Walltime) -> Self {
        time.0
    }
}

impl Walltime {
    /// Returns the same length as the standard library's type.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time such as `90s`, `30m`, `4h`, `1h30m` or `02:30:00`")]
pub struct InvalidWalltime(pub String);

impl FromStr for Walltime {
    type Err = InvalidWalltime;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let seconds = if text.contains(':') { clock(text) } else { units(text) };
        match seconds {
            Some(seconds) if seconds > 0 => Ok(Self(seconds)),
            _ => Err(InvalidWalltime(text.to_owned())),
        }
    }
}

/// Reads `H:M:S`, Slurm's and OAR's way.
fn clock(text: &str) -> Option<u64> {
    let parts: Vec<u64> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match parts[..] {
        [hours, minutes, seconds] => hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds),
        _ => None,
    }
}

fn units(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut number = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    number.is_empty().then_some(total)
}

impl fmt::Display for Walltime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes, seconds) = (self.0 / 3600, self.0 / 60 % 60, self.0 % 60);
        f.pad(&format!("{hours:02}:{minutes:02}:{seconds:02}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        assert_eq!("4G".parse(), Ok(ByteSize(4 << 30)));
        assert_eq!("1.5GiB".parse(), Ok(ByteSize(3 << 29)));
        assert_eq!("2T".parse(), Ok(ByteSize(2 << 40)));
        assert_eq!(ByteSize(3 << 29).to_string(), "1.5 GiB");
        for text in ["", "G", "-1G", "4X", "nan"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn requests_of_older_journals_are_read_and_written_alike() {
        let old = r#"{"cpus":2,"memory":1024,"walltime":60}"#;
        let read: Resources = serde_json::from_str(old).unwrap();
        assert_eq!(
            read,
            Resources {
                cpus: Some(2),
                memory: Some(ByteSize(1024)),
                walltime: Some(Walltime(60)),
                ..Resources::default()
            }
        );
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        assert_eq!(serde_json::to_string(&Resources::default()).unwrap(), "{}");
    }

    #[test]
    fn files_of_people_say_sizes_and_times_as_flags_do() {
        let read: Resources =
            serde_json::from_str(r#"{"memory":"4G","walltime":"1h30m"}"#).unwrap();
        assert_eq!((read.memory, read.walltime), (Some(ByteSize(4 << 30)), Some(Walltime(5400))));
        let error = serde_json::from_str::<ByteSize>("\"10X\"").unwrap_err().to_string();
        assert!(error.contains("`10X` is not a size such as `512M`"), "{error}");
    }

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!("90s".parse(), Ok(Walltime(90)));
        assert_eq!("1h30m".parse(), Ok(Walltime(5400)));
        assert_eq!("02:30:00".parse(), Ok(Walltime(9000)));
        for text in ["", "90", "h", "1:2", "0s", "4 hours"] {
            assert!(text.parse::<Walltime>().is_err(), "{text}");
        }
    }
}
