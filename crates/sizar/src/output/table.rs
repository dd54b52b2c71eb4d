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
/// A column without any text is left out, and the last one is cut at `width`.
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
    let last = widths.iter().rposition(|width| *width > 0).unwrap_or(0);
    let line = |row: &Vec<Item>| {
        let mut text = String::new();
        let mut left = width;
        for (at, item) in row.iter().enumerate() {
            let Some((&column, wanted)) = columns.get(at).zip(widths.get(at).copied()) else {
                continue;
            };
            if wanted == 0 {
                continue;
            }
            let missing = " ".repeat(wanted.saturating_sub(wide(item)));
            if column.right {
                text.push_str(&missing);
            }
            write_spans(&mut text, if at == last { left } else { usize::MAX }, item);
            if at != last {
                text.push_str(if column.right { "" } else { &missing });
                text.push_str("  ");
                left = left.saturating_sub(wanted + 2);
            }
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
}
