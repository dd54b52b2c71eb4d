//! `sizar inspect` for people: one screen, the most important first.

mod drivers;
mod hindrances;

use std::collections::BTreeMap;

use sizar_inspect::audit::matters_to_a_run;
use sizar_model::Inspection;
use sizar_model::inspection::{Finding, HardCodedPath, Severity, Sighting};
use sizar_model::resources::ByteSize;

use super::frameworks;
use super::page::{Item, Page, Span};

use self::drivers::{called, drivers, rank};
use self::hindrances::hindrances;
pub use super::page::Style;

/// How many lines a screen has.
const SCREEN: usize = 40;
/// How many findings are shown on it at least and at most, as the rest leaves room.
const FINDINGS: (usize, usize) = (2, 8);
/// The lines after the findings: what is left out, and what comes next.
const AFTER_FINDINGS: usize = 5;

/// Renders an inspection: one screen, or, with `all`, everything.
pub fn render(inspection: &Inspection, style: &Style, all: bool) -> String {
    let mut page = Page::new(*style, all);
    title(&mut page, inspection);
    nature(&mut page, inspection);
    drivers(&mut page, &inspection.drivers);
    needs(&mut page, inspection);
    hindrances(&mut page, inspection);
    findings(&mut page, &inspection.findings);
    next(&mut page, inspection);
    page.finish()
}

fn title(page: &mut Page, inspection: &Inspection) {
    let style = *page.style();
    let mut spans = vec![Span::new(name(inspection), style.bold)];
    let mut facts = Vec::new();
    if let Some(date) = inspection.code_date.or(inspection.commit_date) {
        facts.push(date.to_string().chars().take(10).collect());
    }
    facts.push(match &inspection.licence {
        Some(licence) => {
            licence.spdx.clone().unwrap_or_else(|| format!("licence in {}", licence.path))
        }
        None => "no licence".to_owned(),
    });
    let tree = &inspection.tree;
    facts.push(format!(
        "{}, {}",
        count(tree.python_files, "Python file"),
        ByteSize(tree.python_bytes)
    ));
    if tree.notebooks > 0 {
        facts.push(count(tree.notebooks, "notebook"));
    }
    if tree.files > tree.python_files {
        facts.push(format!("{} in all, {}", count(tree.files, "file"), ByteSize(tree.bytes)));
    }
    spans.push(Span::new(format!("   {}", facts.join(" · ")), style.dim));
    page.line(&spans);
    if let Some(citation) = &inspection.citation {
        let what = citation
            .title
            .clone()
            .or_else(|| citation.paper.clone())
            .or_else(|| citation.doi.clone());
        let by = citation.authors.first().map(|author| {
            let others = if citation.authors.len() > 1 { " et al." } else { "" };
            let year = citation.year.as_ref().map(|year| format!(" {year}")).unwrap_or_default();
            format!(" ({author}{others}{year})")
        });
        if let Some(what) = what {
            let text = format!("cite: {what}{}", by.unwrap_or_default());
            page.line(&[Span::new(text, style.dim)]);
        }
    }
}

/// Returns the name of the code: the distribution's, or the last part of its address.
fn name(inspection: &Inspection) -> String {
    let source = inspection.source.trim_end_matches('/').trim_end_matches(".git");
    let last = source.rsplit(['/', ':']).next().unwrap_or(source);
    let last = last.split(['@', '=']).next().unwrap_or(last);
    if !matches!(last, "" | "." | "..") {
        return last.to_owned();
    }
    let named = inspection.packaging.iter().find_map(|file| file.name.clone());
    named.unwrap_or_else(|| inspection.source.clone())
}

fn nature(page: &mut Page, inspection: &Inspection) {
    page.heading("What it is");
    let names = frameworks::of(&inspection.imports, 5);
    if !names.is_empty() {
        page.row("built on", &[Span::plain(names.join(", "))]);
    }
    python(page, inspection);
    let total: u64 = inspection.languages.iter().map(|language| language.bytes).sum();
    let others = inspection.languages.iter().filter(|language| {
        language.name != "Python" && (page.shows_all() || language.bytes * 200 > total)
    });
    let items: Vec<Item> = others
        .map(|language| vec![Span::plain(format!("{} ({})", language.name, language.files))])
        .collect();
    if !items.is_empty() {
        page.list("also", &items);
    }
}

