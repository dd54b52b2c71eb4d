//! The rules of PAGE's schema of 2019-07-15, for the elements that are read and written.
//!
//! From <https://github.com/PRImA-Research-Lab/PAGE-XML/blob/master/pagecontent/schema/pagecontent.xsd>.
//! Names of languages and scripts are not looked at.

use crate::error::Result;
use crate::formats::pages::kinds::{CHART_TYPES, GRAPHIC_TYPES, TEXT_TYPES};
use crate::formats::pages::schema::{Attribute, MANY, Rule, Schema, Value, may, must, slot};
use crate::model::Note;
use crate::xml::XmlFile;

use Value::{DateTime, Id, Natural, Number, One, Points, Reference, Share, Text, Truth, Whole};

/// Attributes that 2013 doesn't have.
pub const SINCE_2019: [&str; 8] = [
    "imageXResolution",
    "imageYResolution",
    "imageResolutionUnit",
    "conf",
    "index",
    "continuation",
    "orientation",
    "textLineOrder",
];

const DIRECTIONS: Value =
    One(&["left-to-right", "right-to-left", "top-to-bottom", "bottom-to-top"]);
const LINE_ORDERS: Value =
    One(&["top-to-bottom", "bottom-to-top", "left-to-right", "right-to-left"]);
const PRODUCTIONS: Value = One(&[
    "printed",
    "typewritten",
    "handwritten-cursive",
    "handwritten-printscript",
    "medieval-manuscript",
    "other",
]);
const PAGE_TYPES: Value = One(&[
    "front-cover",
    "back-cover",
    "title",
    "table-of-contents",
    "index",
    "content",
    "blank",
    "other",
]);
const GROUPS: Value = One(&["paragraph", "list", "list-item", "figure", "article", "div", "other"]);

const REGION: &[Attribute] =
    &[must("id", Id), may("custom", Text), may("comments", Text), may("continuation", Truth)];
const TURNED: &[Attribute] = &[may("orientation", Number)];
const PAPER: &[Attribute] = &[may("bgColour", Text)];
const HELD: &[Attribute] = &[may("embText", Truth)];
const INNER: &[Attribute] = &[
    must("id", Id),
    may("primaryScript", Text),
    may("secondaryScript", Text),
    may("readingDirection", DIRECTIONS),
    may("production", PRODUCTIONS),
    may("custom", Text),
    may("comments", Text),
];
const GROUP: &[Attribute] = &[
    must("id", Id),
    may("regionRef", Reference),
    may("caption", Text),
    may("type", GROUPS),
    may("continuation", Truth),
    may("custom", Text),
    may("comments", Text),
];
const INDEXED: &[Attribute] = &[must("index", Whole)];

const ANY_REGION: &[&str] = &crate::formats::pages::kinds::REGIONS;

macro_rules! region {
    ($names:expr, $attributes:expr $(, $slot:expr)*) => {
        Rule {
            names: $names,
            attributes: $attributes,
            content: &[
                slot(&["AlternativeImage"], 0, MANY),
                slot(&["Coords"], 1, 1),
                slot(&["UserDefined"], 0, 1),
                slot(&["Labels"], 0, MANY),
                slot(&["Roles"], 0, 1),
                slot(ANY_REGION, 0, MANY),
                $($slot,)*
            ],
        }
    };
}

macro_rules! group {
    ($name:literal, $attributes:expr, $members:expr) => {
        Rule {
            names: &[$name],
            attributes: $attributes,
            content: &[
                slot(&["UserDefined"], 0, 1),
                slot(&["Labels"], 0, MANY),
                slot($members, 1, MANY),
            ],
        }
    };
}

const ORDERED: &[&str] = &["RegionRefIndexed", "OrderedGroupIndexed", "UnorderedGroupIndexed"];
const UNORDERED: &[&str] = &["RegionRef", "OrderedGroup", "UnorderedGroup"];

