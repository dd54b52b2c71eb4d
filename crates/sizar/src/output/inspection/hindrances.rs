//! What may hinder: GPUs, paths, data, weights, services.

use std::collections::BTreeMap;

use sizar_inspect::audit::{is_beside_a_run, needs_a_gpu};
use sizar_model::Inspection;
use sizar_model::inspection::Sighting;

use super::super::page::{Item, Page, Span};
use super::{ending, place};

/// Writes the section that says what may hinder.
pub(super) fn hindrances(page: &mut Page, inspection: &Inspection) {
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
    let hard = |seen: &&Sighting| needs_a_gpu(&seen.kind) && !is_beside_a_run(&seen.path);
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

fn places_text(places: &[String]) -> String {
    match places {
        [] => String::new(),
        [one] => format!(" {one}"),
        [first, rest @ ..] => format!(" {first} +{}", rest.len()),
    }
}
