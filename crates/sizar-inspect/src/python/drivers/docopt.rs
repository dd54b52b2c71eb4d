//! Options of docopt: the usage text is the definition.

use sizar_model::inspection::DriverOption;

/// Returns the options and commands that a usage text describes; `line` is where it begins.
pub(super) fn options(usage: &str, path: &str, line: u32) -> (Vec<DriverOption>, Vec<String>) {
    let mut options: Vec<DriverOption> = Vec::new();
    let mut commands = Vec::new();
    let mut section = Section::Other;
    for (offset, text) in usage.lines().enumerate() {
        let at = line + offset as u32;
        let trimmed = text.trim();
        let lower = trimmed.to_ascii_lowercase();
        if lower.starts_with("usage:") {
            section = Section::Usage;
        } else if trimmed.is_empty() && section == Section::Usage {
            section = Section::Other;
            continue;
        } else if lower.ends_with("options:") {
            section = Section::Options;
            continue;
        } else if lower.ends_with("arguments:") {
            section = Section::Arguments;
            continue;
        }
        if section == Section::Usage {
            let pattern =
                if lower.starts_with("usage:") { trimmed.get(6..).unwrap_or("") } else { trimmed };
            usage_line(pattern, path, at, &mut options, &mut commands);
        } else if trimmed.starts_with('-') {
            merge(&mut options, described_option(trimmed, path, at));
        } else if section == Section::Arguments && trimmed.starts_with('<') {
            let (name, help) = trimmed.split_once("  ").unwrap_or((trimmed, ""));
            if let Some(known) =
                options.iter_mut().find(|o| o.flags.iter().any(|f| f == name.trim()))
            {
                known.help = Some(without_default(help)).filter(|help| !help.is_empty());
                known.default = default_in(help);
            }
        } else if let Some(last) = options.last_mut()
            && text.starts_with("   ")
            && section == Section::Options
        {
            // The description goes on.
            if last.default.is_none() {
                last.default = default_in(trimmed);
            }
            let more = without_default(trimmed);
            if !more.is_empty() {
                let help = last.help.get_or_insert_default();
                if !help.is_empty() {
                    help.push(' ');
                }
                help.push_str(&more);
            }
        }
    }
    options.retain(|option| {
        !option.flags.iter().any(|flag| matches!(flag.as_str(), "--help" | "--version"))
    });
    (options, commands)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Other,
    Usage,
    Options,
    Arguments,
}

fn merge(options: &mut Vec<DriverOption>, option: DriverOption) {
    let same = |known: &&mut DriverOption| known.flags.iter().any(|f| option.flags.contains(f));
    match options.iter_mut().find(same) {
        Some(known) => *known = DriverOption { required: known.required, ..option },
        None => options.push(option),
    }
}

/// `train.py [options] <config> [--seed=<n>]`
fn usage_line(
    pattern: &str,
    path: &str,
    line: u32,
    options: &mut Vec<DriverOption>,
    commands: &mut Vec<String>,
) {
    let mut depth = 0_i32;
    let mut words = pattern.split_whitespace();
    words.next();
    let mut may_be_command = true;
    for word in words {
        let opened = word.matches('[').count() as i32;
        let optional = depth + opened > 0;
        depth += opened - word.matches(']').count() as i32;
        let core = word.trim_matches(['[', ']', '(', ')', '|']);
        let name = core.trim_end_matches("...").trim_end_matches([']', ')']);
        let is_positional = name.starts_with('<')
            || (name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        if name.starts_with('-') {
            may_be_command = false;
            let (flag, value) = name.split_once('=').map_or((name, None), |(f, v)| (f, Some(v)));
            let known = options.iter().any(|option| option.flags.iter().any(|f| f == flag));
            if !known && !matches!(flag, "-h" | "--help" | "--version" | "-" | "--") {
                options.push(DriverOption {
                    flags: vec![flag.to_owned()],
                    kind: Some(if value.is_some() { "str" } else { "bool" }.to_owned()),
                    required: !optional && value.is_some(),
                    path: path.to_owned(),
                    line,
                    ..DriverOption::default()
                });
            }
        } else if is_positional {
            may_be_command = false;
            if !options.iter().any(|option| option.flags.iter().any(|flag| flag == name)) {
                options.push(DriverOption {
                    flags: vec![name.to_owned()],
                    kind: Some("str".to_owned()),
                    required: !optional,
                    nargs: core.contains("...").then(|| "+".to_owned()),
                    path: path.to_owned(),
                    line,
                    ..DriverOption::default()
                });
            }
        } else if may_be_command
            && !optional
            && !name.is_empty()
            && name != "options"
            && name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
            && !commands.iter().any(|command| command == name)
        {
            commands.push(name.to_owned());
        }
    }
}

/// `-e, --epochs=<n>   Number of epochs [default: 10].`
fn described_option(text: &str, path: &str, line: u32) -> DriverOption {
    let (flags, help) = text.split_once("  ").unwrap_or((text, ""));
    let mut option = DriverOption {
        kind: Some("bool".to_owned()),
        help: Some(without_default(help)).filter(|help| !help.is_empty()),
        default: default_in(help),
        path: path.to_owned(),
        line,
        ..DriverOption::default()
    };
    for word in flags.split([' ', ',']).filter(|word| !word.is_empty()) {
        let (flag, value) = word.split_once('=').map_or((word, None), |(f, v)| (f, Some(v)));
        if flag.starts_with('-') {
            option.flags.push(flag.to_owned());
        }
        if value.is_some() || !flag.starts_with('-') {
            option.kind = Some("str".to_owned());
        }
    }
    if option.kind.as_deref() == Some("bool") && option.default.is_none() {
        option.default = Some("False".to_owned());
    }
    option
}

fn default_in(help: &str) -> Option<String> {
    let at = help.to_ascii_lowercase().find("[default:")?;
    let rest = help.get(at + "[default:".len()..)?;
    rest.split(']').next().map(|value| value.trim().to_owned())
}

fn without_default(help: &str) -> String {
    let at = help.to_ascii_lowercase().find("[default:").unwrap_or(help.len());
    help.get(..at).unwrap_or(help).trim().to_owned()
}
