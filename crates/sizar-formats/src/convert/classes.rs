//! Some classes only, or several as one.

use crate::error::{FormatError, Result};
use crate::model::{Category, Dataset};

/// Keeps annotations of these classes, in this order; all images stay.
pub fn choose_classes(dataset: &mut Dataset, names: &[String]) -> Result<()> {
    let mut order = Vec::with_capacity(names.len());
    for name in names {
        order.push(known(dataset, name)?);
    }
    let place = |at: u32| order.iter().position(|chosen| *chosen == at).map(|at| at as u32);
    dataset
        .retain_annotations(|annotation| annotation.category.is_some_and(|at| place(at).is_some()));
    for annotation in &mut dataset.annotations {
        annotation.category = annotation.category.and_then(place);
    }
    let mut all: Vec<Option<Category>> =
        std::mem::take(&mut dataset.categories).into_iter().map(Some).collect();
    dataset.categories =
        order.iter().filter_map(|at| all.get_mut(*at as usize).and_then(Option::take)).collect();
    Ok(())
}

/// Makes annotations of the class `from` ones of `into`, which may be new.
pub fn merge_classes(dataset: &mut Dataset, from: &str, into: &str) -> Result<()> {
    let old = known(dataset, from)?;
    let Some(new) = dataset.category(into) else {
        dataset.categories[old as usize].name = into.into();
        return Ok(());
    };
    if old == new {
        return Ok(());
    }
    for annotation in &mut dataset.annotations {
        if annotation.category == Some(old) {
            annotation.category = Some(new);
        }
    }
    dataset.retain_categories(|at| at != old);
    Ok(())
}

fn known(dataset: &Dataset, name: &str) -> Result<u32> {
    dataset.category(name).ok_or_else(|| {
        let names: Vec<String> =
            dataset.categories.iter().take(20).map(|it| format!("`{}`", it.name)).collect();
        FormatError::cannot_write(format!("there is no class `{name}`"))
            .with_hint(format!("there are {}", names.join(", ")))
    })
}
