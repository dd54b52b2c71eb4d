//! Reads what the far `sh` sends, between whatever else comes on the same channel.
//!
//! Our lines begin with the nonce and a tag. Outputs come with their sizes before and a trailer
//! after; whatever is written between them moves the trailer, so that an output is taken whole
//! or not at all. What does not fit is [`Heard::Garbled`], and is asked for again.

use std::collections::{HashMap, HashSet};

/// Something of ours in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The shell stands.
    Hello,
    /// It is ready for batches: whether its `head` is exact, and its folder, if it has one.
    Ready { exact: bool, folder: bool },
    /// The batch arrived whole.
    Begun,
    /// A step started, and all before it have ended.
    Started { step: usize, process: u32 },
    /// How much a step has printed so far.
    Printed { step: usize, bytes: u64 },
    /// A stream of output follows: see [`Reader::stream`].
    Stream,
    /// All outputs.
    Done(Outputs),
    /// Outputs that something else wrote into.
    Garbled,
}

/// The end of a step as the shell told it; `None` where it could not be started.
pub(super) type Status = Option<i32>;

/// The outputs of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outputs {
    /// Those of the steps that were not skipped, in order.
    pub steps: Vec<(usize, Status)>,
    /// By name, such as `7.0.o`: the size, and the first bytes.
    pub files: HashMap<String, (u64, Vec<u8>)>,
}

/// The end of a stream of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamEnd {
    pub checksum: u32,
    pub bytes: u64,
}

/// The stream, as far as it was not yet understood.
#[derive(Debug)]
pub(super) struct Reader {
    nonce: String,
    buffer: Vec<u8>,
    /// The sizes of the outputs that are coming.
    coming: Option<Coming>,
    /// How many bytes were nobody's.
    noise: usize,
}

#[derive(Debug)]
struct Coming {
    tag: String,
    steps: Vec<(usize, Status)>,
    /// Name, size, and how many bytes of it come.
    files: Vec<(String, u64, usize)>,
    /// The length of the list of statuses, which the trailer repeats.
    statuses: usize,
    /// How many bytes of outputs come.
    bytes: usize,
}

impl Reader {
    pub fn new(nonce: String) -> Self {
        Self { nonce, buffer: Vec::new(), coming: None, noise: 0 }
    }

    /// Takes bytes from the channel.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns what is next for `tag`, if all of it has come; `keep` is the bound of each output.
    pub fn next(&mut self, tag: &str, keep: u64) -> Option<Heard> {
        loop {
            if self.coming.is_some() {
                return self.outputs();
            }
            let Some(at) = find(&self.buffer, self.nonce.as_bytes()) else {
                // noise; the last bytes may be the beginning of a line of ours
                let keep = self.buffer.len().min(self.nonce.len() - 1);
                self.dropped(self.buffer.len() - keep);
                return None;
            };
            self.dropped(at);
            let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
            let line = String::from_utf8_lossy(&self.buffer[self.nonce.len()..end]).into_owned();
            let Some(line) = line.strip_prefix('.').map(str::to_owned) else {
                self.buffer.drain(..=end);
                continue;
            };
            let (of, said) = line.split_once(' ').unwrap_or((&line, ""));
            if is_of(of, tag) && said.starts_with('z') {
                return self.sizes(of, end, said, keep);
            }
            self.buffer.drain(..=end);
            if let Some(heard) = read_line(of, tag, said) {
                return Some(heard);
            }
        }
    }

    /// Reads the sizes of the outputs, once all of them have come.
    fn sizes(&mut self, tag: &str, end: usize, said: &str, keep: u64) -> Option<Heard> {
        let marker = format!("{}.{tag} d\n", self.nonce);
        let at = end + 1 + find(&self.buffer[end + 1..], marker.as_bytes())?;
        let coming = read_sizes(tag, said, &self.buffer[end + 1..at], keep);
        self.buffer.drain(..at + marker.len());
        self.coming = coming;
        if self.coming.is_none() {
            return Some(Heard::Garbled);
        }
        self.outputs()
    }

    /// Takes what was not understood yet: it is for somebody else.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Returns whether outputs are on their way: all steps have ended.
    pub fn is_receiving(&self) -> bool {
        self.coming.is_some()
    }

    /// Gives up the outputs that are on their way.
    pub fn give_up(&mut self) {
        self.coming = None;
    }

