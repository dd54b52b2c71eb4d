//! What a plain script sealed: its receipt names a list with sizes and SHA-256, since a plain shell
//! knows no digest of sizar's. They are verified here, and the receipt is made whole.

use std::ffi::OsString;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sizar_model::resources::ByteSize;
use sizar_model::{Artifact, Progress, RunId};

use super::ElsewhereError;
use super::bring::keep;
use crate::acquire::limits::Limits;
use crate::home::Home;
use crate::http::sha256_of;
use crate::run::digest;
use crate::target::Place;
use crate::transport::Step;
use crate::transport::transfer::{CHUNK, get_file, get_tree};

/// How many files one step brings: their names have to fit into one command line.
const AT_ONCE: usize = 500;
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

/// A file of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    size: u64,
    /// In hexadecimal.
    sha256: String,
    /// Below the attempt's folder.
    path: Utf8PathBuf,
}

impl Listed {
    /// Returns whether it lies in `folder`, as it was.
    fn is_in(&self, folder: &Utf8Path) -> bool {
        let path = folder.join(&self.path);
        let plain = fs::symlink_metadata(&path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == self.size);
        plain && sha256_of(&path).is_ok_and(|(sum, _)| sum == self.sha256)
    }

    /// Returns what a receipt calls it.
    fn name(&self) -> String {
        match self.path.strip_prefix("home") {
            Ok(below) => format!("~/{below}"),
            Err(_) => self.path.strip_prefix("work").unwrap_or(&self.path).to_string(),
        }
    }
}

/// What an attempt made, sealed by a plain script, on its way home.
pub(super) struct Sealed<'a> {
    pub run: &'a RunId,
    /// The attempt's folder on the target.
    pub there: &'a Utf8Path,
    /// Where it lies here until all of it has come.
    pub folder: &'a Utf8Path,
}

impl Sealed<'_> {
    /// Brings all that is listed and not here yet, small ones first, and verifies it.
    pub fn bring(
        &self,
        place: &mut Place,
        home: &Home,
        seal: &Seal,
        progress: &dyn Progress,
    ) -> Result<Vec<Artifact>, ElsewhereError> {
        let list = self.list(place, seal)?;
        let mut wanted: Vec<&Listed> =
            list.iter().filter(|listed| !listed.is_in(self.folder)).collect();
        wanted.sort_by_key(|listed| listed.size);
        let bytes = ByteSize(wanted.iter().map(|listed| listed.size).sum());
        let what = format!("{} results ({bytes}) of {}", wanted.len(), self.run);
        if !wanted.is_empty() {
            progress.begin(format!("bringing {what}"));
        }
        for some in batches(&wanted) {
            place.bringing(|place| self.batch(place, home, some, progress)).0?;
        }
        if !wanted.is_empty() {
            progress.end(format!("brought {what}"));
        }
        self.artifacts(&list)
    }

    fn list(&self, place: &mut Place, seal: &Seal) -> Result<Vec<Listed>, ElsewhereError> {
        let path = self.there.join("sealed");
        let answers = place.transport.run(&[Step::get_file(path.as_str(), LIST)])?;
        let bytes = answers.into_iter().next().map(|answer| answer.stdout).unwrap_or_default();
        let sum = format!("{:x}", Sha256::digest(&bytes));
        if bytes.len() as u64 != seal.bytes || sum != seal.sha256 {
            return Err(self.corrupt("the list of its results is another".to_owned()));
        }
        read(&String::from_utf8_lossy(&bytes)).map_err(|message| self.corrupt(message))
    }

    fn batch(
        &self,
        place: &mut Place,
        home: &Home,
        some: &[&Listed],
        progress: &dyn Progress,
    ) -> Result<(), ElsewhereError> {
        let failed = |path: &Utf8Path| {
            let path = self.folder.join(path);
            move |source| ElsewhereError::File { path, source }
        };
        let staging = home.staging()?;
        let mut root = Utf8Path::from_path(staging.path()).unwrap_or(self.folder).join("results");
        if let [large] = some
            && large.size > CHUNK
        {
            // in pieces, of which those that came stay over a broken line
            root = Utf8PathBuf::from(format!("{}.large", self.folder));
            let to = root.join(&large.path);
            fs::create_dir_all(to.parent().unwrap_or(&root)).map_err(failed(&large.path))?;
            let from = self.there.join(&large.path);
            get_file(&mut *place.transport, from.as_str(), large.size, &to, progress)?;
        } else {
            let paths: Vec<OsString> = some.iter().map(|one| one.path.as_str().into()).collect();
            let limits = Limits { bytes: u64::MAX, ratio: u64::MAX, ..Limits::from_environment() };
            let transport = &mut *place.transport;
            get_tree(transport, self.there.as_str(), &paths, &root, limits, progress)?;
        }
        for listed in some {
            let path = &listed.path;
            if !listed.is_in(&root) {
                let _ = fs::remove_file(root.join(path));
                return Err(self.corrupt(format!("`{}` has another content", listed.name())));
            }
            keep(&root.join(path), &self.folder.join(path)).map_err(failed(path))?;
        }
        // of what came in pieces, only empty folders are left
        let _ = fs::remove_dir_all(format!("{}.large", self.folder));
        Ok(())
    }

    /// Returns what has come as the results that a receipt names.
    fn artifacts(&self, list: &[Listed]) -> Result<Vec<Artifact>, ElsewhereError> {
        let one = |listed: &Listed| {
            let path = self.folder.join(&listed.path);
            let blake3 = digest(path.as_std_path())
                .map_err(|source| ElsewhereError::File { path: path.clone(), source })?;
            Ok(Artifact { path: listed.name(), size: listed.size, blake3 })
        };
        let mut artifacts = list.iter().map(one).collect::<Result<Vec<_>, ElsewhereError>>()?;
        artifacts.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(artifacts)
    }

    fn corrupt(&self, message: String) -> ElsewhereError {
        ElsewhereError::Corrupt { run: self.run.clone(), message }
    }
}

/// Divides what is to come: large ones alone, small ones together.
fn batches<'a, 'b>(wanted: &'a [&'b Listed]) -> impl Iterator<Item = &'a [&'b Listed]> {
    let mut rest = wanted;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |listed: &&&Listed| {
            bytes += listed.size;
            bytes <= CHUNK
        };
        let count = rest.iter().take(AT_ONCE).take_while(fits).count().max(1).min(rest.len());
        let (some, others) = rest.split_at(count);
        rest = others;
        (!some.is_empty()).then_some(some)
    })
}

/// Reads lines `SIZE SHA-256  PATH`.
fn read(text: &str) -> Result<Vec<Listed>, String> {
    let one = |line: &str| {
        let (size, rest) = line.split_once(' ')?;
        let (sum, path) = rest.split_once(' ')?;
        // then a blank, or a star for binary files
        let path = Utf8PathBuf::from(path.get(1..)?);
        let normal = path.components().all(|part| matches!(part, Utf8Component::Normal(_)));
        let ours = path.starts_with("work") || path.starts_with("home");
        let size = size.parse().ok()?;
        (normal && ours && sum.len() == 64).then(|| Listed { size, sha256: sum.to_owned(), path })
    };
    text.lines().map(|line| one(line).ok_or_else(|| format!("`{line}` is no result"))).collect()
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
