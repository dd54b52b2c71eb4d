//! Masks as the rectangle that they fill, for formats that keep no more of them.

use crate::model::Rle;

/// The pixels of a mask inside its box, row after row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crop {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<bool>,
}

/// More pixels than a mask of a page has.
pub const MOST: u64 = 1 << 29;

impl Crop {
    /// Cuts a mask out; `None` if nothing is set, or its runs leave it.
    pub fn of(rle: &Rle) -> Option<Self> {
        rle.check().ok()?;
        let bounds = rle.bounds().filter(|_| rle.area() > 0)?;
        let (left, top) = (bounds.x as u32, bounds.y as u32);
        let (width, height) = (bounds.width as u32, bounds.height as u32);
        if u64::from(width) * u64::from(height) > MOST {
            return None;
        }
        let mut crop =
            Self { left, top, width, height, pixels: vec![false; (width * height) as usize] };
        let rows = u64::from(rle.height);
        rle.runs(|from, to| {
            for at in from..to {
                let (x, y) = ((at / rows) as u32 - left, (at % rows) as u32 - top);
                crop.pixels[(y * width + x) as usize] = true;
            }
        });
        Some(crop)
    }

    /// Makes the mask of a whole image of it; what is beyond the image's edges is cut off.
    pub fn into_rle(self, width: u32, height: u32) -> Rle {
        let mut counts = Vec::new();
        let (mut end, rows) = (0_u64, u64::from(height));
        for x in (0..self.width).filter(|x| self.left.saturating_add(*x) < width) {
            for y in (0..self.height).filter(|y| self.top.saturating_add(*y) < height) {
                let at = u64::from(self.left + x) * rows + u64::from(self.top + y);
                if self.pixels.get((y * self.width + x) as usize) != Some(&true) {
                    continue;
                }
                match counts.last_mut() {
                    Some(run) if end == at => *run += 1,
                    _ => counts.extend([(at - end) as u32, 1]),
                }
                end = at + 1;
            }
        }
        let total = u64::from(width) * rows;
        if end < total || counts.is_empty() {
            counts.push((total - end) as u32);
        }
        Rle { width, height, counts: counts.into(), compressed: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_the_same_after_cutting_and_putting_back() {
        // two columns of a mask of 4 by 3, the second full down to the edge
        let rle = Rle { width: 4, height: 3, counts: [4, 1, 1, 3, 3].into(), compressed: true };
        let crop = Crop::of(&rle).unwrap();
        assert_eq!((crop.left, crop.top, crop.width, crop.height), (1, 0, 2, 3));
        assert_eq!(crop.pixels, [false, true, true, true, false, true]);
        assert_eq!(crop.into_rle(4, 3), rle);
        let out = Crop { left: 3, top: 2, width: 9, height: 9, pixels: vec![true; 81] };
        assert_eq!(&*out.into_rle(4, 3).counts, [11, 1]);
        let nothing = Rle { width: 4, height: 3, counts: [12].into(), compressed: true };
        assert_eq!(Crop::of(&nothing), None);
        assert_eq!(Crop::default().into_rle(4, 3), nothing);
    }
}
