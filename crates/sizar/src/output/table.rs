//! Plain tables: columns that line up, without lines.

use super::page::{Item, Span, Style, write_spans};

/// Lines up `rows` under `header`; the last column is not padded.
pub fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).chain([title.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let bold = anstyle::Style::new().bold();
    let titles: Vec<String> = header.iter().map(|&title| title.to_owned()).collect();
    let mut text = format!("{bold}{}{bold:#}\n", line(&titles, &widths));
    for row in rows {
        text.push_str(&line(row, &widths));
        text.push('\n');
    }
    text
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (i, cell) in cells.iter().enumerate() {
        line.push_str(cell);
        if i + 1 < cells.len() {
            let width = widths.get(i).copied().unwrap_or(0);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
    }
    line
}

/// A column of a table of spans.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    /// Whether its cells end at the same place: numbers.
    pub right: bool,
}

impl Column {
    /// Returns a column of texts.
    pub const fn text(title: &'static str) -> Self {
        Self { title, right: false }
    }

    /// Returns a column of numbers.
    pub const fn number(title: &'static str) -> Self {
        Self { title, right: true }
    }
}

/// Lines up rows of spans under a header: the lines, the header first.
///
/// A column without any text is left out, and every line is cut at `width`.
pub fn lines(columns: &[Column], rows: &[Vec<Item>], width: usize, style: &Style) -> Vec<String> {
    let wide = |item: &Item| item.iter().map(Span::width).sum::<usize>();
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| match cells(at).map(wide).max().unwrap_or(0) {
            0 => 0,
            most => most.max(column.title.chars().count()),
        })
        .collect();
    let header: Vec<Item> =
        columns.iter().map(|column| vec![Span::new(column.title, style.bold)]).collect();
    let line = |row: &Vec<Item>| {
        let mut text = String::new();
        let mut left = width;
        let mut gap = 0;
        for ((item, column), wanted) in row.iter().zip(columns).zip(&widths) {
            if *wanted == 0 || left == 0 {
                continue;
            }
            let missing = wanted.saturating_sub(wide(item));
            let before = gap + if column.right { missing } else { 0 };
            if !item.is_empty() && before < left {
                text.push_str(&" ".repeat(before));
                write_spans(&mut text, left - before, item);
            } else {
                text.push_str(&" ".repeat(before.min(left)));
            }
            left = left.saturating_sub(before + wide(item));
            gap = 2 + if column.right { 0 } else { missing };
        }
        text.truncate(text.trim_end_matches(' ').len());
        text
    };
    std::iter::once(&header).chain(rows).map(line).collect()
}

/// Breaks a text at spaces into lines of `width` columns.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Shortens `text` to `width` characters, with an ellipsis.
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["a".into(), "long".into()], vec!["bcd".into(), "x".into()]];
        let text = anstream::adapter::strip_str(&render(&["ID", "WHAT"], &rows)).to_string();
        assert_eq!(text, "ID   WHAT\na    long\nbcd  x\n");
        assert_eq!(shorten("abcdef", 4), "abc…");
    }
    #[test]
    fn lines_are_cut_in_whichever_column_the_width_ends() {
        let columns =
            [Column::text("A"), Column::number("NUMBER"), Column::text("NONE"), Column::text("B")];
        let plain = |text: &str| vec![Span::plain(text)];
        let rows = [
            vec![plain("abc"), plain("7"), Vec::new(), plain("words of it")],
            vec![plain("a"), Vec::new(), Vec::new(), plain("x")],
        ];
        let drawn = |width| lines(&columns, &rows, width, &Style::default()).join("\n");
        assert_eq!(drawn(99), "A    NUMBER  B\nabc       7  words of it\na            x");
        assert_eq!(drawn(16), "A    NUMBER  B\nabc       7  wo…\na            x");
        assert_eq!(drawn(8), "A    NU…\nabc\na");
        assert_eq!(drawn(2), "A\na…\na");
    }

    #[test]
    fn sentences_are_broken_at_spaces() {
        assert_eq!(wrap("one two  three", 8), ["one two", "three"]);
        assert_eq!(wrap("unbreakable it", 4), ["unbreakable", "it"]);
    }
}
