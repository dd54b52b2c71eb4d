//! What a site that was probed refuses before anything is submitted.

use sizar_model::resources::ByteSize;
use sizar_model::{Resources, Site, Walltime};

use super::captured::{at, probed};
use crate::scheduler::{ArrayRange, Refusal, check};

fn refusals(wish: &Resources) -> Vec<String> {
    // a day and a half before the maintenance
    let now = at(1_795_980_765 - 36 * 3600);
    let refusals = check(wish, None, &probed(), now).err().unwrap_or_default();
    refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn what_the_site_has_is_not_refused() {
    for wish in [
        Resources::default(),
        Resources { cpus: Some(8), walltime: Some(Walltime(1800)), ..Resources::default() },
        Resources {
            partition: Some("gpu".into()),
            gpus: Some(2),
            gpu_type: Some("a100".into()),
            account: Some("proj1".into()),
            qos: Some("premium".into()),
            memory: Some(ByteSize(15 << 30)),
            walltime: Some(Walltime(3600)),
            ..Resources::default()
        },
        Resources {
            partition: Some("short,long".into()),
            walltime: Some(Walltime(86_400)),
            ..Resources::default()
        },
        Resources {
            nodes: Some(2),
            tasks: Some(16),
            constraint: Some("skylake&ib".into()),
            ..Resources::default()
        },
    ] {
        assert_eq!(refusals(&wish), Vec::<String>::new(), "{wish:?}");
    }
}

#[test]
fn a_wrong_request_is_refused_with_what_there_is() {
    let one = |wish: Resources| refusals(&wish).join("; ");
    let plain = Resources::default;
    assert_eq!(
        one(Resources { partition: Some("gpuu".into()), ..plain() }),
        "partition `gpuu`: this site has `gpu`, `long`, `short`"
    );
    assert_eq!(
        one(Resources { account: Some("proj9".into()), ..plain() }),
        "account `proj9`: this site has `proj1`"
    );
    assert_eq!(
        one(Resources { qos: Some("fast".into()), ..plain() }),
        "QOS `fast`: this site has `normal`, `premium`, `scavenger`"
    );
    let gpus = |count, kind: Option<&str>| Resources {
        partition: Some("gpu".into()),
        gpus: Some(count),
        gpu_type: kind.map(str::to_owned),
        ..plain()
    };
    assert_eq!(one(gpus(1, Some("h100"))), "GPU type `h100`: this site has `a100`");
    assert_eq!(one(gpus(4, None)), "4 GPUs on a node: partition `gpu` has 2");
    assert_eq!(
        one(Resources { gpus: Some(1), ..plain() }),
        "1 GPUs on a node: partition `short` has 0"
    );
    assert_eq!(
        one(Resources { walltime: Some(Walltime(7200)), ..plain() }),
        "walltime 02:00:00: partition `short` allows 00:30:00"
    );
    assert_eq!(
        one(Resources {
            partition: Some("long".into()),
            qos: Some("premium".into()),
            walltime: Some(Walltime(7200)),
            ..plain()
        }),
        "walltime 02:00:00: QOS `premium` allows 01:00:00"
    );
    assert_eq!(
        one(Resources { cpus: Some(16), ..plain() }),
        "16 cores on a node: partition `short` has 8"
    );
    assert_eq!(one(Resources { nodes: Some(9), ..plain() }), "9 nodes: partition `short` has 4");
    assert_eq!(
        one(Resources { memory: Some(ByteSize(900 << 30)), ..plain() }),
        "900 GiB of memory on a node: partition `short` has 7.8 GiB"
    );
    assert_eq!(
        one(Resources { constraint: Some("skylak".into()), ..plain() }),
        "feature `skylak`: this site has `a100`, `ib`, `skylake`"
    );
    assert_eq!(
        one(Resources {
            partition: Some("long".into()),
            walltime: Some(Walltime(2 * 86_400)),
            ..plain()
        }),
        "the walltime reaches into `maint`, which begins at 2026-11-29T19:32:45Z"
    );
}

#[test]
fn refusals_have_hints() {
    let now = at(1_795_980_765 - 36 * 3600);
    let site = probed();
    let hints = |wish: &Resources, array| -> Vec<Option<String>> {
        check(wish, array, &site, now).unwrap_err().iter().map(Refusal::hint).collect()
    };
    let wish = Resources { partition: Some("gpuu".into()), ..Resources::default() };
    assert_eq!(hints(&wish, None), [Some("is `gpu` meant?".to_owned())]);
    let wish = Resources {
        partition: Some("long".into()),
        walltime: Some(Walltime(2 * 86_400)),
        ..Resources::default()
    };
    assert_eq!(
        hints(&wish, None),
        [Some("what ends within 36:00:00 can still start before".to_owned())]
    );
    let array = ArrayRange { first: 10_001, last: 10_010, at_once: None };
    assert_eq!(hints(&Resources::default(), Some(array)), [Some("divide the array".to_owned())]);
    let array = ArrayRange { first: 0, last: 10_000, at_once: None };
    assert!(check(&Resources::default(), Some(array), &site, now).is_ok());
}

#[test]
fn nothing_known_refuses_nothing() {
    let wish = Resources {
        partition: Some("x".into()),
        account: Some("y".into()),
        qos: Some("z".into()),
        gpus: Some(9),
        gpu_type: Some("h100".into()),
        cpus: Some(999),
        walltime: Some(Walltime(9_999_999)),
        ..Resources::default()
    };
    assert_eq!(check(&wish, None, &Site::default(), at(0)), Ok(()));
}
