//! Which Python is chosen, and why.

use super::*;

fn versions(minors: &[u8]) -> Vec<PythonVersion> {
    minors.iter().map(|minor| PythonVersion::minor(3, *minor)).collect()
}

fn named(kind: &str, text: &str) -> Sighting {
    Sighting { kind: kind.into(), text: text.into(), path: kind.into(), line: 1 }
}

fn day(text: &str) -> Option<Timestamp> {
    format!("{text}T00:00:00Z").parse().ok()
}

#[test]
fn the_date_decides_where_nothing_else_does() {
    let choice =
        choose(&PythonEvidence::default(), day("2018-11-14"), &versions(&[13, 6, 7]), None)
            .unwrap();
    assert_eq!(choice.ranked, versions(&[6, 7, 13]));
    assert!(choice.deviations.is_empty());
}

#[test]
fn what_the_authors_chose_wins_over_the_date() {
    let evidence =
        PythonEvidence { named: vec![named("runtime_txt", "python-3.8.5")], ..Default::default() };
    let choice = choose(&evidence, day("2018-11-14"), &versions(&[6, 8, 12]), None).unwrap();
    assert_eq!(choice.ranked[0], PythonVersion::minor(3, 8));
}

#[test]
fn limits_of_packaging_and_syntax_hold() {
    let evidence = PythonEvidence {
        requires: vec![named("setup_py", ">=3.7, <3.10")],
        at_least: Some(PythonVersion::minor(3, 8)),
        ..Default::default()
    };
    let choice =
        choose(&evidence, day("2024-01-01"), &versions(&[6, 7, 8, 9, 10, 12]), None).unwrap();
    assert_eq!(choice.ranked, versions(&[9, 8]));
    assert_eq!(choice.deviations[0].rule, "nearest-python");
}

#[test]
fn the_nearest_is_taken_and_said() {
    let choice =
        choose(&PythonEvidence::default(), day("2018-01-01"), &versions(&[8, 11]), None).unwrap();
    assert_eq!(choice.ranked[0], PythonVersion::minor(3, 8));
    assert_eq!(choice.deviations[0].rule, "nearest-python");
}

#[test]
fn only_what_is_asked_for_and_can_be_had_is_fetched() {
    let fetched = |date: &str, available: &[u8], requested: Option<u8>| {
        let requested = requested.map(|minor| PythonVersion::minor(3, minor));
        worth_fetching(&PythonEvidence::default(), day(date), &versions(available), requested)
    };
    assert_eq!(fetched("2022-05-01", &[9, 12], None), None);
    assert_eq!(fetched("2022-05-01", &[12], None), Some(PythonVersion::minor(3, 9)));
    assert_eq!(fetched("2018-05-01", &[12], None), None, "uv has no 3.6");
    assert_eq!(fetched("2018-05-01", &[12], Some(10)), Some(PythonVersion::minor(3, 10)));
    assert_eq!(fetched("2022-05-01", &[], None), Some(PythonVersion::minor(3, 9)));
}

#[test]
fn what_cannot_be_had_is_an_error() {
    let python2 =
        PythonEvidence { at_most: Some(PythonVersion::minor(2, 7)), ..Default::default() };
    assert_eq!(choose(&python2, None, &versions(&[5, 8]), None), Err(NoPython::Python2));
    let two = PythonVersion { major: 2, minor: 7, patch: Some(18) };
    let choice = choose(&python2, None, &[two, PythonVersion::minor(3, 8)], None).unwrap();
    assert_eq!(choice.ranked, [two]);
    assert_eq!(installer(two), Installer::Pip);
    let newer =
        PythonEvidence { at_least: Some(PythonVersion::minor(3, 12)), ..Default::default() };
    assert!(matches!(
        choose(&newer, None, &versions(&[8]), None),
        Err(NoPython::OutOfRange { .. })
    ));
    assert!(matches!(
        choose(&PythonEvidence::default(), None, &versions(&[8]), Some(PythonVersion::minor(3, 9))),
        Err(NoPython::NotAvailable { .. })
    ));
}

