//! Git repositories.

use fs_err as fs;
use sizar_engine::acquire::AcquireError;
use sizar_engine::acquire::git::GitError;

use crate::world::{World, said, tree};

#[test]
fn a_repository_becomes_a_tree_without_git() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1"), ("deep/b.py", "2")]);
    fs::set_permissions(
        repository.path.join("a.py"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let commit = repository.commit("2021-02-03T04:05:06Z", &[("README", "x")]);
    let checkout = world.acquire(&repository.url()).unwrap();
    assert_eq!(checkout.source.revision.as_deref(), Some(commit.as_str()));
    assert!(!checkout.source.own);
    assert_eq!(checkout.source.date.unwrap().to_string(), "2021-02-03T04:05:06Z");
    let names: Vec<_> = tree(&checkout.path).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["README", "a.py", "deep/b.py"]);
    // the folder that holds the same commit has the same digest, so also the executable bit came
    let folder = world.acquire(repository.path.as_str()).unwrap();
    assert_eq!(folder.source.digest, checkout.source.digest);
    assert_eq!(folder.source.code_date, checkout.source.code_date);
}

#[test]
fn branches_tags_and_commits_are_found() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1")]);
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["tag", "-a", "v1.0", "-m", "x"]);
    repository.git(&["checkout", "--quiet", "-b", "feature/x"]);
    let second = repository.commit("2021-01-01T00:00:00Z", &[("a.py", "2")]);
    repository.git(&["checkout", "--quiet", "main"]);
    let revision = |rev: &str| {
        world.acquire(&format!("{}@{rev}", repository.url())).unwrap().source.revision.unwrap()
    };
    assert_eq!(revision("v1.0"), first);
    assert_eq!(revision("feature/x"), second);
    assert_eq!(revision(&second[..8]), second);
    assert_eq!(revision(&first), first);
    assert_eq!(world.acquire(&repository.url()).unwrap().source.revision.unwrap(), first);
}

#[test]
fn an_unknown_revision_gets_the_nearest_names() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1")]);
    repository.git(&["tag", "v1.0"]);
    repository.git(&["tag", "v1.1"]);
    let error = world.acquire(&format!("{}@v1.2", repository.url())).unwrap_err();
    assert_eq!(error.hints(), ["the nearest names are `v1.0`, `v1.1`, `main`"]);
    for hostile in ["--output=x", "a:b", "+x"] {
        let error = world.acquire(&format!("{}@{hostile}", repository.url())).unwrap_err();
        assert!(matches!(error, AcquireError::Git(GitError::UnknownRevision { .. })), "{error}");
    }
}

#[test]
fn a_second_use_needs_no_source_and_a_refresh_asks_again() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1")]);
    let url = repository.url();
    let first = world.acquire(&url).unwrap();
    let newer = repository.commit("2021-01-01T00:00:00Z", &[("a.py", "2")]);
    assert_eq!(world.acquire(&url).unwrap(), first);
    let second = world.refresh(&url).unwrap();
    assert_eq!(second.source.revision.as_deref(), Some(newer.as_str()));
    assert_eq!(tree(&second.path), [("a.py".to_owned(), "2".to_owned())]);
    // the first checkout is still there for whoever uses it
    assert_eq!(tree(&first.path), [("a.py".to_owned(), "1".to_owned())]);
    fs::remove_dir_all(&repository.path).unwrap();
    assert_eq!(world.acquire(&url).unwrap(), second);
    assert_eq!(world.offline(&url).unwrap(), second);
    // known commits need no source either
    let old = format!("{url}@{}", first.source.revision.as_deref().unwrap());
    assert_eq!(world.offline(&old).unwrap().path, first.path);
    assert!(world.refresh(&url).is_err());
}

#[test]
fn a_renamed_default_branch_is_followed() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1")]);
    world.acquire(&repository.url()).unwrap();
    repository.git(&["branch", "-m", "main", "trunk"]);
    let newer = repository.commit("2021-01-01T00:00:00Z", &[("a.py", "2")]);
    let checkout = world.refresh(&repository.url()).unwrap();
    assert_eq!(checkout.source.revision.as_deref(), Some(newer.as_str()));
}

