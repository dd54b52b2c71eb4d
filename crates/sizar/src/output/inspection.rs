//! `sizar inspect` for people: one screen, the most important first.

use std::collections::BTreeMap;

use sizar_inspect::audit::matters_to_a_run;
use sizar_model::Inspection;
use sizar_model::inspection::{Driver, DriverOption, Finding, HardCodedPath, Severity, Sighting};
use sizar_model::resources::ByteSize;

use super::frameworks;
use super::page::{Item, Page, Span};

pub use super::page::Style;

/// How many drivers, findings and lines of one hindrance fit on a screen.
const DRIVERS: usize = 6;
const FINDINGS: usize = 8;

/// Renders an inspection: one screen, or, with `all`, everything.
pub fn render(inspection: &Inspection, style: &Style, all: bool) -> String {
    let mut page = Page::new(*style, all);
    title(&mut page, inspection);
    nature(&mut page, inspection);
    drivers(&mut page, &inspection.drivers);
    needs(&mut page, inspection);
    hindrances(&mut page, inspection);
    findings(&mut page, &inspection.findings);
    next(&mut page, inspection);
    page.finish()
}

fn title(page: &mut Page, inspection: &Inspection) {
    let style = *page.style();
    let mut spans = vec![Span::new(name(inspection), style.bold)];
    let mut facts = Vec::new();
    if let Some(date) = inspection.code_date.or(inspection.commit_date) {
        facts.push(date.to_string().chars().take(10).collect());
    }
    facts.push(match &inspection.licence {
        Some(licence) => {
            licence.spdx.clone().unwrap_or_else(|| format!("licence in {}", licence.path))
        }
        None => "no licence".to_owned(),
    });
    let tree = &inspection.tree;
    facts.push(format!(
        "{}, {}",
        count(tree.python_files, "Python file"),
        ByteSize(tree.python_bytes)
    ));
    if tree.notebooks > 0 {
        facts.push(count(tree.notebooks, "notebook"));
    }
    if tree.files > tree.python_files {
        facts.push(format!("{} in all, {}", count(tree.files, "file"), ByteSize(tree.bytes)));
    }
    spans.push(Span::new(format!("   {}", facts.join(" · ")), style.dim));
    page.line(&spans);
    if let Some(citation) = &inspection.citation {
        let what = citation
            .title
            .clone()
            .or_else(|| citation.paper.clone())
            .or_else(|| citation.doi.clone());
        let by = citation.authors.first().map(|author| {
            let others = if citation.authors.len() > 1 { " et al." } else { "" };
            let year = citation.year.as_ref().map(|year| format!(" {year}")).unwrap_or_default();
            format!(" ({author}{others}{year})")
        });
        if let Some(what) = what {
            let text = format!("cite: {what}{}", by.unwrap_or_default());
            page.line(&[Span::new(text, style.dim)]);
        }
    }
}

/// Returns the name of the code: the distribution's, or the last part of its address.
fn name(inspection: &Inspection) -> String {
    let source = inspection.source.trim_end_matches('/').trim_end_matches(".git");
    let last = source.rsplit(['/', ':']).next().unwrap_or(source);
    let last = last.split(['@', '=']).next().unwrap_or(last);
    if !matches!(last, "" | "." | "..") {
        return last.to_owned();
    }
    let named = inspection.packaging.iter().find_map(|file| file.name.clone());
    named.unwrap_or_else(|| inspection.source.clone())
}

fn nature(page: &mut Page, inspection: &Inspection) {
    page.heading("What it is");
    let names = frameworks::of(&inspection.imports, 5);
    if !names.is_empty() {
        page.row("built on", &[Span::plain(names.join(", "))]);
    }
    python(page, inspection);
    let total: u64 = inspection.languages.iter().map(|language| language.bytes).sum();
    let others = inspection.languages.iter().filter(|language| {
        language.name != "Python" && (page.shows_all() || language.bytes * 200 > total)
    });
    let items: Vec<Item> = others
        .map(|language| vec![Span::plain(format!("{} ({})", language.name, language.files))])
        .collect();
    if !items.is_empty() {
        page.list("also", &items);
    }
}

