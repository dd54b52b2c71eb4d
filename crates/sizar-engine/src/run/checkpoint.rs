//! Checkpoints: which files are some, whether they are whole, and which option takes one.

use std::io::{Read as _, Seek as _, SeekFrom};

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::inspection::{Driver, DriverOption};

/// How the names of checkpoints end.
const ENDINGS: [&str; 10] =
    ["pt", "pth", "ckpt", "pth.tar", "safetensors", "npz", "h5", "hdf5", "keras", "pkl"];

/// The options that drivers take a checkpoint by, the surest first.
const OPTIONS: [&str; 12] = [
    "--resume",
    "--resume-from",
    "--resume_from",
    "--resume-from-checkpoint",
    "--resume_from_checkpoint",
    "--resume_path",
    "--restore",
    "--load-checkpoint",
    "--load_checkpoint",
    "--checkpoint",
    "--load",
    "--ckpt",
];

/// Returns whether a file is called like a checkpoint.
pub fn is_checkpoint(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(&format!(".{ending}")))
}

/// Returns the newest of several checkpoints by name: one that is called so, else the highest number.
pub fn newest<'a>(paths: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    paths.into_iter().filter(|path| is_checkpoint(path)).max_by_key(|path| {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let called = ["last", "latest", "current"].iter().any(|word| name.contains(word));
        (called, numbers(&name), name)
    })
}

/// Returns the numbers in a name: `epoch_10_step_200.pt` gives 10 and 200.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Returns whether a file is as long as its own format says it is; a format that does not say is
/// taken as whole.
///
/// zip (torch since 1.6, numpy, Keras): its directory is at the end (APPNOTE 4.3.16). HDF5: the end
/// of the file is in its superblock. safetensors: the offsets are in its header.
///
/// # Errors
///
/// What the operating system says.
pub fn is_whole(path: &Utf8Path) -> std::io::Result<bool> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let mut head = Vec::new();
    file.by_ref().take(64).read_to_end(&mut head)?;
    if length == 0 {
        return Ok(!is_checkpoint(path.as_str()));
    }
    if head.starts_with(b"PK\x03\x04") {
        return zip_has_directory(&mut file, length);
    }
    if head.starts_with(b"\x89HDF\r\n\x1a\n") {
        return Ok(end_of_hdf5(&head).is_none_or(|end| end <= length));
    }
    if path.as_str().ends_with(".safetensors") {
        return safetensors_is_whole(&mut file, length);
    }
    Ok(true)
}

/// The longest comment after a zip's directory, with the record itself.
const ZIP_TAIL: u64 = 65_535 + 22;

fn zip_has_directory(file: &mut fs::File, length: u64) -> std::io::Result<bool> {
    file.seek(SeekFrom::Start(length.saturating_sub(ZIP_TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail.windows(4).any(|part| part == b"PK\x05\x06"))
}

/// Reads where the file ends from an HDF5 superblock of version 0 to 3 with offsets of 8 bytes.
fn end_of_hdf5(head: &[u8]) -> Option<u64> {
    let at = match (head.get(8)?, head.get(13), head.get(9)) {
        (0 | 1, Some(8), _) => 40 + usize::from(head[8] == 1) * 4,
        (2 | 3, _, Some(8)) => 28,
        _ => return None,
    };
    Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?))
}

/// The longest header of a safetensors file that is looked into.
const HEADER: u64 = 100 << 20;

fn safetensors_is_whole(file: &mut fs::File, length: u64) -> std::io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut size = [0u8; 8];
    if length < 8 {
        return Ok(false);
    }
    file.read_exact(&mut size)?;
    let header = u64::from_le_bytes(size);
    if header > HEADER || 8 + header > length {
        return Ok(header > HEADER);
    }
    let mut text = Vec::new();
    file.take(header).read_to_end(&mut text)?;
    let Ok(tensors) = serde_json::from_slice::<serde_json::Value>(&text) else { return Ok(false) };
    let ends = tensors.as_object().into_iter().flatten();
    let last = ends.filter_map(|(_, tensor)| tensor["data_offsets"][1].as_u64()).max();
    Ok(last.is_none_or(|last| 8 + header + last <= length))
}

