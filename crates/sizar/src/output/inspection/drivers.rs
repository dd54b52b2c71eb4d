//! How to start it.

use sizar_model::inspection::{Driver, DriverOption};

use super::super::page::{Page, Span};
use super::ending;

/// How many drivers fit on a screen.
const DRIVERS: usize = 5;

/// Writes the section that says how to start it.
pub(super) fn drivers(page: &mut Page, drivers: &[Driver]) {
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

/// Returns the name that a driver is called by.
pub(super) fn called(driver: &Driver) -> &str {
    driver.name.as_deref().unwrap_or(&driver.path)
}

/// Sorts drivers: near the root, with a telling role and options first.
pub(super) fn rank(driver: &Driver) -> (usize, &str) {
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
    let kind = option.kind.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default();
    let choices = option.choices.as_deref().map(|choices| format!(" {{{}}}", choices.join(",")));
    let default = match &option.default {
        _ if option.required => " (required)".to_owned(),
        Some(default) => format!(" = {default}"),
        None => String::new(),
    };
    let text = format!("{}{kind}{}{default}", option.flags.join(", "), choices.unwrap_or_default());
    let help = option.help.as_deref().map(|help| format!("  {help}")).unwrap_or_default();
    page.line(&[Span::plain(format!("      {text}")), Span::new(help, dim)]);
}
