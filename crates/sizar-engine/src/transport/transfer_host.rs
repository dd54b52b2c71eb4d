//! A site with a host of its own for bulk data.

use std::io::{Read, Write};

use sizar_model::{Progress, Silent};

use super::{Answer, Beside, Counters, Step, Talk, Transport, TransportError};

/// Runs batches through one transport, and moves bulk data through another to the same disks.
///
/// Where the host for data gives no shell, as where it lets sftp through alone, data goes the way
/// of the batches.
pub struct WithTransferHost<C, T> {
    control: C,
    transfer: T,
    /// Whether the host for data is known to give no shell.
    is_shut: bool,
}

impl<C: Transport, T: Transport> WithTransferHost<C, T> {
    pub fn new(control: C, transfer: T) -> Self {
        Self { control, transfer, is_shut: false }
    }

    /// Returns what bulk data goes through, once it is known to answer.
    fn bulk(&mut self, progress: &dyn Progress) -> Result<&mut dyn Transport, TransportError> {
        if !self.is_shut {
            match self.transfer.run(&[]) {
                Ok(_) => return Ok(&mut self.transfer),
                Err(error @ (TransportError::SftpOnly { .. } | TransportError::NoShell { .. })) => {
                    progress.note(format!("{error}; data goes through {}", self.control.name()));
                    self.is_shut = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(&mut self.control)
    }
}

impl<C: Transport, T: Transport> Transport for WithTransferHost<C, T> {
    fn run(&mut self, steps: &[Step]) -> Result<Vec<Answer>, TransportError> {
        self.control.run(steps)
    }

    fn feed(
        &mut self,
        step: &Step,
        data: &mut dyn Read,
        length: u64,
        progress: &dyn Progress,
    ) -> Result<Answer, TransportError> {
        self.bulk(progress)?.feed(step, data, length, progress)
    }

    fn drain(
        &mut self,
        step: &Step,
        sink: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<Answer, TransportError> {
        self.bulk(progress)?.drain(step, sink, progress)
    }

    fn talk(&mut self, step: &Step, talk: &mut Talk<'_>) -> Result<Answer, TransportError> {
        self.bulk(&Silent)?.talk(step, talk)
    }

    fn beside(&mut self) -> Option<Box<dyn Beside>> {
        self.bulk(&Silent).ok()?.beside()
    }

    fn counters(&self) -> Counters {
        self.control.counters().plus(self.transfer.counters())
    }

    fn name(&self) -> String {
        self.control.name()
    }
}