    /// Returns how many bytes were nobody's, and forgets the number.
    pub fn take_noise(&mut self) -> usize {
        std::mem::take(&mut self.noise)
    }

    /// Drops what is nobody's; line feeds alone are ours.
    fn dropped(&mut self, count: usize) {
        self.noise += self.buffer.drain(..count).filter(|byte| *byte != b'\n').count();
    }

    /// Reads the outputs, once all of them have come.
    fn outputs(&mut self) -> Option<Heard> {
        let coming = self.coming.as_ref()?;
        let trailer = format!("\n{}.{} x {}\n", self.nonce, coming.tag, coming.statuses);
        if self.buffer.len() < coming.bytes + trailer.len() {
            return None;
        }
        let whole = coming.bytes + trailer.len();
        let fits = self.buffer[coming.bytes..whole] == *trailer.as_bytes();
        let coming = self.coming.take()?;
        if !fits {
            return Some(Heard::Garbled);
        }
        let mut outputs = Outputs { steps: coming.steps, ..Outputs::default() };
        let mut at = 0;
        for (name, size, kept) in coming.files {
            outputs.files.insert(name, (size, self.buffer[at..at + kept].to_vec()));
            at += kept;
        }
        self.buffer.drain(..whole);
        Some(Heard::Done(outputs))
    }

    /// Passes a stream on to `sink`, up to its end; after [`Heard::Stream`].
    pub fn stream(
        &mut self,
        tag: &str,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Option<Result<StreamEnd, Heard>> {
        let marker = format!("\n{}.{tag} k ", self.nonce);
        let Some(at) = find(&self.buffer, marker.as_bytes()) else {
            let keep = self.buffer.len().min(marker.len() - 1);
            let passed = self.buffer.len() - keep;
            sink(&self.buffer[..passed]);
            self.buffer.drain(..passed);
            return None;
        };
        let after = at + marker.len();
        let end = self.buffer[after..].iter().position(|byte| *byte == b'\n')?;
        sink(&self.buffer[..at]);
        let line = String::from_utf8_lossy(&self.buffer[after..after + end]).into_owned();
        self.buffer.drain(..=after + end);
        let numbers = line.split_once(' ').and_then(|(checksum, bytes)| {
            Some(StreamEnd { checksum: checksum.parse().ok()?, bytes: bytes.trim().parse().ok()? })
        });
        Some(numbers.ok_or(Heard::Garbled))
    }
}

/// Returns whether a tag is `tag`, or that of its repetition, such as `7r2`.
fn is_of(of: &str, tag: &str) -> bool {
    of.strip_prefix(tag).is_some_and(|rest| rest.is_empty() || rest.starts_with('r'))
}

/// Reads a line of ours that has no outputs after it.
fn read_line(of: &str, tag: &str, said: &str) -> Option<Heard> {
    let mut words = said.split(' ');
    let word = words.next()?;
    let mut number = || words.next()?.trim().parse::<u64>().ok();
    match (of, word) {
        ("h", "hello") => Some(Heard::Hello),
        ("0", "ready") => {
            let said = said.strip_prefix("ready ")?;
            let (exact, folder) = said.split_once(' ')?;
            Some(Heard::Ready { exact: exact == "cd", folder: !folder.trim().is_empty() })
        }
        (of, "b") if of == tag => Some(Heard::Begun),
        (of, "y") if of == tag => Some(Heard::Stream),
        (of, "s") if of == tag => Some(Heard::Started {
            step: usize::try_from(number()?).ok()?,
            process: u32::try_from(number()?).ok()?,
        }),
        ("p", "v") => {
            let (batch, step) = words.next()?.split_once('.')?;
            if batch != tag {
                return None;
            }
            let step = step.parse().ok()?;
            Some(Heard::Printed { step, bytes: words.next()?.trim().parse().ok()? })
        }
        _ => None,
    }
}

/// Reads the statuses, `z 0:0 1:127 2:n`, and what `wc -c` said.
///
/// Noise in it moves the trailer, if it changes how many bytes come; what changes only names
/// or the sizes of outputs that are cut is found here.
fn read_sizes(tag: &str, said: &str, listed: &[u8], keep: u64) -> Option<Coming> {
    let list = said.strip_prefix('z')?;
    let mut steps: Vec<(usize, Status)> = Vec::new();
    for word in list.split_ascii_whitespace() {
        let (step, status) = word.split_once(':')?;
        let status = if status == "n" { None } else { Some(status.parse().ok()?) };
        steps.push((step.parse().ok()?, status));
    }
    let batch = tag.split('r').next()?;
    let mut expected = HashSet::new();
    for (step, _) in steps.iter().filter(|(_, status)| status.is_some()) {
        expected.extend([format!("{batch}.{step}.o"), format!("{batch}.{step}.e")]);
    }
    let mut files: Vec<(String, u64, usize)> = Vec::new();
    let (mut bytes, mut sum, mut total) = (0, 0u64, None);
    for line in std::str::from_utf8(listed).ok()?.lines() {
        let (size, name) = line.trim_start().split_once(' ')?;
        let size: u64 = size.parse().ok()?;
        match name {
            "/dev/null" if size == 0 => continue,
            "total" if total.is_none() => {
                total = Some(size);
                continue;
            }
            // no name comes twice
            name if expected.remove(name) => {}
            _ => return None,
        }
        let kept = usize::try_from(size.min(keep)).ok()?;
        bytes += kept;
        sum = sum.checked_add(size)?;
        files.push((name.to_owned(), size, kept));
    }
    if total.unwrap_or_default() != sum {
        return None;
    }
    Some(Coming { tag: tag.to_owned(), steps, files, statuses: list.len(), bytes })
}

/// Returns where `needle` begins.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: &str = "Nx.7 b\nNx.7 s 0 41\nNx.7 z 0:3\n  5 7.0.o\n 2 7.0.e\n 0 /dev/null\n 7 total\nNx.7 d\nhelloab\nNx.7 x 4\n";

