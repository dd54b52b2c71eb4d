//! Plain tables: columns that line up, without lines.

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
