//! Which channels answered, remembered for a while.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use fs_err as fs;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sizar_conda::{Address, Answer, Conda};

use crate::environment::SetupError;
use crate::environment::error::io;
use crate::home::Home;

/// How long an answer is believed.
const ANSWERS: SignedDuration = SignedDuration::from_hours(24);
/// How long a silence is believed: a network that failed may be there again.
const SILENCE: SignedDuration = SignedDuration::from_hours(1);

#[derive(Clone, Serialize, Deserialize)]
struct Remembered {
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    silence: Option<String>,
}

impl Remembered {
    fn holds(&self, age: SignedDuration) -> bool {
        let believed = if self.silence.is_some() { SILENCE } else { ANSWERS };
        // a clock that was set back makes no answer young for ever
        !age.is_negative() && age < believed
    }
}

/// What channels said lately, by their address.
pub struct Memory {
    path: Utf8PathBuf,
    known: BTreeMap<String, Remembered>,
    changed: bool,
}

impl Memory {
    /// Reads what is remembered; a file that cannot be read is made again.
    pub fn read(home: &Home) -> Result<Self, SetupError> {
        let path = home.folder("cache/conda")?.join("channels.json");
        let known = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Ok(Self { path, known, changed: false })
    }

    /// Returns what a channel said, unless it must be asked again.
    pub fn knows(&self, channel: &Address) -> Option<Answer> {
        let known = self.known.get(channel.asked.as_str())?;
        let age = Timestamp::now().duration_since(known.at);
        known
            .holds(age)
            .then(|| Answer { channel: channel.clone(), silence: known.silence.clone() })
    }

    /// Returns what channels say, asking those of which nothing is known.
    pub fn answers(&mut self, conda: &Conda, channels: &[Address]) -> Vec<Answer> {
        let unknown: Vec<Address> =
            channels.iter().filter(|channel| self.knows(channel).is_none()).cloned().collect();
        let asked = if unknown.is_empty() { Vec::new() } else { conda.answers(&unknown) };
        for answer in &asked {
            // a folder is looked at each time: that costs nothing
            if answer.channel.asked.scheme() != "file" && !conda.is_offline() {
                let said = Remembered { at: Timestamp::now(), silence: answer.silence.clone() };
                self.known.insert(answer.channel.asked.to_string(), said);
                self.changed = true;
            }
        }
        channels
            .iter()
            .filter_map(|channel| {
                let now = asked.iter().find(|answer| answer.channel == *channel).cloned();
                now.or_else(|| self.knows(channel))
            })
            .collect()
    }

    /// Writes down what was learned.
    pub fn write(&self) -> Result<(), SetupError> {
        if !self.changed {
            return Ok(());
        }
        let text = serde_json::to_vec(&self.known).expect("names and dates have a form in JSON");
        let part = self.path.with_extension(format!("part-{}", std::process::id()));
        fs::write(&part, text).map_err(io(&part))?;
        fs::rename(&part, &self.path).map_err(io(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_believed_for_less_long_than_an_answer() {
        let holds = |silence: Option<&str>, minutes| {
            Remembered { at: Timestamp::UNIX_EPOCH, silence: silence.map(str::to_owned) }
                .holds(SignedDuration::from_mins(minutes))
        };
        assert!(holds(None, 0) && holds(None, 23 * 60) && !holds(None, 24 * 60));
        assert!(holds(Some("no answer"), 59) && !holds(Some("no answer"), 60));
        assert!(!holds(None, -1) && !holds(Some("no answer"), -1));
    }
}
