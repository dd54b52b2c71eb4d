//! Services that the code calls over the network.

use std::sync::LazyLock;

use ruff_python_ast::Expr;
use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::datasets::prefixes;
use super::facts::sighting;
use super::reading::{Call, Reading};

/// One row of `knowledge/services.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: String,
    title: String,
    #[expect(dead_code, reason = "for people who read the table")]
    does: String,
    modules: Vec<String>,
    calls: Vec<String>,
    offline: Vec<String>,
    #[expect(dead_code, reason = "for people who read the table")]
    source: String,
}

#[derive(Deserialize)]
struct Table {
    service: Vec<Row>,
}

/// The table, with its modules and calls turned round.
struct Known {
    rows: Vec<Row>,
    modules: FxHashMap<String, usize>,
    calls: FxHashMap<String, usize>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("../../../../knowledge/services.toml"))
        .expect("a test reads the table");
    let (mut modules, mut calls) = (FxHashMap::default(), FxHashMap::default());
    for (at, row) in table.service.iter().enumerate() {
        modules.extend(row.modules.iter().map(|module| (module.clone(), at)));
        calls.extend(row.calls.iter().map(|call| (call.clone(), at)));
    }
    Known { rows: table.service, modules, calls }
});

/// Returns the name of a service for people, by its kind.
pub fn title(kind: &str) -> Option<&'static str> {
    KNOWN.rows.iter().find(|row| row.kind == kind).map(|row| row.title.as_str())
}

/// Returns the variables that keep a service quiet, as name and value.
pub fn offline_switches(kind: &str) -> Vec<(&'static str, &'static str)> {
    let row = KNOWN.rows.iter().find(|row| row.kind == kind);
    row.map(|row| row.offline.iter().filter_map(|switch| switch.split_once('=')).collect())
        .unwrap_or_default()
}

/// Looks at an imported module.
pub(super) fn import(reading: &mut Reading<'_>, module: &str, line: u32) {
    let row = prefixes(module).find_map(|prefix| KNOWN.modules.get(prefix));
    if let Some(row) = row.and_then(|&at| KNOWN.rows.get(at)) {
        see(reading, &row.kind, &format!("import {module}"), line);
    }
}

/// Looks at a call: one that opens a connection, or asks a fixed host.
pub(super) fn call(reading: &mut Reading<'_>, call: &Call<'_, '_>) {
    if let Some(row) = KNOWN.calls.get(call.name).and_then(|&at| KNOWN.rows.get(at)) {
        // arguments may hold keys
        return see(reading, &row.kind, &format!("{}()", call.name), call.line());
    }
    let asks = matches!(
        call.name,
        "requests.get"
            | "requests.post"
            | "requests.request"
            | "requests.put"
            | "urllib.request.urlopen"
            | "urllib2.urlopen"
            | "urllib.urlopen"
            | "httpx.get"
            | "httpx.post"
            | "aiohttp.request"
    );
    if asks
        && let Some(url) = call.text(0, "url").or_else(|| call.text(1, "url"))
        && let Some(host) = host(url)
    {
        see(reading, "http", host, call.line());
    }
}

/// Looks at a text: a webhook is a call waiting to happen.
pub(super) fn string(reading: &mut Reading<'_>, text: &str, place: &Expr) {
    let hook = [
        "https://hooks.slack.com/",
        "https://api.telegram.org/",
        "https://discord.com/api/webhooks/",
    ]
    .iter()
    .find(|prefix| text.starts_with(**prefix));
    if let Some(host) = hook.and_then(|prefix| host(prefix)) {
        let line = reading.line(place);
        see(reading, "webhook", host, line);
    }
}

/// Returns the host of an address, if it is one of the wide world.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let local = matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0" | "");
    (!local && !host.contains(['{', '%', '<'])).then_some(host)
}

fn see(reading: &mut Reading<'_>, kind: &str, text: &str, line: u32) {
    let seen = sighting(kind, text, reading.path, line);
    reading.facts.services.push(seen);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::parse::Module;

    #[test]
    fn services_are_seen_where_they_are_imported_and_opened() {
        let source = "import wandb\nfrom comet_ml import Experiment\n\
                      run = wandb.init(project='x')\ne = Experiment(api_key='abc')\n\
                      import requests\nrequests.get('https://me:pw@api.host.org/v1')\n\
                      requests.get('http://localhost:80/')\n";
        let module = Module::parse(source.to_owned());
        let facts = Reading::of(&module, "a.py");
        let seen: Vec<(&str, &str, u32)> = facts
            .services
            .iter()
            .map(|seen| (seen.kind.as_str(), seen.text.as_str(), seen.line))
            .collect();
        assert_eq!(
            seen,
            [
                ("wandb", "import wandb", 1),
                ("comet", "import comet_ml", 2),
                ("wandb", "wandb.init()", 3),
                ("comet", "comet_ml.Experiment()", 4),
                ("http", "api.host.org", 6),
            ]
        );
    }

    #[test]
    fn trackers_can_be_kept_quiet() {
        assert_eq!(offline_switches("wandb"), [("WANDB_MODE", "offline")]);
        assert_eq!(title("wandb"), Some("Weights & Biases"));
        assert!(offline_switches("unheard-of").is_empty());
    }
}
