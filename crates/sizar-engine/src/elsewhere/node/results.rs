//! What an attempt made on the node, on its way to where it belongs.

use std::time::Duration;

use fs_err as fs;
use rayon::prelude::*;
use sizar_model::Receipt;

use crate::run::Attempt;
use crate::sparse;

/// How often a result is copied before it is given up.
const TRIES: u32 = 3;

/// Copies what an attempt made on the node to where it belongs, the receipt last.
///
/// # Errors
///
/// What the operating system says: a quota that is used up, above all. There is no receipt then.
pub(in super::super) fn bring_back(
    from: &Attempt,
    to: &Attempt,
    receipt: &Receipt,
) -> std::io::Result<()> {
    fs::create_dir_all(to.work())?;
    // the small ones first: if not all of them fit, these do
    let mut results: Vec<_> = receipt.results.iter().collect();
    results.sort_by_key(|result| result.size);
    let one = |path: &str| -> std::io::Result<()> {
        let (source, target) = (from.result(path), to.result(path));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        again(|| sparse::copy(source.as_ref(), target.as_ref()).map(drop))
    };
    results.par_iter().try_for_each(|result| one(&result.path))?;
    for (source, target) in [(from.log(), to.log()), (from.usage(), to.usage())] {
        if source.exists() {
            again(|| sparse::copy(source.as_ref(), target.as_ref()).map(drop))?;
        }
    }
    again(|| to.leave_receipt(receipt))
}

fn again(mut act: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
    let mut tried = 0;
    loop {
        match act() {
            Err(error) if tried + 1 >= TRIES => return Err(error),
            // a file server that is busy for a moment tells nobody when it is not
            Err(_) => std::thread::sleep(Duration::from_secs(1 << tried)),
            Ok(()) => return Ok(()),
        }
        tried += 1;
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use sizar_model::RunId;

    use super::*;
    use crate::home::Home;

    #[test]
    fn results_come_back_and_the_receipt_last() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let run = RunId::from_bits(7);
        let node = Attempt::of(&Home::at(root.join("node")), &run, 1);
        let shared = Attempt::of(&Home::at(root.join("shared")), &run, 1);
        fs::create_dir_all(node.work().join("out")).unwrap();
        fs::create_dir_all(node.home()).unwrap();
        fs::write(node.work().join("out/a.txt"), "a").unwrap();
        fs::write(node.home().join("b.txt"), "b").unwrap();
        fs::write(node.log(), "said").unwrap();
        let artifact = |path: &str, text: &str| sizar_model::Artifact {
            path: path.to_owned(),
            size: 1,
            blake3: sizar_model::Digest::of(text.as_bytes()),
        };
        let mut receipt = Receipt {
            version: 1,
            attempt: 1,
            ending: sizar_model::Ending::TimedOut,
            started: jiff::Timestamp::UNIX_EPOCH,
            ended: jiff::Timestamp::UNIX_EPOCH,
            node: "n".into(),
            usage: sizar_model::Usage::default(),
            sandbox: "none".into(),
            notes: Vec::new(),
            results: vec![artifact("out/a.txt", "a"), artifact("~/b.txt", "b")],
        };
        bring_back(&node, &shared, &receipt).unwrap();
        assert_eq!(shared.receipt(), Some(receipt.clone()));
        assert_eq!(fs::read_to_string(shared.result("~/b.txt")).unwrap(), "b");
        assert_eq!(fs::read_to_string(shared.log()).unwrap(), "said");
        // what cannot be brought leaves no receipt that says it was
        let shared = Attempt::of(&Home::at(root.join("shared")), &run, 2);
        receipt.results.push(artifact("gone.txt", "g"));
        assert!(bring_back(&node, &shared, &receipt).is_err());
        assert_eq!(shared.receipt(), None);
    }
}
