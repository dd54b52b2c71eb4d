//! Cells of a manifest that no uploader takes for a file.
//!
//! `panoptes subject-set upload-subjects` uploads each cell that is a path which exists; an empty
//! one is the folder. The project builder takes everything in a cell up to an ending like `.jpg`
//! for a file's name, the middle of an address as well. What they took besides `image` would be
//! a second frame of the subject, or a file that is missing.

/// The column that brings what comes back to the image that it was.
pub const ORIGINAL: &str = "#original";

/// What stands for nothing.
pub const NOTHING: &str = "-";

/// The endings that the project builder looks for.
const ENDINGS: [&str; 12] =
    ["jpg", "jpeg", "png", "gif", "svg", "mp3", "m4a", "mp4", "mpeg", "mpg", "txt", "json"];

/// Writes an image's name without a dot, and with no slash in front, as in an address.
pub fn hidden_original(name: &str) -> String {
    let name = name.replace('%', "%25").replace('.', "%2E");
    match name.strip_prefix('/') {
        Some(rest) => format!("%2F{rest}"),
        None => name,
    }
}

/// Reads an image's name; one with a dot is as it is, as sizar once wrote them.
pub fn original(cell: &str) -> String {
    if cell.contains('.') {
        return cell.to_owned();
    }
    // in this order, so that a name with `%2E` in it comes back as it was
    cell.replace("%2F", "/").replace("%2E", ".").replace("%25", "%")
}

/// Writes a text so that neither uploader finds a file in it.
pub fn hidden(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    if text.bytes().all(|byte| byte == b'.') {
        return text.replace('.', "%2E");
    }
    let mut parts = text.split('.');
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        found += if begins_with_ending(part) { "%2E" } else { "." };
        found += part;
    }
    match found.strip_prefix('/') {
        Some(rest) => format!("%2F{rest}"),
        None => found,
    }
}

/// Reads a text that [`hidden`] wrote, or that somebody else did.
pub fn shown(cell: &str) -> Option<String> {
    let cell = cell.trim();
    if cell.is_empty() || cell == NOTHING {
        return None;
    }
    let mut parts = cell.split("%2E");
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // others are the text's own
        found += if begins_with_ending(part) || part.is_empty() { "." } else { "%2E" };
        found += part;
    }
    Some(match found.strip_prefix("%2F") {
        Some(rest) => format!("/{rest}"),
        None => found,
    })
}

fn begins_with_ending(part: &str) -> bool {
    ENDINGS.iter().any(|ending| {
        part.get(..ending.len()).is_some_and(|start| start.eq_ignore_ascii_case(ending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_found_again() {
        for name in
            ["book/0001.tif", "/scans/a.b.jpg", "100%.png", "x%2Ey.jpg", "no ending", "../a.jpg"]
        {
            let cell = hidden_original(name);
            assert!(!cell.contains('.') && !cell.starts_with('/'), "{cell}");
            assert_eq!(original(&cell), name);
        }
        assert_eq!(original("book/0001.tif"), "book/0001.tif");
        let cells = [
            (
                "https://a.org/x%2Fy.JPG/full.jpg?z=1.5",
                "https://a.org/x%2Fy%2EJPG/full%2Ejpg?z=1.5",
            ),
            ("/data/scans", "%2Fdata/scans"),
            ("..", "%2E%2E"),
            ("Ada L.", "Ada L."),
        ];
        for (text, cell) in cells {
            assert_eq!(hidden(text), cell);
            assert_eq!(shown(cell).as_deref(), Some(text));
        }
        assert_eq!((hidden(" "), shown("-"), shown("")), ("-".into(), None, None));
    }
}
