//! Runs of a mask: measured, joined, decoded, and their compressed text.

use crate::model::{Box2, Rle};

/// Why a text or a list of runs is no mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    #[error("byte {at} of the compressed runs is not one of `0` to `o`")]
    Byte { at: usize },
    #[error("the compressed runs end within a number")]
    Cut,
    #[error("run {at} has the impossible length {length}")]
    Length { at: usize, length: i64 },
    #[error("the runs cover {covered} pixels, and the mask has {pixels}")]
    Size { covered: u64, pixels: u64 },
    #[error("a mask of {width}×{height} pixels is too large")]
    TooLarge { width: u32, height: u32 },
}

impl Rle {
    /// Returns the number of pixels that are set.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|run| u64::from(*run)).sum()
    }

    /// Tells whether the runs cover the mask exactly.
    pub fn check(&self) -> Result<(), RleError> {
        let covered = self.counts.iter().map(|run| u64::from(*run)).sum();
        let pixels = u64::from(self.width) * u64::from(self.height);
        if covered == pixels { Ok(()) } else { Err(RleError::Size { covered, pixels }) }
    }

    /// Returns the box around the pixels that are set; `None` where there are none.
    ///
    /// Like `rleToBbox`, it counts a last run that is set even if it has no pixels.
    pub fn bounds(&self) -> Option<Box2> {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let even = self.counts.len() / 2 * 2;
        if even == 0 || height == 0 {
            return None;
        }
        let (mut left, mut top, mut right, mut bottom) = (width, height, 0, 0);
        let (mut at, mut column) = (0_u64, 0);
        for (index, run) in self.counts[..even].iter().enumerate() {
            let is_end = index % 2 == 1;
            at += u64::from(*run);
            // a run of nothing before the first pixel ends nowhere: in `rleToBbox`, beyond all images
            let pixel = at.saturating_sub(u64::from(is_end));
            let (x, y) = (pixel / height, pixel % height);
            if !is_end {
                column = x;
            } else if column < x {
                (top, bottom) = (0, height - 1);
            }
            (left, right) = (left.min(x), right.max(x));
            (top, bottom) = (top.min(y), bottom.max(y));
        }
        let (width, height) = ((right + 1).saturating_sub(left), (bottom + 1).saturating_sub(top));
        Some(Box2::new(left as f64, top as f64, width as f64, height as f64))
    }

    /// Reads the compressed text of COCO: numbers in groups of five bits, each from the third on
    /// as the difference to the one before the last.
    pub fn from_text(text: &[u8], width: u32, height: u32) -> Result<Self, RleError> {
        // each number ends with the byte that has no 0x20 on top of `0`: no more memory than that
        let ends = text.iter().filter(|byte| byte.wrapping_sub(48) & 0x20 == 0).count();
        let mut counts: Vec<u32> = Vec::with_capacity(ends);
        let mut at = 0;
        while at < text.len() {
            if let [_, .., last_but_one, last] = counts[..]
                && let Some(eight) = text[at..].first_chunk()
                && let Some(runs) = short_runs(*eight, [last_but_one, last])
            {
                counts.extend_from_slice(&runs);
                at += runs.len();
                continue;
            }
            let index = counts.len();
            let mut length = number(text, &mut at)?;
            if index > 2 {
                length += i64::from(counts[index - 2]);
            }
            counts.push(u32::try_from(length).map_err(|_| RleError::Length { at: index, length })?);
        }
        Ok(Self { width, height, counts: counts.into(), compressed: true })
    }

    /// Returns the compressed text of COCO.
    pub fn to_text(&self) -> String {
        let mut text = Vec::with_capacity(self.counts.len() * 2);
        for run in self.counts.iter().take(3) {
            push_number(&mut text, i64::from(*run));
        }
        for runs in self.counts.windows(3).skip(1) {
            push_number(&mut text, i64::from(runs[2]) - i64::from(runs[0]));
        }
        // it is ASCII
        String::from_utf8(text).unwrap_or_default()
    }

    /// Reads a mask whose pixels lie column after column; what is not 0 is set.
    pub fn from_columns(pixels: &[u8], width: u32, height: u32) -> Self {
        let mut counts = Vec::new();
        let mut rest = pixels;
        let mut set = false;
        while !rest.is_empty() {
            let run = if set { memchr::memchr(0, rest).unwrap_or(rest.len()) } else { zeros(rest) };
            counts.push(run as u32);
            rest = &rest[run..];
            set = !set;
        }
        if counts.is_empty() {
            counts.push(0);
        }
        Self { width, height, counts: counts.into(), compressed: true }
    }

    /// Returns the pixels column after column, 1 where it is set.
    pub fn to_columns(&self) -> Result<Vec<u8>, RleError> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        self.check()?;
        if pixels > MOST_PIXELS {
            return Err(RleError::TooLarge { width: self.width, height: self.height });
        }
        // memory that comes zeroed need not be written where nothing is set
        let mut columns = vec![0; pixels as usize];
        self.runs(|from, to| columns[from as usize..to as usize].fill(1));
        Ok(columns)
    }

    /// Writes the pixels into `columns`, which has one byte for each.
    pub fn fill_columns(&self, columns: &mut [u8]) -> Result<(), RleError> {
        self.check()?;
        let pixels = u64::from(self.width) * u64::from(self.height);
        if pixels != columns.len() as u64 {
            return Err(RleError::Size { covered: pixels, pixels: columns.len() as u64 });
        }
        let mut rest = columns;
        let mut set = 0;
        for run in &self.counts {
            let (here, after) = rest.split_at_mut(*run as usize);
            here.fill(set);
            set ^= 1;
            rest = after;
        }
        Ok(())
    }

    /// Calls `each` with the first pixel of each run that is set and the one after its last.
    pub fn runs(&self, mut each: impl FnMut(u64, u64)) {
        let mut at = 0;
        for pair in self.counts.chunks(2) {
            let from = at + u64::from(pair[0]);
            at = from + pair.get(1).map_or(0, |run| u64::from(*run));
            if at > from {
                each(from, at);
            }
        }
    }

    /// Returns what is set in one of `masks`, which are of one size; `None` if there are none.
    pub fn union(masks: &[Self]) -> Option<Self> {
        let (first, others) = masks.split_first()?;
        Some(others.iter().fold(first.clone(), |all, mask| all.merge(mask, |a, b| a || b)))
    }

    /// Returns what is set here and not in `other`.
    pub fn without(&self, other: &Self) -> Self {
        self.merge(other, |here, there| here && !there)
    }

    /// Returns what is set here and in `other`.
    pub fn intersection(&self, other: &Self) -> Self {
        self.merge(other, |here, there| here && there)
    }

    fn merge(&self, other: &Self, rule: impl Fn(bool, bool) -> bool) -> Self {
        let mut counts = Vec::with_capacity(self.counts.len() + other.counts.len());
        let mut here = Runs::new(&self.counts);
        let mut there = Runs::new(&other.counts);
        let (mut run, mut set) = (0_u32, false);
        loop {
            let step = here.left.min(there.left);
            run = run.saturating_add(step);
            let left = here.advance(step) || there.left > step;
            let left = there.advance(step) || left;
            let was = set;
            set = rule(here.set, there.set);
            if set != was || !left {
                counts.push(run);
                run = 0;
            }
            if !left {
                break;
            }
        }
        Self {
            width: self.width,
            height: self.height,
            counts: counts.into(),
            compressed: self.compressed,
        }
    }
}

