//! The words of sizar: data, states and events.
//!
//! Data flows one way: [`Locator`] → [`Source`] → [`Checkout`] → [`Inspection`] → [`EnvSpec`] →
//! [`EnvLock`]; a [`JobSpec`] and an environment make a [`Run`], and everything that happens to a
//! run is an [`Event`]. This crate does no I/O: no clock, no files, no environment variables.

pub mod artifact;
pub mod batch;
pub mod cluster;
pub mod digest;
pub mod environment;
pub mod event;
pub mod id;
pub mod inspection;
pub mod invocation;
pub mod job;
pub mod progress;
pub mod python;
pub mod resources;
pub mod run;
pub mod site;
pub mod source;
pub mod sweep;

pub use artifact::{Artifact, Ending, Receipt, Usage};
pub use batch::{JobHandle, JobReport, JobState};
pub use digest::Digest;
pub use environment::{
    Attempt, BuildStep, CondaPackage, CondaSpec, Deviation, Device, EnvLock, EnvSpec, Environment,
    Installer, LockedPackage, ProjectInstall, Redirection, SourceEdit, Verification,
    VerificationLevel,
};
pub use event::{Contact, Event, EventKind};
pub use id::RunId;
pub use inspection::Inspection;
pub use invocation::{Invocation, NetworkAccess, Output};
pub use job::{DataBinding, DataMode, DataOrigin, JobSpec, Scratch};
pub use progress::{Activity, Progress, Silent, counted};
pub use python::PythonVersion;
pub use resources::{ByteSize, Mail, MailEvent, Resources, Walltime};
pub use run::{IllegalEvent, Run, RunState, RunSummary};
pub use site::{SchedulerKind, Site};
pub use source::{Checkout, Locator, SafeUrl, Source};
pub use sweep::{Parameters, SweepId, Task};
