//! What goes after an edit.

use super::*;

/// Sends a tree with one large file; returns what it held.
fn sent(world: &World, large: &[u8]) -> Manifest {
    fs::write(world.here().join("large"), large).unwrap();
    world.send(&mut Pipe::to(&world.there())).unwrap();
    world.scan()
}

#[test]
fn of_a_tree_like_the_last_only_what_changed_goes() {
    let world = World::new();
    for number in 0..2000_u64 {
        fs::write(world.here().join(format!("a/{number}")), noise(number, 300)).unwrap();
    }
    let large = noise(1, 24 << 20);
    let first = sent(&world, &large);
    // one file changes, one goes, one comes, and the large one is added to, in front, too
    fs::write(world.here().join("a/7"), "changed").unwrap();
    fs::remove_file(world.here().join("a/8")).unwrap();
    fs::write(world.here().join("a/new"), "new").unwrap();
    let edited = [b"front".as_slice(), &large, b"behind"].concat();
    fs::write(world.here().join("large"), edited).unwrap();
    let second = world.scan();
    let mut pipe = Pipe::to(&world.there());
    world.upload_after(&mut pipe, &second, Some(&first)).unwrap();
    world.is_whole(&second.name());
    let (sent, received) = (pipe.counters.bytes_sent, pipe.counters.bytes_received);
    assert!(sent < 1 << 20, "{sent} bytes sent");
    assert!(received < 64 << 10, "{received} bytes received");
    assert!(fs::read_dir(Store::at(world.there()).parts()).unwrap().next().is_none());
    // a target that has the tree no more is told all of the next
    fs::remove_file(Store::at(world.there()).manifest(&second.name())).unwrap();
    fs::write(world.here().join("a/9"), "changed, too").unwrap();
    let third = world.scan();
    world.upload_after(&mut Pipe::to(&world.there()), &third, Some(&second)).unwrap();
    world.is_whole(&third.name());
}

#[test]
fn a_line_that_breaks_among_copies_goes_on_from_there() {
    let world = World::new();
    let large = noise(1, 24 << 20);
    let first = sent(&world, &large);
    let (front, rest) = large.split_at(9 << 20);
    let edited = [front, &noise(2, 3 << 20), &rest[1 << 20..], &noise(3, 3 << 20)].concat();
    fs::write(world.here().join("large"), edited).unwrap();
    let second = world.scan();
    let cuts = vec![(500_000, usize::MAX), (2_500_000, usize::MAX), (3_000_000, usize::MAX)];
    let mut pipe = Pipe::cut(&world.there(), cuts);
    world.upload_after(&mut pipe, &second, Some(&first)).unwrap();
    world.is_whole(&second.name());
    let sent = pipe.counters.bytes_sent;
    assert!(sent < 11 << 20, "{sent}");
}

#[test]
fn what_cannot_be_copied_there_goes_whole() {
    let world = World::new();
    let large = noise(1, 8 << 20);
    let first = sent(&world, &large);
    fs::write(world.here().join("large"), [b"front".as_slice(), &large].concat()).unwrap();
    let second = world.scan();
    // it goes when it has been read, and nothing was copied yet
    let (blob, _) = blobs_of(&first)[0];
    let swept = Some(Store::at(world.there()).blob(&blob));
    let mut pipe = Pipe { swept, ..Pipe::to(&world.there()) };
    world.upload_after(&mut pipe, &second, Some(&first)).unwrap();
    world.is_whole(&second.name());
    assert!(pipe.counters.bytes_sent > 8 << 20, "{:?}", pipe.counters);
    // another content at the same path; and one after a tree that was never there
    for (seed, before) in [(4, &second), (5, &Manifest::default())] {
        fs::write(world.here().join("large"), noise(seed, 8 << 20)).unwrap();
        let next = world.scan();
        let mut other = Pipe::to(&world.there());
        world.upload_after(&mut other, &next, Some(before)).unwrap();
        world.is_whole(&next.name());
        let sent = other.counters.bytes_sent;
        assert!((8 << 20..(8 << 20) + (64 << 10)).contains(&sent), "{sent}");
    }
}