fn python(page: &mut Page, inspection: &Inspection) {
    let dim = page.style().dim;
    let python = &inspection.python;
    let range = match (&python.at_least, &python.at_most) {
        (Some(least), Some(most)) if least == most => format!("Python {least}"),
        (Some(least), Some(most)) => format!("Python {least} to {most}"),
        (Some(least), None) => format!("Python {least} or later"),
        (None, Some(most)) => format!("Python {most} or earlier"),
        (None, None) => "any Python 3".to_owned(),
    };
    if inspection.tree.python_files == 0 && inspection.tree.notebooks == 0 {
        page.row("Python", &[Span::plain("none")]);
        return;
    }
    let mut spans = vec![Span::plain(range)];
    let bounded = python.at_least.is_some() || python.at_most.is_some();
    if let (true, Some(reason)) = (bounded, python.syntax.first()) {
        spans.push(Span::new(format!("  {} at {}", reason.text, place(reason)), dim));
    }
    page.row("grammar", &spans);
    let mut files: Vec<(String, Vec<&str>)> = Vec::new();
    for seen in python.requires.iter().chain(&python.named) {
        match files.iter_mut().find(|(place, _)| place.split(':').next() == Some(&seen.path)) {
            Some((_, texts)) if texts.contains(&seen.text.as_str()) => {}
            Some((_, texts)) => texts.push(&seen.text),
            None => files.push((place(seen), vec![&seen.text])),
        }
    }
    let items: Vec<Item> = files
        .into_iter()
        .map(|(place, texts)| {
            vec![Span::plain(texts.join(" ")), Span::new(format!(" {place}"), dim)]
        })
        .collect();
    if !items.is_empty() {
        page.list("authors say", &items);
    }
}

fn drivers(page: &mut Page, drivers: &[Driver]) {
    if drivers.is_empty() {
        return;
    }
    page.heading("Start it with");
    let mut sorted: Vec<&Driver> = drivers.iter().collect();
    sorted.sort_by_key(|driver| rank(driver));
    let shown = page.limit(DRIVERS, sorted.len());
    let all = page.shows_all();
    let name = |driver: &Driver| {
        if all { called(driver).to_owned() } else { ending(called(driver)) }
    };
    let widest = sorted.iter().take(shown).map(|driver| name(driver).chars().count()).max();
    let width = widest.unwrap_or(0);
    let style = *page.style();
    for driver in sorted.iter().take(shown) {
        let mut spans = vec![
            Span::new(format!("{:width$}  ", name(driver)), style.accent),
            Span::plain(format!("{:<9}", driver.role)),
        ];
        spans.extend(options(driver, style.dim));
        let mut line = vec![Span::plain("  ")];
        line.extend(spans);
        page.line(&line);
        if page.shows_all() {
            driver.options.iter().for_each(|option| full_option(page, option));
        }
    }
    if sorted.len() > shown {
        let rest = sorted.len() - shown;
        page.line(&[Span::new(format!("  … {rest} more"), style.dim)]);
    }
}

/// Returns the end of a long path: it says more than its beginning.
fn ending(path: &str) -> String {
    const MOST: usize = 36;
    let length = path.chars().count();
    if length <= MOST {
        return path.to_owned();
    }
    let end: String = path.chars().skip(length - MOST + 1).collect();
    format!("…{}", end.find('/').and_then(|at| end.get(at..)).unwrap_or(&end))
}

fn called(driver: &Driver) -> &str {
    driver.name.as_deref().unwrap_or(&driver.path)
}

/// Sorts drivers: near the root, with a telling role and options first.
fn rank(driver: &Driver) -> (usize, &str) {
    let roles = ["train", "predict", "evaluate"];
    let role = roles.iter().position(|role| *role == driver.role).unwrap_or(roles.len());
    let depth = if driver.name.is_some() { 0 } else { driver.path.matches('/').count() };
    // a test of the code is started last
    let test = driver.path.split('/').any(|part| part.starts_with("test") && part != "test.py");
    let named =
        called(driver).rsplit('/').next().is_some_and(|name| name.starts_with(&driver.role));
    let empty = driver.options.is_empty() && driver.subcommands.is_empty();
    let score = 1 + role + depth + usize::from(empty) * 2 + usize::from(test) * 20;
    (score - usize::from(named), called(driver))
}

fn options(driver: &Driver, dim: anstyle::Style) -> Vec<Span> {
    const TOLD: usize = 4;
    if !driver.subcommands.is_empty() {
        return vec![Span::plain(driver.subcommands.join(" | "))];
    }
    if driver.options.is_empty() {
        return vec![Span::new("no options", dim)];
    }
    let mut sorted: Vec<&DriverOption> = driver.options.iter().collect();
    sorted.sort_by_key(|option| telling(option));
    let mut spans: Vec<Span> =
        sorted.iter().take(TOLD).map(|option| Span::plain(short_option(option))).collect();
    if sorted.len() > TOLD {
        spans.push(Span::new(format!("… {} more", sorted.len() - TOLD), dim));
    }
    spans
}

