//! What volunteers said of images, before it is brought together.

use std::collections::BTreeMap;

use camino::Utf8Path;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value, json};

use super::drawing::{Drawing, Tool};
use super::merge::Agreement;
use super::subject::Subject;
use super::together::{Marks, Part, Together};
use crate::error::Position;
use crate::model::{Dataset, Image, Note};

/// A mark of one volunteer.
pub struct Drawn {
    pub user: usize,
    pub drawing: Drawing,
    /// What the volunteer said of it, by the task's name.
    pub details: Vec<(String, Value)>,
    pub task: String,
    pub at: Position,
}

/// What volunteers of one workflow said of one subject.
#[derive(Default)]
struct Seen {
    workflow: usize,
    volunteers: FxHashSet<usize>,
    frames: BTreeMap<u64, Frame>,
}

/// What they said of one of its images.
#[derive(Default)]
struct Frame {
    subject: usize,
    /// The marks by what their tool is called.
    marks: BTreeMap<String, Vec<Drawn>>,
    /// The volunteers of each answer to each question.
    answers: BTreeMap<(String, String), FxHashSet<usize>>,
}

/// Workflows by their numbers, and what each subject was said to be in each.
pub struct Collected<'p> {
    path: &'p Utf8Path,
    workflows: Vec<String>,
    known_workflows: FxHashMap<String, usize>,
    subjects: Vec<Subject>,
    known_subjects: FxHashMap<(String, u64), usize>,
    seen: Vec<Seen>,
    known_seen: FxHashMap<(usize, String), usize>,
    /// What the tools of each workflow are like.
    tools: FxHashMap<(usize, String), Tool>,
    /// What isn't read, by its task: how often, and where first.
    unread: BTreeMap<(&'static str, String, String), (usize, Position)>,
    pub notes: Vec<Note>,
    classifications: usize,
    marks: usize,
}

impl<'p> Collected<'p> {
    pub fn new(path: &'p Utf8Path) -> Self {
        Self {
            path,
            workflows: Vec::new(),
            known_workflows: FxHashMap::default(),
            subjects: Vec::new(),
            known_subjects: FxHashMap::default(),
            seen: Vec::new(),
            known_seen: FxHashMap::default(),
            tools: FxHashMap::default(),
            unread: BTreeMap::new(),
            notes: Vec::new(),
            classifications: 0,
            marks: 0,
        }
    }

    /// Returns the number of a workflow.
    pub fn workflow(&mut self, id: &str, name: &str) -> usize {
        if let Some(known) = self.known_workflows.get(id) {
            return *known;
        }
        let name = if name.trim().is_empty() { id } else { name.trim() };
        self.workflows.push(name.to_owned());
        self.known_workflows.insert(id.to_owned(), self.workflows.len() - 1);
        self.workflows.len() - 1
    }

    /// Returns the place of what the volunteers of a workflow said of a subject.
    pub fn seen(&mut self, workflow: usize, id: &str) -> usize {
        let next = self.seen.len();
        let at = *self.known_seen.entry((workflow, id.to_owned())).or_insert(next);
        if at == next {
            self.seen.push(Seen { workflow, ..Seen::default() });
        }
        at
    }

    /// Makes a place for a frame of a subject.
    pub fn frame(
        &mut self,
        seen: usize,
        id: &str,
        frame: u64,
        said: &Map<String, Value>,
        metadata: &Value,
    ) {
        let next = self.subjects.len();
        let subject = *self.known_subjects.entry((id.to_owned(), frame)).or_insert(next);
        if subject == next {
            self.subjects.push(Subject::new(id, frame, said));
        }
        self.subjects[subject].measure(metadata, frame);
        self.seen[seen].frames.entry(frame).or_default().subject = subject;
    }

    /// Counts a volunteer, once for a subject of a workflow; tells whether it is the first time.
    pub fn volunteer(&mut self, seen: usize, user: usize) -> bool {
        let is_new = self.seen[seen].volunteers.insert(user);
        self.classifications += usize::from(is_new);
        is_new
    }

    /// The name of a subject.
    pub fn name(&self, seen: usize) -> &str {
        let frame = self.seen[seen].frames.get(&0);
        frame.map_or("", |frame| &self.subjects[frame.subject].name)
    }

    /// Adds an answer about a subject.
    pub fn answer(&mut self, seen: usize, question: String, answer: String, user: usize) {
        let frame = self.seen[seen].frames.entry(0).or_default();
        frame.answers.entry((question, answer)).or_default().insert(user);
    }

