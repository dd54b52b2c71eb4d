//! Lines for a terminal: pieces with a style, labels in a column, cut or wrapped at a width.

use std::fmt::Write as _;

/// The width of a page, in columns.
const WIDTH: usize = 100;
/// The width of the column of labels.
const LABEL: usize = 12;

/// The looks of a text; every one is plain where there is no colour.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    pub bold: anstyle::Style,
    pub dim: anstyle::Style,
    pub warn: anstyle::Style,
    pub error: anstyle::Style,
    pub accent: anstyle::Style,
    pub good: anstyle::Style,
}

impl Style {
    /// Returns the looks of a terminal with colours.
    pub fn coloured() -> Self {
        let colour =
            |colour: anstyle::AnsiColor| anstyle::Style::new().fg_color(Some(colour.into()));
        Self {
            bold: anstyle::Style::new().bold(),
            dim: anstyle::Style::new().dimmed(),
            warn: colour(anstyle::AnsiColor::Yellow),
            error: colour(anstyle::AnsiColor::Red).bold(),
            accent: colour(anstyle::AnsiColor::Cyan),
            good: colour(anstyle::AnsiColor::Green),
        }
    }
}

/// A piece of a line.
#[derive(Clone, Debug)]
pub struct Span {
    text: String,
    style: anstyle::Style,
}

impl Span {
    /// Makes a piece; what could steer a terminal is taken out of the text.
    pub fn new(text: impl AsRef<str>, style: anstyle::Style) -> Self {
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        Self { text: text.as_ref().chars().map(shown).collect(), style }
    }

    /// Makes a piece without a style.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, anstyle::Style::new())
    }

    /// Returns how many columns it takes.
    pub fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Writes `spans` in `room` columns at most; what does not fit is cut with an ellipsis.
pub fn write_spans(text: &mut String, room: usize, spans: &[Span]) {
    let mut left = room;
    let total: usize = spans.iter().map(Span::width).sum();
    let cut = total > room;
    for span in spans {
        let width = span.width();
        if cut && width + 1 > left {
            let mut piece: String = span.text.chars().take(left.saturating_sub(1)).collect();
            piece.push('…');
            write_span(text, &Span { text: piece, style: span.style });
            return;
        }
        write_span(text, span);
        left -= width.min(left);
    }
}

fn write_span(text: &mut String, span: &Span) {
    let style = span.style;
    // writing into a string cannot fail
    let _ = write!(text, "{}{}{}", style.render(), span.text, style.render_reset());
}

/// An item of a list: pieces that stay together.
pub type Item = Vec<Span>;

/// Lines as they are shown.
#[derive(Debug)]
pub struct Page {
    text: String,
    style: Style,
    /// Whether lists are wrapped instead of cut.
    all: bool,
}

impl Page {
    pub fn new(style: Style, all: bool) -> Self {
        Self { text: String::new(), style, all }
    }

    pub fn style(&self) -> &Style {
        &self.style
    }

    /// Returns whether nothing is to be left out.
    pub fn shows_all(&self) -> bool {
        self.all
    }

    /// Returns how many of `count` lines are shown where `few` are enough.
    pub fn limit(&self, few: usize, count: usize) -> usize {
        // one line that says that one line is left out would be silly
        if self.all || count == few + 1 { count } else { few.min(count) }
    }

    /// Returns how many lines are written.
    pub fn lines(&self) -> usize {
        self.text.matches('\n').count()
    }

    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Writes a line, cut at the width.
    pub fn line(&mut self, spans: &[Span]) {
        self.cut(0, spans);
    }

    /// Writes a heading with a blank line before it.
    pub fn heading(&mut self, title: &str) {
        self.blank();
        self.line(&[Span::new(title, self.style.bold)]);
    }

    /// Writes a label and a text, cut at the width.
    pub fn row(&mut self, label: &str, spans: &[Span]) {
        self.label(label);
        self.cut(LABEL + 3, spans);
    }

    /// Writes a label and items with commas between them: as many as fit on a line, or, where all
    /// is shown, on as many lines as it takes.
    pub fn list(&mut self, label: &str, items: &[Item]) {
        let start = LABEL + 3;
        self.label(label);
        let mut column = start;
        for (at, item) in items.iter().enumerate() {
            let width: usize = item.iter().map(Span::width).sum();
            let left = items.len() - at;
            let more = format!(" … {left} more");
            let room = if left > 1 && !self.all { WIDTH - more.chars().count() } else { WIDTH };
            if at > 0 && column + 2 + width > room {
                if !self.all {
                    self.span(&Span::new(more, self.style.dim));
                    break;
                }
                self.text.push_str(",\n");
                self.text.push_str(&" ".repeat(start));
                column = start;
            } else if at > 0 {
                self.text.push_str(", ");
                column += 2;
            }
            let room = if self.all { usize::MAX } else { WIDTH.saturating_sub(column) };
            self.pieces(room, item);
            column += width.min(room);
        }
        self.end();
    }

    pub fn finish(self) -> String {
        self.text
    }

    fn label(&mut self, label: &str) {
        let dim = self.style.dim;
        self.text.push_str("  ");
        self.span(&Span::new(label, dim));
        let missing = (LABEL + 1).saturating_sub(label.chars().count()).max(1);
        self.text.push_str(&" ".repeat(missing));
    }

    fn cut(&mut self, column: usize, spans: &[Span]) {
        // where all is wanted a long line is better than half a line
        let room = if self.all { usize::MAX } else { WIDTH.saturating_sub(column) };
        self.pieces(room, spans);
        self.end();
    }

    fn pieces(&mut self, room: usize, spans: &[Span]) {
        write_spans(&mut self.text, room, spans);
    }

    fn span(&mut self, span: &Span) {
        write_span(&mut self.text, span);
    }

    fn end(&mut self) {
        let end = self.text.trim_end_matches(' ').len();
        self.text.truncate(end);
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_or_wrapped() {
        let items: Vec<Item> =
            (0..40).map(|at| vec![Span::plain(format!("package{at}"))]).collect();
        let mut page = Page::new(Style::default(), false);
        page.list("declared", &items);
        let text = page.finish();
        assert!(text.ends_with(" … 33 more\n"), "{text}");
        assert!(text.trim_end().chars().count() <= WIDTH, "{text}");
        let mut page = Page::new(Style::default(), true);
        page.list("declared", &items);
        let text = page.finish();
        assert!(text.contains("package39") && text.lines().all(|line| line.len() <= WIDTH + 1));
    }

    #[test]
    fn nothing_in_a_text_steers_the_terminal() {
        let mut page = Page::new(Style::default(), false);
        page.line(&[Span::plain("a\u{1b}[2Jb\nc")]);
        assert_eq!(page.finish(), "a [2Jb c\n");
    }
}
