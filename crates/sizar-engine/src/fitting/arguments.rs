//! A driver's options, and what the user passes for them.

use sizar_model::Inspection;
use sizar_model::inspection::{Driver, DriverOption};

use super::seen::text_of;

/// A driver and the arguments behind its name.
#[derive(Clone, Copy)]
pub(super) struct Typed<'a> {
    pub driver: Option<&'a Driver>,
    args: &'a [String],
}

/// What a program gets for an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Passed(String),
    Default(String),
    /// Neither is it passed nor has it a default.
    Unset,
}

impl<'a> Typed<'a> {
    /// Finds the driver that was named: by its path, its installed name, or as `python`'s argument.
    pub fn of(inspection: &'a Inspection, driver: &str, args: &'a [String]) -> Self {
        let (word, args) = match (driver.starts_with("python"), args.split_first()) {
            (true, Some((module, rest))) if module == "-m" => {
                let path = rest.first().map(|name| format!("{}.py", name.replace('.', "/")));
                (path.unwrap_or_default(), rest.get(1..).unwrap_or_default())
            }
            (true, Some((script, rest))) => (script.clone(), rest),
            _ => (driver.to_owned(), args),
        };
        let word = word.trim_start_matches("./");
        let named = |driver: &&Driver| driver.path == word || driver.name.as_deref() == Some(word);
        Self { driver: inspection.drivers.iter().find(named), args }
    }

    /// Returns the option of one of these names, the first name first.
    pub fn option(&self, names: &[String]) -> Option<&'a DriverOption> {
        names.iter().find_map(|name| self.option_named(name))
    }

    /// Returns the option that the code knows as `name`.
    pub fn option_named(&self, name: &str) -> Option<&'a DriverOption> {
        let wanted = normal(name);
        let mut options = self.driver?.options.iter();
        options.find(|option| option.flags.iter().any(|flag| normal(flag) == wanted))
    }

    /// Returns what the program gets for an option.
    pub fn value(&self, option: &DriverOption) -> Value {
        if let Some(passed) = self.passed(option) {
            return Value::Passed(passed.to_owned());
        }
        let default = option.default.as_deref().and_then(text_of);
        default.filter(|text| !text.is_empty()).map_or(Value::Unset, Value::Default)
    }

    fn passed(&self, wanted: &DriverOption) -> Option<&'a str> {
        let options = self.driver.map(|driver| driver.options.as_slice()).unwrap_or_default();
        let is_flag = |flag: &String| flag.starts_with('-');
        let mut positional = options.iter().filter(|option| !option.flags.iter().any(is_flag));
        let mut args = self.args.iter();
        let mut found = None;
        while let Some(arg) = args.next() {
            let (head, joined) = match arg.split_once('=') {
                Some((head, value)) if arg.starts_with('-') => (head, Some(value)),
                _ => (arg.as_str(), None),
            };
            if !arg.starts_with('-') {
                if positional.next().is_some_and(|option| option == wanted) {
                    found = Some(arg.as_str());
                }
                continue;
            }
            let option = options.iter().find(|option| option.flags.iter().any(|it| it == head));
            let takes =
                joined.is_none() && option.is_none_or(|it| it.kind.as_deref() != Some("bool"));
            let next = args.as_slice().first().filter(|next| !next.starts_with('-'));
            let value = match (joined, next) {
                (None, Some(next)) if takes => {
                    args.next();
                    Some(next.as_str())
                }
                (joined, _) => joined,
            };
            // argparse takes the last of several
            if option == Some(wanted) {
                found = value.or(found);
            }
        }
        found
    }
}

/// `--data-root` is `data_root` in the code.
pub(super) fn normal(name: &str) -> String {
    name.trim_start_matches('-').replace('-', "_").to_ascii_lowercase()
}

/// Returns an option as it is typed: its longest flag, or its name.
pub(super) fn shown(option: &DriverOption) -> &str {
    option.flags.iter().max_by_key(|flag| flag.len()).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_is_found() {
        let option = |flags: &[&str], kind: Option<&str>, default: Option<&str>| DriverOption {
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            kind: kind.map(str::to_owned),
            default: default.map(str::to_owned),
            ..DriverOption::default()
        };
        let driver = Driver {
            path: "train.py".into(),
            options: vec![
                option(&["name"], None, None),
                option(&["data"], None, Some("'imagenet'")),
                option(&["--data-root", "-d"], None, Some("'./data'")),
                option(&["--amp"], Some("bool"), Some("False")),
                option(&["--path"], None, None),
            ],
            ..Driver::default()
        };
        let inspection = Inspection { drivers: vec![driver], ..Inspection::default() };
        let value = |name: &str, driver: &str, line: &str| {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let typed = Typed::of(&inspection, driver, &args);
            typed.option_named(name).map(|option| typed.value(option))
        };
        let passed = |text: &str| Some(Value::Passed(text.to_owned()));
        let default = |text: &str| Some(Value::Default(text.to_owned()));
        for (name, driver, line, expected) in [
            ("data_root", "train.py", "", default("./data")),
            ("data_root", "./train.py", "--data-root x", passed("x")),
            ("data_root", "python", "train.py -d x -d=y", passed("y")),
            ("data_root", "python3", "-m train --data-root=x", passed("x")),
            ("data", "train.py", "one --amp two", passed("two")),
            ("data", "train.py", "--path p one", default("imagenet")),
            ("path", "train.py", "--amp", Some(Value::Unset)),
            ("data_root", "other.py", "--data-root x", None),
        ] {
            assert_eq!(value(name, driver, line), expected, "{driver} {line}");
        }
    }
}