#[test]
fn an_address_that_does_not_answer_says_what_git_said() {
    let world = World::new();
    let path = world.path("nothing");
    let error = world.acquire(&format!("file://{path}")).unwrap_err();
    assert_eq!(error.to_string(), format!("there is no repository `{path}`"));
    fs::create_dir_all(&path).unwrap();
    let error = world.acquire(&format!("file://{path}")).unwrap_err();
    assert!(error.to_string().contains("git: fatal:"), "{error}");
    let error = world.acquire("http://me:s3cret@127.0.0.1:9/r.git").unwrap_err();
    let text = said(&error);
    assert!(text.contains("git: fatal:") && !text.contains("s3cret"), "{text}");
    assert_eq!(
        error.hints(),
        ["`git ls-remote http://***@127.0.0.1:9/r.git` shows whether the address answers"]
    );
    assert!(world.leftovers().is_empty(), "{:?}", world.leftovers());
    let error = world.offline("https://host.invalid/r.git").unwrap_err();
    assert!(matches!(error, AcquireError::Git(GitError::Offline { .. })));
}

#[test]
fn protocols_that_run_programs_are_refused() {
    let world = World::new();
    let error = world.acquire("ext://sh").unwrap_err();
    assert!(matches!(error, AcquireError::Git(GitError::Protocol { .. })), "{error}");
}

#[test]
fn an_empty_repository_is_said_to_be_empty() {
    let world = World::new();
    let repository = world.repository("r", &[]);
    repository.git(&["checkout", "--quiet", "--orphan", "other"]);
    repository.git(&["branch", "-D", "main"]);
    let error = world.acquire(&repository.url()).unwrap_err();
    assert!(matches!(error, AcquireError::Git(GitError::Empty { .. })), "{error}");
}

#[test]
fn submodules_come_along_and_missing_ones_are_noted() {
    let world = World::new();
    let inner = world.repository("inner", &[("c.py", "3")]);
    let middle = world.repository("middle", &[("b.py", "2")]);
    middle.git(&["submodule", "--quiet", "add", "../inner", "inner"]);
    middle.commit("2020-01-01T00:00:00Z", &[]);
    let outer = world.repository("outer", &[("a.py", "1")]);
    outer.git(&["submodule", "--quiet", "add", &middle.url(), "lib/middle"]);
    outer.git(&["submodule", "--quiet", "add", &inner.url(), "gone"]);
    let modules = outer.path.join(".gitmodules");
    let text = fs::read_to_string(&modules).unwrap();
    fs::write(&modules, text.replace(&inner.url(), "https://127.0.0.1:9/x.git")).unwrap();
    outer.commit("2020-01-01T00:00:00Z", &[]);
    let checkout = world.acquire(&outer.url()).unwrap();
    let names: Vec<_> = tree(&checkout.path).into_iter().map(|(name, _)| name).collect();
    let expected = [
        ".gitmodules",
        "a.py",
        "lib/middle/.gitmodules",
        "lib/middle/b.py",
        "lib/middle/inner/c.py",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        checkout.notes,
        ["submodule `gone` is missing: git could not fetch `https://127.0.0.1:9/x.git`"]
    );
    // what was missing is tried again by a refresh, though the commit is the same
    let text = fs::read_to_string(&modules).unwrap();
    assert!(text.contains("127.0.0.1:9"));
    assert_eq!(world.refresh(&outer.url()).unwrap().source, checkout.source);
}

#[test]
fn a_submodule_over_the_network_may_not_name_local_files() {
    use sizar_engine::acquire::git::submodule_address;
    use sizar_model::SafeUrl;
    let parent = SafeUrl::new("https://host/r");
    assert!(submodule_address(&parent, "file:///etc").is_err());
    assert!(submodule_address(&parent, "--upload-pack=x").is_err());
}

#[test]
fn repositories_that_hold_each_other_end() {
    let world = World::new();
    let one = world.repository("one", &[("a.py", "1")]);
    let other = world.repository("other", &[("b.py", "2")]);
    one.git(&["submodule", "--quiet", "add", &other.url(), "other"]);
    one.commit("2020-01-01T00:00:00Z", &[]);
    other.git(&["submodule", "--quiet", "add", &one.url(), "one"]);
    other.commit("2020-01-01T00:00:00Z", &[]);
    let checkout = world.acquire(&other.url()).unwrap();
    assert!(checkout.path.join("one/other/b.py").exists());
}

#[test]
fn hooks_filters_and_attributes_have_no_effect() {
    let world = World::new();
    let mark = world.path("mark");
    let repository = world.repository(
        "r",
        &[("a.txt", "$Id$\nline\n"), (".gitattributes", "*.txt ident eol=crlf filter=evil\n")],
    );
    // a filter of the user's own configuration is not applied to foreign files either
    repository.git(&["config", "filter.evil.smudge", &format!("touch {mark}")]);
    let checkout = world.acquire(&repository.url()).unwrap();
    assert_eq!(fs::read_to_string(checkout.path.join("a.txt")).unwrap(), "$Id$\nline\n");
    assert!(!mark.exists());
}

