//! What stands for conda in a sizar that was built without it.

#![expect(clippy::unnecessary_wraps, reason = "the same face as with conda")]

use camino::Utf8Path;
use jiff::Timestamp;
use sizar_model::{CondaPackage, CondaSpec, Progress, PythonVersion};

use super::{Refusal, Solved};
use crate::environment::SetupError;
use crate::home::Home;

/// Channels that answer: none.
pub enum Channels {}

const WITHOUT: &str = "this sizar was built without conda";

pub fn open(
    _: &Home,
    _: Option<&[String]>,
    _: bool,
    _: &dyn Progress,
) -> Result<Result<Channels, Refusal>, SetupError> {
    Ok(Err(Refusal(WITHOUT.to_owned())))
}

impl Channels {
    pub fn silent(&self) -> &[String] {
        match *self {}
    }

    pub fn pythons(&self) -> Vec<PythonVersion> {
        match *self {}
    }

    pub fn solve(
        &self,
        _: &CondaSpec,
        _: Option<Timestamp>,
        _: &dyn Progress,
    ) -> Result<Solved, Refusal> {
        match *self {}
    }
}

pub fn install(
    _: &Home,
    _: &[CondaPackage],
    _: &Utf8Path,
    _: bool,
    _: &dyn Progress,
) -> Result<Result<Vec<String>, Refusal>, SetupError> {
    Ok(Err(Refusal(WITHOUT.to_owned())))
}

pub fn fetch_python(_: &Home, _: PythonVersion, _: &dyn Progress) -> Result<bool, SetupError> {
    Ok(false)
}
