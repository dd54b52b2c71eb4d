//! What conda may give to one setup; its channels are asked when it is needed, and once.

use std::cell::OnceCell;

use sizar_model::inspection::{Driver, Inspection};
use sizar_model::{Checkout, Progress};

use super::{Channels, Refusal, Wish, open, wish};
use crate::environment::{SetupError, SetupRequest};
use crate::home::Home;

/// What conda may give to one setup.
pub struct Source<'a> {
    home: &'a Home,
    offline: bool,
    progress: &'a dyn Progress,
    wish: Option<Wish>,
    channels: OnceCell<Result<Channels, Refusal>>,
}

impl<'a> Source<'a> {
    /// Looks for what a source asks of conda.
    pub fn of(
        home: &'a Home,
        (checkout, inspection): (&Checkout, &Inspection),
        driver: Option<&Driver>,
        offline: bool,
        progress: &'a dyn Progress,
    ) -> Self {
        let wish = wish(checkout, inspection, driver);
        Self { home, offline, progress, wish, channels: OnceCell::new() }
    }

    /// Returns what the source's own file asks.
    pub fn wish(&self) -> Option<&Wish> {
        self.wish.as_ref()
    }

    /// Returns the channels that answer: those of the source's file, else the user's.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where sizar's own folder cannot be used.
    pub fn channels(&self) -> Result<Result<&Channels, &Refusal>, SetupError> {
        if self.channels.get().is_none() {
            let written = self.wish.as_ref().map(Wish::channels);
            let opened = open(self.home, written, self.offline, self.progress)?;
            // nobody else can have set it in between
            let _ = self.channels.set(opened);
        }
        let opened = self.channels.get().expect("it was set in the lines before");
        Ok(opened.as_ref())
    }

    /// Returns whether what the source's file asks can be asked of conda.
    fn speaks(&self) -> Result<bool, SetupError> {
        Ok(self.wish.is_some() && self.channels()?.is_ok())
    }

    /// Returns whether conda is to give the Python, so that no other is looked for.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where sizar's own folder cannot be used.
    pub fn gives_python(&self, request: &SetupRequest) -> Result<bool, SetupError> {
        Ok(request.locked.is_none() && request.python.is_none() && self.speaks()?)
    }
}
