//! What `--data` shows: the user's files, and data sets laid out as the driver expects them.

use std::fmt::Write as _;
use std::time::SystemTime;

use camino::Utf8Path;
use sizar_engine::acquire::{AcquireOptions, acquire};
use sizar_engine::fitting::{
    Asked, Expectation, FittingError, FormatWish, KEPT_FOR, LaidOut, Record, Typed, clean, expect,
    lay_out, origin, parse,
};
use sizar_engine::run;
use sizar_engine::store::Filter;
use sizar_formats::formats;
use sizar_model::{Checkout, DataBinding, DataOrigin, Inspection, Locator, counted};

use crate::error::CommandResult;
use crate::output::table;
use crate::session::Session;

/// The driver that the data are for.
pub struct Driven<'a> {
    pub source: &'a Locator,
    pub acquire: AcquireOptions,
    pub driver: &'a str,
    pub args: &'a [String],
    /// Whether only is said what would be done.
    pub dry: bool,
}

/// What is bound into a run, and where what was laid out comes from.
#[derive(Default)]
pub struct Bound {
    pub bindings: Vec<DataBinding>,
    pub origins: Vec<DataOrigin>,
    /// What the driver gets beside what the user passes, so that it looks there.
    pub args: Vec<String>,
}

/// Returns what is bound into the run, relative to the folder `cwd`.
pub fn bindings(
    session: &Session,
    data: &[String],
    cwd: &Utf8Path,
    driven: &Driven<'_>,
) -> CommandResult<Bound> {
    let mut source = None;
    let mut bound = Bound::default();
    for text in data {
        match parse(text, cwd)? {
            Typed::Binding(binding, note) => {
                if let Some(note) = note {
                    session.say(&note);
                }
                bound.bindings.push(binding);
            }
            Typed::Format(wish) => {
                let (checkout, inspection) = match &source {
                    Some(read) => read,
                    None => source.insert(read(session, driven)?),
                };
                fitted(session, &wish, checkout, inspection, driven, &mut bound)?;
            }
        }
    }
    Ok(bound)
}

fn read(session: &Session, driven: &Driven<'_>) -> CommandResult<(Checkout, Inspection)> {
    let checkout = acquire(&session.home, driven.source, &driven.acquire, &session.reporter)?;
    let inspection = run::inspect(&checkout)?;
    Ok((checkout, inspection))
}

fn fitted(
    session: &Session,
    wish: &FormatWish,
    checkout: &Checkout,
    inspection: &Inspection,
    driven: &Driven<'_>,
    bound: &mut Bound,
) -> CommandResult<()> {
    let asked = Asked {
        format: wish.format,
        there: wish.there.as_deref(),
        data: &wish.typed,
        driver: driven.driver,
        args: driven.args,
        holds: &|path| checkout.path.join(path).exists(),
    };
    let expected = expect(inspection, &asked).map_err(FittingError::from)?;
    let laid_out = lay_out(&session.home, wish, &expected, driven.dry, &session.reporter)?;
    say(session, wish, &expected, &laid_out, driven.dry);
    if !driven.dry {
        bound.origins.push(origin(wish, &expected, &laid_out)?);
        if !laid_out.known {
            clean(&session.home, KEPT_FOR, SystemTime::now(), &|path| in_use(session, path));
        }
    }
    for (option, value) in expected.fills {
        bound.args.extend([option, value]);
    }
    bound.bindings.extend(laid_out.bindings);
    Ok(())
}

/// Tells whether a run that has not ended names a path; where the journal can't say, it does.
fn in_use(session: &Session, path: &Utf8Path) -> bool {
    let names = |value: &serde_json::Value| value.to_string().contains(path.as_str());
    let asked = || -> CommandResult<bool> {
        let Some(journal) = session.journal_to_read()? else { return Ok(false) };
        for run in journal.list(&Filter::default())? {
            if !run.state.is_final() && journal.request(&run.id)?.is_some_and(|it| names(&it)) {
                return Ok(true);
            }
        }
        // a sweep's runs come into the journal when they are prepared
        for sweep in journal.sweeps(None)? {
            let states = journal.sweep_states(&sweep.id)?;
            let ended = states.iter().filter(|(state, _)| state.is_final());
            let ended: u32 = ended.map(|(_, count)| count).sum();
            if sweep.failed.is_none() && ended < sweep.tasks && names(&sweep.wish) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    asked().unwrap_or(true)
}

/// Says where the data are laid out, why there, and what it cost.
fn say(
    session: &Session,
    wish: &FormatWish,
    expected: &Expectation,
    laid_out: &LaidOut,
    dry: bool,
) {
    let title = |name: &str| formats::named(name).map_or("", |format| format.title());
    let shape = expected.shape.map_or(title(expected.format), |shape| shape.title.as_str());
    let places: Vec<String> = match expected.binds.is_empty() {
        true => vec![format!("`{}`", expected.place)],
        false => {
            let parts = expected.binds.iter();
            parts.map(|part| format!("`{}`", expected.place.join(part))).collect()
        }
    };
    let (is, done) = match (dry && !laid_out.known, &laid_out.record) {
        (_, None) => ("is", "shown as it is".to_owned()),
        (true, Some(record)) => ("would be", converted(record)),
        (false, Some(record)) if laid_out.known => {
            ("is", format!("{}, as before", converted(record)))
        }
        (false, Some(record)) => ("is", converted(record)),
    };
    let mut text =
        format!("`{}` {is} {done}, at {}, for {shape}", wish.typed, places.join(" and "));
    for reason in &expected.reasons {
        let _ = write!(text, "\n  {reason}");
    }
    if dry {
        for other in &expected.others {
            let _ = write!(text, "\n  not where it is seen, too: {other}");
        }
    }
    session.say(&text);
    let Some(record) = &laid_out.record else { return };
    if !record.losses.is_empty() {
        let rows: Vec<Vec<String>> = record
            .losses
            .iter()
            .map(|loss| vec![loss.what.clone(), loss.count.to_string(), loss.becomes.clone()])
            .collect();
        let title = format!("{} can't hold all of it as it is:\n", title(&record.to));
        session.say(&(title + table::render(&["", "count", "becomes"], &rows).trim_end()));
    }
    for note in &record.notes {
        session.say(note);
    }
    if let Some(first) = record.missing.first() {
        session.warn(&format!(
            "the files of {} images were not found and are not laid out, like `{first}`: put them \
             beside the annotations",
            record.missing.len()
        ));
    }
}

fn converted(record: &Record) -> String {
    let title = |name: &str| formats::named(name).map_or("", |format| format.title());
    let what = format!(
        "{}, {}",
        counted(record.images as u64, "image", "images"),
        counted(record.annotations as u64, "annotation", "annotations")
    );
    match record.from == record.to {
        true => format!("laid out anew as {} ({what})", title(&record.to)),
        false => {
            format!("converted from {} to {} ({what})", title(&record.from), title(&record.to))
        }
    }
}
