//! Runs commands somewhere: on this machine, or over SSH.
//!
//! A [`Transport`] runs batches of [`Step`]s, each batch in one round trip, and knows no scheduler.
//! [`Local`] and [`Ssh`] speak the same framed protocol ([`script`] writes it, [`frame`] reads it)
//! with one plain `sh`, so that noise from start-up files, banners and other login shells cannot
//! be taken for an answer. [`transfer`] moves trees and files.

mod address;
mod beside;
mod budget;
mod channel;
mod checksum;
mod clock;
mod control_path;
mod counters;
mod diagnose;
mod error;
mod frame;
mod local;
mod quote;
mod reach;
mod remote_config;
mod script;
mod session;
mod ssh;
mod step;
pub mod transfer;
mod transfer_host;
mod watch;

pub use address::{InvalidAddress, SshAddress};
pub use beside::{Beside, WINDOW};
pub use clock::{Clock, SystemClock};
pub use counters::Counters;
pub use error::{LostStep, TransportError};
pub use local::Local;
pub use quote::quoted;
pub use reach::SshOptions;
pub use ssh::Ssh;
pub use step::{Answer, End, Step};
pub use transfer_host::WithTransferHost;

use std::io::{Read, Write};
use std::time::Duration;

use sizar_model::Progress;

/// Both directions of a channel, while one step has it.
pub trait Line {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`TransportError::Lost`] where the channel broke; what came before can still be received.
    fn send(&mut self, bytes: &[u8]) -> Result<(), TransportError>;

    /// Waits for what comes, for `patience` at most.
    ///
    /// # Errors
    ///
    /// [`TransportError::Lost`] where it ended, and [`TransportError::Stopped`].
    fn receive(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, TransportError>;
}

/// What speaks with a step that has the channel to itself; it returns what came after the step's last
/// word.
pub type Talk<'a> = dyn FnMut(&mut dyn Line) -> Result<Vec<u8>, TransportError> + 'a;

/// A place where commands run.
pub trait Transport: Send {
    /// Runs `steps` in order, in one round trip, and returns an answer to each.
    ///
    /// Without any step it connects, if it is not connected.
    ///
    /// A step that fails is an answer, not an error. After a failed step that
    /// [stops](Step::stop_on_failure) the rest is [`End::Skipped`].
    ///
    /// # Errors
    ///
    /// [`TransportError::Lost`] where the connection broke: its `step` may have run, and so may
    /// those after it if `sent`. Everything else means that nothing ran.
    fn run(&mut self, steps: &[Step]) -> Result<Vec<Answer>, TransportError>;

    /// Runs one step that reads `length` bytes of `data` as its standard input.
    ///
    /// # Errors
    ///
    /// As [`Transport::run`], and [`TransportError::Read`] where `data` fails or ends too early.
    fn feed(
        &mut self,
        step: &Step,
        data: &mut dyn Read,
        length: u64,
        progress: &dyn Progress,
    ) -> Result<Answer, TransportError>;

    /// Runs one step and writes its standard output, of any length, to `sink`.
    ///
    /// # Errors
    ///
    /// As [`Transport::run`]; [`TransportError::Garbled`] where something else wrote into the
    /// stream, and [`TransportError::Write`] where `sink` fails.
    fn drain(
        &mut self,
        step: &Step,
        sink: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<Answer, TransportError>;

    /// Runs one step that has the channel to itself, both ways, and speaks with it.
    ///
    /// The step reads exactly what is meant for it, and ends with status 0 when it has. What is said
    /// to it may go on its way with the order that starts it. `talk` returns what came after the
    /// step's last word.
    ///
    /// # Errors
    ///
    /// As [`Transport::run`], and what `talk` returns: the session ends then.
    fn talk(&mut self, step: &Step, talk: &mut Talk<'_>) -> Result<Answer, TransportError>;

    /// Returns a way to further channels of the connection that [`Transport::talk`] uses, if it is open
    /// and others may share it.
    fn beside(&mut self) -> Option<Box<dyn Beside>> {
        None
    }

    /// Returns what was used so far.
    fn counters(&self) -> Counters;

    /// Returns the name to show, such as `alice@login.example.org`.
    fn name(&self) -> String;
}
