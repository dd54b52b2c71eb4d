//! A shell that answers batches, over one channel.

use std::io::{Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress};

use super::beside::RoundTrip;
use super::channel::{Came, Channel};
use super::checksum::Checksum;
use super::frame::{Heard, Outputs, Reader};
use super::script::{self, Nonce};
use super::step::{Answer, End, Step};
use super::watch::{Act, Watch};
use super::{Counters, Line, LostStep, Talk, TransportError};
use crate::process::Control;

/// How often garbled outputs are asked for again.
const RETRIES: u32 = 6;
/// The silence after which what did not come is asked for again.
const SILENCE: Duration = Duration::from_secs(2);
/// How often is looked whether the user wants to stop.
const REGULARLY: Duration = Duration::from_millis(100);
/// How many files, and bytes, earlier batches may leave lying there while the session lasts.
const LITTER: (u64, u64) = (400, 4 << 20);

/// A shell at the other end.
pub(super) struct Session {
    target: String,
    nonce: Nonce,
    channel: Channel,
    reader: Reader,
    /// Whether its shell reads orders no further than they go, so that more may follow at once.
    exact: bool,
    /// The number of the latest batch.
    number: u64,
    /// When it was sent, until the shell says that it came.
    sent_at: Option<Instant>,
    round_trip: RoundTrip,
    litter: (u64, u64),
    counters: Counters,
    control: Control,
}

/// What opening a session needs.
pub(super) struct Opening {
    pub target: String,
    /// How long the shell may take to say hello; without end where a person may be typing.
    pub patience: Option<Duration>,
    pub progress: Arc<dyn Progress>,
    pub control: Control,
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum NoSession {
    Start(std::io::Error),
    /// The process ended, or said nothing of ours in time.
    NoHello {
        complaints: String,
        /// What it printed instead.
        said: String,
        in_time: bool,
    },
    Stopped,
    NoRandom,
}

/// A session whose channel a step has to itself.
struct Held<'a> {
    session: &'a mut Session,
    place: LostStep,
    /// When the shell has to have read the order; none once it has.
    begins: Option<Instant>,
}

impl Line for Held<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        self.session.channel.send(bytes).map_err(|_| TransportError::Lost {
            target: self.session.target.clone(),
            step: self.place,
            said: Vec::new(),
        })
    }

    fn receive(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, TransportError> {
        let session = &mut *self.session;
        if self.begins.is_some() && session.has_begun()? {
            self.begins = None;
        }
        let came = if self.begins.is_none() { session.reader.take() } else { Vec::new() };
        if !came.is_empty() {
            return Ok(Some(came));
        }
        if session.control.is_stopped() {
            return Err(TransportError::Stopped { target: session.target.clone() });
        }
        match session.channel.receive(patience) {
            Came::Bytes(bytes) if self.begins.is_some() => {
                session.reader.push(&bytes);
                // it may be what was waited for
                self.receive(Duration::ZERO)
            }
            Came::Bytes(bytes) => Ok(Some(bytes)),
            Came::Nothing if self.begins.is_none_or(|until| Instant::now() < until) => Ok(None),
            _ => Err(session.lost(self.place)),
        }
    }
}

