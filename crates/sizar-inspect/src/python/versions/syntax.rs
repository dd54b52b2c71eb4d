//! Syntax that came with a version of Python 3.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, InterpolatedStringElement, Operator, Parameter, Parameters, Stmt};
use ruff_python_parser::UnsupportedSyntaxErrorKind as Kind;
use ruff_text_size::Ranged;
use sizar_model::PythonVersion;

use super::removed_api::Met;
use super::{Found, Limit, PYTHON_2};

/// Notes the syntax of Python 3 and when it came; returns what the walk has met beside it.
pub(super) fn newer<'a>(found: &mut Found<'a>) -> Met<'a> {
    let file = found.file;
    for error in file.module.newer_syntax() {
        let (minor, text) = match error.kind {
            Kind::Match => (10, "`match` statement"),
            Kind::Walrus => (8, "`:=`"),
            Kind::ExceptStar => (11, "`except*`"),
            Kind::UnparenthesizedNamedExpr(_) => (10, "bare `:=` in an index or set"),
            Kind::StarTuple(_) => (8, "unpacking in `return` or `yield`"),
            Kind::RelaxedDecorator(_) => (9, "an expression as a decorator"),
            Kind::PositionalOnlyParameter => (8, "positional-only parameters"),
            Kind::TypeParameterList => (12, "type parameters"),
            Kind::TypeAliasStatement => (12, "`type` statement"),
            Kind::TypeParamDefault => (13, "defaults of type parameters"),
            Kind::Pep701FString(_) => (12, "f-string with nested quotes or backslashes"),
            Kind::ParenthesizedContextManager => (9, "parentheses round `with` items"),
            Kind::StarExpressionInIndex | Kind::StarAnnotation => (11, "unpacking in an index"),
            Kind::UnparenthesizedUnpackInFor => (9, "unpacking in `for`"),
            Kind::TemplateStrings => (14, "t-string"),
            Kind::LazyImportStatement | Kind::UnpackingInComprehension(_) => (15, "syntax of 3.15"),
            // Reads like Python 2, where it is much likelier: see `python2`.
            Kind::UnparenthesizedExceptionTypes => continue,
            Kind::ParenthesizedKeywordArgumentName => {
                let line = file.module.line_of(error);
                found.see(Limit::AtMost, PythonVersion::minor(3, 7), "`f((a)=1)`", line);
                continue;
            }
        };
        let line = file.module.line_of(error);
        found.see(Limit::AtLeast, PythonVersion::minor(3, minor), text, line);
    }
    let has_print_function = file.module.statements().iter().any(|statement| {
        matches!(statement, Stmt::ImportFrom(import)
            if import.module.as_ref().is_some_and(|module| module.as_str() == "__future__")
                && import.names.iter().any(|name| name.name.as_str() == "print_function"))
    });
    let met = Met::new(&file.module);
    let mut walk =
        Walk { found, met, has_print_function, lazy_annotations: false, in_async: false };
    for statement in file.module.statements() {
        walk.visit_stmt(statement);
    }
    walk.met
}

/// `print >> file, …`
fn is_old_print(expr: &Expr) -> bool {
    match expr {
        Expr::BinOp(shift) => {
            shift.op == Operator::RShift
                && matches!(&*shift.left, Expr::Name(name) if name.id.as_str() == "print")
        }
        Expr::Tuple(tuple) => tuple.elts.first().is_some_and(is_old_print),
        _ => false,
    }
}

struct Walk<'a, 'f> {
    found: &'f mut Found<'a>,
    /// For [`super::removed_api`]: one walk does for both.
    met: Met<'a>,
    has_print_function: bool,
    /// Whether annotations are never evaluated.
    lazy_annotations: bool,
    in_async: bool,
}