    /// Adds a mark of the tool that is called `label`.
    pub fn mark(&mut self, seen: usize, frame: u64, label: String, drawn: Drawn) {
        let workflow = self.seen[seen].workflow;
        self.tools.entry((workflow, label.clone())).or_default().see(&drawn.drawing);
        let frame = self.seen[seen].frames.entry(frame).or_default();
        frame.marks.entry(label).or_default().push(drawn);
    }

    /// Remembers something that isn't read.
    pub fn unread(&mut self, task: &str, kind: String, at: &Position) {
        let key = ("unread-answer", task.to_owned(), kind);
        self.unread.entry(key).or_insert_with(|| (0, at.clone())).0 += 1;
    }

    /// Remembers a mark that isn't read.
    pub fn unread_mark(&mut self, task: &str, why: String, at: &Position) {
        let key = ("unread-mark", task.to_owned(), why);
        self.unread.entry(key).or_insert_with(|| (0, at.clone())).0 += 1;
    }

    /// Brings it together.
    pub fn dataset(mut self, volunteers: usize, agreement: &Agreement) -> Dataset {
        let mut together = Together::new(self.path, agreement);
        together.dataset.notes = std::mem::take(&mut self.notes);
        let mut by_subject: Vec<Vec<(usize, &FxHashSet<usize>, Frame)>> = Vec::new();
        by_subject.resize_with(self.subjects.len(), Vec::new);
        let mut seen = std::mem::take(&mut self.seen);
        for seen in &mut seen {
            for frame in std::mem::take(&mut seen.frames).into_values() {
                by_subject[frame.subject].push((seen.workflow, &seen.volunteers, frame));
            }
        }
        let has_several = self.workflows.len() > 1;
        for (at, parts) in by_subject.into_iter().enumerate() {
            for (workflow, volunteers, frame) in parts {
                let marks = self.decide(workflow, at, frame.marks);
                let part = Part {
                    image: at as u32,
                    name: &self.subjects[at].name,
                    workflow: has_several.then(|| &*self.workflows[workflow]),
                    volunteers: volunteers.len(),
                };
                let size = self.subjects[at].size;
                let left = together.marks(&part, f64::from(size[0].max(size[1]).max(1)), &marks);
                let undecided = together.answers(&part, &frame.answers);
                together.say_left(&part, left, undecided);
            }
        }
        let mut dataset = together.dataset;
        dataset.images.extend(self.subjects.into_iter().map(|subject| Image {
            name: subject.name.into(),
            width: subject.size[0],
            height: subject.size[1],
            provenance: subject.provenance.map(Box::new),
            ..Image::default()
        }));
        dataset.notes.extend(self.unread.into_iter().map(|((code, task, what), (count, at))| {
            let often = if count == 1 { String::new() } else { format!(", {count} times") };
            let message = format!("left out in the task `{task}`{often}: {what}");
            Note { code, at, message }
        }));
        dataset.info.name = Some("Zooniverse classifications".into());
        let said = &mut dataset.info.attributes;
        said.insert("volunteers".into(), volunteers.into());
        said.insert("classifications".into(), self.classifications.into());
        said.insert("marks".into(), self.marks.into());
        said.insert("marks_agreed_on".into(), together.kept.into());
        said.insert("marks_left_out".into(), together.left.into());
        said.insert("overlap_at_least".into(), json!(agreement.overlap));
        said.insert("share_above".into(), json!(agreement.share));
        dataset
    }

    /// Decides what the drawings are, and puts apart those of one tool that are of two kinds.
    fn decide(
        &mut self,
        workflow: usize,
        subject: usize,
        drawn: BTreeMap<String, Vec<Drawn>>,
    ) -> BTreeMap<(String, &'static str), Marks> {
        let size = self.subjects[subject].size;
        let mut found: BTreeMap<(String, &'static str), Marks> = BTreeMap::new();
        for (label, drawn) in drawn {
            let tool = self.tools.get(&(workflow, label.clone())).copied().unwrap_or_default();
            for drawn in drawn {
                match drawn.drawing.mark(size, tool) {
                    Ok(mark) => {
                        self.marks += 1;
                        let marks = found.entry((label.clone(), mark.kind())).or_default();
                        marks.marks.push((drawn.user, mark));
                        marks.details.push(drawn.details);
                    }
                    Err(why) => self.unread_mark(&drawn.task, why, &drawn.at),
                }
            }
        }
        found
    }
}
