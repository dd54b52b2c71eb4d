//! How the program takes memory from the system.

/// Has this process take memory in small pages: for what is read once, by a process that ends then.
///
/// In pages of 2 MiB, some threads that take 50 MB take twice that, and the kernel clears all of it
/// first. Where a virtual machine gives back what was free for a moment, that costs as much as all
/// the reading; back to back, small pages cost a tenth. Programs that are started from here would
/// take small pages, too.
pub fn with_small_pages() {
    // where it cannot be had it is only slower
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
