//! What the methods of parsers do: options, groups, subcommands, defaults.

use ruff_python_ast::{Expr, ExprCall};
use sizar_model::inspection::DriverOption;

use super::argument::{Added, default_source};
use super::fields::{self, Prefix};
use super::interpreter::{Frame, Interpreter};
use super::value::Value;
use crate::python::expression::{elements, keyword, string};

impl<'a> Interpreter<'_, '_, 'a> {
    /// Does what a method of a parser does.
    pub(super) fn parser_method(
        &mut self,
        frame: &mut Frame<'a>,
        parser: usize,
        method: &str,
        call: &'a ExprCall,
    ) -> Value<'a> {
        match method {
            "add_argument" | "add_option" | "add" | "register_argument" => {
                self.add_argument(frame, parser, call);
                Value::Unknown
            }
            "add_argument_group"
            | "add_mutually_exclusive_group"
            | "add_option_group"
            | "argument_group" => Value::Parser(parser),
            "add_subparsers" => Value::Subparsers(parser),
            "parse_args"
            | "parse_known_args"
            | "parse_intermixed_args"
            | "parse"
            | "parse_known_intermixed_args"
            | "parse_args_into_dataclasses"
            | "parse_dict"
            | "parse_json_file"
            | "parse_args_and_config"
            | "parse_yaml_file" => {
                self.arguments(frame, call);
                self.mark_parsed(parser);
                Value::Unknown
            }
            "set_defaults" => {
                self.set_defaults(frame, parser, call);
                Value::Unknown
            }
            "add_arguments"
            | "add_class_arguments"
            | "add_function_arguments"
            | "add_root_argument"
            | "add_dataclass_arguments"
            | "add_lightning_class_args"
            | "add_subclass_arguments" => {
                let arguments = self.arguments(frame, call);
                let flat =
                    matches!(keyword(call, "flat"), Some(Expr::BooleanLiteral(l)) if l.value);
                let nested = method != "add_arguments" && !flat;
                let name = call
                    .arguments
                    .args
                    .iter()
                    .find_map(string)
                    .or_else(|| keyword(call, "dest").and_then(string));
                let prefix = Prefix { path: name.filter(|_| nested).map(str::to_owned) };
                for value in arguments.all() {
                    let options = match value {
                        Value::Class(file, class) => {
                            fields::of_class(self.scopes, *file, class, &prefix)
                        }
                        Value::Function(function) => fields::of_parameters(
                            self.scopes,
                            function.file,
                            function.definition,
                            false,
                        ),
                        _ => continue,
                    };
                    self.add_options(parser, options);
                }
                Value::Unknown
            }
            // Methods that hand the parser on: `parser.add_argument(…)` chains of others.
            _ => {
                self.arguments(frame, call);
                Value::Unknown
            }
        }
    }

    fn mark_parsed(&mut self, parser: usize) {
        let mut at = Some(parser);
        while let Some(parser) = at.and_then(|at| self.parsers.get_mut(at)) {
            if std::mem::replace(&mut parser.parsed, true) {
                return;
            }
            at = parser.parent;
        }
    }

    pub(super) fn subparsers_method(
        &mut self,
        frame: &mut Frame<'a>,
        parent: usize,
        method: &str,
        call: &'a ExprCall,
    ) -> Value<'a> {
        let arguments = self.arguments(frame, call);
        if method != "add_parser" && method != "add_subcommand" {
            return Value::Unknown;
        }
        let name = call.arguments.args.first().or_else(|| keyword(call, "name"));
        let name = name.and_then(|name| self.text(frame, name));
        let name = name.unwrap_or_else(|| "?".to_owned());
        let (framework, above) = self
            .parsers
            .get(parent)
            .map_or(("argparse", None), |parent| (parent.framework, parent.subcommand.clone()));
        let subcommand = above.map_or_else(|| name.clone(), |above| format!("{above} {name}"));
        let child = self.new_parser(framework);
        if let Some(child) = self.parsers.get_mut(child) {
            child.subcommand = Some(subcommand);
            child.parent = Some(parent);
        }
        self.inherit(child, &arguments);
        Value::Parser(child)
    }

    fn add_argument(&mut self, frame: &mut Frame<'a>, parser: usize, call: &'a ExprCall) {
        let mut flags = Vec::new();
        for argument in &call.arguments.args {
            // optparse and groups hand over an `Option`.
            if let Expr::Call(inner) = argument {
                let flags = inner.arguments.args.iter().filter_map(|arg| self.text(frame, arg));
                let flags: Vec<_> = flags.collect();
                self.record(frame, parser, inner, flags);
                return;
            }
            match self.text(frame, argument) {
                Some(flag) => flags.push(flag),
                None => {
                    if let Value::Sequence(values) = self.evaluate(frame, argument) {
                        flags.extend(values.into_iter().filter_map(|value| match value {
                            Value::Text(text) => Some(text),
                            Value::Plain(_, expr) => string(expr).map(str::to_owned),
                            _ => None,
                        }));
                    }
                }
            }
        }
        self.record(frame, parser, call, flags);
    }

    fn record(&mut self, frame: &Frame<'a>, parser: usize, call: &'a ExprCall, flags: Vec<String>) {
        let option = Added { scopes: self.scopes, file: frame.file, call }.option(flags);
        if let Some(option) = option {
            self.add_options(parser, vec![option]);
        }
    }

    /// `OptionParser(option_list=[make_option(…), …])`
    pub(super) fn add_option_list(
        &mut self,
        frame: &mut Frame<'a>,
        parser: usize,
        call: &'a ExprCall,
    ) {
        let Some(list) = keyword(call, "option_list") else { return };
        let (_, list) = self.scopes.constant(frame.file, list);
        for item in elements(list).unwrap_or_default() {
            if let Expr::Call(inner) = item {
                let flags = inner.arguments.args.iter().filter_map(string);
                let flags: Vec<_> = flags.map(str::to_owned).collect();
                self.record(frame, parser, inner, flags);
            }
        }
    }

    fn set_defaults(&mut self, frame: &mut Frame<'a>, parser: usize, call: &'a ExprCall) {
        for keyword in &call.arguments.keywords {
            let Some(name) = &keyword.arg else { continue };
            let value = default_source(self.scopes, frame.file, &keyword.value);
            let Some(parser) = self.parsers.get_mut(parser) else { return };
            let named = |option: &&mut DriverOption| {
                option
                    .flags
                    .iter()
                    .any(|flag| flag.trim_start_matches('-').replace('-', "_") == name.as_str())
            };
            if let Some(option) = parser.options.iter_mut().find(named) {
                option.default = Some(value);
                option.required = false;
            }
        }
    }
}