impl<'a> Walk<'a, '_> {
    fn see(&mut self, minor: u8, text: &str, node: &impl Ranged) {
        let version = PythonVersion::minor(3, minor);
        // Nothing new is told by what an equal or newer sighting has told.
        if self.found.versions.at_least.is_some_and(|known| known >= version) {
            return;
        }
        let line = self.found.file.module.line_of(node);
        self.found.see(Limit::AtLeast, version, text, line);
    }

    fn statement(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                if function.is_async {
                    self.see(5, "`async def`", statement);
                }
                if function.returns.is_some() {
                    self.see(0, "annotations", statement);
                }
                let outer = std::mem::replace(&mut self.in_async, function.is_async);
                visitor::walk_stmt(self, statement);
                self.in_async = outer;
                return;
            }
            Stmt::ClassDef(class)
                if class.arguments.as_ref().is_some_and(|list| !list.keywords.is_empty()) =>
            {
                self.see(0, "keywords of a class", statement);
            }
            // Reads as a comparison of the function `print`, which nobody means.
            Stmt::Expr(expression) if is_old_print(&expression.value) => {
                let line = self.found.file.module.line_of(statement);
                self.found.see(Limit::AtMost, PYTHON_2, "`print >> file`", line);
            }
            Stmt::AnnAssign(_) => self.see(6, "annotated variable", statement),
            Stmt::Nonlocal(_) => self.see(0, "`nonlocal`", statement),
            Stmt::Raise(raise) if raise.cause.is_some() => self.see(0, "`raise … from`", statement),
            Stmt::Assign(assign) => {
                let unpacks = |target: &Expr| {
                    super::super::expression::elements(target)
                        .is_some_and(|elements| elements.iter().any(Expr::is_starred_expr))
                };
                if assign.targets.iter().any(unpacks) {
                    self.see(0, "`a, *b = …`", statement);
                }
            }
            Stmt::ImportFrom(import)
                if import.module.as_ref().is_some_and(|m| m.as_str() == "__future__")
                    && import.names.iter().any(|name| name.name.as_str() == "annotations") =>
            {
                self.lazy_annotations = true;
                self.see(7, "`from __future__ import annotations`", statement);
            }
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }

    fn expression(&mut self, expr: &'a Expr) {
        match expr {
            Expr::FString(f_string) => {
                self.see(6, "f-string", expr);
                let debugs = f_string.value.elements().any(|element| {
                    matches!(element, InterpolatedStringElement::Interpolation(part)
                        if part.debug_text.is_some())
                });
                if debugs {
                    self.see(8, "f-string with `=`", expr);
                }
            }
            Expr::YieldFrom(_) => self.see(3, "`yield from`", expr),
            Expr::BinOp(binary) if binary.op == Operator::MatMult => self.see(5, "`@`", expr),
            Expr::List(list)
                if list.ctx.is_load() && list.elts.iter().any(Expr::is_starred_expr) =>
            {
                self.see(5, "unpacking in a list", expr);
            }
            Expr::Tuple(tuple)
                if tuple.ctx.is_load() && tuple.elts.iter().any(Expr::is_starred_expr) =>
            {
                self.see(5, "unpacking in a tuple", expr);
            }
            Expr::Dict(dict) if dict.items.iter().any(|item| item.key.is_none()) => {
                self.see(5, "`{**a}`", expr);
            }
            Expr::Call(call) => {
                let starred = call.arguments.args.iter().filter(|a| a.is_starred_expr()).count();
                let doubled = call.arguments.keywords.iter().filter(|k| k.arg.is_none()).count();
                if starred > 1 || doubled > 1 {
                    self.see(5, "unpacking twice in a call", expr);
                }
                if !self.has_print_function
                    && matches!(&*call.func, Expr::Name(name) if name.id.as_str() == "print")
                    && !call.arguments.keywords.is_empty()
                {
                    self.see(0, "`print` with keywords", expr);
                }
            }
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::Generator(_) | Expr::DictComp(_)
                if self.in_async =>
            {
                let generators = match expr {
                    Expr::ListComp(comp) => &comp.generators,
                    Expr::SetComp(comp) => &comp.generators,
                    Expr::Generator(comp) => &comp.generators,
                    Expr::DictComp(comp) => &comp.generators,
                    _ => return,
                };
                if generators.iter().any(|generator| generator.is_async) {
                    self.see(6, "`async for` in a comprehension", expr);
                }
            }
            Expr::NumberLiteral(_) if self.found.file.module.source_of(expr).contains('_') => {
                self.see(6, "`1_000`", expr);
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}

impl<'a> Visitor<'a> for Walk<'a, '_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let forgiven = self.met.enter_stmt(statement);
        self.statement(statement);
        self.met.leave(forgiven);
    }

    fn visit_annotation(&mut self, annotation: &'a Expr) {
        if self.lazy_annotations {
            return;
        }
        // These are evaluated when the file is imported.
        match annotation {
            Expr::Subscript(subscript) => {
                let builtin = matches!(&*subscript.value, Expr::Name(name)
                    if matches!(name.id.as_str(), "list" | "dict" | "tuple" | "set" | "frozenset" | "type"));
                if builtin {
                    self.see(9, "`list[int]` as an annotation", annotation);
                }
                self.visit_annotation(&subscript.slice);
            }
            Expr::BinOp(either) if either.op == Operator::BitOr => {
                self.see(10, "`int | None` as an annotation", annotation);
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|part| self.visit_annotation(part)),
            _ => {}
        }
    }

    fn visit_parameters(&mut self, parameters: &'a Parameters) {
        if !parameters.kwonlyargs.is_empty() {
            self.see(0, "keyword-only parameters", parameters);
        }
        let annotated = |parameter: &ruff_python_ast::ParameterWithDefault| {
            parameter.parameter.annotation.is_some()
        };
        if parameters.iter_non_variadic_params().any(annotated) {
            self.see(0, "annotations", parameters);
        }
        visitor::walk_parameters(self, parameters);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.met.bind(parameter.name.as_str());
        visitor::walk_parameter(self, parameter);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        let forgiven = self.met.enter_expr(expr);
        self.expression(expr);
        self.met.leave(forgiven);
    }
}
