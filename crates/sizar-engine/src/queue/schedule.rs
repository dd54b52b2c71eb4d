//! Which of the waiting runs start now.
//!
//! First come, first served; a smaller run may overtake one that does not fit yet, but only a
//! number of times: then the place is kept free for the older one.

use std::collections::HashMap;

use sizar_model::RunId;

use super::Capacity;

/// How many runs may overtake one that waits.
const PATIENCE: u32 = 20;

/// How often each waiting run was overtaken.
#[derive(Debug, Default)]
pub struct Overtaken(HashMap<RunId, u32>);

/// A run that waits, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub run: RunId,
    pub asked: Capacity,
}

/// Chooses the runs that start now, from those that wait in the order of their coming.
pub fn choose(mut free: Capacity, waiting: &[Candidate], overtaken: &mut Overtaken) -> Vec<RunId> {
    let mut chosen = Vec::new();
    let mut passed: Vec<&RunId> = Vec::new();
    for candidate in waiting {
        if free.fits(candidate.asked) {
            free = free.without(candidate.asked);
            overtaken.0.remove(&candidate.run);
            for run in &passed {
                *overtaken.0.entry((*run).clone()).or_default() += 1;
            }
            chosen.push(candidate.run.clone());
        } else {
            passed.push(&candidate.run);
        }
        let must_wait =
            passed.iter().any(|run| overtaken.0.get(*run).is_some_and(|times| *times >= PATIENCE));
        if must_wait || free.cpus == 0 {
            break;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(number: u64, cpus: u32, memory: u64) -> Candidate {
        Candidate { run: RunId::from_bits(number), asked: Capacity { cpus, memory, gpus: 0 } }
    }

    #[test]
    fn a_smaller_run_overtakes() {
        let free = Capacity { cpus: 2, memory: 10, gpus: 0 };
        let waiting = [candidate(1, 4, 0), candidate(2, 1, 11), candidate(3, 1, 0)];
        assert_eq!(choose(free, &waiting, &mut Overtaken::default()), [waiting[2].run.clone()]);
    }

    #[test]
    fn a_large_run_does_not_starve() {
        let mut overtaken = Overtaken::default();
        let large = candidate(0, 2, 0);
        // one of two processors is always taken by a run that came later
        for number in 1..=u64::from(PATIENCE) {
            let waiting = [large.clone(), candidate(number, 1, 0)];
            let free = Capacity { cpus: 1, memory: 0, gpus: 0 };
            assert_eq!(choose(free, &waiting, &mut overtaken), [waiting[1].run.clone()]);
        }
        let waiting = [large.clone(), candidate(999, 1, 0)];
        let free = Capacity { cpus: 1, memory: 0, gpus: 0 };
        assert!(choose(free, &waiting, &mut overtaken).is_empty());
        let free = Capacity { cpus: 2, memory: 0, gpus: 0 };
        assert_eq!(choose(free, &waiting, &mut overtaken), [large.run]);
    }

    proptest! {
        #[test]
        fn what_is_chosen_fits_together(
            asked in prop::collection::vec((1u32..5, 0u64..100), 0..30),
            cpus in 0u32..8,
            memory in 0u64..200,
        ) {
            let waiting: Vec<Candidate> = asked
                .iter()
                .enumerate()
                .map(|(number, (cpus, memory))| candidate(number as u64, *cpus, *memory))
                .collect();
            let free = Capacity { cpus, memory, gpus: 0 };
            let chosen = choose(free, &waiting, &mut Overtaken::default());
            let taken = waiting
                .iter()
                .filter(|candidate| chosen.contains(&candidate.run))
                .fold(Capacity::default(), |sum, candidate| sum.with(candidate.asked));
            prop_assert!(free.fits(taken));
            // the first that fits is never passed over
            let first = waiting.iter().find(|candidate| free.fits(candidate.asked));
            prop_assert_eq!(first.map(|candidate| &candidate.run), chosen.first());
        }
    }
}
