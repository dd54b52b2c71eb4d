//! How programs are run and stopped.

use camino::Utf8PathBuf;
use sizar_engine::process::{Control, Finished, Io, Limits, ProcessError, execute};
use sizar_engine::sandbox::{Confinement, SandboxKind};
use sizar_model::Invocation;
use sizar_model::artifact::Ending;

struct World {
    folder: tempfile::TempDir,
    confinement: Confinement,
    limits: Limits,
    control: Control,
}

impl World {
    fn new(kind: SandboxKind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        let mut confinement = Confinement::new(kind, path.join("home"), path.join("tmp"));
        let work = path.join("work");
        fs_err::create_dir(&work).unwrap();
        confinement.writable.push(work);
        Self { folder, confinement, limits: Limits::default(), control: Control::default() }
    }

    fn run(&self, invocation: &Invocation) -> Result<Finished, ProcessError> {
        let io = Io::Captured { line: &|_| {} };
        execute(invocation, &self.confinement, &self.limits, io, &self.control)
    }

    fn shell(&self, script: &str) -> Finished {
        let cwd = self.confinement.writable[0].clone();
        self.run(&Invocation::new("sh").args(["-c", script]).cwd(cwd)).unwrap()
    }
}

#[test]
fn slow_bubblewrap_exit_codes_pass_through() {
    let world = World::new(SandboxKind::Bubblewrap);
    assert_eq!(world.shell("exit 0").ending, Ending::Exited { code: 0 });
    assert_eq!(world.shell("exit 7").ending, Ending::Exited { code: 7 });
    assert_eq!(world.shell("kill -9 $$").ending, Ending::Signalled { signal: 9 });
    let done = world.shell(
        "id; env; ls -la / /etc; df -h; touch /x; touch a; pwd; cat /etc/passwd; ls -la /dev",
    );
    println!("{}{}{:?}", done.stdout, done.stderr, done.usage);
    println!("{:?}", world.run(&Invocation::new("nosuch")));
    println!("{:?}", world.run(&Invocation::new("/etc/passwd")));
    println!("{:?}", world.run(&Invocation::new("true").cwd("/nowhere")));
    let t = std::time::Instant::now();
    for _ in 0..20 {
        world.run(&Invocation::new("true")).unwrap();
    }
    println!("{:?}", t.elapsed() / 20);
    let _ = &world.folder;
}
