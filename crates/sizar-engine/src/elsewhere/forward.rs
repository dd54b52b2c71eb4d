//! What the sizar on a target says, passed on as if it were said here.

use std::io::Write;

use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress};

use super::addresses::Unfetched;
use super::there::Said;
use crate::run::Rehearsed;

/// Passes on what the sizar there says, as if it were said here.
pub(super) struct Forward<'a> {
    progress: &'a dyn Progress,
    /// The beginning of a line that has not ended.
    rest: Vec<u8>,
    pub failure: Option<(String, Vec<String>)>,
    pub rehearsed: Option<Rehearsed>,
    pub fetched: Option<Result<String, Unfetched>>,
    pub done: bool,
}

/// The longest line that is waited for.
const LONGEST: usize = 1 << 20;

impl<'a> Forward<'a> {
    pub fn to(progress: &'a dyn Progress) -> Self {
        Self {
            progress,
            rest: Vec::new(),
            failure: None,
            rehearsed: None,
            fetched: None,
            done: false,
        }
    }

    fn line(&mut self, line: &[u8]) {
        let Ok(said) = serde_json::from_slice::<Said>(line) else { return };
        match said {
            Said::Began { what } => self.progress.report(Activity::Began { what }),
            Said::Ended { what } => self.progress.report(Activity::Ended { what }),
            Said::Line { text } => self.progress.report(Activity::Line { text }),
            Said::Note { text } => self.progress.report(Activity::Note { text }),
            Said::Warning { text } => self.progress.report(Activity::Warning { text }),
            Said::Advanced { done, total } => {
                self.progress.report(Activity::Advanced { done, total, unit: Unit::Bytes });
            }
            Said::Fetched { path } => self.fetched = Some(Ok(path)),
            Said::Unfetched { why } => self.fetched = Some(Err(why)),
            Said::Done => self.done = true,
            Said::Rehearsed { rehearsed } => self.rehearsed = Some(rehearsed),
            Said::Failed { message, hints } => self.failure = Some((message, hints)),
        }
    }
}

impl Write for Forward<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(&line);
        }
        if self.rest.len() > LONGEST {
            self.rest.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