/// Sorts options: what must be given, then what people most often change.
fn telling(option: &DriverOption) -> (bool, usize) {
    const WORDS: &[&str] = &[
        "input", "data", "model", "config", "epoch", "batch", "lr", "learning", "output", "device",
        "gpu",
    ];
    let name = flag(option).to_ascii_lowercase();
    let at = WORDS.iter().position(|word| name.contains(word)).unwrap_or(WORDS.len());
    (!option.required, at)
}

/// Returns the longest flag: it says most.
fn flag(option: &DriverOption) -> &str {
    option.flags.iter().max_by_key(|flag| flag.len()).map_or("", String::as_str)
}

fn short_option(option: &DriverOption) -> String {
    let flag = flag(option);
    let default = option
        .default
        .as_deref()
        .filter(|it| !matches!(*it, "None" | "False" | "True" | "''" | "\"\""));
    match default {
        _ if !flag.starts_with('-') => format!("{} ", flag.to_uppercase()),
        _ if option.required => format!("{flag} … "),
        Some(default) if default.len() <= 24 => {
            format!("{flag}={} ", default.trim_matches(['\'', '"']))
        }
        _ => format!("{flag} "),
    }
}

fn full_option(page: &mut Page, option: &DriverOption) {
    let dim = page.style().dim;
    let mut text = option.flags.join(", ");
    if let Some(kind) = &option.kind {
        text.push_str(&format!(" {kind}"));
    }
    if let Some(choices) = &option.choices {
        text.push_str(&format!(" {{{}}}", choices.join(",")));
    }
    match &option.default {
        _ if option.required => text.push_str(" (required)"),
        Some(default) => text.push_str(&format!(" = {default}")),
        None => {}
    }
    let help = option.help.as_deref().map(|help| format!("  {help}")).unwrap_or_default();
    page.line(&[Span::plain(format!("      {text}")), Span::new(help, dim)]);
}

fn needs(page: &mut Page, inspection: &Inspection) {
    let style = *page.style();
    page.heading("What it needs");
    let mut declared: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for it in inspection
        .declared
        .iter()
        .filter(|it| !matches!(it.scope.as_str(), "locked" | "constraint"))
    {
        let label = match it.scope.as_str() {
            "install" | "conda" => "declared",
            "mentioned" => "in passing",
            "build" => "to build",
            scope => scope,
        };
        // of several files the one that says most
        let text = it.requirement.as_deref().unwrap_or(&it.name);
        let said = declared.entry(label).or_default().entry(&it.name).or_insert(text);
        if text.len() > said.len() {
            *said = text;
        }
    }
    let order = |label: &str| usize::from(label != "declared");
    let mut labels: Vec<(&str, BTreeMap<&str, &str>)> = declared.into_iter().collect();
    labels.sort_by_key(|(label, _)| order(label));
    let shown = page.limit(3, labels.len());
    for (label, names) in labels.into_iter().take(shown) {
        let items: Vec<Item> = names.into_values().map(|name| vec![Span::plain(name)]).collect();
        page.list(label, &items);
    }
    if inspection.declared.is_empty() {
        page.row("declared", &[Span::plain("nothing")]);
    }
    let undeclared = |optional: bool| -> Vec<Item> {
        let imports = inspection
            .imports
            .iter()
            .filter(|it| !it.declared && it.optional == optional && matters_to_a_run(it));
        let item = |name: &str, files: usize| {
            vec![
                Span::new(name, style.warn),
                Span::new(format!(" ({})", count(files as u64, "file")), style.dim),
            ]
        };
        imports
            .map(|it| item(it.distribution.as_deref().unwrap_or(&it.module), it.files.len()))
            .collect()
    };
    for (label, items) in [("undeclared", undeclared(false)), ("optional", undeclared(true))] {
        if !items.is_empty() {
            page.list(label, &items);
        }
    }
    let mut system: Vec<&str> =
        inspection.system_packages.iter().map(|it| it.text.as_str()).collect();
    system.sort_unstable();
    system.dedup();
    if !system.is_empty() {
        let items: Vec<Item> = system.into_iter().map(|name| vec![Span::plain(name)]).collect();
        page.list("system", &items);
    }
}