/// Takes eight runs of one byte each, which are differences to the runs before; `None` where they
/// aren't.
#[inline]
fn short_runs(text: [u8; 8], before: [u32; 2]) -> Option<[u32; 8]> {
    // all eight at once: a byte below 48 shows by itself, whatever it takes from the next
    let groups = u64::from_le_bytes(text).wrapping_sub(u64::from_le_bytes([48; 8]));
    if groups & u64::from_le_bytes([0xe0; 8]) != 0 {
        return None;
    }
    let mut before = before.map(i64::from);
    let mut signs = 0;
    let runs = groups.to_le_bytes().map(|group| {
        // bit 4 is the sign
        let run = before[0] + i64::from(group ^ 0x10) - 0x10;
        before = [before[1], run];
        signs |= run;
        run as u32
    });
    u32::try_from(signs).is_ok().then_some(runs)
}

/// Takes a number in groups of five bits, the lowest first, and goes past it.
fn number(text: &[u8], at: &mut usize) -> Result<i64, RleError> {
    let (mut value, mut bits) = (0_i64, 0);
    loop {
        let Some(byte) = text.get(*at) else { return Err(RleError::Cut) };
        let group = byte.wrapping_sub(48);
        if group > 63 || bits > 35 {
            return Err(RleError::Byte { at: *at });
        }
        value |= i64::from(group & 0x1f) << bits;
        bits += 5;
        *at += 1;
        if group & 0x20 == 0 {
            // the highest bit is the sign
            return Ok(value << (64 - bits) >> (64 - bits));
        }
    }
}