static RULES: &[Rule] = &[
    Rule {
        names: &["PcGts"],
        attributes: &[&[may("pcGtsId", Id)]],
        content: &[slot(&["Metadata"], 1, 1), slot(&["Page"], 1, 1)],
    },
    Rule {
        names: &["Metadata"],
        attributes: &[&[may("externalRef", Text)]],
        content: &[
            slot(&["Creator"], 1, 1),
            slot(&["Created"], 1, 1),
            slot(&["LastChange"], 1, 1),
            slot(&["Comments"], 0, 1),
            slot(&["UserDefined"], 0, 1),
            slot(&["MetadataItem"], 0, MANY),
        ],
    },
    Rule {
        names: &["Page"],
        attributes: &[
            TURNED,
            &[
                must("imageFilename", Text),
                must("imageWidth", Whole),
                must("imageHeight", Whole),
                may("imageXResolution", Number),
                may("imageYResolution", Number),
                may("imageResolutionUnit", One(&["PPI", "PPCM", "other"])),
                may("custom", Text),
                may("type", PAGE_TYPES),
                may("primaryLanguage", Text),
                may("secondaryLanguage", Text),
                may("primaryScript", Text),
                may("secondaryScript", Text),
                may("readingDirection", DIRECTIONS),
                may("textLineOrder", LINE_ORDERS),
                may("conf", Share),
            ],
        ],
        content: &[
            slot(&["AlternativeImage"], 0, MANY),
            slot(&["Border"], 0, 1),
            slot(&["PrintSpace"], 0, 1),
            slot(&["ReadingOrder"], 0, 1),
            slot(&["Layers"], 0, 1),
            slot(&["Relations"], 0, 1),
            slot(&["TextStyle"], 0, 1),
            slot(&["UserDefined"], 0, 1),
            slot(&["Labels"], 0, MANY),
            slot(ANY_REGION, 0, MANY),
        ],
    },
    Rule { names: &["Border", "PrintSpace"], attributes: &[], content: &[slot(&["Coords"], 1, 1)] },
    Rule {
        names: &["ReadingOrder"],
        attributes: &[&[may("conf", Share)]],
        content: &[slot(&["OrderedGroup", "UnorderedGroup"], 1, 1)],
    },
    group!("OrderedGroup", &[GROUP], ORDERED),
    group!("OrderedGroupIndexed", &[GROUP, INDEXED], ORDERED),
    group!("UnorderedGroup", &[GROUP], UNORDERED),
    group!("UnorderedGroupIndexed", &[GROUP, INDEXED], UNORDERED),
    Rule { names: &["RegionRef"], attributes: &[&[must("regionRef", Reference)]], content: &[] },
    Rule {
        names: &["RegionRefIndexed"],
        attributes: &[&[must("regionRef", Reference)], INDEXED],
        content: &[],
    },
    region!(
        &["TextRegion"],
        &[
            REGION,
            TURNED,
            &[
                may("type", One(&TEXT_TYPES)),
                may("leading", Whole),
                may("readingDirection", DIRECTIONS),
                may("textLineOrder", LINE_ORDERS),
                may("readingOrientation", Number),
                may("indented", Truth),
                may("align", One(&["left", "centre", "right", "justify"])),
                may("primaryLanguage", Text),
                may("secondaryLanguage", Text),
                may("primaryScript", Text),
                may("secondaryScript", Text),
                may("production", PRODUCTIONS),
            ],
        ],
        slot(&["TextLine"], 0, MANY),
        slot(&["TextEquiv"], 0, MANY),
        slot(&["TextStyle"], 0, 1)
    ),
    region!(&["ImageRegion"], &[REGION, TURNED, PAPER, HELD, &[may("colourDepth", Text)]]),
    region!(&["LineDrawingRegion"], &[REGION, TURNED, PAPER, HELD, &[may("penColour", Text)]]),
    region!(
        &["GraphicRegion"],
        &[REGION, TURNED, HELD, &[may("type", One(&GRAPHIC_TYPES)), may("numColours", Whole)]]
    ),
    region!(
        &["TableRegion"],
        &[
            REGION,
            TURNED,
            PAPER,
            HELD,
            &[
                may("rows", Whole),
                may("columns", Whole),
                may("lineColour", Text),
                may("lineSeparators", Truth),
            ],
        ],
        slot(&["Grid"], 0, 1)
    ),
    region!(
        &["ChartRegion"],
        &[REGION, TURNED, PAPER, HELD, &[may("type", One(&CHART_TYPES)), may("numColours", Whole)],]
    ),
    region!(&["SeparatorRegion"], &[REGION, TURNED, &[may("colour", Text)]]),
    region!(
        &["MathsRegion", "ChemRegion", "MusicRegion", "AdvertRegion"],
        &[REGION, TURNED, PAPER]
    ),
    region!(&["MapRegion"], &[REGION, TURNED]),
    region!(&["NoiseRegion", "UnknownRegion"], &[REGION]),
    region!(&["CustomRegion"], &[REGION, &[may("type", Text)]]),
    Rule {
        names: &["TextLine"],
        attributes: &[INNER, &[may("primaryLanguage", Text), may("index", Whole)]],
        content: &[
            slot(&["AlternativeImage"], 0, MANY),
            slot(&["Coords"], 1, 1),
            slot(&["Baseline"], 0, 1),
            slot(&["Word"], 0, MANY),
            slot(&["TextEquiv"], 0, MANY),
            slot(&["TextStyle"], 0, 1),
            slot(&["UserDefined"], 0, 1),
            slot(&["Labels"], 0, MANY),
        ],
    },
    Rule {
        names: &["Word"],
        attributes: &[INNER, &[may("language", Text)]],
        content: &[
            slot(&["AlternativeImage"], 0, MANY),
            slot(&["Coords"], 1, 1),
            slot(&["Glyph"], 0, MANY),
            slot(&["TextEquiv"], 0, MANY),
            slot(&["TextStyle"], 0, 1),
            slot(&["UserDefined"], 0, 1),
            slot(&["Labels"], 0, MANY),
        ],
    },
    Rule {
        names: &["Glyph"],
        attributes: &[&[
            must("id", Id),
            may("ligature", Truth),
            may("symbol", Truth),
            may("script", Text),
            may("production", PRODUCTIONS),
            may("custom", Text),
            may("comments", Text),
        ]],
        content: &[
            slot(&["AlternativeImage"], 0, MANY),
            slot(&["Coords"], 1, 1),
            slot(&["Graphemes"], 0, 1),
            slot(&["TextEquiv"], 0, MANY),
            slot(&["TextStyle"], 0, 1),
            slot(&["UserDefined"], 0, 1),
            slot(&["Labels"], 0, MANY),
        ],
    },
    Rule {
        names: &["Coords", "Baseline"],
        attributes: &[&[must("points", Points), may("conf", Share)]],
        content: &[],
    },
    Rule {
        names: &["TextEquiv"],
        attributes: &[&[
            may("index", Natural),
            may("conf", Share),
            may("dataType", Text),
            may("dataTypeDetails", Text),
            may("comments", Text),
        ]],
        content: &[slot(&["PlainText"], 0, 1), slot(&["Unicode"], 1, 1)],
    },
];

