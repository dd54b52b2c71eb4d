//! Older contents on the target that missing ones are like.

use std::collections::BTreeMap;
use std::io;

use camino::Utf8PathBuf;

use super::manifest::{Content, Manifest};
use super::outline::Outline;
use super::segment::SMALL;
use super::store::Blob;
use super::taking::Taking;
use super::wire::{Kind, pack};

/// How many large contents at most are compared with older ones.
const MOST_BASES: usize = 16;
/// How many bytes of older contents are read for that: some minutes of a file server.
const MOST_READ: u64 = 64 << 30;

/// By their numbers, what large contents are like that are here.
pub(super) type Bases = BTreeMap<u32, Utf8PathBuf>;

impl Taking<'_> {
    /// Says of large contents that are missing what those are made of that the tree `base` has in
    /// their places.
    pub fn bases(
        &self,
        manifest: &Manifest,
        base: &Manifest,
        blobs: &[(Blob, usize)],
        missing: &[(u32, u64)],
    ) -> io::Result<Bases> {
        let mut worth: Vec<(u64, u32, Blob)> = Vec::new();
        for (index, have) in missing {
            let Some((blob, entry)) = blobs.get(*index as usize) else { continue };
            let entry = manifest.entries().get(*entry);
            let Some(before) = entry.and_then(|entry| base.get(&entry.path)) else { continue };
            let Content::File { size, digest, program } = before.content else { continue };
            let rest = blob.size.saturating_sub(*have);
            // what is read here has to be worth it
            if rest > SMALL && size > SMALL && size / 4 <= rest {
                worth.push((rest, *index, Blob { digest, program, size }));
            }
        }
        // the others go over several lines, which these do not
        worth.sort_by_key(|one| std::cmp::Reverse(one.0));
        worth.truncate(MOST_BASES);
        let mut bases = Bases::new();
        let mut read = 0;
        for (_, index, before) in worth {
            if read + before.size > MOST_READ || !self.store.has(&before) {
                continue;
            }
            read += before.size;
            let path = self.store.blob(&before);
            // what cannot be read is no help, and no harm
            if let Ok(Some(outline)) = Outline::of(path.as_std_path()) {
                self.output.send(&pack(Kind::Outline, &outline.to_bytes(index), None))?;
                bases.insert(index, path);
            }
        }
        Ok(bases)
    }
}