fn hindrances(page: &mut Page, inspection: &Inspection) {
    page.heading("What may hinder");
    let before = page.lines();
    devices(page, inspection);
    paths(page, inspection);
    let data: Vec<Item> = grouped(page, inspection.datasets.iter(), |seen| {
        let title = sizar_inspect::audit::dataset_title(&seen.kind);
        title.map_or_else(|| seen.text.clone(), str::to_owned)
    });
    list(page, "data sets", &data);
    let fetched = inspection.weights.iter().filter(|seen| seen.kind != "weights_file");
    let weights: Vec<Item> = grouped(page, fetched, |seen| seen.text.clone());
    list(page, "downloads", &weights);
    let files = inspection.weights.iter().filter(|seen| seen.kind == "weights_file");
    let files: Vec<Item> = grouped(page, files, |seen| seen.text.clone());
    list(page, "weights", &files);
    services(page, inspection);
    if page.lines() == before {
        page.line(&[Span::plain("  nothing that was looked for")]);
    }
}

fn devices(page: &mut Page, inspection: &Inspection) {
    let hard = |seen: &&Sighting| {
        matches!(
            seen.kind.as_str(),
            "cuda_call" | "cuda_device" | "cuda_tensor" | "set_device" | "gpu_library"
        )
    };
    let items = grouped(page, inspection.devices.iter().filter(hard), |seen| seen.text.clone());
    if !items.is_empty() {
        list(page, "GPU needed", &items);
    } else if let Some(seen) =
        inspection.devices.iter().find(|seen| seen.kind.ends_with("_guarded"))
    {
        let dim = page.style().dim;
        let place = Span::new(format!(" {}", place(seen)), dim);
        page.row("GPU", &[Span::plain("used if there is one"), place]);
    }
}

fn paths(page: &mut Page, inspection: &Inspection) {
    let dim = page.style().dim;
    let mut values: BTreeMap<(usize, &str), Vec<String>> = BTreeMap::new();
    for path in inspection.hard_coded_paths.iter().filter(|path| !path.exists) {
        let order = match path.kind.as_str() {
            "home" => 0,
            "absolute" => 1,
            _ => 2,
        };
        values
            .entry((order, &path.value))
            .or_default()
            .push(format!("{}:{}", path.path, path.line));
    }
    let items: Vec<Item> = values
        .into_iter()
        .map(|((_, value), places)| vec![Span::plain(value), Span::new(places_text(&places), dim)])
        .collect();
    list(page, "paths", &items);
}

fn services(page: &mut Page, inspection: &Inspection) {
    let style = *page.style();
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for seen in &inspection.services {
        kinds.entry(&seen.kind).or_default().push(place(seen));
    }
    let items: Vec<Item> = kinds
        .into_iter()
        .map(|(kind, places)| {
            let title = sizar_inspect::audit::service_title(kind).unwrap_or(kind);
            let switch = sizar_inspect::audit::offline_switches(kind);
            let quiet = switch.first().map(|(name, value)| format!(", quiet with {name}={value}"));
            let quiet = quiet.unwrap_or_default();
            vec![
                Span::plain(title),
                Span::new(format!("{}{quiet}", places_text(&places)), style.dim),
            ]
        })
        .collect();
    list(page, "services", &items);
}

/// Puts sightings of the same thing together, in the order in which they were first seen.
fn grouped<'a>(
    page: &Page,
    sightings: impl Iterator<Item = &'a Sighting>,
    key: impl Fn(&Sighting) -> String,
) -> Vec<Item> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for seen in sightings {
        let name = key(seen);
        let place = if page.shows_all() {
            place(seen)
        } else {
            format!("{}:{}", ending(&seen.path), seen.line)
        };
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, places)) => places.push(place),
            None => groups.push((name, vec![place])),
        }
    }
    // what is seen most often matters most
    groups.sort_by_key(|(_, places)| std::cmp::Reverse(places.len()));
    let dim = page.style().dim;
    let item = |(name, places): (String, Vec<String>)| {
        let name = if page.shows_all() { name } else { shortened(&name) };
        vec![Span::plain(name), Span::new(places_text(&places), dim)]
    };
    groups.into_iter().map(item).collect()
}

