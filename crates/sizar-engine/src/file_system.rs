//! What a file system is, by its number (statfs(2), and the systems' own headers).

const NFS: u64 = 0x6969;
const CIFS: u64 = 0xFF53_4D42;
const SMB2: u64 = 0xFE53_4D42;
/// GlusterFS, sshfs, CernVM-FS and others.
const FUSE: u64 = 0x6573_5546;

/// Those that are on other machines.
const NETWORK: [u64; 12] = [
    NFS,
    CIFS,
    SMB2,
    FUSE,
    0x517B,      // SMB
    0x0BD0_0BD0, // Lustre
    0x4750_4653, // GPFS
    0x1983_0326, // BeeGFS
    0x00C3_6400, // Ceph
    0xAAD7_AAEA, // PanFS
    0x5346_414F, // AFS
    0x0102_1997, // 9P
];

/// Those that may tell only when a file is flushed that they have no room, and whose `close` sends
/// what was written anyway.
const TELLS_LATE: [u64; 4] = [NFS, CIFS, SMB2, FUSE];

/// Returns whether a file system is on other machines.
pub(crate) fn is_network(system: &rustix::fs::StatFs) -> bool {
    NETWORK.contains(&number(system))
}

/// Returns whether a file system may tell late that it is full.
pub(crate) fn tells_late(system: &rustix::fs::StatFs) -> bool {
    TELLS_LATE.contains(&number(system))
}

fn number(system: &rustix::fs::StatFs) -> u64 {
    #[expect(clippy::cast_sign_loss, reason = "its bits count")]
    let number = system.f_type as u64;
    number & 0xFFFF_FFFF
}