/// Returns what to add to a driver's arguments so that it goes on from `checkpoint`; nothing where
/// it has no such option, or it was typed.
pub fn resume_arguments(driver: &Driver, args: &[String], checkpoint: &str) -> Vec<String> {
    let typed =
        |flag: &str| args.iter().any(|arg| arg == flag || arg.starts_with(&format!("{flag}=")));
    let option = OPTIONS.iter().find_map(|wanted| {
        driver.options.iter().find(|option| option.flags.iter().any(|flag| flag == wanted))
    });
    let Some(option) = option else { return Vec::new() };
    if option.flags.iter().any(|flag| typed(flag)) {
        return Vec::new();
    }
    let long = option.flags.iter().find(|flag| flag.starts_with("--"));
    match long {
        Some(flag) if is_switch(option) => vec![flag.clone()],
        Some(flag) => vec![flag.clone(), checkpoint.to_owned()],
        None => Vec::new(),
    }
}

fn is_switch(option: &DriverOption) -> bool {
    option.kind.as_deref() == Some("bool") || option.nargs.as_deref() == Some("0")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_newest_is_called_so_or_has_the_highest_number() {
        let paths = ["out/epoch_9.pth", "out/epoch_10.pth", "log.txt"];
        assert_eq!(newest(paths), Some("out/epoch_10.pth"));
        assert_eq!(newest(["a/step-100.ckpt", "a/last.ckpt"]), Some("a/last.ckpt"));
        assert_eq!(newest(["a.txt"]), None);
    }

    #[test]
    fn what_was_cut_off_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let path = root.join("m.pth");
        let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        archive.start_file("data", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&[7; 5000]).unwrap();
        archive.finish().unwrap();
        assert!(is_whole(&path).unwrap());
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
        assert!(!is_whole(&path).unwrap());
        let tensors = root.join("m.safetensors");
        let header = br#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
        let mut whole = (header.len() as u64).to_le_bytes().to_vec();
        whole.extend_from_slice(header);
        whole.extend_from_slice(&[1, 2, 3, 4]);
        fs::write(&tensors, &whole).unwrap();
        assert!(is_whole(&tensors).unwrap());
        fs::write(&tensors, &whole[..whole.len() - 1]).unwrap();
        assert!(!is_whole(&tensors).unwrap());
        fs::write(root.join("empty.pt"), "").unwrap();
        assert!(!is_whole(&root.join("empty.pt")).unwrap());
        fs::write(root.join("empty.txt"), "").unwrap();
        assert!(is_whole(&root.join("empty.txt")).unwrap());
    }

    #[test]
    fn a_drivers_own_option_takes_the_checkpoint() {
        let option = |flag: &str, kind: Option<&str>| DriverOption {
            flags: vec![flag.to_owned()],
            kind: kind.map(str::to_owned),
            ..DriverOption::default()
        };
        let mut driver: Driver = serde_json::from_value(serde_json::json!({
            "path": "train.py", "framework": "argparse", "role": "train", "role_reason": "",
            "options": [],
        }))
        .unwrap();
        assert!(resume_arguments(&driver, &[], "a.pt").is_empty());
        driver.options = vec![option("--load", Some("str")), option("--resume", None)];
        assert_eq!(resume_arguments(&driver, &[], "a.pt"), ["--resume", "a.pt"]);
        assert!(resume_arguments(&driver, &["--resume=b.pt".into()], "a.pt").is_empty());
        driver.options = vec![option("--resume", Some("bool"))];
        assert_eq!(resume_arguments(&driver, &[], "a.pt"), ["--resume"]);
    }
}
