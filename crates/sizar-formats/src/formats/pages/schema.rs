//! Holds a document against rules taken from a published schema.
//!
//! The rules are tables of the elements that sizar reads and writes: attributes, the order of what
//! is in them, ids and references. Elements that have no row are not looked into.

use roxmltree::Node;
use rustc_hash::FxHashSet;

use super::ids;
use crate::error::Result;
use crate::model::Note;
use crate::xml::XmlFile;

/// What an element has to be like.
pub struct Rule {
    pub names: &'static [&'static str],
    pub attributes: &'static [&'static [Attribute]],
    /// What may be in it, in this order.
    pub content: &'static [Slot],
}

/// An attribute.
pub struct Attribute {
    pub name: &'static str,
    pub is_required: bool,
    pub value: Value,
}

/// What an attribute may say.
#[derive(Clone, Copy)]
pub enum Value {
    Text,
    Id,
    Reference,
    References,
    Whole,
    Natural,
    Number,
    /// From 0 to 1.
    Share,
    Truth,
    /// Whole coordinates as PAGE writes them.
    Points,
    /// Coordinates as ALTO writes them.
    FreePoints,
    DateTime,
    One(&'static [&'static str]),
}

/// A place for some elements in another.
pub struct Slot {
    pub names: &'static [&'static str],
    pub least: usize,
    pub most: usize,
}

pub const MANY: usize = usize::MAX;

pub const fn must(name: &'static str, value: Value) -> Attribute {
    Attribute { name, is_required: true, value }
}

pub const fn may(name: &'static str, value: Value) -> Attribute {
    Attribute { name, is_required: false, value }
}

pub const fn slot(names: &'static [&'static str], least: usize, most: usize) -> Slot {
    Slot { names, least, most }
}

/// The rules of a format.
pub struct Schema {
    pub rules: &'static [Rule],
    /// Attributes that are ids, wherever they are.
    pub ids: &'static [&'static str],
    /// Whether what the rules don't know is a fault; older versions know less or other things.
    pub is_strict: bool,
    /// The name of the schema, for a sentence.
    pub name: &'static str,
}

/// Faults beyond this many in one file tell nothing new.
const MOST: usize = 100;

impl Value {
    /// Tells what is wrong with `text`, if something is.
    pub fn fault(&self, text: &str) -> Option<String> {
        let trimmed = text.trim();
        let number = || match trimmed {
            "INF" | "-INF" | "NaN" => Some(f64::NAN),
            _ => trimmed.parse::<f64>().ok().filter(|number| number.is_finite()),
        };
        let wanted = match self {
            Self::Text => return None,
            Self::Id | Self::Reference => (!ids::is_id(trimmed)).then_some("a name of an element"),
            Self::References => {
                let all = trimmed.split_ascii_whitespace().all(ids::is_id);
                (!all).then_some("names of elements")
            }
            Self::Whole => trimmed.parse::<i32>().is_err().then_some("a whole number"),
            Self::Natural => trimmed.parse::<u64>().is_err().then_some("a whole number from 0"),
            Self::Number => number().is_none().then_some("a number"),
            Self::Share => {
                let fits = number().is_some_and(|number| (0.0..=1.0).contains(&number));
                (!fits).then_some("a number from 0 to 1")
            }
            Self::Truth => {
                (!matches!(trimmed, "true" | "false" | "0" | "1")).then_some("`true` or `false`")
            }
            Self::Points => (!are_points(text))
                .then_some("two or more points like `0,0 10,20`, whole, not below 0"),
            Self::FreePoints => super::points::parse(text).is_err().then_some("points"),
            Self::DateTime => (!ids::is_date_time(trimmed)).then_some("a date with a time"),
            Self::One(known) => {
                if known.contains(&text) {
                    return None;
                }
                return Some(format!("`{}` is none of {}", shorten(text), known.join(", ")));
            }
        };
        wanted.map(|wanted| format!("`{}` is not {wanted}", shorten(text)))
    }
}

/// PAGE's pattern: `([0-9]+,[0-9]+ )+([0-9]+,[0-9]+)`.
fn are_points(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut count = 0;
    let fit = text.split(' ').all(|point| {
        count += 1;
        point.split_once(',').is_some_and(|(x, y)| is_number(x) && is_number(y))
    });
    fit && count > 1
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Schema {
    /// Returns the rule for elements called `name`.
    pub fn rule(&self, name: &str) -> Option<&'static Rule> {
        self.rules.iter().find(|rule| rule.names.contains(&name))
    }

    /// Returns the attributes that `element` may have.
    pub fn optional(&self, element: &str) -> impl Iterator<Item = &'static str> + use<> {
        let optional = self.attributes(element).filter(|attribute| !attribute.is_required);
        optional.map(|attribute| attribute.name)
    }

    /// Tells whether an attribute of `element` may say `text`.
    pub fn fits(&self, element: &str, name: &str, text: &str) -> bool {
        self.attributes(element)
            .find(|attribute| attribute.name == name)
            .is_some_and(|attribute| attribute.value.fault(text).is_none())
    }

    fn attributes(&self, element: &str) -> impl Iterator<Item = &'static Attribute> + use<> {
        self.rule(element).into_iter().flat_map(|rule| rule.attributes.iter().copied().flatten())
    }

    /// Returns all that is wrong with a document.
    pub fn faults(&self, file: &XmlFile) -> Result<Vec<Note>> {
        let document = file.parse()?;
        let mut check = Check { schema: self, file, faults: Vec::new(), ids: FxHashSet::default() };
        check.gather(&document);
        let known: FxHashSet<String> = check.ids.iter().map(|id| (*id).to_owned()).collect();
        for node in document.descendants().filter(Node::is_element) {
            if check.faults.len() >= MOST {
                break;
            }
            check.element(node, &known);
        }
        Ok(check.faults)
    }
}