fn python(page: &mut Page, inspection: &Inspection) {
    let dim = page.style().dim;
    let python = &inspection.python;
    let range = match (&python.at_least, &python.at_most) {
        (Some(least), Some(most)) if least == most => format!("Python {least}"),
        (Some(least), Some(most)) => format!("Python {least} to {most}"),
        (Some(least), None) => format!("Python {least} or later"),
        (None, Some(most)) => format!("Python {most} or earlier"),
        (None, None) => "any Python 3".to_owned(),
    };
    if inspection.tree.python_files == 0 && inspection.tree.notebooks == 0 {
        page.row("Python", &[Span::plain("none")]);
        return;
    }
    let mut spans = vec![Span::plain(range)];
    let bounded = python.at_least.is_some() || python.at_most.is_some();
    if let (true, Some(reason)) = (bounded, python.syntax.first()) {
        spans.push(Span::new(format!("  {} at {}", reason.text, place(reason)), dim));
    }
    page.row("grammar", &spans);
    let mut files: Vec<(String, Vec<&str>)> = Vec::new();
    for seen in python.requires.iter().chain(&python.named) {
        match files.iter_mut().find(|(place, _)| place.split(':').next() == Some(&seen.path)) {
            Some((_, texts)) if texts.contains(&seen.text.as_str()) => {}
            Some((_, texts)) => texts.push(&seen.text),
            None => files.push((place(seen), vec![&seen.text])),
        }
    }
    let items: Vec<Item> = files
        .into_iter()
        .map(|(place, texts)| {
            vec![Span::plain(texts.join(" ")), Span::new(format!(" {place}"), dim)]
        })
        .collect();
    if !items.is_empty() {
        page.list("authors say", &items);
    }
}

fn needs(page: &mut Page, inspection: &Inspection) {
    let style = *page.style();
    page.heading("What it needs");
    let mut declared: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for it in inspection
        .declared
        .iter()
        .filter(|it| !matches!(it.scope.as_str(), "locked" | "constraint"))
    {
        let label = match it.scope.as_str() {
            "install" | "conda" => "declared",
            "mentioned" => "in passing",
            "build" => "to build",
            scope => scope,
        };
        // of several files the one that says most
        let text = it.requirement.as_deref().unwrap_or(&it.name);
        let said = declared.entry(label).or_default().entry(&it.name).or_insert(text);
        if text.len() > said.len() {
            *said = text;
        }
    }
    let order = |label: &str| usize::from(label != "declared");
    let mut labels: Vec<(&str, BTreeMap<&str, &str>)> = declared.into_iter().collect();
    labels.sort_by_key(|(label, _)| order(label));
    let shown = page.limit(2, labels.len());
    for (label, names) in labels.into_iter().take(shown) {
        let items: Vec<Item> = names.into_values().map(|name| vec![Span::plain(name)]).collect();
        page.list(label, &items);
    }
    if inspection.declared.is_empty() {
        page.row("declared", &[Span::plain("nothing")]);
    }
    let undeclared = |optional: bool| -> Vec<Item> {
        let imports = inspection
            .imports
            .iter()
            .filter(|it| !it.declared && it.optional == optional && matters_to_a_run(it));
        let item = |name: &str, files: usize| {
            vec![
                Span::new(name, style.warn),
                Span::new(format!(" ({})", count(files as u64, "file")), style.dim),
            ]
        };
        imports
            .map(|it| item(it.distribution.as_deref().unwrap_or(&it.module), it.files.len()))
            .collect()
    };
    for (label, items) in [("undeclared", undeclared(false)), ("optional", undeclared(true))] {
        if !items.is_empty() && (page.shows_all() || label != "optional") {
            page.list(label, &items);
        }
    }
    let mut system: Vec<&str> =
        inspection.system_packages.iter().map(|it| it.text.as_str()).collect();
    system.sort_unstable();
    system.dedup();
    if !system.is_empty() {
        let items: Vec<Item> = system.into_iter().map(|name| vec![Span::plain(name)]).collect();
        page.list("system", &items);
    }
}

