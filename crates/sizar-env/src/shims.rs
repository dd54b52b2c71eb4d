//! Start-up shims: Python that mends, when it is imported, what code of another time expects.
//!
//! The files lie under `python/sizar_shims` and run on every Python from 2.7 on. An environment
//! whose lock names shims gets the package, a `.pth` file that starts it and the list of names;
//! every other environment gets nothing.

use std::sync::LazyLock;

use serde::Deserialize;
use sizar_model::Digest;

/// The package's folder in `site-packages`.
pub const FOLDER: &str = "sizar_shims";
/// The file that starts it; last of all, so that what others put on the path is there.
pub const STARTER: &str = "zzz_sizar_shims.pth";
/// The variable that names the file in which shims write down what they did.
pub const LEDGER: &str = "SIZAR_LEDGER";

/// A row of `knowledge/shims.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shim {
    pub name: String,
    /// What it changes, in one sentence.
    pub changes: String,
    /// Since when code needs it.
    pub since: String,
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    shim: Vec<Shim>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../knowledge/shims.toml"))
        .expect("a test reads the table that is compiled in")
});

/// Returns what is known about each shim.
pub fn table() -> &'static [Shim] {
    &TABLE.shim
}

macro_rules! embedded {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../python/sizar_shims/", $path)))),+]
    };
}

/// The package: what all shims need, then the shims.
const FILES: &[(&str, &str)] = embedded![
    "__init__.py",
    "hooks.py",
    "ledger.py",
    "apex_amp.py",
    "asyncio_coroutine.py",
    "base64_strings.py",
    "cgi_escape.py",
    "collections_abc.py",
    "cpu/__init__.py",
    "cpu/insistence.py",
    "cpu/tensorflow_devices.py",
    "cpu/torch_calls.py",
    "cpu/torch_cuda.py",
    "cuda_operators.py",
    "cv2_headless.py",
    "fractions_gcd.py",
    "horovod_alone.py",
    "imp.py",
    "inspect_getargspec.py",
    "matplotlib_headless.py",
    "networkx_node.py",
    "numpy_aliases.py",
    "numpy_load_pickle.py",
    "pandas_append.py",
    "pil_constants.py",
    "platform_dist.py",
    "scipy_misc_image.py",
    "skimage_metrics.py",
    "sklearn_joblib.py",
    "terminal_size.py",
    "time_clock.py",
    "torch_cuda_version.py",
    "torch_six.py",
    "torchvision_names.py",
    "yaml_load.py",
];

/// How many of [`FILES`] every shim needs.
const CORE: usize = 3;

fn module(name: &str) -> String {
    name.replace('-', "_")
}

/// Returns the files of one shim.
fn own_files(name: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let module = module(name);
    FILES.iter().skip(CORE).filter(move |(path, _)| {
        path.strip_prefix(module.as_str())
            .is_some_and(|rest| rest == ".py" || rest.starts_with('/'))
    })
}

/// Returns what is written into `site-packages` for `shims`: paths and texts.
///
/// Nothing for no shims.
pub fn files(shims: &[String]) -> Vec<(String, String)> {
    if shims.is_empty() {
        return Vec::new();
    }
    let core = FILES.iter().take(CORE);
    let own = shims.iter().flat_map(|name| own_files(name));
    let mut files: Vec<(String, String)> = core
        .chain(own)
        .map(|(path, text)| (format!("{FOLDER}/{path}"), (*text).to_owned()))
        .collect();
    files.push((format!("{FOLDER}/active.txt"), shims.join("\n") + "\n"));
    files.push((STARTER.to_owned(), format!("import {FOLDER}; {FOLDER}.start()\n")));
    files
}

/// Returns the name of a shim with the digest of its Python, for the environment's digest: another
/// sizar may have mended it.
pub fn revision(name: &str) -> String {
    let core = FILES.iter().take(CORE);
    let text: String = core.chain(own_files(name)).map(|(_, text)| *text).collect();
    format!("{name}@{}", Digest::of(text.as_bytes()).short())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::{Action, breakages};

    #[test]
    fn the_table_and_the_python_agree() {
        let mut names: Vec<_> = table().iter().map(|shim| shim.name.as_str()).collect();
        for shim in table() {
            assert!(shim.source.starts_with("https://") || shim.source.starts_with("reproduced"));
            let text: String = own_files(&shim.name).map(|(_, text)| *text).collect();
            assert!(text.contains("def install():"), "{} has no Python", shim.name);
            assert!(text.contains(&format!("NAME = \"{}\"", shim.name)), "{}", shim.name);
        }
        names.sort_unstable();
        let mut files: Vec<String> = FILES
            .iter()
            .skip(CORE)
            .filter_map(|(path, _)| path.split(['/', '.']).next())
            .map(|module| module.replace('_', "-"))
            .collect();
        files.dedup();
        assert_eq!(names, files);
        // a file that nobody embeds would be dead
        let folder = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("python/sizar_shims");
        let mut on_disk = 0;
        for below in ["", "cpu"] {
            for entry in fs_err::read_dir(folder.join(below)).unwrap() {
                on_disk +=
                    usize::from(entry.unwrap().path().extension().is_some_and(|e| e == "py"));
            }
        }
        assert_eq!(on_disk, FILES.len());
    }

    #[test]
    fn repairs_name_shims_that_exist() {
        let known = |name: &str| table().iter().any(|shim| shim.name == name);
        for row in breakages() {
            for action in &row.repair {
                if let Action::Shim(name) = action {
                    assert!(known(name), "{} asks for shim {name}", row.id);
                }
            }
        }
    }

    #[test]
    fn an_environment_gets_its_own_shims_alone() {
        assert!(files(&[]).is_empty());
        let files = files(&["imp".to_owned(), "cpu".to_owned()]);
        let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert!(paths.contains(&"sizar_shims/imp.py"));
        assert!(paths.contains(&"sizar_shims/cpu/torch_cuda.py"));
        assert!(!paths.contains(&"sizar_shims/yaml_load.py"));
        assert!(
            files.iter().any(|(path, text)| path.ends_with("active.txt") && text == "imp\ncpu\n")
        );
        assert_ne!(revision("imp"), revision("cpu"));
    }
}
