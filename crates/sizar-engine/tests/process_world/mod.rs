//! A folder with a home, and ways to run programs in it.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use sizar_engine::process::{Control, Finished, Io, Limits, ProcessError, execute};
use sizar_engine::sandbox::{Confinement, SandboxKind, helper};
use sizar_model::{Invocation, NetworkAccess};

pub struct World {
    _folder: tempfile::TempDir,
    pub root: Utf8PathBuf,
    pub work: Utf8PathBuf,
    pub confinement: Confinement,
    pub limits: Limits,
    pub control: Control,
}

impl World {
    pub fn new(kind: SandboxKind) -> Self {
        helper::announce(env!("CARGO_BIN_EXE_sizar-helper").into());
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        Self::at(folder, root, kind)
    }

    fn at(folder: tempfile::TempDir, root: Utf8PathBuf, kind: SandboxKind) -> Self {
        let mut confinement = Confinement::new(kind, root.join("home"), root.join("tmp"));
        let work = root.join("work");
        fs_err::create_dir_all(&work).unwrap();
        confinement.writable.push(work.clone());
        // The helper is where cargo builds it, which may be anywhere.
        Self {
            _folder: folder,
            root,
            work,
            confinement,
            limits: Limits::default(),
            control: Control::default(),
        }
    }

    pub fn run(&self, invocation: Invocation) -> Result<Finished, ProcessError> {
        self.watch(invocation, &|_| {})
    }

    pub fn watch(
        &self,
        mut invocation: Invocation,
        line: &dyn Fn(&str),
    ) -> Result<Finished, ProcessError> {
        invocation.cwd.get_or_insert_with(|| self.work.clone());
        execute(&invocation, &self.confinement, &self.limits, Io::Captured { line }, &self.control)
    }

    pub fn live(&self, invocation: Invocation, log: &Utf8Path, echo: bool) -> Finished {
        let invocation = invocation.cwd(&self.work);
        let usage = log.with_extension("csv");
        let io = Io::Live { log, echo, usage: Some(&usage) };
        execute(&invocation, &self.confinement, &self.limits, io, &self.control).unwrap()
    }

    pub fn shell(&self, script: &str) -> Finished {
        self.run(shell(script)).unwrap()
    }

    pub fn python(&self, script: &str) -> Finished {
        self.run(python(script)).unwrap()
    }

    pub fn python_with(&self, network: NetworkAccess, script: &str) -> Finished {
        self.run(python(script).network(network)).unwrap()
    }
}

pub fn shell(script: &str) -> Invocation {
    Invocation::new("sh").args(["-c", script])
}

pub fn python(script: &str) -> Invocation {
    Invocation::new("/usr/bin/python3").args(["-u", "-c", script])
}

/// Returns a command that runs the test `name` of this binary in a process of its own, in which
/// [`role`] is `kind`.
pub fn as_process(name: &str, kind: SandboxKind, folder: &Utf8Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("SIZAR_TEST_ROLE", kind.name())
        .env("SIZAR_TEST_FOLDER", folder)
        .stdin(Stdio::null());
    command
}

/// Returns the kind and folder for a test that was started by [`as_process`].
pub fn role() -> Option<(SandboxKind, Utf8PathBuf)> {
    let name = std::env::var("SIZAR_TEST_ROLE").ok()?;
    let kinds = [SandboxKind::Bubblewrap, SandboxKind::Landlock, SandboxKind::None];
    let kind = kinds.into_iter().find(|kind| kind.name() == name)?;
    Some((kind, std::env::var("SIZAR_TEST_FOLDER").ok()?.into()))
}

/// Defines tests of the same functions for each kind of sandbox.
#[macro_export]
macro_rules! for_each_kind {
    ($($module:ident $kind:ident),+: $tests:tt) => {
        $( $crate::for_each_kind!(@ $module $kind $tests); )+
    };
    (@ $module:ident $kind:ident { $($test:ident $function:ident),+ $(,)? }) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::$function(sizar_engine::sandbox::SandboxKind::$kind);
                }
            )+
        }
    };
}
