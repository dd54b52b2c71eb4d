//! What the fuzz targets do with their input: they read it as a file, and do with what was read all
//! that may be done.
//!
//! libFuzzer keeps what reaches new code. It changes bytes; we also put other values in the place of
//! numbers, for a file that stays what it is and says odd things.

mod follow;

use std::cell::OnceCell;

use camino::{Utf8Path, Utf8PathBuf};
pub use libfuzzer_sys;

/// A target that reads its input as the file `$name` of the format `$format`.
#[macro_export]
macro_rules! reader {
    ($format:literal, $name:literal) => {
        use $crate::libfuzzer_sys::{fuzz_mutator, fuzz_target};

        fuzz_target!(|input: &[u8]| $crate::read($format, $name, input));

        fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
            $crate::mutate(data, size, most, seed)
        });
    };
}

thread_local! {
    static FOLDER: OnceCell<(tempfile::TempDir, Utf8PathBuf)> = const { OnceCell::new() };
}

/// Reads `input` as the file `name` of a folder in which there is an image, too.
pub fn read(format: &str, name: &str, input: &[u8]) {
    FOLDER.with(|folder| {
        let (_, root) = folder.get_or_init(|| folder_for(name));
        fs_err::write(root.join(name), input).expect("a file of ours");
        follow::follow(root, format);
    });
}

fn folder_for(name: &str) -> (tempfile::TempDir, Utf8PathBuf) {
    // a disk would be what is measured
    let memory = std::path::Path::new("/dev/shm");
    let keep = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let keep = keep.expect("a temporary folder");
    let root = Utf8Path::from_path(keep.path()).expect("a path in UTF-8").join("set");
    let root = follow::folder(&root, name);
    (keep, root)
}

/// What is put in the place of a number.
const VALUES: [&[u8]; 12] = [
    b"",
    b"0",
    b"1",
    b"-1",
    b"0.5",
    b"1e9",
    b"NaN",
    b"65536",
    b"2147483648",
    b"1 2",
    b"99999999999",
    b"18446744073709551615",
];

/// Changes `data`, of which `size` bytes are in use and `most` may be; returns how many are then.
pub fn mutate(data: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    // one in four
    if seed % 4 != 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, most);
    }
    let seed = (seed / 4) as usize;
    let starts: Vec<usize> = (0..size)
        .filter(|at| data[*at].is_ascii_digit() && (*at == 0 || !data[at - 1].is_ascii_digit()))
        .collect();
    if starts.is_empty() {
        return libfuzzer_sys::fuzzer_mutate(data, size, most);
    }
    let start = starts[seed % starts.len()];
    let length = data[start..size].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = VALUES[seed / starts.len() % VALUES.len()];
    let grown = size - length + value.len();
    if grown > most {
        return libfuzzer_sys::fuzzer_mutate(data, size, most);
    }
    data.copy_within(start + length..size, start + value.len());
    data[start..start + value.len()].copy_from_slice(value);
    grown
}