fn shortened(text: &str) -> String {
    const MOST: usize = 48;
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    // the host and the file say most of an address
    if let (Some((host, _)), Some((_, file))) = (text.split_once('/'), text.rsplit_once('/'))
        && host.contains('.')
        && host.len() + file.len() < MOST
    {
        return format!("{host}/…/{file}");
    }
    let begin: String = text.chars().take(MOST - 1).collect();
    format!("{begin}…")
}

fn list(page: &mut Page, label: &str, items: &[Item]) {
    if !items.is_empty() {
        page.list(label, items);
    }
}

fn place(seen: &Sighting) -> String {
    format!("{}:{}", seen.path, seen.line)
}

fn places_text(places: &[String]) -> String {
    match places {
        [] => String::new(),
        [one] => format!(" {one}"),
        [first, rest @ ..] => format!(" {first} +{}", rest.len()),
    }
}

fn findings(page: &mut Page, findings: &[Finding]) {
    let number =
        |severity: Severity| findings.iter().filter(|it| it.severity == severity).count() as u64;
    let (errors, warnings, notes) =
        (number(Severity::Error), number(Severity::Warning), number(Severity::Info));
    let totals: Vec<String> = [(errors, "error"), (warnings, "warning"), (notes, "note")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| count(number, name))
        .collect();
    if totals.is_empty() {
        return;
    }
    page.heading(&format!("Findings: {}", totals.join(", ")));
    let groups = finding_groups(findings, page.shows_all());
    let shown = page.limit(FINDINGS, groups.len());
    let style = *page.style();
    for (finding, more) in groups.iter().take(shown) {
        let (word, look) = match finding.severity {
            Severity::Error => ("error", style.error),
            Severity::Warning => ("warning", style.warn),
            Severity::Info => ("note", style.dim),
        };
        let place = match (finding.path.as_str(), finding.line) {
            ("", _) => String::new(),
            (path, 0) => format!("{}: ", ending(path)),
            (path, line) => format!("{}:{line}: ", ending(path)),
        };
        let times = if *more > 0 { format!("{}×", more + 1) } else { String::new() };
        let mut spans = vec![
            Span::new(format!("  {word:<8}"), look),
            Span::plain(format!("{times:>4} ")),
            Span::new(place, style.dim),
            Span::plain(&finding.message),
        ];
        if page.shows_all() {
            spans.insert(1, Span::plain(format!("{:<22}", finding.id)));
        }
        page.line(&spans);
    }
    if groups.len() > shown {
        let text = format!("  … {} more kinds; `--all` shows everything", groups.len() - shown);
        page.line(&[Span::new(text, style.dim)]);
    }
}

/// Returns the findings, the worst first; without `all` one of each kind, and how many like it.
fn finding_groups(findings: &[Finding], all: bool) -> Vec<(&Finding, usize)> {
    let mut groups: Vec<(&Finding, usize)> = Vec::new();
    for finding in findings {
        match groups.iter_mut().find(|(known, _)| known.id == finding.id) {
            Some((_, more)) if !all => *more += 1,
            _ => groups.push((finding, 0)),
        }
    }
    groups.sort_by_key(|(finding, _)| std::cmp::Reverse(finding.severity));
    groups
}

fn next(page: &mut Page, inspection: &Inspection) {
    let style = *page.style();
    let source = shell_words::quote(&inspection.source).into_owned();
    let best = inspection.drivers.iter().min_by_key(|driver| rank(driver));
    page.heading("Next");
    if inspection.tree.python_files == 0 && inspection.tree.notebooks == 0 {
        page.line(&[Span::plain("  sizar makes environments for Python; there is none here")]);
        return;
    }
    page.line(&[Span::new(format!("  sizar setup {source}"), style.accent)]);
    if let Some(driver) = best {
        let mut command = format!("  sizar run {source}");
        let folder = |path: &&HardCodedPath| {
            let name = path.value.rsplit('/').next().unwrap_or_default();
            !path.exists && !name.contains('.') && driver.closure.contains(&path.path)
        };
        let wanted = || inspection.hard_coded_paths.iter().filter(folder);
        let near = wanted().find(|path| path.path == driver.path);
        if let Some(path) = near.or_else(|| wanted().next()) {
            command.push_str(&format!(" --data YOUR_FOLDER:{}", shell_words::quote(&path.value)));
        }
        command.push_str(&format!(" -- {} --help", shell_words::quote(called(driver))));
        page.line(&[Span::new(command, style.accent)]);
    }
}

fn count(number: u64, name: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {name}{plural}")
}