/// Writes a number in groups of five bits; most take one.
#[inline]
fn push_number(text: &mut Vec<u8>, mut value: i64) {
    while !(-16..16).contains(&value) {
        text.push((value & 0x1f) as u8 + 0x20 + 48);
        value >>= 5;
    }
    text.push((value & 0x1f) as u8 + 48);
}

/// A mask of more pixels is not decoded.
pub const MOST_PIXELS: u64 = 1 << 30;

/// Returns how many zeros `pixels` begins with.
fn zeros(pixels: &[u8]) -> usize {
    let mut at = 0;
    for block in pixels.chunks(32) {
        if block.iter().fold(0, |all, byte| all | byte) != 0 {
            return at + block.iter().position(|byte| *byte != 0).unwrap_or(0);
        }
        at += block.len();
    }
    at
}

/// The runs of a mask, walked through.
struct Runs<'a> {
    rest: std::slice::Iter<'a, u32>,
    left: u32,
    set: bool,
}

impl<'a> Runs<'a> {
    fn new(counts: &'a [u32]) -> Self {
        let mut rest = counts.iter();
        let left = rest.next().copied().unwrap_or(0);
        Self { rest, left, set: false }
    }

    /// Goes on by `step`, into the next run where this one ends; tells whether anything is left.
    fn advance(&mut self, step: u32) -> bool {
        self.left -= step;
        if self.left == 0
            && let Some(next) = self.rest.next()
        {
            self.left = *next;
            self.set = !self.set;
        }
        self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{RleError, number};
    use crate::model::Rle;

    fn runs(text: &[u8]) -> Result<Vec<u32>, RleError> {
        Rle::from_text(text, 4, 4).map(|mask| mask.counts.into())
    }

    /// Reads one number after the other.
    fn slowly(text: &[u8]) -> Result<Vec<u32>, RleError> {
        let (mut counts, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let index = counts.len();
            let before = if index > 2 { i64::from(counts[index - 2]) } else { 0 };
            let length = before + number(text, &mut at)?;
            let run = u32::try_from(length).map_err(|_| RleError::Length { at: index, length });
            counts.push(run?);
        }
        Ok(counts)
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        assert_eq!(runs(b"52203O1O"), Ok(vec![5, 2, 2, 2, 5, 1, 6, 0]));
        assert_eq!(runs(b"5550000000J0"), Err(RleError::Length { at: 10, length: -1 }));
        assert_eq!(runs(b"55500000000/0"), Err(RleError::Byte { at: 11 }));
        assert_eq!(runs(b"5550000000000P"), Err(RleError::Cut));
    }

    proptest! {
        #[test]
        fn runs_come_back_from_their_text(
            counts in prop::collection::vec(
                prop_oneof![4 => 0_u32..20, 1 => 0_u32..2000, 1 => any::<u32>()],
                0..60,
            ),
        ) {
            let mask = Rle { width: 4, height: 4, counts: counts.clone().into(), compressed: true };
            prop_assert_eq!(runs(mask.to_text().as_bytes()), Ok(counts));
        }

        #[test]
        fn any_text_is_read_as_one_number_after_the_other(
            text in prop_oneof![
                prop::collection::vec(48_u8..80, 0..60),
                prop::collection::vec(47_u8..113, 0..60),
                prop::collection::vec(prop_oneof![30 => 48_u8..60, 1 => any::<u8>()], 0..60),
            ],
        ) {
            prop_assert_eq!(runs(&text), slowly(&text));
        }
    }
}
