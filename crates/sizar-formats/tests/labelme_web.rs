//! The XML of LabelMe's web tool: read, told from Pascal VOC's; broken files.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use camino::Utf8Path;
use serde_json::json;
use sizar_formats::FormatError;
use sizar_formats::formats::{self, Look, ReadOptions};
use sizar_formats::model::{Box2, Dataset, Flags, Shape};
use world::scratch;

/// As the tool itself writes: lines break inside of elements.
const FILE: &str = "<annotation><filename>street.png</filename><folder>train</folder>
<source><submittedBy>Ada</submittedBy></source>
<imagesize><nrows>6</nrows><ncols>8</ncols></imagesize>
<object><name>
car
</name><deleted>0</deleted><occluded>yes</occluded><id>0</id>
<parts><hasparts>2</hasparts><ispartof></ispartof></parts><attributes>red, doors=4</attributes>
<polygon><username>ada</username><pt><x>
1
</x><y>2</y></pt><pt><x>5</x><y>2</y></pt><pt><x>5</x><y>4.5</y></pt></polygon></object>
<object><name>tree</name><deleted>1</deleted><id>1</id>
<polygon><pt><x>1</x><y>2</y></pt></polygon></object>
<object><name>wheel</name><deleted>0</deleted><occluded>no</occluded><type>bounding_box</type><id>2</id>
<parts><hasparts></hasparts><ispartof>0</ispartof></parts>
<polygon><pt><x>1</x><y>3</y></pt><pt><x>3</x><y>3</y></pt><pt><x>3</x><y>5</y></pt><pt><x>1</x><y>5</y></pt></polygon></object>
<object><name>sky</name><id>3</id><segm><username>bob</username><mask>street_mask_3.png</mask></segm></object>
</annotation>";

fn write(folder: &Utf8Path, text: &str) {
    for (path, bytes) in [("Annotations/train/street.xml", text), ("Images/train/street.png", "")] {
        fs_err::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        fs_err::write(folder.join(path), bytes).unwrap();
    }
    let masks = folder.join("Masks/train");
    fs_err::create_dir_all(&masks).unwrap();
    let mut mask = image::GrayImage::new(8, 6);
    mask.put_pixel(2, 0, image::Luma([255]));
    mask.put_pixel(2, 1, image::Luma([1]));
    mask.save(masks.join("street_mask_3.png")).unwrap();
}

fn read(folder: &Utf8Path) -> Result<Dataset, FormatError> {
    let look = Look::at(folder)?;
    let format = formats::choose(&look, None)?;
    assert_eq!(format.name(), "labelme");
    format.read(&look, &ReadOptions::default())
}

#[test]
fn what_the_web_tool_says_is_kept() {
    let (_keep, folder) = scratch();
    write(&folder, FILE);
    let dataset = read(&folder).unwrap();
    let [image] = &dataset.images[..] else { panic!("{:?}", dataset.images) };
    assert_eq!((&*image.name, image.width, image.height), ("Images/train/street.png", 8, 6));
    assert_eq!(image.file.as_deref(), Some(&*folder.join("Images/train/street.png")));
    assert_eq!(dataset.splits.iter().map(|split| &**split).collect::<Vec<_>>(), ["train"]);
    let names: Vec<&str> = dataset
        .annotations
        .iter()
        .map(|at| &*dataset.categories[at.category.unwrap() as usize].name)
        .collect();
    assert_eq!(names, ["car", "wheel", "sky"], "what was deleted is not read");
    let [car, wheel, sky] = &dataset.annotations[..] else { panic!() };
    let Shape::Polygon(polygon) = &car.shape else { panic!("{car:?}") };
    assert_eq!(polygon.parts[0].outer.len(), 3);
    assert_eq!(car.flags, Flags::OCCLUDED);
    let said = |at: &sizar_formats::model::Annotation| at.more.clone().unwrap();
    assert_eq!(json!(said(car).attributes), json!({"red": true, "doors": 4, "username": "ada"}));
    assert_eq!(wheel.bbox, Some(Box2::new(1.0, 3.0, 2.0, 2.0)));
    assert_eq!((said(car).group, said(wheel).group, said(sky).group), (Some(1), Some(1), None));
    let Shape::Rle(mask) = &sky.shape else { panic!("{sky:?}") };
    assert_eq!((&*mask.counts, mask.width, mask.height), (&[12, 2, 34][..], 8, 6));
}

#[test]
fn broken_files_of_the_web_tool_say_where() {
    let cases = [
        ("<x>5</x><y>4.5</y>", "<y>4.5</y>", ".xml:10:43: ", "without <x>"),
        ("<y>4.5</y>", "<y>far</y>", ".xml:10:", "`far` in <y> is not a number"),
        ("street_mask_3.png", "../street_mask_3.png", ":", "is not the name of a file"),
        ("street_mask_3.png", "other.png", ":", "the mask `Masks/train/other.png` is not there"),
        ("<segm>", "<none>", ".xml:16:", "not XML"),
        ("<ncols>8</ncols>", "<ncols>9000000000</ncols>", "mask_3.png", "pixels"),
    ];
    for (old, new, at, what) in cases {
        let (_keep, folder) = scratch();
        write(&folder, &FILE.replacen(old, new, 1));
        let said = read(&folder).unwrap_err().to_string();
        assert!(said.contains(what) && said.contains(at), "{new}: {said}");
    }
    // CVAT has the masks in a folder beside the annotations
    let (_keep, folder) = scratch();
    write(&folder, &FILE.replacen("street_mask_3.png", "train/street_mask_3.png", 1));
    fs_err::rename(folder.join("Masks"), folder.join("Annotations/Masks")).unwrap();
    assert_eq!(read(&folder).unwrap().annotations.len(), 3);
    // nothing but `1` is deleted, and what lies beside JSON is not read
    let (_keep, folder) = scratch();
    write(&folder, &FILE.replacen("<deleted>0</deleted>", "<deleted> </deleted>", 1));
    assert_eq!(read(&folder).unwrap().annotations.len(), 3);
    fs_err::write(folder.join("b.json"), r#"{"shapes": [], "imagePath": "b.png"}"#).unwrap();
    fs_err::write(folder.join("latin.xml"), b"<a>\xe9</a>").unwrap();
    assert_eq!(read(&folder).unwrap().images.len(), 1);
    // a file that is no image is no mask
    let (_keep, folder) = scratch();
    write(&folder, FILE);
    fs_err::write(folder.join("Masks/train/street_mask_3.png"), "no PNG").unwrap();
    let said = read(&folder).unwrap_err().to_string();
    assert!(said.contains("street_mask_3.png") && said.contains("not a PNG"), "{said}");
}