/// The rules of the version that is written.
pub const SCHEMA: Schema =
    Schema { rules: RULES, ids: &["id", "pcGtsId"], is_strict: true, name: "PAGE" };

/// Returns what breaks the schema; files that aren't PAGE are left alone.
pub fn faults(file: &XmlFile) -> Result<Vec<Note>> {
    let document = file.parse()?;
    let root = document.root_element().tag_name();
    if root.name() != "PcGts" {
        return Ok(Vec::new());
    }
    let space = root.namespace().unwrap_or_default();
    let version = space.rsplit('/').next().unwrap_or_default();
    let schema = Schema { is_strict: version == "2019-07-15", ..SCHEMA };
    let mut faults = schema.faults(file)?;
    if !space.starts_with("http://schema.primaresearch.org/PAGE/gts/pagecontent/") {
        let message = format!("`{space}` is no namespace of PAGE");
        faults.insert(
            0,
            Note { code: "schema", at: file.position(document.root_element()), message },
        );
    }
    let moments = document.descendants().filter(|node| node.has_tag_name((space, "Metadata")));
    for moment in moments.flat_map(|node| node.children()) {
        let name = moment.tag_name().name();
        let text = moment.text().unwrap_or_default();
        if matches!(name, "Created" | "LastChange")
            && let Some(what) = DateTime.fault(text)
        {
            let message = format!("{what}, in <{name}>");
            faults.push(Note { code: "schema", at: file.position(moment), message });
        }
    }
    Ok(faults)
}
