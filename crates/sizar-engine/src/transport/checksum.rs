//! The checksum of POSIX's `cksum`, which every system has.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 == 0 { value << 1 } else { (value << 1) ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// A checksum in the making.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checksum {
    value: u32,
    length: u64,
}

impl Checksum {
    pub fn update(&mut self, bytes: &[u8]) {
        self.value = bytes.iter().fold(self.value, |value, byte| step(value, *byte));
        self.length += bytes.len() as u64;
    }

    /// Returns how many bytes it has seen.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns what `cksum` prints.
    pub fn value(&self) -> u32 {
        let mut value = self.value;
        let mut length = self.length;
        while length > 0 {
            value = step(value, length as u8);
            length >>= 8;
        }
        !value
    }
}

fn step(value: u32, byte: u8) -> u32 {
    (value << 8) ^ TABLE[((value >> 24) as u8 ^ byte) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_cksum_prints() {
        let mut checksum = Checksum::default();
        assert_eq!(checksum.value(), 4_294_967_295);
        checksum.update(b"1234");
        checksum.update(b"56789");
        assert_eq!((checksum.value(), checksum.length()), (930_766_865, 9));
    }
}
