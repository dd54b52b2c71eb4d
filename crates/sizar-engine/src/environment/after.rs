//! What a setup tries after an attempt that came short.

use sizar_env::knowledge::Stage;
use sizar_env::name;
use sizar_env::plan::Plan;
use sizar_env::repair::{Facts, Failure, Outcome, Repairer};
use sizar_model::{Attempt, Deviation, EnvSpec};

use super::attempts::Shortfall;
use super::build::StepFailed;
use super::conda;
use super::index;
use super::python_path::has_module;
use super::setup::Way;

impl Way<'_> {
    /// Finds what to try after a shortfall, and writes down why.
    pub(super) fn after(
        &self,
        spec: &EnvSpec,
        plan: &Plan,
        shortfall: &Shortfall,
        attempt: &mut Attempt,
        repairer: &mut Repairer,
    ) -> (Option<EnvSpec>, Option<String>) {
        repairer.note(spec);
        let failed = match shortfall {
            Shortfall::MoreRequirements(missing) => {
                let cause = format!("its own metadata asks for {} too", missing.join(", "));
                let deviation =
                    Deviation { rule: "computed-requirements".into(), reason: cause.clone() };
                Stage::Install.name().clone_into(&mut attempt.stage);
                attempt.cause = Some(cause);
                attempt.rule = Some("computed-requirements".to_owned());
                return (repairer.with_requirements(spec, missing, deviation), None);
            }
            Shortfall::Conda(refusal) => {
                attempt.cause = Some(refusal.0.clone());
                return (None, None);
            }
            Shortfall::Failed(failed) => failed,
        };
        failed.stage.name().clone_into(&mut attempt.stage);
        tracing::debug!(stage = failed.stage.name(), output = %failed.output, "a step failed");
        let available = self.interpreters().versions();
        let distribution_of = |module: &str| self.distribution_of(module);
        // a folder of our own that cannot be used is said by whatever needs it next
        let conda_answers = || matches!(self.conda.channels(), Ok(Ok(_)));
        let imports = self.inspection.imports.iter().filter(|import| !import.optional);
        let imported: Vec<String> = imports
            .filter_map(|import| import.distribution.as_deref().map(name::normalise))
            .collect();
        let translated =
            spec.deviations.iter().any(|deviation| deviation.rule == conda::TRANSLATED);
        let from_conda = match self.conda.wish() {
            Some(wish) if translated => wish.translations(),
            _ => Vec::new(),
        };
        let facts = Facts {
            pythons: &plan.pythons,
            available: if self.request.python.is_some() { &plan.pythons } else { &available },
            package: plan.package.as_deref(),
            undeclared: &plan.undeclared,
            from_conda: &from_conda,
            imported: &imported,
            readme_pins: &sizar_env::readme_pins::exact(self.inspection),
            date: plan.spec.exclude_newer,
            releases: &|name| {
                if self.request.offline { Vec::new() } else { index::releases(name) }
            },
            distribution_of: &distribution_of,
            in_tree: &|module| has_module(&self.checkout.path, module),
            conda_answers: &conda_answers,
        };
        let failure = Failure { stage: failed.stage, output: &failed.output };
        let outcome = repairer.next(spec, failure, &facts);
        // what a rule explains is that
        let is_guess = match &outcome {
            Outcome::Repair { rule, .. } => {
                matches!(rule.as_str(), "another-python" | "other-engine")
            }
            Outcome::Unexplained { .. } => true,
            Outcome::Explained { .. } => false,
        };
        if is_guess && let Some(path) = self.empty_submodule(failed) {
            attempt.cause = Some(format!("its build needs the submodule `{path}`, which is empty"));
            attempt.rule = Some("submodule-missing".to_owned());
            let advice = "`git submodule update --init --recursive` in the source fetches it; so \
                          does sizar, where it is given the git address";
            return (None, Some(advice.to_owned()));
        }
        match outcome {
            Outcome::Repair { spec, rule, cause } => {
                attempt.cause = Some(cause);
                attempt.rule = Some(rule);
                (Some(*spec), None)
            }
            Outcome::Explained { rule, cause, advice } => {
                attempt.cause = Some(cause);
                attempt.rule = Some(rule);
                (None, advice)
            }
            Outcome::Unexplained { cause } => {
                attempt.cause = Some(cause);
                (None, None)
            }
        }
    }

    /// Returns the submodule of the source that its own build looked into, and found empty.
    fn empty_submodule(&self, failed: &StepFailed) -> Option<&str> {
        let builds = matches!(failed.stage, Stage::Resolve | Stage::Build | Stage::Install);
        let missing = self.inspection.findings.iter().filter(|it| it.id == "submodule-missing");
        // the finding says the path in backquotes first
        let mut paths = missing.filter_map(|finding| finding.message.split('`').nth(1));
        // where the source is built
        let copy = self.workshop.path("source");
        paths.find(|path| builds && names_path(&failed.output, copy.join(path).as_str()))
    }

    /// Finds what may let an environment that works reach more, and writes down why.
    pub(super) fn improved(
        &self,
        spec: &EnvSpec,
        plan: &Plan,
        unmet: StepFailed,
        attempt: &mut Attempt,
        repairer: &mut Repairer,
    ) -> Option<EnvSpec> {
        let answers = unmet.stage == Stage::Answer;
        let mut tried = attempt.clone();
        let (next, _) = self.after(spec, plan, &Shortfall::Failed(unmet), &mut tried, repairer);
        // only for the driver's own answer is another Python worth it
        let next = next.filter(|next| answers || next.python == spec.python)?;
        *attempt = tried;
        Some(next)
    }

    /// Looks up a module's distribution: never guessed from its name, which may be a stranger's.
    fn distribution_of(&self, module: &str) -> Option<String> {
        let found = self.inspection.imports.iter().find(|import| import.module == module);
        found
            .and_then(|import| import.distribution.clone())
            .or_else(|| sizar_inspect::python::distributions::distribution_of(module))
    }
}

/// Whether `output` names `path`, and not only the beginning of another's name.
fn names_path(output: &str, path: &str) -> bool {
    output.match_indices(path).any(|(at, _)| {
        let next = output.get(at + path.len()..).and_then(|rest| rest.chars().next());
        next.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_whole() {
        let output =
            "g++ -I/stage/source/vendor/eigen -I/env/lib/python3.8 /stage/source/ext/foobar";
        assert!(names_path(output, "/stage/source/vendor/eigen"));
        assert!(names_path("/stage/source/lib/a.h: No such file", "/stage/source/lib"));
        assert!(!names_path(output, "/stage/source/ext/foo"));
        assert!(!names_path(output, "/stage/source/lib"));
    }
}
