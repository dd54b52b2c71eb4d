//! Records of `scontrol --oneliner`: `Key=Value Key=Value`, where values may hold blanks.

/// One line's keys and values.
#[derive(Debug)]
pub(super) struct Record<'a> {
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Record<'a> {
    /// Reads a line. A word that begins with a capital and holds `=` starts a new field.
    pub(super) fn read(line: &'a str) -> Self {
        let mut starts = Vec::new();
        let mut at_word = true;
        for (position, letter) in line.char_indices() {
            if at_word && letter.is_ascii_uppercase() {
                let word = line[position..].split_whitespace().next().unwrap_or("");
                if let Some((key, _)) = word.split_once('=')
                    && key.chars().all(|c| c.is_ascii_alphanumeric() || "/:_-".contains(c))
                {
                    starts.push((position, key.len()));
                }
            }
            at_word = letter.is_whitespace();
        }
        let fields = starts
            .iter()
            .enumerate()
            .map(|(number, (start, length))| {
                let end = starts.get(number + 1).map_or(line.len(), |(next, _)| *next);
                (&line[*start..start + length], line[start + length + 1..end].trim())
            })
            .collect();
        Self { fields }
    }

    /// Returns a value; none if it is absent or says that there is none.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        let (_, value) = self.fields.iter().find(|(name, _)| *name == key)?;
        (!matches!(*value, "" | "(null)" | "N/A" | "None")).then_some(*value)
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// Returns the words of a list; none of them if it stands for everything.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            None | Some("ALL") => Vec::new(),
            Some(words) => {
                words.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn values_keep_their_blanks() {
        let record = Record::read(
            "NodeName=cpu04 OS=Linux 6.18.44 #1 SMP @0  State=IDLE+DRAIN Partitions=short,long  \
             AllocTRES= Reason=fixture: bad disk [root@2026-11-27T19:32:00] CPUs/Task=1 X=(null)",
        );
        assert_eq!(record.get("NodeName"), Some("cpu04"));
        assert_eq!(record.get("OS"), Some("Linux 6.18.44 #1 SMP @0"));
        assert_eq!(record.get("AllocTRES"), None);
        assert_eq!(record.get("Reason"), Some("fixture: bad disk [root@2026-11-27T19:32:00]"));
        assert_eq!(record.number("CPUs/Task"), Some(1));
        assert_eq!(record.get("X"), None);
        assert_eq!(record.list("Partitions"), ["short", "long"]);
    }
}
