//! Syntax that Python 3, or its newer versions, no longer read.
//!
//! The parser only says that something is wrong; what it was is decided by the tokens.

use ruff_python_ast::token::{Token, TokenKind};
use ruff_text_size::{Ranged, TextRange};
use sizar_model::PythonVersion;

use super::{Found, Limit, PYTHON_2};
use ruff_python_parser::UnsupportedSyntaxErrorKind as Kind;

/// Notes the syntax that came out of use.
pub(super) fn older(found: &mut Found<'_>) {
    let module = &found.file.module;
    let odd_handler =
        module.newer_syntax().iter().any(|error| error.kind == Kind::UnparenthesizedExceptionTypes);
    if module.is_valid() && !odd_handler {
        return;
    }
    // Comments and line breaks inside of brackets tell nothing.
    let tokens: Vec<Token> = module
        .tokens()
        .iter()
        .filter(|token| !matches!(token.kind(), TokenKind::Comment | TokenKind::NonLogicalNewline))
        .copied()
        .collect();
    let text = module.text.as_str();
    let reader = Reader { tokens: &tokens, text };
    let sightings: Vec<_> = (0..tokens.len())
        .filter_map(|at| {
            let (version, what) = reader.at(at)?;
            Some((version, what, module.line(tokens.get(at)?.start())))
        })
        .take(64)
        .collect();
    for (version, what, line) in sightings {
        found.see(Limit::AtMost, version, what, line);
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    text: &'a str,
}

const BEFORE_3_7: PythonVersion = PythonVersion::minor(3, 6);

impl Reader<'_> {
    fn kind(&self, at: usize) -> TokenKind {
        self.tokens.get(at).map_or(TokenKind::EndOfFile, ruff_python_ast::token::Token::kind)
    }

    fn before(&self, at: usize) -> TokenKind {
        at.checked_sub(1).map_or(TokenKind::Newline, |at| self.kind(at))
    }

    fn range(&self, at: usize) -> TextRange {
        self.tokens.get(at).map_or_else(TextRange::default, Ranged::range)
    }

    fn source(&self, at: usize) -> &str {
        self.text.get(self.range(at).to_std_range()).unwrap_or_default()
    }

    fn adjacent(&self, at: usize) -> bool {
        self.range(at).end() == self.range(at + 1).start()
    }

    fn begins_statement(&self, at: usize) -> bool {
        use TokenKind::{Colon, Dedent, Else, Indent, Newline, Semi};
        matches!(self.before(at), Newline | Indent | Dedent | Semi | Colon | Else)
    }

    /// Returns what stands at a token that only older Pythons read.
    fn at(&self, at: usize) -> Option<(PythonVersion, &'static str)> {
        use TokenKind as T;
        let next = self.kind(at + 1);
        let two = |what| Some((PYTHON_2, what));
        match self.kind(at) {
            T::Name => match self.source(at) {
                "print" if self.begins_statement(at) => match next {
                    T::RightShift => two("`print >> file`"),
                    T::String
                    | T::Name
                    | T::Int
                    | T::Float
                    | T::None
                    | T::True
                    | T::False
                    | T::Not
                    | T::Lambda
                    | T::FStringStart => two("`print` statement"),
                    _ => None,
                },
                "exec" if self.begins_statement(at) => match next {
                    T::String | T::Name => two("`exec` statement"),
                    _ => None,
                },
                "ur" | "UR" | "Ur" | "uR" if next == T::String && self.adjacent(at) => {
                    two("`ur\"\"`")
                }
                _ => None,
            },
            T::Int if next == T::Name && self.adjacent(at) => {
                matches!(self.source(at + 1), "L" | "l").then_some((PYTHON_2, "`10L`"))
            }
            T::Less if next == T::Greater && self.adjacent(at) => two("`<>`"),
            T::Unknown => {
                let source = self.source(at);
                if source.starts_with('`') {
                    two("backticks")
                } else if is_old_octal(source) {
                    two("`0755`")
                } else {
                    None
                }
            }
            T::Int if is_old_octal(self.source(at)) => two("`0755`"),
            T::Except => self.old_handler(at),
            T::Raise => self.old_raise(at),
            T::Def if self.kind(at + 2) == T::Lpar => self.tuple_parameter(at + 3),
            T::Lambda if next == T::Lpar => two("tuple parameters"),
            T::Async if !matches!(next, T::Def | T::With | T::For) => {
                self.name_use(at).then_some((BEFORE_3_7, "`async` as a name"))
            }
            T::Await if self.name_use(at) => Some((BEFORE_3_7, "`await` as a name")),
            _ => None,
        }
    }

    /// Whether a keyword of today stands where a name does.
    fn name_use(&self, at: usize) -> bool {
        use TokenKind::{Comma, Def, Dot, Equal, Import, Lpar, Newline, Rpar};
        let next = self.kind(at + 1);
        match self.before(at) {
            Dot | Def | Import => true,
            Lpar | Comma | Newline => matches!(next, Equal | Comma | Rpar | Dot),
            _ => matches!(next, Equal | Dot),
        }
    }

    /// `except A, e:`, but not `except A, B:` of Python 3.14.
    fn old_handler(&self, at: usize) -> Option<(PythonVersion, &'static str)> {
        let mut depth = 0_u32;
        for index in at + 1..at + 64 {
            match self.kind(index) {
                TokenKind::Lpar => depth += 1,
                TokenKind::Rpar => depth = depth.saturating_sub(1),
                TokenKind::Comma if depth == 0 => {
                    let named = self.kind(index + 1) == TokenKind::Name
                        && self.kind(index + 2) == TokenKind::Colon
                        && !self.source(index + 1).starts_with(|c: char| c.is_uppercase());
                    return named.then_some((PYTHON_2, "`except A, e`"));
                }
                TokenKind::Colon | TokenKind::Newline | TokenKind::As | TokenKind::EndOfFile => {
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    /// `raise E, "message"`.
    fn old_raise(&self, at: usize) -> Option<(PythonVersion, &'static str)> {
        let mut depth = 0_u32;
        for index in at + 1..at + 64 {
            match self.kind(index) {
                TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => depth += 1,
                TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                    depth = depth.saturating_sub(1);
                }
                TokenKind::Comma if depth == 0 => return Some((PYTHON_2, "`raise E, value`")),
                TokenKind::Newline | TokenKind::Semi | TokenKind::EndOfFile => return None,
                _ => {}
            }
        }
        None
    }

    /// `def f(a, (b, c)):`
    fn tuple_parameter(&self, start: usize) -> Option<(PythonVersion, &'static str)> {
        let mut depth = 0_u32;
        for index in start..start + 256 {
            match self.kind(index) {
                TokenKind::Lpar
                    if depth == 0
                        && matches!(self.before(index), TokenKind::Lpar | TokenKind::Comma) =>
                {
                    return Some((PYTHON_2, "tuple parameters"));
                }
                TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => depth += 1,
                TokenKind::Rpar if depth == 0 => return None,
                TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                    depth = depth.saturating_sub(1);
                }
                TokenKind::Newline | TokenKind::EndOfFile => return None,
                _ => {}
            }
        }
        None
    }
}

/// `0755`, which Python 3 writes `0o755`; `00` is nothing but zero.
fn is_old_octal(source: &str) -> bool {
    source.len() > 1
        && source.starts_with('0')
        && source.bytes().all(|byte| byte.is_ascii_digit())
        && source.bytes().any(|byte| byte != b'0')
}