#[test]
fn python_2_is_taken_where_the_authors_name_nothing_else() {
    let two = PythonVersion::minor(2, 7);
    let available = [versions(&[6, 8]), vec![two]].concat();
    let ranked = |texts: &[&str]| {
        let named = texts.iter().map(|text| named("classifier", text)).collect();
        let evidence = PythonEvidence { named, ..Default::default() };
        choose(&evidence, day("2014-05-01"), &available, None).unwrap().ranked
    };
    let three = versions(&[6, 8]);
    assert_eq!(ranked(&["2", "2.7"]), [vec![two], three.clone()].concat());
    assert_eq!(ranked(&["2.7", "3.4"]), three);
    // where they name no other it comes last
    assert_eq!(ranked(&[">=2.7"]), [three.clone(), vec![two]].concat());
    assert_eq!(ranked(&[]), [three, vec![two]].concat());
}

#[test]
fn python_3_5_is_taken_only_where_it_is_asked_for() {
    let available = versions(&[5, 6, 8]);
    let first = |evidence: &PythonEvidence| {
        choose(evidence, day("2015-05-01"), &available, None).unwrap().ranked[0]
    };
    assert_eq!(first(&PythonEvidence::default()), PythonVersion::minor(3, 6));
    let chosen =
        PythonEvidence { named: vec![named("runtime_txt", "python-3.5.2")], ..Default::default() };
    assert_eq!(first(&chosen), PythonVersion::minor(3, 5));
    let limited =
        PythonEvidence { requires: vec![named("setup_py", ">=3.4,<3.6")], ..Default::default() };
    assert_eq!(first(&limited), PythonVersion::minor(3, 5));
}

#[test]
fn python_2_beside_python_3_is_no_obstacle() {
    let evidence = PythonEvidence {
        at_most: Some(PythonVersion::minor(2, 7)),
        named: vec![named("readme", "2.7"), named("readme", ">=3.4")],
        ..Default::default()
    };
    let choice = choose(&evidence, day("2019-01-01"), &versions(&[6, 7]), None).unwrap();
    assert_eq!(choice.ranked[0], PythonVersion::minor(3, 7));
    assert_eq!(choice.deviations[0].rule, "python-2-aside");
    // it comes last, for when Python 3 cannot read the files after all
    let two = PythonVersion::minor(2, 7);
    let available = [versions(&[6, 7]), vec![two]].concat();
    let choice = choose(&evidence, day("2019-01-01"), &available, None).unwrap();
    assert_eq!(choice.ranked, [versions(&[7, 6]), vec![two]].concat());
}

#[test]
fn a_readme_that_names_python_3_does_not_outweigh_most_of_the_code() {
    let driver = |newest| Driver { python_at_most: newest, ..Driver::default() };
    let two = Some(PythonVersion::minor(2, 7));
    let mut inspection = Inspection {
        python: PythonEvidence {
            at_most: two,
            named: vec![named("readme", "2"), named("readme", "3")],
            ..Default::default()
        },
        drivers: vec![driver(two), driver(None), driver(two)],
        ..Default::default()
    };
    let says_3 = |inspection: &Inspection| names_python_3(&evidence(inspection, None)).is_some();
    assert!(!says_3(&inspection));
    inspection.drivers.push(driver(None));
    assert!(says_3(&inspection));
    inspection.drivers.pop();
    inspection.python.named.push(named("classifier", "3.6"));
    assert!(says_3(&inspection));
}

#[test]
fn what_a_notebook_says_of_long_ago_does_not_limit_the_date() {
    let date = Some("2024-09-03T00:00:00Z".parse().unwrap());
    let of = |kind: &str| {
        let evidence = PythonEvidence { named: vec![named(kind, "3.6")], ..Default::default() };
        choose(&evidence, date, &versions(&[6, 8, 11]), None).unwrap().ranked[0]
    };
    assert_eq!(of("notebook"), PythonVersion::minor(3, 11));
    assert_eq!(of("workflow"), PythonVersion::minor(3, 11));
    assert_eq!(of("classifier"), PythonVersion::minor(3, 6));
    let of_2020 = Some("2020-09-03T00:00:00Z".parse().unwrap());
    let evidence = PythonEvidence { named: vec![named("notebook", "3.5")], ..Default::default() };
    let chosen = choose(&evidence, of_2020, &versions(&[5, 6, 7]), None).unwrap();
    assert_ne!(chosen.ranked[0], PythonVersion::minor(3, 7));
}

#[test]
fn the_newest_named_version_limits_the_date() {
    let evidence = PythonEvidence { named: vec![named("classifier", "3.6")], ..Default::default() };
    let choice = choose(&evidence, day("2023-05-01"), &versions(&[6, 8, 10]), None).unwrap();
    assert_eq!(choice.ranked[0], PythonVersion::minor(3, 6));
}
