//! What is piped to a command, kept so that its run can be done again, and elsewhere.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;

use fs_err as fs;
use sizar_model::progress::Unit;
use sizar_model::resources::ByteSize;
use sizar_model::{Activity, DataBinding, Digest, Progress};

use super::RunError;
use crate::home::Home;

/// How often it is said how much has come.
const STEP: u64 = 4 << 20;

/// Keeps all that `input` gives as the standard input of a run.
///
/// It lies under `input/` in sizar's folder, named after what it holds: the same is kept once.
///
/// # Errors
///
/// [`RunError::Stdin`] where it cannot be read, or there is no room for it.
pub fn keep_stdin(
    home: &Home,
    input: &mut impl Read,
    progress: &dyn Progress,
) -> Result<DataBinding, RunError> {
    let folder = home.folder("input")?;
    let staging = home.staging()?;
    let new = staging.path().join("stdin");
    let mut file = fs::File::create_new(&new).map_err(stdin_error)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    let (mut done, mut said) = (0, 0);
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(stdin_error(error)),
        };
        io::Write::write_all(&mut file, &buffer[..count]).map_err(stdin_error)?;
        hasher.update(&buffer[..count]);
        done += count as u64;
        if done - said >= STEP {
            if said == 0 {
                progress.begin("reading standard input");
            }
            said = done;
            progress.report(Activity::Advanced { done, total: None, unit: Unit::Bytes });
        }
    }
    let name = Digest::from_bytes(*hasher.finalize().as_bytes()).to_string();
    let kept = folder.join(name);
    file.set_permissions(std::fs::Permissions::from_mode(0o400)).map_err(stdin_error)?;
    // its name says that it is whole, also after the power was cut
    file.sync_all().map_err(stdin_error)?;
    fs::rename(&new, &kept).map_err(stdin_error)?;
    if said > 0 {
        progress.end(format!("read {} from standard input", ByteSize(done)));
    }
    Ok(DataBinding::stdin(kept))
}

fn stdin_error(source: io::Error) -> RunError {
    RunError::Stdin { source }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;
    use sizar_model::Silent;

    use super::*;

    #[test]
    fn what_is_piped_twice_is_kept_once() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        let keep = |mut text: &[u8]| keep_stdin(&home, &mut text, &Silent).unwrap().here;
        let one = keep(b"some text");
        assert_eq!(fs::read(&one).unwrap(), b"some text");
        assert_eq!(keep(b"some text"), one);
        assert_ne!(keep(b""), one);
        assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o400);
    }
}
