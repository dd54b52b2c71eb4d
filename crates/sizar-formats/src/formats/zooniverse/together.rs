//! What volunteers agree on, as annotations.

use std::collections::BTreeMap;

use camino::Utf8Path;
use rustc_hash::FxHashSet;
use serde_json::{Value, json};

use super::mark::Mark;
use super::merge::{Agreement, merge};
use crate::error::Position;
use crate::model::{Annotation, Attributes, Category, Dataset, Note};

/// Marks of one tool and kind on one image.
#[derive(Default)]
pub struct Marks {
    /// Each with its volunteer.
    pub marks: Vec<(usize, Mark)>,
    /// What the volunteer said of each, by the task's name.
    pub details: Vec<Vec<(String, Value)>>,
}

impl Marks {
    /// Returns what more than `share` of these marks' volunteers said of them.
    fn agreed_details(&self, members: &[usize], share: f64) -> Attributes {
        let mut counts: BTreeMap<(&str, String), (usize, &Value)> = BTreeMap::new();
        for (name, value) in members.iter().flat_map(|at| &self.details[*at]) {
            counts.entry((name, value.to_string())).or_insert((0, value)).0 += 1;
        }
        let is_agreed = |count: usize| count as f64 > share * members.len() as f64;
        // where the share is below a half, two answers may do: the one of more volunteers
        let mut agreed: Vec<(&str, usize, &Value)> = counts
            .into_iter()
            .filter(|(_, (count, _))| is_agreed(*count))
            .map(|((name, _), (count, value))| (name, count, value))
            .collect();
        agreed.sort_by_key(|(_, count, _)| *count);
        agreed.into_iter().map(|(name, _, value)| (name.to_owned(), value.clone())).collect()
    }
}

/// An image in one workflow.
#[derive(Clone, Copy)]
pub struct Part<'c> {
    pub image: u32,
    pub name: &'c str,
    /// What the workflow is called, where there are several.
    pub workflow: Option<&'c str>,
    /// How many saw it there.
    pub volunteers: usize,
}

impl Part<'_> {
    fn agreed_on(&self, marked: usize) -> Attributes {
        let mut said = Attributes::new();
        if let Some(workflow) = self.workflow {
            said.insert("workflow".into(), workflow.into());
        }
        said.insert("volunteers".into(), self.volunteers.into());
        said.insert("marked".into(), marked.into());
        said
    }

    fn share_of(&self, marked: usize) -> f64 {
        thousandth(marked as f64 / self.volunteers as f64)
    }
}

/// A data set that is made of what volunteers agree on.
pub struct Together<'a> {
    pub dataset: Dataset,
    path: &'a Utf8Path,
    agreement: &'a Agreement,
    /// Marks that are in things.
    pub kept: usize,
    /// Marks that are in none.
    pub left: usize,
}

impl<'a> Together<'a> {
    pub fn new(path: &'a Utf8Path, agreement: &'a Agreement) -> Self {
        Self { dataset: Dataset::default(), path, agreement, kept: 0, left: 0 }
    }

    /// Adds the things of an image, whose longer side is `longest`; returns how many marks are
    /// left.
    pub fn marks(
        &mut self,
        part: &Part<'_>,
        longest: f64,
        marks: &BTreeMap<(String, &'static str), Marks>,
    ) -> usize {
        let mut left_here = 0;
        for ((label, _), marks) in marks {
            let (agreed, left) = merge(&marks.marks, part.volunteers, longest, self.agreement);
            self.kept += marks.marks.len() - left;
            left_here += left;
            for thing in agreed {
                let category = Some(category(&mut self.dataset, label, None));
                let mut annotation =
                    Annotation { image: part.image, category, ..Annotation::default() };
                thing.mark.place(&mut annotation);
                let more = annotation.more_mut();
                more.score = Some(part.share_of(thing.marked));
                more.attributes = part.agreed_on(thing.marked);
                more.attributes.insert("likeness".into(), json!(thousandth(thing.likeness)));
                more.attributes.extend(marks.agreed_details(&thing.members, self.agreement.share));
                self.dataset.annotations.push(annotation);
            }
        }
        self.left += left_here;
        left_here
    }

    /// Adds the labels of an image; returns how many questions have none.
    pub fn answers(
        &mut self,
        part: &Part<'_>,
        answers: &BTreeMap<(String, String), FxHashSet<usize>>,
    ) -> usize {
        let mut undecided: FxHashSet<&str> =
            answers.keys().map(|(question, _)| question.as_str()).collect();
        for ((question, answer), users) in answers {
            if users.len() as f64 <= self.agreement.share * part.volunteers as f64 {
                continue;
            }
            undecided.remove(question.as_str());
            let category = Some(category(&mut self.dataset, answer, Some(question)));
            let mut annotation =
                Annotation { image: part.image, category, ..Annotation::default() };
            let more = annotation.more_mut();
            more.score = Some(part.share_of(users.len()));
            more.attributes = part.agreed_on(users.len());
            self.dataset.annotations.push(annotation);
        }
        undecided.len()
    }

    /// Says what found no majority.
    pub fn say_left(&mut self, part: &Part<'_>, marks: usize, questions: usize) {
        if marks == 0 && questions == 0 {
            return;
        }
        let volunteers = part.volunteers;
        let workflow = part.workflow.map_or_else(String::new, |name| format!(" of `{name}`"));
        self.dataset.notes.push(Note {
            code: "no-agreement",
            at: Position::element(self.path, format!("subject `{}`", part.name)),
            message: format!(
                "{marks} marks and {questions} questions without a majority of {volunteers} \
                 volunteers{workflow} are left out"
            ),
        });
    }
}

fn thousandth(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Answers are classes; yes, no and numbers say nothing without their question.
fn category(dataset: &mut Dataset, label: &str, question: Option<&str>) -> u32 {
    let is_bare = ["yes", "no", "true", "false"].contains(&&*label.to_lowercase())
        || label.parse::<f64>().is_ok_and(f64::is_finite);
    let name = match question {
        Some(question) if is_bare => format!("{question}: {label}"),
        _ => label.to_owned(),
    };
    dataset.category(&name).unwrap_or_else(|| {
        let supercategory = question.map(Into::into);
        dataset.categories.push(Category { supercategory, ..Category::named(name) });
        dataset.categories.len() as u32 - 1
    })
}
