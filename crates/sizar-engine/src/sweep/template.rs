//! A command line with places for parameters: `--lr {lr}`.

use sizar_model::Parameters;
use sizar_model::inspection::Driver;

use super::values::is_name;
use crate::run::nearest::nearest;

/// The name that stands for a task's number.
const TASK: &str = "task";

/// A driver's arguments with places for parameters.
///
/// `{name}` is such a place where `name` could be a parameter, `{task}` stands for the task's
/// number, and `{{name}}` for `{name}` itself. Other braces are what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    args: Vec<String>,
}

/// A command line that does not fit its parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("`{{{name}}}` in the command is no parameter of the sweep")]
    Unknown { name: String, nearest: Vec<String> },
    #[error("the command does not say where the parameter `{name}` goes{}", of_driver(driver.as_ref()))]
    Unused {
        name: String,
        /// The driver, where it is known which options it has.
        driver: Option<String>,
        nearest: Vec<String>,
    },
}

fn of_driver(driver: Option<&String>) -> String {
    driver.map(|name| format!(", and `{name}` has no option of that name")).unwrap_or_default()
}

impl TemplateError {
    /// Returns what the reader can do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown { name, nearest } => nearest
                .first()
                .map(|near| format!("is `{{{near}}}` meant?"))
                .into_iter()
                .chain([format!("`{{{{{name}}}}}` is written where the braces are meant")])
                .collect(),
            Self::Unused { name, nearest, .. } => nearest
                .first()
                .map(|near| format!("is the option `{near}` meant?"))
                .into_iter()
                .chain([format!("write `{{{name}}}` where its value goes")])
                .collect(),
        }
    }
}

impl Template {
    pub fn new(args: &[String]) -> Self {
        Self { args: args.to_vec() }
    }

    /// Returns the arguments with their places.
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// Checks that every place has its parameter; returns the parameters that have no place.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Unknown`] for a place without a parameter.
    pub fn unplaced(&self, names: &[&str]) -> Result<Vec<String>, TemplateError> {
        let mut placed: Vec<String> = Vec::new();
        for arg in &self.args {
            for piece in pieces(arg) {
                let Piece::Place(name) = piece else { continue };
                if names.contains(&name) {
                    placed.push(name.to_owned());
                } else if name != TASK {
                    let known = names.iter().map(|name| (*name).to_owned()).collect();
                    let nearest = nearest(name, known);
                    return Err(TemplateError::Unknown { name: name.to_owned(), nearest });
                }
            }
        }
        let missing = names.iter().filter(|name| !placed.iter().any(|known| known == *name));
        Ok(missing.map(|name| (*name).to_owned()).collect())
    }

    /// Gives a parameter without a place one of its own: the driver's option of that name.
    ///
    /// # Errors
    ///
    /// [`TemplateError::Unused`] where it has none, or is not known.
    pub fn place(&mut self, name: &str, driver: Option<&Driver>) -> Result<(), TemplateError> {
        let unused = |nearest| TemplateError::Unused {
            name: name.to_owned(),
            driver: driver.map(|driver| driver.path.clone()),
            nearest,
        };
        let flags: Vec<String> = driver
            .iter()
            .flat_map(|driver| &driver.options)
            .flat_map(|option| option.flags.iter().cloned())
            .filter(|flag| flag.starts_with('-'))
            .collect();
        let plain = |text: &str| text.trim_start_matches('-').replace('_', "-");
        let Some(flag) = flags.iter().find(|flag| plain(flag) == plain(name)) else {
            return Err(unused(nearest(name, flags)));
        };
        self.args.push(flag.clone());
        self.args.push(format!("{{{name}}}"));
        Ok(())
    }

    /// Returns the arguments of one task.
    pub fn fill(&self, number: u32, set: &Parameters) -> Vec<String> {
        self.args.iter().map(|arg| fill(arg, number, set)).collect()
    }
}

fn fill(arg: &str, number: u32, set: &Parameters) -> String {
    let mut text = String::new();
    for piece in pieces(arg) {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Place(name) => match set.get(name) {
                Some(value) => text.push_str(value),
                None => text.push_str(&number.to_string()),
            },
            Piece::Literal(name) => {
                text.push('{');
                text.push_str(name);
                text.push('}');
            }
        }
    }
    text
}

/// A part of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Place(&'a str),
    /// What was in two pairs of braces.
    Literal(&'a str),
}

fn pieces(arg: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = arg;
    let mut from = 0;
    while let Some(open) = rest.get(from..).and_then(|text| text.find('{')).map(|at| at + from) {
        let (before, behind) = rest.split_at(open);
        let doubled = behind.strip_prefix("{{").and_then(|text| text.split_once("}}"));
        let single = behind.strip_prefix('{').and_then(|text| text.split_once('}'));
        let found = match (doubled, single) {
            (Some((name, after)), _) if is_name(name) => Some((Piece::Literal(name), after)),
            (_, Some((name, after))) if is_name(name) => Some((Piece::Place(name), after)),
            _ => None,
        };
        match found {
            Some((piece, after)) => {
                pieces.push(Piece::Text(before));
                pieces.push(piece);
                (rest, from) = (after, 0);
            }
            None => from = open + 1,
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use sizar_model::inspection::DriverOption;

    use super::*;

    fn template(args: &[&str]) -> Template {
        Template::new(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    fn set() -> Parameters {
        Parameters(vec![("lr".into(), "0.1".into()), ("seed".into(), "3".into())])
    }

    #[test]
    fn places_are_filled_and_other_braces_stay() {
        let template =
            template(&["--lr={lr}", "--out", "r-{seed}-{task}", "{\"a\": {lr}}", "{{lr}}"]);
        let filled = template.fill(7, &set());
        assert_eq!(filled, ["--lr=0.1", "--out", "r-3-7", "{\"a\": 0.1}", "{lr}"]);
        assert_eq!(template.unplaced(&["lr", "seed"]).unwrap(), Vec::<String>::new());
        assert_eq!(template.unplaced(&["lr", "seed", "x"]).unwrap(), ["x"]);
    }

    #[test]
    fn a_place_without_a_parameter_is_a_mistake() {
        let error = template(&["--lr", "{lrr}"]).unplaced(&["lr"]).unwrap_err();
        assert!(error.hints()[0].contains("`{lr}`"), "{error:?}");
        assert!(template(&["{0}", "{a b}", "${HOME", "{}"]).unplaced(&[]).is_ok());
    }

    #[test]
    fn an_option_of_the_driver_takes_what_has_no_place() {
        let option = DriverOption { flags: vec!["--batch_size".into()], ..DriverOption::default() };
        let driver = Driver { path: "train.py".into(), options: vec![option], ..Driver::default() };
        let mut template = template(&["--x"]);
        template.place("batch-size", Some(&driver)).unwrap();
        assert_eq!(template.args(), ["--x", "--batch_size", "{batch-size}"]);
        let error = template.place("momentum", Some(&driver)).unwrap_err();
        assert!(error.to_string().contains("`train.py` has no option"), "{error}");
        assert!(template.place("momentum", None).is_err());
    }
}