fn findings(page: &mut Page, findings: &[Finding]) {
    let number =
        |severity: Severity| findings.iter().filter(|it| it.severity == severity).count() as u64;
    let (errors, warnings, notes) =
        (number(Severity::Error), number(Severity::Warning), number(Severity::Info));
    let totals: Vec<String> = [(errors, "error"), (warnings, "warning"), (notes, "note")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| count(number, name))
        .collect();
    if totals.is_empty() {
        return;
    }
    page.heading(&format!("Findings: {}", totals.join(", ")));
    let groups = finding_groups(findings, page.shows_all());
    let room = SCREEN.saturating_sub(page.lines() + AFTER_FINDINGS);
    let shown = page.limit(room.clamp(FINDINGS.0, FINDINGS.1), groups.len());
    let style = *page.style();
    for (finding, more) in groups.iter().take(shown) {
        let (word, look) = match finding.severity {
            Severity::Error => ("error", style.error),
            Severity::Warning => ("warning", style.warn),
            Severity::Info => ("note", style.dim),
        };
        let place = match (finding.path.as_str(), finding.line) {
            ("", _) => String::new(),
            (path, 0) => format!("{}: ", ending(path)),
            (path, line) => format!("{}:{line}: ", ending(path)),
        };
        let times = if *more > 0 { format!("{}×", more + 1) } else { String::new() };
        let mut spans = vec![
            Span::new(format!("  {word:<8}"), look),
            Span::plain(format!("{times:>4} ")),
            Span::new(place, style.dim),
            Span::plain(&finding.message),
        ];
        if page.shows_all() {
            spans.insert(1, Span::plain(format!("{:<22}", finding.id)));
        }
        page.line(&spans);
    }
    if groups.len() > shown {
        let text = format!("  … {} more kinds; `--all` shows everything", groups.len() - shown);
        page.line(&[Span::new(text, style.dim)]);
    }
}

/// Returns the findings, the worst first; without `all` one of each kind, and how many like it.
fn finding_groups(findings: &[Finding], all: bool) -> Vec<(&Finding, usize)> {
    let mut groups: Vec<(&Finding, usize)> = Vec::new();
    for finding in findings {
        match groups.iter_mut().find(|(known, _)| known.id == finding.id) {
            Some((_, more)) if !all => *more += 1,
            _ => groups.push((finding, 0)),
        }
    }
    groups.sort_by_key(|(finding, _)| std::cmp::Reverse(finding.severity));
    groups
}

fn next(page: &mut Page, inspection: &Inspection) {
    let style = *page.style();
    let source = shell_words::quote(&inspection.source).into_owned();
    let best = inspection.drivers.iter().min_by_key(|driver| rank(driver));
    page.heading("Next");
    if inspection.tree.python_files == 0 && inspection.tree.notebooks == 0 {
        page.line(&[Span::plain("  sizar makes environments for Python; there is none here")]);
        return;
    }
    page.line(&[Span::new(format!("  sizar setup {source}"), style.accent)]);
    // a file that only does something when it is started is no program yet
    if let Some(driver) = best.filter(|it| it.framework != "none" || it.role != "other") {
        let folder = |path: &&HardCodedPath| {
            let name = path.value.rsplit('/').next().unwrap_or_default();
            !path.exists && !name.contains('.') && driver.closure.contains(&path.path)
        };
        let wanted = || inspection.hard_coded_paths.iter().filter(folder);
        let near = wanted().find(|path| path.path == driver.path);
        let data = near.or_else(|| wanted().next()).map(|path| {
            format!(
                " --data YOUR_FOLDER:{}",
                shell_words::quote(path.value.trim_start_matches("./"))
            )
        });
        let data = data.unwrap_or_default();
        let command =
            format!("  sizar run {source}{data} -- {} --help", shell_words::quote(called(driver)));
        page.line(&[Span::new(command, style.accent)]);
    }
}

fn count(number: u64, name: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {name}{plural}")
}

/// Returns the end of a long path: it says more than its beginning.
fn ending(path: &str) -> String {
    const MOST: usize = 36;
    let length = path.chars().count();
    if length <= MOST {
        return path.to_owned();
    }
    let end: String = path.chars().skip(length - MOST + 1).collect();
    format!("…{}", end.find('/').and_then(|at| end.get(at..)).unwrap_or(&end))
}