impl Session {
    /// Starts what `command` makes of the first line, and waits for the shell.
    pub fn open(
        command: impl FnOnce(&str) -> Command,
        opening: Opening,
    ) -> Result<Self, NoSession> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| NoSession::NoRandom)?;
        let nonce = Nonce::new(random);
        let boot = script::boot(&nonce);
        let channel = Channel::start(command(&boot), opening.progress).map_err(NoSession::Start)?;
        let mut session = Self {
            target: opening.target,
            reader: Reader::new(nonce.word()),
            nonce,
            channel,
            exact: false,
            number: 0,
            sent_at: None,
            round_trip: RoundTrip::default(),
            litter: (0, 0),
            counters: Counters { shells: 1, ..Counters::default() },
            control: opening.control,
        };
        let until = opening.patience.map(|patience| Instant::now() + patience);
        // where a start-up file went over to another shell, that one reads this line instead
        let _ = session.channel.send(format!("{boot}\n").as_bytes());
        session.await_line(until, |heard| matches!(heard, Heard::Hello))?;
        let _ = session.channel.send(&script::preamble());
        session.counters.round_trips += 1;
        // what it answers comes before the answer to the first batch
        Ok(session)
    }

    /// Waits for a line of the handshake.
    fn await_line(
        &mut self,
        until: Option<Instant>,
        wanted: impl Fn(&Heard) -> bool,
    ) -> Result<Heard, NoSession> {
        let mut said = Vec::new();
        loop {
            while let Some(heard) = self.reader.next("0", 0) {
                if wanted(&heard) {
                    self.reader.take_noise();
                    return Ok(heard);
                }
            }
            if self.control.is_stopped() {
                return Err(NoSession::Stopped);
            }
            let in_time = until.is_none_or(|until| Instant::now() < until);
            match self.channel.receive(REGULARLY) {
                Came::Bytes(bytes) => {
                    if said.len() < 8192 {
                        said.extend_from_slice(&bytes);
                    }
                    self.reader.push(&bytes);
                }
                Came::Nothing if in_time => {}
                came => {
                    let patience = if in_time { Duration::from_secs(2) } else { Duration::ZERO };
                    debug_assert!(!in_time || matches!(came, Came::End));
                    self.channel.close(patience);
                    return Err(NoSession::NoHello {
                        complaints: self.channel.complaints(),
                        said: String::from_utf8_lossy(&said).into_owned(),
                        in_time,
                    });
                }
            }
        }
    }

    /// Returns what was used since it was opened.
    pub fn counters(&self) -> Counters {
        Counters {
            bytes_sent: self.channel.sent,
            bytes_received: self.channel.received,
            ..self.counters
        }
    }

    /// Returns its shortest round trip, which is kept up to date.
    pub fn round_trip(&self) -> RoundTrip {
        self.round_trip.clone()
    }

    /// Notes that the latest batch has come there.
    fn note_begun(&mut self) {
        if let Some(sent) = self.sent_at.take() {
            self.round_trip.note(sent.elapsed());
        }
    }

    /// Returns the process that carries it.
    pub fn process(&self) -> u32 {
        self.channel.process()
    }

    /// Returns whether it has ended by itself.
    pub fn is_over(&mut self) -> bool {
        self.channel.is_over()
    }

    /// Runs a batch.
    pub fn run(&mut self, steps: &[Step]) -> Result<Vec<Answer>, TransportError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let keep = steps.iter().map(|step| step.keep).max().unwrap_or_default();
        let order = script::batch(&self.nonce, self.number + 1, steps, keep)?;
        self.begin(&order, steps.len())?;
        let mut watch = Watch::new(steps.iter().map(|step| step.limit).collect());
        let outputs = self.await_outputs(&mut watch, keep)?;
        Ok(self.answers(steps, outputs, &watch))
    }

    /// Sends the order of the next batch.
    fn begin(&mut self, order: &[u8], steps: usize) -> Result<(), TransportError> {
        self.number += 1;
        if self.channel.send(order).is_err() {
            return Err(self.lost(LostStep { step: 0, sent: false }));
        }
        self.counters.steps += steps as u64;
        self.counters.round_trips += 1;
        self.sent_at = Some(Instant::now());
        Ok(())
    }

    /// Waits until all outputs of the latest batch are here, and ends steps that take too long.
    fn await_outputs(&mut self, watch: &mut Watch, keep: u64) -> Result<Outputs, TransportError> {
        let tag = self.number.to_string();
        let mut asked_again = 0;
        let mut latest = Instant::now();
        let mut noisy = false;
        loop {
            let garbled = match self.reader.next(&tag, keep) {
                Some(Heard::Done(outputs)) => {
                    watch.ended();
                    return Ok(outputs);
                }
                Some(Heard::Started { step, process }) => {
                    watch.started(step, process);
                    continue;
                }
                Some(Heard::Printed { step, bytes }) => {
                    watch.printed(step, bytes);
                    continue;
                }
                Some(Heard::Garbled) => true,
                Some(Heard::Begun) => {
                    self.note_begun();
                    watch.begun();
                    continue;
                }
                Some(Heard::Ready { folder: false, .. }) => return Err(self.no_folder()),
                Some(Heard::Ready { exact, .. }) => {
                    self.exact = exact;
                    continue;
                }
                Some(_) => continue,
                None => false,
            };
            noisy |= self.reader.take_noise() > 0;
            let stalled = latest.elapsed() > SILENCE && (self.reader.is_receiving() || noisy);
            if garbled || stalled {
                if asked_again == RETRIES && garbled {
                    self.channel.close(Duration::ZERO);
                    return Err(TransportError::Garbled { target: self.target.clone() });
                }
                asked_again = (asked_again + 1).min(RETRIES);
                self.reader.give_up();
                let order = script::again(self.number, &format!("{tag}r{asked_again}"), keep);
                self.tell(watch, &order)?;
                latest = Instant::now();
                continue;
            }
            let receiving = self.reader.is_receiving();
            let wait = if receiving { SILENCE } else { watch.due() };
            match self.channel.receive(wait.min(REGULARLY)) {
                Came::Bytes(bytes) => {
                    latest = Instant::now();
                    self.reader.push(&bytes);
                    continue;
                }
                Came::End => return Err(self.lost(watch.place())),
                Came::Nothing => {}
            }
            if self.control.is_stopped() {
                self.channel.close(Duration::ZERO);
                return Err(TransportError::Stopped { target: self.target.clone() });
            }
            match watch.act().filter(|_| !receiving) {
                None => {}
                Some(Act::Signal { process, signal }) => {
                    self.tell(watch, &script::kill(process, signal))?;
                }
                Some(Act::Measure { step }) => {
                    self.tell(watch, &script::measure(self.number, step))?;
                }
                Some(Act::Abandon) => self.tell(watch, &script::abandon())?,
                Some(Act::GiveUp) => return Err(self.lost(watch.place())),
            }
        }
    }

    /// Sends an order in the middle of a batch.
    fn tell(&mut self, watch: &Watch, order: &[u8]) -> Result<(), TransportError> {
        self.channel.send(order).map_err(|_| self.lost(watch.place()))
    }

    /// Runs a step with `length` bytes of `data` as its input.
    pub fn feed(
        &mut self,
        step: &Step,
        data: &mut dyn Read,
        length: u64,
        progress: &dyn Progress,
    ) -> Result<Answer, TransportError> {
        let order = script::feed(&self.nonce, self.number + 1, step, length)?;
        self.begin(&order, 1)?;
        let mut watch = Watch::new(vec![step.limit]);
        self.await_begin(&watch)?;
        let mut buffer = vec![0; 256 << 10];
        let mut done = 0;
        while done < length {
            let most = buffer.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
            let count = match data.read(&mut buffer[..most]) {
                Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
                result => result,
            };
            let count = count.map_err(|error| {
                self.channel.close(Duration::ZERO);
                TransportError::Read(error)
            })?;
            self.tell(&watch, &buffer[..count])?;
            done += count as u64;
            progress.report(Activity::Advanced { done, total: Some(length), unit: Unit::Bytes });
            if self.control.is_stopped() {
                self.channel.close(Duration::ZERO);
                return Err(TransportError::Stopped { target: self.target.clone() });
            }
        }
        watch.begun();
        let outputs = self.await_outputs(&mut watch, step.keep)?;
        self.only_answer(step, outputs, &watch)
    }

    /// Waits until the shell has read the whole order.
    fn await_begin(&mut self, watch: &Watch) -> Result<(), TransportError> {
        let until = Instant::now() + Watch::BEGIN;
        while !self.has_begun()? {
            match self.channel.receive(REGULARLY) {
                Came::Bytes(bytes) => self.reader.push(&bytes),
                Came::Nothing if Instant::now() < until => {}
                _ => return Err(self.lost(watch.place())),
            }
        }
        Ok(())
    }

    /// Returns whether what came says that the shell has read the whole order.
    fn has_begun(&mut self) -> Result<bool, TransportError> {
        let tag = self.number.to_string();
        while let Some(heard) = self.reader.next(&tag, 0) {
            match heard {
                Heard::Begun | Heard::Stream => {
                    self.note_begun();
                    return Ok(true);
                }
                Heard::Ready { folder: false, .. } => return Err(self.no_folder()),
                Heard::Ready { exact, .. } => self.exact = exact,
                _ => {}
            }
        }
        Ok(false)
    }

    /// Runs a step and passes its output on.
    pub fn drain(
        &mut self,
        step: &Step,
        sink: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<Answer, TransportError> {
        let order = script::drain(&self.nonce, self.number + 1, step)?;
        self.begin(&order, 1)?;
        let mut watch = Watch::new(vec![step.limit]);
        self.await_begin(&watch)?;
        let tag = self.number.to_string();
        let mut checksum = Checksum::default();
        let mut failed = None;
        let mut latest = Instant::now();
        let end = loop {
            let mut pass = |bytes: &[u8]| {
                checksum.update(bytes);
                if failed.is_none() {
                    failed = sink.write_all(bytes).err();
                }
            };
            if let Some(end) = self.reader.stream(&tag, &mut pass) {
                break end;
            }
            if let Some(error) = failed.take() {
                self.channel.close(Duration::ZERO);
                return Err(TransportError::Write(error));
            }
            progress.report(Activity::Advanced {
                done: checksum.length(),
                total: None,
                unit: Unit::Bytes,
            });
            match self.channel.receive(REGULARLY) {
                Came::Bytes(bytes) => {
                    latest = Instant::now();
                    self.reader.push(&bytes);
                }
                Came::Nothing if self.control.is_stopped() => {
                    self.channel.close(Duration::ZERO);
                    return Err(TransportError::Stopped { target: self.target.clone() });
                }
                // the limit is one of standing still: nobody knows how much comes
                Came::Nothing if latest.elapsed() < step.limit => {}
                _ => return Err(self.lost(watch.place())),
            }
        };
        if let Some(error) = failed {
            return Err(TransportError::Write(error));
        }
        watch.begun();
        let outputs = self.await_outputs(&mut watch, step.keep)?;
        let answer = self.only_answer(step, outputs, &watch)?;
        let whole =
            end.is_ok_and(|end| end.bytes == checksum.length() && end.checksum == checksum.value());
        if !whole && answer.end != End::NoSpace {
            return Err(TransportError::Garbled { target: self.target.clone() });
        }
        Ok(Answer { stdout_size: checksum.length(), ..answer })
    }

    /// Runs a step that has the channel to itself.
    pub fn talk(&mut self, step: &Step, talk: &mut Talk<'_>) -> Result<Answer, TransportError> {
        let order = script::talk(&self.nonce, self.number + 1, step)?;
        self.begin(&order, 1)?;
        let mut watch = Watch::new(vec![step.limit]);
        let mut begins = Some(Instant::now() + Watch::BEGIN);
        if !self.exact {
            self.await_begin(&watch)?;
            begins = None;
        }
        let held = &mut Held { place: watch.place(), session: self, begins };
        let rest = talk(held).inspect_err(|_| {
            // nobody knows what the step has read
            self.channel.close(Duration::ZERO);
        })?;
        self.reader.push(&rest);
        watch.begun();
        let outputs = self.await_outputs(&mut watch, step.keep)?;
        self.only_answer(step, outputs, &watch)
    }

    fn only_answer(
        &mut self,
        step: &Step,
        outputs: Outputs,
        watch: &Watch,
    ) -> Result<Answer, TransportError> {
        let answer = self.answers(std::slice::from_ref(step), outputs, watch).pop();
        answer.ok_or_else(|| TransportError::Garbled { target: self.target.clone() })
    }

    /// Makes answers of outputs.
    fn answers(&mut self, steps: &[Step], mut outputs: Outputs, watch: &Watch) -> Vec<Answer> {
        self.litter.0 += 3 * steps.len() as u64;
        let mut answers: Vec<_> =
            steps.iter().map(|_| Answer::without_output(End::Skipped)).collect();
        for (index, status) in std::mem::take(&mut outputs.steps) {
            let (Some(answer), Some(step)) = (answers.get_mut(index), steps.get(index)) else {
                continue;
            };
            let mut take = |kind: &str| {
                outputs.files.remove(&format!("{}.{index}.{kind}", self.number)).map(
                    |(size, mut bytes)| {
                        bytes.truncate(usize::try_from(step.keep).unwrap_or(usize::MAX));
                        (size, bytes)
                    },
                )
            };
            let stdout = take("o");
            let stderr = take("e");
            // the shell does not start what it has no files for
            answer.end = match (status, &stderr) {
                (Some(status), Some(_)) => watch.why_ended(index).unwrap_or(End::Exited(status)),
                _ => End::NoSpace,
            };
            answer.duration = watch.duration(index);
            (answer.stdout_size, answer.stdout) = stdout.unwrap_or_default();
            (answer.stderr_size, answer.stderr) = stderr.unwrap_or_default();
            self.litter.1 += answer.stdout_size + answer.stderr_size + step.stdin.len() as u64;
        }
        if self.litter.0 > LITTER.0 || self.litter.1 > LITTER.1 {
            // nobody waits for this; a channel that broke is found out by the next batch
            let _ = self.channel.send(&script::clean());
            self.litter = (0, 0);
        }
        answers
    }

    fn no_folder(&mut self) -> TransportError {
        self.channel.close(Duration::ZERO);
        TransportError::NoFolder { target: self.target.clone() }
    }

    fn lost(&mut self, step: LostStep) -> TransportError {
        self.channel.close(Duration::from_millis(500));
        let complaints = self.channel.complaints();
        let said = super::diagnose::last_lines(&complaints);
        TransportError::Lost { target: self.target.clone(), step, said }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.channel.send(b"q\n");
    }
}
