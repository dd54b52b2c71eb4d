//! What foreign code may see and reach.

use camino::Utf8PathBuf;

/// What keeps foreign code in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxKind {
    /// bubblewrap: own mount, process and network namespaces.
    Bubblewrap,
    /// Landlock: the kernel refuses what is not listed; paths cannot be given other names.
    Landlock,
    /// Nothing; the record says so.
    None,
}

/// What a foreign program may see. Beside this it sees the operating system's own folders,
/// read only, and nothing of the user's.
#[derive(Clone, Debug)]
pub struct Confinement {
    pub kind: SandboxKind,
    /// Its home folder, which it may write to.
    pub home: Utf8PathBuf,
    /// Its folder for temporary files.
    pub tmp: Utf8PathBuf,
    /// Paths that it may write to, under their own names.
    pub writable: Vec<Utf8PathBuf>,
    /// Paths that it may read, under their own names.
    pub readable: Vec<Utf8PathBuf>,
    /// Paths that it sees under other names.
    pub bindings: Vec<Binding>,
    /// Whether the GPUs' device files are shown.
    pub gpus: bool,
}

/// A path that is seen under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub here: Utf8PathBuf,
    /// An absolute path.
    pub there: Utf8PathBuf,
    pub writable: bool,
}
