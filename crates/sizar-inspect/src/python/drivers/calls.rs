//! What calls do while parser-building code is followed.

use std::sync::LazyLock;

use regex::Regex;
use ruff_python_ast::{Expr, ExprCall, StmtClassDef};
use sizar_model::inspection::DriverOption;

use super::fields::{self, Prefix};
use super::interpreter::{Arguments, Frame, FrameworkCall, Interpreter};
use super::value::{Function, Parser, Value};

impl<'a> Interpreter<'_, '_, 'a> {
    /// Returns what a call is worth, and does what it does to parsers.
    pub(super) fn call(&mut self, frame: &mut Frame<'a>, call: &'a ExprCall) -> Value<'a> {
        if let Expr::Attribute(attribute) = &*call.func {
            let method = attribute.attr.as_str();
            let receiver = self.evaluate(frame, &attribute.value);
            let overridden =
                self.class_of(&receiver).is_some_and(|_| self.has_attribute(&receiver, method));
            if let Some(parser) = self.as_parser(&receiver)
                && !overridden
                && !(matches!(receiver, Value::Super(..)) && self.has_attribute(&receiver, method))
            {
                return self.parser_method(frame, parser, method, call);
            }
            if let Value::Subparsers(parser) = receiver {
                return self.subparsers_method(frame, parser, method, call);
            }
            let function = self.attribute(&receiver, method);
            let arguments = self.arguments(frame, call);
            if function.is_unknown() {
                return self.unknown_call(&arguments);
            }
            return self.apply(frame, function, call, arguments);
        }
        let function = self.evaluate(frame, &call.func);
        let arguments = self.arguments(frame, call);
        self.apply(frame, function, call, arguments)
    }

    pub(super) fn arguments(&mut self, frame: &mut Frame<'a>, call: &'a ExprCall) -> Arguments<'a> {
        let positional = call.arguments.args.iter().map(|arg| self.evaluate(frame, arg)).collect();
        let mut named = Vec::new();
        for keyword in &call.arguments.keywords {
            let value = self.evaluate(frame, &keyword.value);
            if let Some(name) = &keyword.arg {
                named.push((name.as_str(), value));
            }
        }
        Arguments { positional, named }
    }

    /// What is not followed most often hands back the parser it was given.
    fn unknown_call(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let parser = arguments.all().find(|value| self.as_parser(value).is_some());
        parser.cloned().unwrap_or(Value::Unknown)
    }

    fn apply(
        &mut self,
        frame: &mut Frame<'a>,
        function: Value<'a>,
        call: &'a ExprCall,
        arguments: Arguments<'a>,
    ) -> Value<'a> {
        match function {
            Value::Function(function) => self.apply_function(&function, arguments),
            Value::Class(file, class) => self.apply_class(file, class, arguments),
            Value::External(name) => self.apply_external(frame, &name, call, &arguments),
            _ => self.unknown_call(&arguments),
        }
    }

    fn apply_function(&mut self, function: &Function<'a>, arguments: Arguments<'a>) -> Value<'a> {
        let concerned = function.file == self.main_file()
            || self.builds_parsers(function.file)
            || arguments.all().any(|value| self.as_parser(value).is_some())
            || function.receiver.as_ref().is_some_and(|value| self.as_parser(value).is_some())
            || self.imports_builders(function.file);
        if !concerned {
            return Value::Unknown;
        }
        let fallback = self.unknown_call(&arguments);
        let result = self.enter(function, arguments.positional, arguments.named);
        if result.is_unknown() { fallback } else { result }
    }

    fn apply_class(
        &mut self,
        file: usize,
        class: &'a StmtClassDef,
        arguments: Arguments<'a>,
    ) -> Value<'a> {
        let framework =
            self.scopes.external_bases(file, class).iter().find_map(|name| framework_of(name));
        if let Some(framework) = framework {
            let parser = self.new_parser(framework);
            self.inherit(parser, &arguments);
            // The fields of a Tap are its options.
            if framework == "argparse"
                && self.scopes.external_bases(file, class).iter().any(|b| b.ends_with("Tap"))
            {
                let options = fields::of_class(self.scopes, file, class, &Prefix::default());
                self.add_options(parser, options);
            }
            return self.instantiate(file, class, Some(parser), arguments);
        }
        let concerned = file == self.main_file()
            || self.builds_parsers(file)
            || arguments.all().any(|value| self.as_parser(value).is_some())
            || self.scopes.bases(file, class).iter().any(|(file, _)| self.builds_parsers(*file));
        if concerned { self.instantiate(file, class, None, arguments) } else { Value::Unknown }
    }

    fn apply_external(
        &mut self,
        frame: &mut Frame<'a>,
        name: &str,
        call: &'a ExprCall,
        arguments: &Arguments<'a>,
    ) -> Value<'a> {
        if let Some(framework) = framework_of(name) {
            let parser = self.new_parser(framework);
            self.inherit(parser, arguments);
            if name.ends_with("HfArgumentParser") || name.ends_with("TrlParser") {
                for class in Self::classes(arguments) {
                    let options =
                        fields::of_class(self.scopes, class.0, class.1, &Prefix::default());
                    self.add_options(parser, options);
                }
            }
            if framework == "optparse" {
                self.add_option_list(frame, parser, call);
            }
            return Value::Parser(parser);
        }
        let last = name.rsplit('.').next().unwrap_or(name);
        match last {
            "super" => return Self::super_of(frame),
            "OptionGroup" => return self.unknown_call(arguments),
            // `functools.partial(f, …)` is called like `f`.
            "partial" => return arguments.positional.first().cloned().unwrap_or(Value::Unknown),
            "__import__" | "import_module" => return Value::Unknown,
            _ => {}
        }
        if is_framework_call(name) {
            self.calls.push(FrameworkCall { name: name.to_owned(), file: frame.file, call });
        }
        // `app.run(main)`, `mp.spawn(work, …)`, `launch(main, …)` call what they are given.
        if matches!(
            last,
            "run" | "spawn" | "launch" | "Process" | "launch_job" | "record" | "start"
        ) {
            let given: Vec<_> = arguments.all().cloned().collect();
            for value in given {
                if let Value::Function(function) = value {
                    self.apply_function(&function, Arguments::default());
                }
            }
            // `flags_parser=` of absl and friends.
            return Value::Unknown;
        }
        if matches!(last, "enumerate" | "list" | "tuple" | "sorted" | "iter") {
            return arguments.positional.first().cloned().unwrap_or(Value::Unknown);
        }
        self.unknown_call(arguments)
    }

    pub(super) fn new_parser(&mut self, framework: &'static str) -> usize {
        self.parsers.push(Parser { framework, ..Parser::default() });
        self.parsers.len() - 1
    }

    /// Copies the options of `parents=[…]`.
    pub(super) fn inherit(&mut self, parser: usize, arguments: &Arguments<'a>) {
        let parents = arguments.named.iter().find(|(name, _)| *name == "parents");
        let Some((_, value)) = parents else { return };
        let values: Vec<_> = match value {
            Value::Sequence(values) => values.clone(),
            other => vec![other.clone()],
        };
        for value in values {
            let Some(parent) = self.as_parser(&value) else { continue };
            let options = self.parsers.get(parent).map(|p| p.options.clone()).unwrap_or_default();
            self.add_options(parser, options);
        }
    }

    pub(super) fn add_options(&mut self, parser: usize, options: Vec<DriverOption>) {
        let Some(parser) = self.parsers.get_mut(parser) else { return };
        for mut option in options {
            option.subcommand.clone_from(&parser.subcommand);
            // Defined again, as `conflict_handler="resolve"` and subclasses do.
            parser.options.retain(|known| known.flags != option.flags);
            if parser.options.len() < 4096 {
                parser.options.push(option);
            }
        }
    }

    /// The classes among the arguments, and in their lists.
    fn classes(arguments: &Arguments<'a>) -> Vec<(usize, &'a StmtClassDef)> {
        let mut classes = Vec::new();
        for value in arguments.all() {
            match value {
                Value::Class(file, class) => classes.push((*file, *class)),
                Value::Sequence(values) => classes.extend(values.iter().filter_map(|v| match v {
                    Value::Class(file, class) => Some((*file, *class)),
                    _ => None,
                })),
                _ => {}
            }
        }
        classes
    }
}

