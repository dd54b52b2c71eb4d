//! Expressions of a `setup.py`.

use ruff_python_ast::{Arguments, Comprehension, Expr, ExprCall, Operator};

use super::condition::{self, Condition, dotted};
use super::interpreter::Interpreter;
use super::value::{Located, Value};
use crate::packaging::tree::neighbour;

impl<'m> Interpreter<'m> {
    pub(super) fn expression(&mut self, expression: &'m Expr) -> Value {
        match expression {
            Expr::StringLiteral(literal) => self.literal(expression, literal.value.to_str()),
            Expr::BytesLiteral(_) | Expr::Lambda(_) => Value::Unknown,
            Expr::NumberLiteral(number) => {
                let source = self.module.source_of(number).to_owned();
                self.literal(expression, &source)
            }
            Expr::BooleanLiteral(literal) => Value::Bool(literal.value),
            Expr::NoneLiteral(_) => Value::None,
            Expr::FString(string) => {
                let mut text = String::new();
                for part in string.value.elements() {
                    if let Some(literal) = part.as_literal() {
                        text.push_str(literal);
                    } else if let Some(inner) = part.as_interpolation() {
                        match self.evaluate(&inner.expression) {
                            Value::Text(value) if text.len() < 10_000 => text.push_str(&value.text),
                            _ => return Value::Unknown,
                        }
                    }
                }
                self.literal(expression, &text)
            }
            Expr::Name(name) if name.id.as_str() == "__file__" => Value::File(self.path.to_owned()),
            Expr::Name(name) => self.lookup(&name.id),
            Expr::List(list) => self.list(&list.elts),
            Expr::Tuple(tuple) => self.list(&tuple.elts),
            Expr::Set(set) => self.list(&set.elts),
            Expr::Dict(dict) => {
                let mut value = Value::Dict(Vec::new());
                for item in &dict.items {
                    let content = self.evaluate(&item.value);
                    match &item.key {
                        Some(key) => {
                            if let Some(key) = self.evaluate(key).text() {
                                value.set(key, content);
                            }
                        }
                        None => {
                            if let Value::Dict(entries) = content {
                                for (key, entry) in entries {
                                    value.set(&key, entry);
                                }
                            }
                        }
                    }
                }
                value
            }
            Expr::BinOp(operation) => {
                let left = self.evaluate(&operation.left);
                let right = self.evaluate(&operation.right);
                match operation.op {
                    Operator::Add => left.plus(right),
                    Operator::Mod => percent(left, &right),
                    Operator::Div => join_paths(&[left, right]),
                    _ => Value::Unknown,
                }
            }
            Expr::BoolOp(operation) => {
                let values: Vec<Value> =
                    operation.values.iter().map(|value| self.evaluate(value)).collect();
                values.into_iter().find(|value| *value != Value::Unknown).unwrap_or(Value::Unknown)
            }
            Expr::If(choice) => {
                let when = condition::read(&choice.test, self.module);
                let body = self.evaluate(&choice.body);
                let otherwise = self.evaluate(&choice.orelse);
                choose(body, otherwise, when)
            }
            Expr::ListComp(each) => self.comprehension(&each.elt, &each.generators),
            Expr::SetComp(each) => self.comprehension(&each.elt, &each.generators),
            Expr::Generator(each) => self.comprehension(&each.elt, &each.generators),
            Expr::Subscript(subscript) => {
                let value = self.evaluate(&subscript.value);
                self.subscript(value, &subscript.slice)
            }
            Expr::Attribute(attribute) => {
                let value = self.evaluate(&attribute.value);
                match attribute.attr.as_str() {
                    // `[str(r.req) for r in parse_requirements(…)]`
                    "req" | "requirement" | "name" | "line" | "linesep" => value,
                    "parent" => match value {
                        Value::File(path) => {
                            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                            Value::File(folder.to_owned())
                        }
                        other => other,
                    },
                    _ => Value::Unknown,
                }
            }
            Expr::Call(call) => self.called(expression, call),
            Expr::Starred(starred) => self.evaluate(&starred.value),
            Expr::Named(named) => self.evaluate(&named.value),
            _ => Value::Unknown,
        }
    }