    fn all(reader: &mut Reader) -> Vec<Heard> {
        std::iter::from_fn(|| reader.next("7", 100)).collect()
    }

    fn outputs() -> Outputs {
        let file = |name: &str, text: &str| {
            (name.to_owned(), (text.len() as u64, text.as_bytes().to_vec()))
        };
        let files = [file("7.0.o", "hello"), file("7.0.e", "ab")];
        Outputs { steps: vec![(0, Some(3))], files: files.into_iter().collect() }
    }

    #[test]
    fn a_frame_is_read_in_pieces_of_any_size() {
        for size in 1..FRAME.len() {
            let mut reader = Reader::new("Nx".into());
            let mut heard = Vec::new();
            for piece in FRAME.as_bytes().chunks(size) {
                reader.push(piece);
                heard.extend(all(&mut reader));
            }
            let expected =
                [Heard::Begun, Heard::Started { step: 0, process: 41 }, Heard::Done(outputs())];
            assert_eq!(heard, expected, "pieces of {size}");
        }
    }

    #[test]
    fn outputs_are_cut_to_what_was_asked_for() {
        let mut reader = Reader::new("Nx".into());
        let cut = FRAME.replace("helloab", "heab");
        reader.push(cut.as_bytes());
        let heard = std::iter::from_fn(|| reader.next("7", 2)).last();
        let Some(Heard::Done(outputs)) = heard else { panic!("{heard:?}") };
        assert_eq!(outputs.files["7.0.o"], (5, b"he".to_vec()));
    }

    #[test]
    fn a_stream_ends_at_its_trailer() {
        let mut reader = Reader::new("Nx".into());
        let mut got = Vec::new();
        let mut end = None;
        for piece in b"a\nNx.7\0b\nNx.7 k 17 9\nnoise".chunks(3) {
            reader.push(piece);
            end = end.or(reader.stream("7", &mut |bytes| got.extend_from_slice(bytes)));
        }
        assert_eq!(got, b"a\nNx.7\0b");
        assert_eq!(end, Some(Ok(StreamEnd { checksum: 17, bytes: 9 })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Noise anywhere in a frame: the outputs are right, or are not taken.
        #[test]
        fn noise_never_becomes_an_answer(at in 0..FRAME.len(), noise in "[ -~\n]{1,40}|[0-9. :]{1,2}") {
            let mut reader = Reader::new("Nx".into());
            reader.push(&FRAME.as_bytes()[..at]);
            reader.push(noise.as_bytes());
            reader.push(&FRAME.as_bytes()[at..]);
            for heard in all(&mut reader) {
                if let Heard::Done(found) = heard {
                    prop_assert_eq!(found, outputs());
                }
            }
        }
    }
}
