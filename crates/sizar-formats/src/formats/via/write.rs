//! Writes VIA.

use std::io::Write as _;

use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::formats::pages::Names;
use crate::model::{Annotation, Dataset, Point, Shape};
use crate::staging::{Placing, Staging};

/// Writes a project: a file, or `via.json` and `images/` in a folder.
pub fn write(dataset: &Dataset, output: &Staging) -> Result<()> {
    let by_image = dataset.by_image();
    let mut files = Map::new();
    let mut names = Names::default();
    let mut of_regions = vec!["class".to_owned()];
    let mut of_files: Vec<String> = Vec::new();
    for (at, image) in dataset.images.iter().enumerate() {
        let mut name = image.name.to_string();
        if !output.is_file() && output.placing() != Placing::Leave {
            let named = names.choose(dataset, image, output, "json");
            let to = camino::Utf8Path::new("images").join(&named.image);
            output.place_image(image, &to)?;
            name = to.into_string();
        }
        // VIA's key is the name and the number of bytes, -1 where nobody knows
        let bytes = image.file.as_ref().filter(|_| image.derivation.is_none());
        let bytes =
            bytes.and_then(|file| fs_err::metadata(file).ok()).map(|file| file.len() as i64);
        let bytes = bytes.filter(|_| !matches!(output.placing(), Placing::Encode(_))).unwrap_or(-1);
        let mut said = image.attributes.as_deref().cloned().unwrap_or_default();
        let mut regions = Vec::new();
        for annotation in by_image.of(at) {
            let annotation = &dataset.annotations[*annotation as usize];
            let label = annotation.category.and_then(|at| dataset.categories.get(at as usize));
            if let Some(caption) = annotation.more.as_ref().and_then(|more| more.caption.as_ref()) {
                // one caption an image: the first
                said.entry("caption").or_insert_with(|| caption.as_str().into());
                continue;
            }
            let shapes = shapes(annotation);
            if shapes.is_empty()
                && let Some(label) = label
            {
                said.entry("class").or_insert_with(|| (&*label.name).into());
            }
            for shape in shapes {
                let mut about = Map::new();
                if let Some(label) = label {
                    about.insert("class".into(), (&*label.name).into());
                }
                if let Some(text) = annotation.text() {
                    about.insert("text".into(), text.into());
                }
                let others = annotation.more.iter().flat_map(|more| &more.attributes);
                for (name, value) in others {
                    let text = match value {
                        Value::String(text) => text.as_str().into(),
                        // ticked boxes
                        Value::Object(_) => value.clone(),
                        other => other.to_string().into(),
                    };
                    about.entry(name.clone()).or_insert(text);
                }
                of_regions.extend(about.keys().cloned());
                regions.push(json!({ "shape_attributes": shape, "region_attributes": about }));
            }
        }
        of_files.extend(said.keys().cloned());
        files.insert(
            format!("{name}{bytes}"),
            json!({ "filename": name, "size": bytes, "regions": regions, "file_attributes": said }),
        );
    }
    let keys: Vec<&String> = files.keys().collect();
    let options: Map<String, Value> =
        dataset.categories.iter().map(|category| (category.name.to_string(), "".into())).collect();
    let declared = |names: Vec<String>| {
        let mut all = Map::new();
        for name in names {
            all.entry(name).or_insert_with(
                || json!({ "type": "text", "description": "", "default_value": "" }),
            );
        }
        all
    };
    let mut of_regions = declared(of_regions);
    of_regions.insert(
        "class".into(),
        json!({ "type": "dropdown", "description": "", "options": options, "default_options": {} }),
    );
    let name = dataset.info.name.as_deref().unwrap_or("sizar");
    let project = json!({
        "_via_settings": {
            "ui": {
                "annotation_editor_height": 25,
                "annotation_editor_fontsize": 0.8,
                "leftsidebar_width": 18,
                "image_grid": {
                    "img_height": 80,
                    "rshape_fill": "none",
                    "rshape_fill_opacity": 0.3,
                    "rshape_stroke": "yellow",
                    "rshape_stroke_width": 2,
                    "show_region_shape": true,
                    "show_image_policy": "all"
                },
                "image": {
                    "region_label": "__via_region_id__",
                    "region_color": "__via_default_region_color__",
                    "region_label_font": "10px Sans",
                    "on_image_annotation_editor_placement": "NEAR_REGION"
                }
            },
            "core": { "buffer_size": 18, "filepath": {}, "default_filepath": "" },
            "project": { "name": name }
        },
        "_via_img_metadata": files,
        "_via_attributes": { "region": of_regions, "file": declared(of_files) },
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": keys,
    });
    let mut text = serde_json::to_vec_pretty(&project).map_err(std::io::Error::from)?;
    text.push(b'\n');
    match output.is_file() {
        true => output.create_single()?.write_all(&text)?,
        false => output.write("via.json", &text)?,
    }
    Ok(())
}

fn shapes(annotation: &Annotation) -> Vec<Value> {
    let list = |kind: &str, points: &[Point]| {
        let xs: Vec<f64> = points.iter().map(|point| point.x).collect();
        let ys: Vec<f64> = points.iter().map(|point| point.y).collect();
        json!({ "name": kind, "all_points_x": xs, "all_points_y": ys })
    };
    match &annotation.shape {
        Shape::Polygon(polygon) => {
            polygon.parts.iter().map(|part| list("polygon", &part.outer)).collect()
        }
        Shape::Polyline(points) => vec![list("polyline", points)],
        Shape::Points(points) => points
            .iter()
            .map(|point| json!({ "name": "point", "cx": point.x, "cy": point.y }))
            .collect(),
        Shape::Ellipse(at) if at.is_circle() => {
            vec![
                json!({ "name": "circle", "cx": at.centre.x, "cy": at.centre.y, "r": at.radius_x }),
            ]
        }
        Shape::Ellipse(at) => vec![json!({
            "name": "ellipse",
            "cx": at.centre.x,
            "cy": at.centre.y,
            "rx": at.radius_x,
            "ry": at.radius_y,
            "theta": at.rotation.to_radians()
        })],
        Shape::Rle(_) | Shape::None => {
            let baseline = annotation.more.as_ref().map_or(&[][..], |more| &more.baseline);
            if annotation.bbox.is_none() && !baseline.is_empty() {
                return vec![list("polyline", baseline)];
            }
            let bounds = annotation.bounds();
            let boxed = bounds.map(|at| {
                json!({ "name": "rect", "x": at.x, "y": at.y, "width": at.width, "height": at.height })
            });
            boxed.into_iter().collect()
        }
    }
}
