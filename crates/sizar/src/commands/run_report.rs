//! What `sizar run` says: what would happen, and how it went.

use std::fmt::Write as _;

use camino::Utf8Path;
use sizar_engine::run::RunPlan;
use sizar_engine::sandbox::{self, SandboxKind};
use sizar_env::stopped::Why;
use sizar_model::artifact::Ending;
use sizar_model::resources::ByteSize;
use sizar_model::{Receipt, Run, counted};

use crate::commands::repaired;
use crate::session::Session;

/// Says how it went, in a line or two, beside what the program said.
pub fn report(session: &Session, run: &Run, receipt: &Receipt, why: Option<&Why>) {
    let id = &run.id;
    if let Some(reason) = receipt.ending.reason() {
        session.say(&reason);
    }
    if receipt.ending == Ending::Cancelled {
        session.say(&format!("`sizar resume {id}` runs it again"));
    }
    for note in &receipt.notes {
        session.say(note);
    }
    if let Some(why) = why {
        repaired::say(session, run, why);
    }
    let results = &receipt.results;
    if results.is_empty() {
        return;
    }
    let bytes: u64 = results.iter().map(|result| result.size).sum();
    session.say(&format!(
        "it made {} ({}); `sizar fetch {id}` copies {} here",
        counted(results.len() as u64, "file", "files"),
        ByteSize(bytes),
        if results.len() == 1 { "it" } else { "them" }
    ));
}

/// Describes what would happen.
pub fn page(plan: &RunPlan) -> String {
    let bold = anstyle::Style::new().bold();
    let mut page = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(page, "{bold}{name:<12}{bold:#}{value}");
    };
    let work = Utf8Path::new("WORKING-COPY");
    let (program, args) = plan.command(work);
    let revision = plan.checkout.source.revision.as_deref().unwrap_or_default();
    line("source", &format!("{} {revision}", plan.locator));
    line("checkout", plan.checkout.path.as_str());
    line("environment", plan.prefix.as_str());
    line("command", &shell_words::join(std::iter::once(&program).chain(&args)));
    let folder = if plan.folder.as_str().is_empty() {
        String::new()
    } else {
        format!("`{}` of ", plan.folder)
    };
    line("in", &format!("{folder}a new copy of the checkout"));
    for binding in plan.bindings() {
        line("shows", &format!("{} as {} ({:?})", binding.here, binding.seen_as(), binding.mode));
    }
    let resources = &plan.job.resources;
    let limits: Vec<String> = [
        resources.cpus.map(|n| format!("{n} cores")),
        resources.memory.map(|size| format!("{size} of memory")),
        resources.gpus.map(|n| format!("{n} GPUs")),
        resources.walltime.map(|time| format!("{time} of time")),
    ]
    .into_iter()
    .flatten()
    .collect();
    line("limits", if limits.is_empty() { "none" } else { "" });
    for limit in &limits {
        line("", limit);
    }
    line("network", if plan.job.network { "all of it" } else { "none" });
    let sandbox = if plan.job.sandbox { sandbox::detect() } else { SandboxKind::None };
    line("sandbox", &format!("{sandbox:?}").to_lowercase());
    for (name, _) in &plan.job.env {
        line("variable", name);
    }
    page
}