/// A part of every name that [`framework_of`] and [`is_framework_call`] know, in the files that
/// name it; those of which nothing is made are left out.
static PARSERS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        "Parser|Tap|[aA]rgument_?[pP]arser|arg_?[pP]arser|Fire|docopt|typer|tyro|simple_parsing\
         |jsonargparse|argh|plac|defopt|pyrallis|getopt|LightningCLI|importlib|__import__",
    )
    .expect("it is valid")
});

/// Whether a file names what makes a parser, so that following its code can find one.
pub(super) fn spells_parsers(text: &str) -> bool {
    PARSERS.is_match(text)
}

/// Returns the framework whose parser a class outside of the tree is.
fn framework_of(name: &str) -> Option<&'static str> {
    match name.rsplit('.').next().unwrap_or(name) {
        "OptionParser" => Some("optparse"),
        "ArgumentParser"
        | "ArgParser"
        | "HfArgumentParser"
        | "TrlParser"
        | "Tap"
        | "PAIArgumentParser"
        | "LightningArgumentParser"
        | "ArgumentParserPlus"
        | "DefaultArgumentParser"
        | "YAMLArgParser"
        | "ConfigArgParser" => Some("argparse"),
        "getArgumentParser" | "get_argument_parser" | "get_argparser" | "getArgParser"
            if name.contains("config") || name.contains("arg") =>
        {
            Some("argparse")
        }
        _ => None,
    }
}

fn is_framework_call(name: &str) -> bool {
    matches!(
        name,
        "fire.Fire"
            | "Fire"
            | "docopt.docopt"
            | "docopt"
            | "typer.run"
            | "tyro.cli"
            | "simple_parsing.parse"
            | "jsonargparse.CLI"
            | "jsonargparse.auto_cli"
            | "argh.dispatch_command"
            | "argh.dispatch_commands"
            | "plac.call"
            | "defopt.run"
            | "pyrallis.parse"
            | "getopt.getopt"
            | "getopt.gnu_getopt"
            | "absl.app.run"
            | "tensorflow.app.run"
            | "unittest.main"
            | "pytest.main"
            | "pytorch_lightning.cli.LightningCLI"
            | "lightning.pytorch.cli.LightningCLI"
    )
}