#[test]
fn links_that_leave_the_tree_are_left_out() {
    let world = World::new();
    let repository = world.repository("r", &[("deep/a.py", "1")]);
    for (target, name) in [("a.py", "deep/good"), ("../../x", "deep/bad"), ("/etc/passwd", "abs")] {
        fs_err::os::unix::fs::symlink(target, repository.path.join(name)).unwrap();
    }
    repository.commit("2020-01-01T00:00:00Z", &[]);
    let checkout = world.acquire(&repository.url()).unwrap();
    assert_eq!(
        tree(&checkout.path),
        [("deep/a.py", "1"), ("deep/good", "-> a.py")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert_eq!(checkout.notes.len(), 2);
    assert!(checkout.notes[0].contains("`abs`"), "{:?}", checkout.notes);
}

#[test]
fn large_file_pointers_are_noted() {
    let world = World::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 251658240\n";
    let repository = world.repository("r", &[("w.pth", pointer), ("a.py", "1")]);
    let checkout = world.acquire(&repository.url()).unwrap();
    assert_eq!(checkout.notes.len(), 1);
    assert!(checkout.notes[0].starts_with("1 file is a Git LFS pointer"), "{:?}", checkout.notes);
    assert!(checkout.notes[0].contains("`w.pth`, stands for 240.0 MiB"), "{:?}", checkout.notes);
}

#[test]
fn a_partial_copy_is_laid_out_as_far_as_it_goes() {
    let world = World::new();
    let big = "x".repeat(10_000);
    let repository = world.repository("r", &[("a.py", "1"), ("data/big.bin", &big)]);
    repository.git(&["config", "uploadpack.allowFilter", "true"]);
    let bare = world.path("bare");
    repository.git(&[
        "clone",
        "--quiet",
        "--bare",
        "--filter=blob:limit=1k",
        &repository.url(),
        bare.as_str(),
    ]);
    // as a snapshot that was carried here: nobody remembers where the rest would be
    fs::remove_file(bare.join("config")).unwrap();
    let checkout = world.acquire(&format!("file://{bare}")).unwrap();
    let names: Vec<_> = tree(&checkout.path).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.py"]);
    assert_eq!(
        checkout.notes,
        ["1 of 2 files are absent, because the repository is a partial copy: `data/big.bin`"]
    );
    assert!(checkout.source.code_date.is_some());
}

#[test]
fn a_shallow_repository_has_no_date_of_code() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1")]);
    repository.commit("2021-01-01T00:00:00Z", &[("README", "x")]);
    let shallow = world.path("shallow");
    repository.git(&["clone", "--quiet", "--depth=1", &repository.url(), shallow.as_str()]);
    let source = world.acquire(&format!("file://{shallow}")).unwrap().source;
    assert_eq!(source.date.unwrap().to_string(), "2021-01-01T00:00:00Z");
    assert_eq!(source.code_date, None);
}

#[test]
fn a_copy_that_a_killed_git_left_locked_is_made_anew() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1")]);
    world.acquire(&repository.url()).unwrap();
    let newer = repository.commit("2021-01-01T00:00:00Z", &[("a.py", "2")]);
    let mirrors = world.home.folder("cache/git").unwrap();
    for mirror in mirrors.read_dir_utf8().unwrap() {
        let mirror = mirror.unwrap();
        // addresses may hold passwords, so no copy keeps its own
        let config = fs::read_to_string(mirror.path().join("config")).unwrap();
        assert!(!config.contains("url"), "{config}");
        fs::create_dir_all(mirror.path().join("refs/heads")).unwrap();
        fs::write(mirror.path().join("refs/heads/main.lock"), "").unwrap();
    }
    let checkout = world.refresh(&repository.url()).unwrap();
    assert_eq!(checkout.source.revision.as_deref(), Some(newer.as_str()));
}

#[test]
fn variables_of_another_repository_do_not_matter() {
    // the test's own environment cannot be changed safely, so a child is asked
    if std::env::var_os("SIZAR_TEST_CHILD").is_some() {
        let world = World::new();
        let repository = std::env::var("SIZAR_TEST_REPOSITORY").unwrap();
        let checkout = world.acquire(&repository).unwrap();
        assert!(checkout.path.join("a.py").exists());
        return;
    }
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1")]);
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "repositories::variables_of_another_repository_do_not_matter"])
        .env("SIZAR_TEST_CHILD", "1")
        .env("SIZAR_TEST_REPOSITORY", repository.url())
        .env("GIT_DIR", "/nonexistent")
        .env("GIT_WORK_TREE", "/nonexistent")
        .env("GIT_INDEX_FILE", "/nonexistent/index")
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
}
