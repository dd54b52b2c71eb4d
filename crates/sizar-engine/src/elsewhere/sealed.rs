//! What a plain script sealed: its receipt names a list with sizes and SHA-256, since a plain shell
//! knows no digest of sizar's. They are verified here, and the receipt is made whole.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sizar_model::{Artifact, RunId};

use super::ElsewhereError;
use super::bring::{Sum, Wanted};
use crate::run::digest;
use crate::target::Place;
use crate::transport::Step;

/// The most bytes of a list: a million results.
const LIST: u64 = 256 << 20;

/// What the receipt of a plain script says of its list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Seal {
    sha256: String,
    bytes: u64,
}

/// Returns the seal of a receipt; none of one that sizar wrote itself, whose results are in it, or
/// whose script could not list them.
pub(super) fn seal_of(receipt: &[u8]) -> Result<Option<Seal>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        sealed: Option<Seal>,
    }
    Ok(serde_json::from_slice::<Head>(receipt)?.sealed)
}

/// Brings the list of what an attempt made, whose folder there is `attempt`.
pub(super) fn list(
    place: &mut Place,
    run: &RunId,
    attempt: &Utf8Path,
    seal: &Seal,
) -> Result<Vec<Wanted>, ElsewhereError> {
    let path = attempt.join("sealed");
    let answers = place.transport.run(&[Step::get_file(path.as_str(), LIST)])?;
    let bytes = answers.into_iter().next().map(|answer| answer.stdout).unwrap_or_default();
    let corrupt = |message: String| ElsewhereError::Corrupt { run: run.clone(), message };
    let same = bytes.len() as u64 == seal.bytes && hexadecimal(&Sha256::digest(&bytes)) == seal.sha256;
    if !same {
        return Err(corrupt("the list of its results is another".to_owned()));
    }
    read(&String::from_utf8_lossy(&bytes)).map_err(corrupt)
}

/// Reads lines `SIZE SHA-256  PATH`.
fn read(text: &str) -> Result<Vec<Wanted>, String> {
    let one = |line: &str| {
        let (size, rest) = line.split_once(' ')?;
        let (sum, path) = rest.split_once(' ')?;
        // then a blank, or a star for binary files
        let path = Utf8PathBuf::from(path.get(1..)?);
        let normal = path.components().all(|part| matches!(part, Utf8Component::Normal(_)));
        let ours = path.starts_with("work") || path.starts_with("home");
        (normal && ours && sum.len() == 64).then(|| {
            let sum = Sum::Sha256(sum.to_owned());
            size.parse().ok().map(|size| Wanted { path, size, sum })
        })?
    };
    text.lines().map(|line| one(line).ok_or_else(|| format!("`{line}` is no result"))).collect()
}

/// Returns what has come as the results that a receipt names.
pub(super) fn artifacts(
    folder: &Utf8Path,
    list: &[Wanted],
) -> Result<Vec<Artifact>, ElsewhereError> {
    let one = |wanted: &Wanted| {
        let path = folder.join(&wanted.path);
        let blake3 = digest(path.as_std_path())
            .map_err(|source| ElsewhereError::File { path: path.clone(), source })?;
        let name = match wanted.path.strip_prefix("home") {
            Ok(below) => format!("~/{below}"),
            Err(_) => wanted.path.strip_prefix("work").unwrap_or(&wanted.path).to_string(),
        };
        Ok(Artifact { path: name, size: wanted.size, blake3 })
    };
    let mut artifacts = list.iter().map(one).collect::<Result<Vec<_>, ElsewhereError>>()?;
    artifacts.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(artifacts)
}

/// Returns a file's SHA-256 in hexadecimal.
pub(super) fn sha256(path: &Utf8Path) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    Ok(hexadecimal(&hasher.finalize()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_what_leads_out_is_refused() {
        let sum = "a".repeat(64);
        let list = read(&format!("3 {sum}  work/out/a b.txt\n0 {sum}  home/x\n")).unwrap();
        assert_eq!(list[0].path, "work/out/a b.txt");
        assert_eq!((list[0].size, list[1].path.as_str()), (3, "home/x"));
        for path in ["../x", "work/../../x", "/etc/passwd", "tmp/x"] {
            assert!(read(&format!("3 {sum}  {path}\n")).is_err(), "{path}");
        }
        assert!(read("3 abc  work/x\n").is_err());
        assert!(seal_of(b"{}").unwrap().is_none());
        assert!(seal_of(br#"{"sealed":null}"#).unwrap().is_none());
        let seal = seal_of(br#"{"sealed":{"sha256":"ab","bytes":7}}"#).unwrap().unwrap();
        assert_eq!((seal.sha256.as_str(), seal.bytes), ("ab", 7));
    }
}