    fn literal(&self, at: &Expr, text: &str) -> Value {
        Value::Text(Located {
            text: text.to_owned(),
            path: None,
            line: self.module.line_of(at),
            condition: None,
        })
    }

    fn list(&mut self, elements: &'m [Expr]) -> Value {
        let mut items = Vec::new();
        for element in elements {
            let value = self.evaluate(element);
            match (element, value) {
                (Expr::Starred(_), Value::List(more)) => items.extend(more),
                (_, value) => items.push(value),
            }
        }
        Value::List(items)
    }

    fn comprehension(&mut self, element: &'m Expr, generators: &'m [Comprehension]) -> Value {
        let Some(first) = generators.first() else { return Value::Unknown };
        let source = self.iterated(&first.iter);
        // `[p for p in find_packages() if p.startswith('x')]`
        if matches!(source, Value::Unknown | Value::FindPackages(_)) {
            return source;
        }
        let mut items = Vec::new();
        for item in source.items().into_iter().take(1000) {
            let value = self.with_variable(&first.target, item, |this| match generators {
                [_, rest @ ..] if !rest.is_empty() => this.comprehension(element, rest),
                _ => this.evaluate(element),
            });
            match value {
                Value::List(more) if generators.len() > 1 => items.extend(more),
                value => items.push(value),
            }
        }
        Value::List(items)
    }

    /// Evaluates what a loop goes over: an open file gives its lines.
    pub(super) fn iterated(&mut self, expression: &'m Expr) -> Value {
        match self.evaluate(expression) {
            Value::File(path) => self.lines_of(&path),
            other => other,
        }
    }

    fn subscript(&mut self, value: Value, index: &'m Expr) -> Value {
        if matches!(index, Expr::Slice(_)) {
            return value;
        }
        let wanted = self.evaluate(index);
        match (&value, wanted.text()) {
            (Value::Dict(_), Some(key)) => value.get(key).cloned().unwrap_or(Value::Unknown),
            (Value::List(items), Some(number)) => number
                .parse::<usize>()
                .ok()
                .and_then(|at| items.get(at))
                .cloned()
                .unwrap_or(Value::Unknown),
            _ => Value::Unknown,
        }
    }

