//! Marks of several volunteers brought together.
//!
//! The rule: marks of one tool of one workflow on one image are joined in order of their likeness
//! (see [`Mark::likeness`]), two groups at a time, if their marks are alike by
//! [`Agreement::overlap`] on average and no volunteer has a mark in both. A group is a thing if
//! more than [`Agreement::share`] of the volunteers who saw the image in that workflow have a mark
//! in it; the others are left out. Its place is the median of their corners, or the outline that is
//! most like the others.

use rustc_hash::FxHashMap;

use super::mark::Mark;

/// When volunteers agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// How alike marks of one thing are, from 0 to 1.
    pub overlap: f64,
    /// The part of the volunteers that has to be exceeded.
    pub share: f64,
}

impl Default for Agreement {
    fn default() -> Self {
        Self { overlap: 0.5, share: 0.5 }
    }
}

/// A thing that volunteers agree on.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    pub mark: Mark,
    /// How many volunteers marked it.
    pub marked: usize,
    /// The indices of their marks.
    pub members: Vec<usize>,
    /// How alike their marks are on average.
    pub likeness: f64,
}

/// More marks of one tool on one image than volunteers make.
const MOST: usize = 4000;

/// Returns what volunteers agree on, in the order of its first mark, and how many marks are left.
///
/// `marks` are of one tool of one workflow on one image, each with the number of its volunteer.
pub fn merge(
    marks: &[(usize, Mark)],
    volunteers: usize,
    longest: f64,
    agreement: &Agreement,
) -> (Vec<Agreed>, usize) {
    let marks = &marks[..marks.len().min(MOST)];
    let mut likeness: FxHashMap<(usize, usize), f64> = FxHashMap::default();
    let mut pairs = Vec::new();
    for (at, (volunteer, mark)) in marks.iter().enumerate() {
        for (other_at, (other, other_mark)) in marks.iter().enumerate().skip(at + 1) {
            let alike = mark.likeness(other_mark, longest);
            if alike > 0.0 {
                likeness.insert((at, other_at), alike);
            }
            if volunteer != other && alike >= agreement.overlap {
                pairs.push((alike, at, other_at));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let alike = |a: usize, b: usize| likeness.get(&(a.min(b), a.max(b))).copied().unwrap_or(0.0);
    let mut group_of: Vec<usize> = (0..marks.len()).collect();
    let mut groups: Vec<Vec<usize>> = (0..marks.len()).map(|at| vec![at]).collect();
    for (_, one, two) in pairs {
        let (one, two) = (group_of[one], group_of[two]);
        if one == two {
            continue;
        }
        let clash =
            groups[one].iter().any(|a| groups[two].iter().any(|b| marks[*a].0 == marks[*b].0));
        let sum: f64 =
            groups[one].iter().flat_map(|a| groups[two].iter().map(|b| alike(*a, *b))).sum();
        let count = groups[one].len() * groups[two].len();
        if clash || sum / (count as f64) < agreement.overlap {
            continue;
        }
        let moved = std::mem::take(&mut groups[two]);
        for at in &moved {
            group_of[*at] = one;
        }
        groups[one].extend(moved);
    }
    let mut agreed = Vec::new();
    let mut left = 0;
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort_by_key(|group| group.first().copied());
    for group in groups.iter().filter(|group| !group.is_empty()) {
        let is_agreed = group.len() as f64 > agreement.share * volunteers as f64;
        let members: Vec<&Mark> = group.iter().map(|at| &marks[*at].1).collect();
        let Some(mark) = Mark::consensus(&members, longest).filter(|_| is_agreed) else {
            left += group.len();
            continue;
        };
        let pairs = group.len() * (group.len() - 1) / 2;
        let each = group.iter().enumerate();
        let sum: f64 = each.flat_map(|(at, a)| group[at + 1..].iter().map(|b| alike(*a, *b))).sum();
        let likeness = if pairs > 0 { sum / pairs as f64 } else { 1.0 };
        agreed.push(Agreed { mark, marked: group.len(), members: group.clone(), likeness });
    }
    (agreed, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Box2;

    fn boxed(x: f64) -> Mark {
        Mark::Box(Box2::new(x, 0.0, 100.0, 100.0))
    }

    #[test]
    fn what_most_marked_is_kept_and_the_rest_is_counted() {
        let marks = [
            (0, boxed(0.0)),
            (0, boxed(300.0)),
            (1, boxed(10.0)),
            (2, boxed(5.0)),
            (2, boxed(310.0)),
            (3, boxed(700.0)),
        ];
        let (agreed, left) = merge(&marks, 4, 1000.0, &Agreement::default());
        assert_eq!(agreed.len(), 1);
        assert_eq!((&agreed[0].mark, agreed[0].marked), (&boxed(5.0), 3));
        assert!(agreed[0].likeness > 0.8);
        // two of four are not more than half
        assert_eq!(left, 3);
        let (agreed, left) = merge(&marks, 4, 1000.0, &Agreement { overlap: 0.5, share: 0.4 });
        assert_eq!((agreed.len(), left), (2, 1));
    }

    #[test]
    fn two_marks_of_one_volunteer_are_two_things() {
        let marks = [(0, boxed(0.0)), (0, boxed(4.0)), (1, boxed(1.0)), (1, boxed(5.0))];
        let (agreed, left) = merge(&marks, 2, 1000.0, &Agreement::default());
        assert_eq!((agreed.len(), left), (2, 0));
        assert_eq!(agreed[0].mark, boxed(0.5));
    }
}
