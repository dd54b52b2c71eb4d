//! Frameworks that are started by one call: fire, docopt, typer, getopt and the like.

use ruff_python_ast::{Expr, Stmt};
use sizar_model::inspection::DriverOption;

use super::interpreter::FrameworkCall;
use super::scope::Meaning;
use super::search::{Interface, Search, docstring};
use super::{argv, docopt, fields, typer};
use crate::python::expression::{elements, is_dotted, string};

impl<'a> Search<'_, 'a, '_> {
    /// Returns the interface that a framework call makes.
    pub(super) fn framework_call(&self, found: &FrameworkCall<'a>) -> Option<Interface> {
        let source = self.scopes.project.files.get(found.file)?;
        let interface = |framework, options| Interface {
            framework,
            options,
            parses: true,
            ..Interface::default()
        };
        let last = found.name.rsplit('.').next().unwrap_or(&found.name);
        match last {
            "docopt" => {
                let text = match found.call.arguments.args.first() {
                    Some(given) if !is_dotted(given, &["__doc__"]) => {
                        string(self.scopes.constant(found.file, given).1)
                    }
                    _ => docstring(source.module.statements()),
                };
                let line =
                    source.module.statements().first().map_or(1, |s| source.module.line_of(s));
                let (options, subcommands) = docopt::options(text?, &source.path, line);
                Some(Interface { framework: "docopt", options, subcommands, parses: true })
            }
            "Fire" => {
                let mut interface = interface("fire", Vec::new());
                self.fire(found, &mut interface);
                Some(interface)
            }
            "getopt" | "gnu_getopt" => {
                Some(interface("sys.argv", argv::getopt(&self.scopes, found.file, found.call)))
            }
            "main" | "LightningCLI" if found.name.contains("test") => None,
            "LightningCLI" => Some(interface("argparse", Vec::new())),
            _ if found.name.ends_with("app.run") => None,
            _ => {
                let framework = if found.name == "typer.run" { "typer" } else { "argparse" };
                let target = found.call.arguments.args.first()?;
                let options = match self.meaning(found.file, target)? {
                    Meaning::Function(at, function) if framework == "typer" => {
                        typer::options(&self.scopes, at, function)
                    }
                    Meaning::Function(at, function) => {
                        fields::of_parameters(&self.scopes, at, function, false)
                    }
                    Meaning::Class(at, class) => {
                        fields::of_class(&self.scopes, at, class, &fields::Prefix::default())
                    }
                    _ => return None,
                };
                Some(interface(framework, options))
            }
        }
    }

    fn meaning(&self, file: usize, expr: &'a Expr) -> Option<Meaning<'a>> {
        match expr {
            Expr::Name(name) => self.scopes.lookup(file, name.id.as_str()),
            Expr::Attribute(attribute) => match self.meaning(file, &attribute.value)? {
                Meaning::Module(module) => self.scopes.member(module, attribute.attr.as_str()),
                _ => None,
            },
            _ => None,
        }
    }

    /// `fire.Fire(function)`, `fire.Fire(Class)`, `fire.Fire({…})`, `fire.Fire()`
    fn fire(&self, found: &FrameworkCall<'a>, interface: &mut Interface) {
        let mut members: Vec<(String, Meaning<'a>)> = Vec::new();
        match found.call.arguments.args.first() {
            Some(Expr::Dict(dict)) => {
                for item in &dict.items {
                    let name = item.key.as_ref().and_then(string);
                    if let (Some(name), Some(meaning)) =
                        (name, self.meaning(found.file, &item.value))
                    {
                        members.push((name.to_owned(), meaning));
                    }
                }
            }
            Some(list) if elements(list).is_some() => {
                for item in elements(list).unwrap_or_default() {
                    if let (Expr::Name(name), Some(meaning)) =
                        (item, self.meaning(found.file, item))
                    {
                        members.push((name.id.as_str().to_owned(), meaning));
                    }
                }
            }
            Some(target) => {
                let target = match target {
                    Expr::Call(call) => &call.func,
                    other => other,
                };
                match self.meaning(found.file, target) {
                    Some(Meaning::Function(at, function)) => {
                        interface.options =
                            fields::of_parameters(&self.scopes, at, function, false);
                    }
                    Some(Meaning::Class(at, class)) => {
                        for statement in &class.body {
                            let Stmt::FunctionDef(method) = statement else { continue };
                            let options = fields::of_parameters(&self.scopes, at, method, true);
                            let name = method.name.as_str();
                            if name == "__init__" {
                                interface.options.extend(options);
                            } else if !name.starts_with('_') {
                                add_subcommand(interface, name, options);
                            }
                        }
                    }
                    _ => {}
                }
                return;
            }
            None => {
                let Some(scope) = self.scopes.scope(found.file) else { return };
                let mut functions: Vec<_> = scope
                    .names
                    .keys()
                    .filter(|name| !name.starts_with('_'))
                    .filter_map(|&name| Some((name, self.scopes.lookup(found.file, name)?)))
                    .filter(|(_, meaning)| matches!(meaning, Meaning::Function(at, _) if *at == found.file))
                    .collect();
                functions.sort_by_key(|(name, _)| *name);
                members.extend(functions.into_iter().map(|(name, m)| (name.to_owned(), m)));
            }
        }
        for (name, meaning) in members {
            if let Meaning::Function(at, function) = meaning {
                let options = fields::of_parameters(&self.scopes, at, function, false);
                add_subcommand(interface, &name, options);
            }
        }
    }
}

fn add_subcommand(interface: &mut Interface, name: &str, options: Vec<DriverOption>) {
    interface.subcommands.push(name.to_owned());
    interface.options.extend(options.into_iter().map(|mut option| {
        option.subcommand = Some(name.to_owned());
        option
    }));
}