    fn called(&mut self, at: &'m Expr, call: &'m ExprCall) -> Value {
        if let Some(value) = self.call(call) {
            return value;
        }
        let name = dotted(&call.func).unwrap_or_default();
        let short = name.rsplit('.').next().unwrap_or(&name);
        let arguments = &call.arguments;
        match name.as_str() {
            "defaultdict" | "collections.defaultdict" => return Value::Dict(Vec::new()),
            "dict" | "OrderedDict" | "collections.OrderedDict" => {
                return self.dictionary(arguments);
            }
            "list" | "tuple" | "sorted" | "set" | "str" | "iter" | "reversed" | "frozenset"
            | "map" | "filter" => {
                return self.last(arguments);
            }
            "sum"
            | "chain"
            | "itertools.chain"
            | "chain.from_iterable"
            | "itertools.chain.from_iterable" => {
                return self.flattened(arguments);
            }
            "os.path.join" | "path.join" | "join" | "osp.join" => {
                let parts: Vec<Value> = arguments
                    .args
                    .iter()
                    .flat_map(|part| {
                        let value = self.evaluate(part);
                        match (part, value) {
                            (Expr::Starred(_), Value::List(items)) => items,
                            (_, value) => vec![value],
                        }
                    })
                    .collect();
                return join_paths(&parts);
            }
            "os.path.abspath" | "os.path.realpath" | "path.abspath" | "osp.abspath" | "abspath"
            | "realpath" | "Path" | "pathlib.Path" | "os.path.normpath" | "os.path.expanduser" => {
                let value = self.last(arguments);
                return self.as_path(value);
            }
            "os.path.dirname" | "path.dirname" | "osp.dirname" | "dirname" => {
                return match self.last(arguments) {
                    Value::File(path) => {
                        Value::File(path.rsplit_once('/').map_or("", |(f, _)| f).to_owned())
                    }
                    other => other,
                };
            }
            "os.getcwd" | "Path.cwd" | "pathlib.Path.cwd" => return Value::File(self.folder()),
            "open" | "io.open" | "codecs.open" | "tokenize.open" => {
                let Some(first) =
                    arguments.args.first().or(arguments.keywords.first().map(|k| &k.value))
                else {
                    return Value::Unknown;
                };
                let value = self.evaluate(first);
                return self.as_path(value);
            }
            "glob.glob" | "glob" | "glob.iglob" => {
                let pattern = self.last(arguments);
                return self.glob(at, pattern.text().unwrap_or_default());
            }
            "os.listdir" => {
                let folder = self.last(arguments);
                return self.glob(at, &format!("{}/*", folder.text().unwrap_or_default()));
            }
            _ => {}
        }
        match short {
            "find_packages" | "find_namespace_packages" => {
                let folder =
                    arguments.find_argument_value("where", 0).map(|folder| self.evaluate(folder));
                return Value::FindPackages(
                    folder.as_ref().and_then(Value::text).unwrap_or_default().to_owned(),
                );
            }
            // pip's and setuptools' own; one defined in the file was followed above
            "parse_requirements" => {
                return match arguments.args.first().map(|first| self.evaluate(first)) {
                    Some(Value::Text(text)) if text.text.contains('\n') => {
                        text.split(text.text.lines())
                    }
                    Some(value @ Value::List(_)) => value,
                    Some(value) => match self.as_path(value) {
                        Value::File(path) => self.lines_of(&path),
                        _ => Value::Unknown,
                    },
                    None => Value::Unknown,
                };
            }
            _ => {}
        }
        match call.func.as_ref() {
            Expr::Attribute(method) => {
                let value = self.evaluate(&method.value);
                self.method(value, method.attr.as_str(), arguments)
            }
            _ => Value::Unknown,
        }
    }

    /// Returns the last positional argument: what `map`, `filter` and `list` work on.
    fn last(&mut self, arguments: &'m Arguments) -> Value {
        match arguments.args.last().map(|last| self.evaluate(last)) {
            Some(Value::File(path)) if arguments.args.len() > 1 => self.lines_of(&path),
            Some(value) => value,
            None => Value::List(Vec::new()),
        }
    }

    fn flattened(&mut self, arguments: &'m Arguments) -> Value {
        let mut items = Vec::new();
        for argument in &arguments.args {
            for item in self.evaluate(argument).items() {
                match item {
                    Value::List(more) => items.extend(more),
                    other => items.push(other),
                }
            }
        }
        Value::List(items)
    }

    /// `dict(a=1)`, `dict({…}, a=1)`, `d.update({…})`
    pub(super) fn dictionary(&mut self, arguments: &'m Arguments) -> Value {
        let mut dict = Value::Dict(Vec::new());
        for argument in &arguments.args {
            if let Value::Dict(entries) = self.evaluate(argument) {
                for (key, value) in entries {
                    dict.set(&key, value);
                }
            }
        }
        for keyword in &arguments.keywords {
            let value = self.evaluate(&keyword.value);
            match &keyword.arg {
                Some(name) => dict.set(name.as_str(), value),
                None => {
                    if let Value::Dict(entries) = value {
                        for (key, value) in entries {
                            dict.set(&key, value);
                        }
                    }
                }
            }
        }
        dict
    }

    /// The folder of the `setup.py`.
    pub(super) fn folder(&self) -> String {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()
    }

    /// Takes a text as a path from the folder of the `setup.py`.
    pub(super) fn as_path(&self, value: Value) -> Value {
        match value {
            Value::Text(text) => match neighbour(self.path, &text.text) {
                Some(path) => Value::File(path),
                None => Value::Unknown,
            },
            other => other,
        }
    }

