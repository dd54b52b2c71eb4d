//! Decides which shape of data a driver expects, and where: from what was seen and what was typed.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_inspect::Shape;
use sizar_model::Inspection;
use sizar_model::inspection::DriverOption;

use super::arguments::{Typed, shown};
use super::search::{Candidate, Search, order_of, said};
use super::shaped::{fill, joined};
use super::{Reason, Unknown};
use crate::run::data_place;

/// What is asked of a source.
pub struct Asked<'a> {
    /// The format that the user named; any, where there is none.
    pub format: Option<&'a str>,
    /// Where the user says that the driver looks.
    pub there: Option<&'a Utf8Path>,
    /// The user's data as typed, for examples.
    pub data: &'a str,
    pub driver: &'a str,
    pub args: &'a [String],
    /// Tells whether a path is in the source.
    pub holds: &'a dyn Fn(&Utf8Path) -> bool,
}

/// What a driver expects.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The shape; none where the user said the place and nothing shows a shape.
    pub shape: Option<&'static Shape>,
    /// The format, as `sizar data` names it.
    pub format: &'static str,
    /// The folder of the data set, where the program looks.
    pub place: Utf8PathBuf,
    pub year: Option<String>,
    /// What of the data set is shown, each below the place; all of it where there is none.
    pub binds: Vec<String>,
    /// What the splits are called.
    pub splits: Vec<String>,
    pub one_split: bool,
    /// What the shape's own file is called here.
    pub file: Option<String>,
    pub reasons: Vec<Reason>,
    /// Other places at which something of this kind is expected.
    pub others: Vec<Reason>,
    /// What is passed to the driver beside what the user passes: options and their values.
    pub fills: Vec<(String, String)>,
}

impl Expectation {
    /// Passes values for options that the user does not pass.
    pub(super) fn fill(&mut self, fills: Vec<(&DriverOption, String)>) {
        for (option, value) in fills {
            let option = shown(option).to_owned();
            self.reasons.push(said(format!("`{option} {value}` is passed for you")));
            self.fills.push((option, value));
        }
    }
}

/// Decides what the driver expects.
///
/// # Errors
///
/// [`Unknown`] where neither the source nor the user says where, or it says a place where nothing
/// can be.
pub fn expect(inspection: &Inspection, asked: &Asked<'_>) -> Result<Expectation, Unknown> {
    let typed = Typed::of(inspection, asked.driver, asked.args);
    let search = Search { inspection, typed, asked };
    let mut candidates = search.candidates();
    // where the code knows several years, the usual one
    let unusual = |it: &Candidate<'_>| it.year.is_some() && it.year != it.shape.year;
    candidates.sort_by_key(|it| (it.certainty, order_of(it.shape), unusual(it)));
    if let Some(there) = asked.there {
        let placeless = search.placeless();
        return search.by_hand(there, candidates.first().or(placeless.as_ref()));
    }
    let Some(best) = candidates.first() else {
        return Err(search.nothing());
    };
    if best.root.is_none()
        && let Some(expectation) = filled(&search, best)
    {
        return Ok(expectation);
    }
    let (Some(root), _) = (&best.root, best.certainty) else {
        let option = best.option.map(shown).unwrap_or_default().to_owned();
        let at = best.option.map_or(String::new(), |it| format!("{}:{}", it.path, it.line));
        let value =
            best.shape.file.as_ref().map_or("data".to_owned(), |file| format!("data/{file}"));
        let example = match option.starts_with('-') {
            true => format!("-- {} {option} {value}", asked.driver),
            false => format!("-- {} {value}", asked.driver),
        };
        return Err(Unknown::Unset { driver: asked.driver.to_owned(), option, at, example });
    };
    let mut expectation = search.of(best);
    let place = joined(root, &fill(&best.shape.below, expectation.year.as_deref()));
    let unusable = |place: &str| Unknown::Unusable {
        place: place.to_owned(),
        reason: best.reasons.last().cloned().unwrap_or_else(|| said("the source says so")),
        example: search.example(best.shape.format.as_str()),
    };
    expectation.place = if place.is_empty() {
        // its parts are shown, each for itself
        Utf8PathBuf::new()
    } else {
        data_place(&place).map_err(|_| unusable(&place))?
    };
    if expectation.place.as_str().is_empty() && expectation.binds.is_empty() {
        return Err(unusable("."));
    }
    let replaced = best.file.as_ref().map(|file| expectation.place.join(file));
    if replaced.is_some_and(|file| (asked.holds)(&file)) {
        return Err(unusable(&place));
    }
    let mut others = BTreeSet::new();
    for other in candidates.iter().filter(|other| other.root.is_some() && other.root != best.root) {
        others.extend(other.reasons.last().cloned());
    }
    expectation.others = others.into_iter().filter(|it| !best.reasons.contains(it)).collect();
    Ok(expectation)
}

/// Where nobody says the folder and only options of the driver ask for it: a place of our own, which
/// the options get. Nothing, where it is not clear that they are for the data set.
fn filled(search: &Search<'_>, best: &Candidate<'_>) -> Option<Expectation> {
    if !best.is_clear {
        return None;
    }
    let mut expectation = search.of(best);
    let year = expectation.year.clone();
    let root = ["data", "sizar-data"]
        .map(|folder| joined(folder, expectation.format))
        .into_iter()
        .find(|root| !(search.asked.holds)(Utf8Path::new(root)))?;
    expectation.place =
        data_place(&joined(&root, &fill(&best.shape.below, year.as_deref()))).ok()?;
    let mut fills = best.of_parts(&expectation.place, year.as_deref());
    if let Some(option) = best.option.filter(|option| search.may_be_filled(option)) {
        let file = best.shape.file.as_deref();
        fills.push((option, file.map_or(root.clone(), |file| joined(&root, file))));
    }
    if fills.is_empty() {
        return None;
    }
    expectation.fill(fills);
    Some(expectation)
}

#[cfg(test)]
#[path = "expect_tests.rs"]
mod tests;
