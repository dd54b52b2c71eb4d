//! The console scripts of a source that is used from its tree: no installer makes them.

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::inspection::Driver;
use sizar_model::{EnvLock, ProjectInstall};

use super::SetupError;
use super::error::io;

/// Writes into the environment's `bin` what an installation of the source would have put there.
///
/// The form is that of the entry points specification of the Python packaging guide. The names come
/// from the source: what is no plain name is passed by.
pub(super) fn lay_out(
    prefix: &Utf8Path,
    lock: &EnvLock,
    drivers: &[Driver],
) -> Result<(), SetupError> {
    if lock.source.install != ProjectInstall::OnPath {
        return Ok(());
    }
    for driver in drivers {
        let (Some(name), Some(entry)) = (&driver.name, &driver.entry) else { continue };
        let path = prefix.join("bin").join(name);
        let Some(text) = script(prefix, entry).filter(|_| is_plain(name)) else { continue };
        if path.exists() {
            continue;
        }
        fs::write(&path, text).map_err(io(&path))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).map_err(io(&path))?;
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    !name.starts_with(['-', '.'])
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn script(prefix: &Utf8Path, entry: &str) -> Option<String> {
    let (module, function) = entry.split_once(':')?;
    let is_dotted = |name: &str| {
        name.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with(|c: char| c.is_ascii_digit())
                && part.chars().all(|c| c.is_alphanumeric() || c == '_')
        })
    };
    let first = function.split('.').next()?;
    (is_dotted(module) && is_dotted(function)).then(|| {
        format!(
            "#!{prefix}/bin/python\nimport sys\n\nfrom {module} import {first}\n\n\
             if __name__ == \"__main__\":\n    sys.exit({function}())\n"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_become_programs() {
        let text = script("/envs/a".into(), "crepe.cli:main").unwrap();
        assert!(text.starts_with("#!/envs/a/bin/python\n") && text.contains("sys.exit(main())"));
        assert!(script("/e".into(), "a:Group.run").unwrap().contains("from a import Group\n"));
        for hostile in ["crepe", "os:system('x')", "a b:c", ":main", "a:", "1a:b"] {
            assert_eq!(script("/e".into(), hostile), None, "{hostile}");
        }
        assert!(is_plain("umx-2.0") && !is_plain("../python") && !is_plain(".x"));
    }
}