    pub(super) fn content(&self, path: &str) -> Option<Located> {
        // `open('requirements.txt')` is relative to where it is run; a path may be from the root
        let beside = neighbour(self.path, path);
        let found = [Some(path.to_owned()), beside]
            .into_iter()
            .flatten()
            .find(|path| self.tree.is_file(path))?;
        let text = self.tree.read(&found)?;
        Some(Located { text, path: Some(found.into()), line: 1, condition: None })
    }

    pub(super) fn lines_of(&self, path: &str) -> Value {
        self.content(path).map_or(Value::Unknown, |text| text.split(text.text.lines()))
    }

    /// Returns the files of the tree that a pattern with `*` names.
    fn glob(&self, at: &Expr, pattern: &str) -> Value {
        let Some(pattern) = neighbour(self.path, pattern) else { return Value::Unknown };
        let folder = self.folder();
        let matching = self.tree.files().iter().filter(|file| matches(&pattern, file)).take(500);
        Value::List(
            matching
                .map(|file| {
                    let seen = file
                        .strip_prefix(&folder)
                        .map_or(file.as_str(), |f| f.trim_start_matches('/'));
                    self.literal(at, seen)
                })
                .collect(),
        )
    }
}

/// Compares part by part; `*` stands for anything within one.
fn matches(pattern: &str, file: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), file.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) => {
                let mut rest = part;
                let mut pieces = pattern.split('*');
                let Some(first) = pieces.next() else { return false };
                let Some(after) = rest.strip_prefix(first) else { return false };
                rest = after;
                let pieces: Vec<&str> = pieces.collect();
                for (index, piece) in pieces.iter().enumerate() {
                    if index + 1 == pieces.len() {
                        if !rest.ends_with(piece) {
                            return false;
                        }
                        rest = "";
                    } else {
                        match rest.find(piece) {
                            Some(found) => {
                                rest = rest.get(found + piece.len()..).unwrap_or_default();
                            }
                            None => return false,
                        }
                    }
                }
                if pieces.is_empty() && !rest.is_empty() {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// `a if test else b`: for lists both, each under its condition.
fn choose(body: Value, otherwise: Value, when: Option<Condition>) -> Value {
    let Some(when) = when else { return body };
    match (body, otherwise) {
        (body @ Value::List(_), otherwise @ Value::List(_)) => {
            body.under(Some(&when)).plus(otherwise.under(Some(&when.opposite())))
        }
        (Value::Unknown | Value::None, otherwise) => otherwise,
        (body, _) => body,
    }
}

fn join_paths(parts: &[Value]) -> Value {
    let mut joined: Vec<&str> = Vec::new();
    for part in parts {
        match part {
            Value::File(path) => joined.push(path),
            Value::Text(text) => joined.push(&text.text),
            // an unknown first part is most often the folder of the file
            _ if joined.is_empty() => {}
            _ => return Value::Unknown,
        }
    }
    joined.retain(|part| !part.is_empty());
    neighbour("", &joined.join("/")).map_or(Value::Unknown, Value::File)
}

/// `'numpy>=%s' % version`
fn percent(format: Value, arguments: &Value) -> Value {
    let Value::Text(format) = format else { return Value::Unknown };
    let arguments = match arguments {
        Value::List(items) => items.clone(),
        other => vec![other.clone()],
    };
    let mut text = String::new();
    let mut arguments = arguments.iter();
    let mut rest = format.text.as_str();
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let Some(code) = rest[at + 1..].chars().next() else { return Value::Unknown };
        match code {
            '%' => text.push('%'),
            's' | 'd' => match arguments.next() {
                Some(Value::Text(argument)) => text.push_str(&argument.text),
                _ => return Value::Unknown,
            },
            _ => return Value::Unknown,
        }
        rest = &rest[at + 1 + code.len_utf8()..];
    }
    text.push_str(rest);
    Value::Text(format.with(text))
}