struct Check<'s, 'f> {
    schema: &'s Schema,
    file: &'f XmlFile,
    faults: Vec<Note>,
    ids: FxHashSet<&'f str>,
}

impl<'f> Check<'_, 'f> {
    fn fault(&mut self, node: Node<'_, '_>, message: String) {
        if self.faults.len() < MOST {
            self.faults.push(Note { code: "schema", at: self.file.position(node), message });
        }
    }

    fn gather<'i: 'f>(&mut self, document: &roxmltree::Document<'i>)
    where
        'f: 'i,
    {
        for node in document.descendants().filter(Node::is_element) {
            for attribute in node.attributes() {
                if !self.schema.ids.contains(&attribute.name()) {
                    continue;
                }
                let value = attribute.range_value();
                let id = self.file.text().get(value).unwrap_or_default().trim();
                if !self.ids.insert(id) {
                    self.fault(node, format!("the id `{}` is there twice", shorten(id)));
                }
            }
        }
    }

    fn element(&mut self, node: Node<'_, '_>, known: &FxHashSet<String>) {
        let name = node.tag_name().name();
        let Some(rule) = self.schema.rule(name) else { return };
        let attributes = || rule.attributes.iter().flat_map(|group| group.iter());
        for attribute in attributes().filter(|attribute| attribute.is_required) {
            if node.attribute(attribute.name).is_none() {
                self.fault(node, format!("<{name}> lacks `{}`", attribute.name));
            }
        }
        for said in node.attributes().filter(|said| said.namespace().is_none()) {
            let Some(attribute) = attributes().find(|known| known.name == said.name()) else {
                if self.schema.is_strict {
                    let message = format!("<{name}> has no attribute `{}`", said.name());
                    self.fault(node, message);
                }
                continue;
            };
            if let Some(what) = attribute.value.fault(said.value()) {
                self.fault(node, format!("{what}, in `{}` of <{name}>", said.name()));
                continue;
            }
            let is_reference = matches!(attribute.value, Value::Reference | Value::References);
            let named = said.value().split_ascii_whitespace().filter(|_| is_reference);
            for missing in named.filter(|named| !known.contains(*named)) {
                let message =
                    format!("`{}` of <{name}> names `{missing}`, which is not there", said.name());
                self.fault(node, message);
            }
        }
        self.content(node, rule);
    }

    fn content(&mut self, node: Node<'_, '_>, rule: &Rule) {
        let name = node.tag_name().name();
        let mut counts = vec![0; rule.content.len()];
        let mut at = 0;
        for inner in node.children().filter(Node::is_element) {
            let inner_name = inner.tag_name().name();
            let Some(place) = rule.content.iter().position(|slot| slot.names.contains(&inner_name))
            else {
                if self.schema.is_strict {
                    self.fault(inner, format!("<{inner_name}> has no place in <{name}>"));
                }
                continue;
            };
            counts[place] += 1;
            if place < at {
                let before = rule.content[at].names[0];
                self.fault(inner, format!("<{inner_name}> has to come before <{before}>"));
            } else {
                at = place;
            }
            if counts[place] > rule.content[place].most {
                self.fault(inner, format!("<{name}> holds more than one <{inner_name}>"));
            }
        }
        for (slot, count) in rule.content.iter().zip(&counts) {
            if *count < slot.least {
                let wanted: Vec<String> =
                    slot.names.iter().map(|name| format!("<{name}>")).collect();
                self.fault(node, format!("<{name}> lacks {}", wanted.join(" or ")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_have_a_pattern() {
        assert!(are_points("0,0 1,20") && are_points("0,0 1,1 2,2"));
        for bad in ["", "0,0", "0,0  1,1", "0,0 1,1 ", "-1,0 1,1", "0.5,0 1,1", "0,0 1", " 0,0 1,1"]
        {
            assert!(!are_points(bad), "{bad:?}");
        }
    }

    #[test]
    fn values_say_what_is_wrong() {
        assert_eq!(Value::Share.fault("1.5").unwrap(), "`1.5` is not a number from 0 to 1");
        assert_eq!(Value::One(&["a", "b"]).fault("c").unwrap(), "`c` is none of a, b");
        assert!(Value::Number.fault("1e3").is_none() && Value::Number.fault("x").is_some());
        assert!(Value::References.fault("a b").is_none() && Value::Truth.fault("yes").is_some());
    }
}