fn place(seen: &Sighting) -> String {
    format!("{}:{}", seen.path, seen.line)
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    fn fixture() -> Inspection {
        let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = folder.join("../../fixtures/inspect/segmentation");
        let options = sizar_inspect::InspectOptions::default();
        let mut inspection = sizar_inspect::inspect(&root, &options).unwrap();
        inspection.source = "github:jane/segmentation".to_owned();
        inspection.code_date = "2019-06-01T12:00:00Z".parse().ok();
        inspection
    }

    #[test]
    fn a_repository_fits_on_a_screen() {
        insta::assert_snapshot!(render(&fixture(), &Style::default(), false), @r#"
        segmentation   2019-06-01 · MIT · 5 Python files, 2.1 KiB · 1 notebook · 12 files in all, 3.4 KiB
        cite: Pages and Nets (Jane Doe et al. 2019)

        What it is
          built on     PyTorch
          grammar      Python 3.6 or later  f-string at train.py:30
          authors say  3.6 environment.yml:3, 3.6 README.md:3
          also         Jupyter Notebook (1)

        Start it with
          train.py    train    --epochs=5 --lr=1e-4 --annotations
          predict.py  predict  --input … --model=pages.pth

        What it needs
          declared     numpy==1.16.0, pillow
          in passing   seaborn, torch, torchvision
          undeclared   pandas (1 file), pycocotools (1 file), torch (3 files), torchvision (1 file) … 1 more

        What may hinder
          GPU needed   Net().cuda() train.py:27
          paths        /home/jane/pages.csv notebooks/look.ipynb:14 … 3 more
          data sets    host.robots.ox.ac.uk/…/VOCtrainval_11-May-2012.tar README.md:10 … 2 more
          downloads    drive.google.com/…/view README.md:5, torchvision.models.vgg16 net/model.py:12
          weights      pages.pth predict.py:11
          services     Weights & Biases train.py:6 +1, quiet with WANDB_MODE=offline

        Findings: 1 error, 11 warnings, 3 notes
          error        net/model.py:6: `.layers` is imported, but there is no `net/layers`
          warning   2× notebooks/look.ipynb:14: `/home/jane/pages.csv` is a path of the authors' machine
          warning      train.py:27: `Net().cuda()` without asking whether there is a GPU
          warning      scripts/score.py:4: this file is written in Python 2 (`print` statement)
          warning      requirements.txt:1: `numpy==1.16.0` here, `numpy==1.19.*` in `environment.yml`
          warning   5× net/model.py:2: `torch` is imported but not declared (and in 2 other files)
          warning      README.md:5: `https://drive.google.com/file/d/1AbCdEfGhIjKlMnOpQrStUvWxYz/view` is a…
          note         net/model.py:20: `torch.load(path)` does not say `map_location`
          … 2 more kinds; `--all` shows everything

        Next
          sizar setup github:jane/segmentation
          sizar run github:jane/segmentation --data YOUR_FOLDER:data/imgs -- train.py --help
        "#);
    }

    #[test]
    fn everything_is_shown_when_asked_for() {
        insta::assert_snapshot!(render(&fixture(), &Style::default(), true), @r#"
        segmentation   2019-06-01 · MIT · 5 Python files, 2.1 KiB · 1 notebook · 12 files in all, 3.4 KiB
        cite: Pages and Nets (Jane Doe et al. 2019)

        What it is
          built on     PyTorch
          grammar      Python 3.6 or later  f-string at train.py:30
          authors say  3.6 environment.yml:3, 3.6 README.md:3
          also         Jupyter Notebook (1)

        Start it with
          train.py    train    --epochs=5 --lr=1e-4 --annotations
              --epochs, -e int = 5  Number of epochs
              --lr float = 1e-4
              --annotations str = '/mnt/nas/jane/annotations.json'  as /home/x
          predict.py  predict  --input … --model=pages.pth
              --input, -i str (required)
              --model str = 'pages.pth'

        What it needs
          declared     numpy==1.16.0, pillow
          in passing   seaborn, torch, torchvision
          undeclared   pandas (1 file), pycocotools (1 file), torch (3 files), torchvision (1 file),
                       wandb (1 file)

        What may hinder
          GPU needed   Net().cuda() train.py:27
          paths        /home/jane/pages.csv notebooks/look.ipynb:14,
                       ~/data/datasets/VOC/VOCdevkit/VOC2012 train.py:13,
                       /mnt/nas/jane/annotations.json train.py:20, ./data/imgs train.py:11
          data sets    http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar README.md:10,
                       COCO train.py:7, PASCAL VOC train.py:13
          downloads    https://drive.google.com/file/d/1AbCdEfGhIjKlMnOpQrStUvWxYz/view README.md:5,
                       torchvision.models.vgg16 net/model.py:12
          weights      pages.pth predict.py:11
          services     Weights & Biases train.py:6 +1, quiet with WANDB_MODE=offline

        Findings: 1 error, 11 warnings, 3 notes
          error   missing-module             net/model.py:6: `.layers` is imported, but there is no `net/layers`
          warning absolute-path              notebooks/look.ipynb:14: `/home/jane/pages.csv` is a path of the authors' machine
          warning absolute-path              train.py:13: 2 paths of the authors' machine, such as `~/data/datasets/VOC/VOCdevkit/VOC2012`
          warning gpu-without-fallback       train.py:27: `Net().cuda()` without asking whether there is a GPU
          warning python-2                   scripts/score.py:4: this file is written in Python 2 (`print` statement)
          warning requirements-disagree      requirements.txt:1: `numpy==1.16.0` here, `numpy==1.19.*` in `environment.yml`
          warning undeclared-import          net/model.py:2: `torch` is imported but not declared (and in 2 other files)
          warning undeclared-import          net/model.py:4: `torchvision` is imported but not declared
          warning undeclared-import          notebooks/look.ipynb:13: `pandas` is imported but not declared
          warning undeclared-import          train.py:6: `wandb` is imported but not declared
          warning undeclared-import          train.py:7: `pycocotools` is imported but not declared
          warning weights-on-a-drive         README.md:5: `https://drive.google.com/file/d/1AbCdEfGhIjKlMnOpQrStUvWxYz/view` is a personal file share
          note    map-location-missing       net/model.py:20: `torch.load(path)` does not say `map_location`
          note    notebook-error             notebooks/look.ipynb:11: its last run ended with `ModuleNotFoundError`
          note    unpinned-requirements      requirements.txt:1: 1 of 2 requirements has no version

        Next
          sizar setup github:jane/segmentation
          sizar run github:jane/segmentation --data YOUR_FOLDER:data/imgs -- train.py --help
        "#);
    }

    #[test]
    fn an_empty_folder_is_said_to_be_empty() {
        let inspection = Inspection { source: "./empty".to_owned(), ..Inspection::default() };
        insta::assert_snapshot!(render(&inspection, &Style::default(), false), @r#"
        empty   no licence · 0 Python files, 0 B

        What it is
          Python       none

        What it needs
          declared     nothing

        What may hinder
          nothing that was looked for

        Next
          sizar makes environments for Python; there is none here
        "#);
    }

    #[test]
    fn a_screen_has_forty_lines_of_a_hundred_columns() {
        let mut inspection = fixture();
        // many of everything
        for at in 0..40_u32 {
            let mut driver = inspection.drivers[0].clone();
            driver.path = format!("some/very/deeply/nested/folder/of/drivers/predict_{at}.py");
            inspection.drivers.push(driver);
            let mut seen = inspection.weights[0].clone();
            seen.text = format!("https://example.org/a/very/long/address/of/weights/file_{at}.pth");
            inspection.weights.push(seen);
            let mut finding = inspection.findings[0].clone();
            finding.id = format!("finding-{at}");
            inspection.findings.push(finding);
            let mut declared = inspection.declared[0].clone();
            (declared.name, declared.scope) = (format!("package{at}"), format!("extra:{at}"));
            inspection.declared.push(declared);
        }
        let text = render(&inspection, &Style::default(), false);
        assert!(text.lines().count() <= 40, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn colours_change_nothing_but_the_looks() {
        let plain = render(&fixture(), &Style::default(), false);
        let coloured = render(&fixture(), &Style::coloured(), false);
        assert_ne!(plain, coloured);
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    }
}
