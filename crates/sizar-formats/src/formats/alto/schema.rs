//! The rules of ALTO's schema 4.3, for the elements that are read and written.
//!
//! From <https://www.loc.gov/standards/alto/v4/alto-4-3.xsd>.

use crate::error::Result;
use crate::formats::pages::schema::{Attribute, MANY, Rule, Schema, Value, may, must, slot};
use crate::model::Note;
use crate::xml::XmlFile;

use Value::{FreePoints, Id, Number, One, Reference, References, Share, Text, Truth};

/// Attributes that are written from fields of the model.
pub const WRITTEN: [&str; 14] = [
    "HPOS",
    "VPOS",
    "WIDTH",
    "HEIGHT",
    "TAGREFS",
    "STYLEREFS",
    "PROCESSINGREFS",
    "PROCESSING",
    "BASELINE",
    "WC",
    "LANG",
    "IDNEXT",
    "TYPE",
    "REF",
];

const PLACE: &[Attribute] =
    &[may("HEIGHT", Number), may("WIDTH", Number), may("HPOS", Number), may("VPOS", Number)];
const REFERENCES: &[Attribute] =
    &[may("STYLEREFS", References), may("TAGREFS", References), may("PROCESSINGREFS", References)];
const BLOCK: &[Attribute] =
    &[must("ID", Id), may("ROTATION", Number), may("IDNEXT", Reference), may("CS", Truth)];
const DIRECTIONS: Value = One(&["ltr", "rtl", "ttb", "btt"]);
const BLOCKS: &[&str] = &["TextBlock", "Illustration", "GraphicalElement", "ComposedBlock"];
const GROUPED: &[&str] = &["ElementRef", "OrderedGroup", "UnorderedGroup"];
const TAGS: &[&str] = &["LayoutTag", "StructureTag", "RoleTag", "NamedEntityTag", "OtherTag"];

static RULES: &[Rule] = &[
    Rule {
        names: &["alto"],
        attributes: &[&[may("SCHEMAVERSION", Text)]],
        content: &[
            slot(&["Description"], 0, 1),
            slot(&["Styles"], 0, 1),
            slot(&["Tags"], 0, 1),
            slot(&["ReadingOrder"], 0, 1),
            slot(&["Layout"], 1, 1),
        ],
    },
    Rule {
        names: &["Description"],
        attributes: &[],
        content: &[
            slot(&["MeasurementUnit"], 1, 1),
            slot(&["sourceImageInformation"], 0, 1),
            slot(&["OCRProcessing"], 0, MANY),
            slot(&["Processing"], 0, MANY),
        ],
    },
    Rule {
        names: &["sourceImageInformation"],
        attributes: &[],
        content: &[
            slot(&["fileName"], 0, 1),
            slot(&["fileIdentifier"], 0, MANY),
            slot(&["documentIdentifier"], 0, MANY),
        ],
    },
    Rule { names: &["Tags"], attributes: &[], content: &[slot(TAGS, 0, MANY)] },
    Rule {
        names: TAGS,
        attributes: &[&[
            must("ID", Id),
            must("LABEL", Text),
            may("TYPE", Text),
            may("DESCRIPTION", Text),
            may("URI", Text),
        ]],
        content: &[slot(&["XmlData"], 0, 1)],
    },
    Rule {
        names: &["ReadingOrder"],
        attributes: &[],
        content: &[slot(&["OrderedGroup", "UnorderedGroup"], 1, MANY)],
    },
    Rule {
        names: &["OrderedGroup", "UnorderedGroup"],
        attributes: &[&[must("ID", Id), may("TAGREFS", References), may("REF", References)]],
        content: &[slot(GROUPED, 1, MANY)],
    },
    Rule {
        names: &["ElementRef"],
        attributes: &[&[must("ID", Id), must("REF", References), may("TAGREFS", References)]],
        content: &[],
    },
    Rule {
        names: &["Layout"],
        attributes: &[&[may("STYLEREFS", References)]],
        content: &[slot(&["Page"], 1, MANY)],
    },
    Rule {
        names: &["Page"],
        attributes: &[&[
            must("ID", Id),
            must("PHYSICAL_IMG_NR", Number),
            may("PAGECLASS", Text),
            may("STYLEREFS", References),
            may("PROCESSINGREFS", References),
            may("HEIGHT", Number),
            may("WIDTH", Number),
            may("PRINTED_IMG_NR", Text),
            may(
                "QUALITY",
                One(&[
                    "OK",
                    "Missing",
                    "Missing in original",
                    "Damaged",
                    "Retained",
                    "Target",
                    "As in original",
                ]),
            ),
            may("QUALITY_DETAIL", Text),
            may("POSITION", One(&["Left", "Right", "Foldout", "Single", "Cover"])),
            may("PROCESSING", Reference),
            may("ACCURACY", Number),
            may("PC", Share),
        ]],
        content: &[
            slot(&["TopMargin"], 0, 1),
            slot(&["LeftMargin"], 0, 1),
            slot(&["RightMargin"], 0, 1),
            slot(&["BottomMargin"], 0, 1),
            slot(&["PrintSpace"], 0, 1),
        ],
    },
    Rule {
        names: &["TopMargin", "LeftMargin", "RightMargin", "BottomMargin", "PrintSpace"],
        attributes: &[
            PLACE,
            &[may("ID", Id), may("STYLEREFS", References), may("PROCESSINGREFS", References)],
        ],
        content: &[slot(&["Shape"], 0, 1), slot(BLOCKS, 0, MANY)],
    },
    Rule {
        names: &["TextBlock"],
        attributes: &[
            BLOCK,
            PLACE,
            REFERENCES,
            &[may("language", Text), may("LANG", Text), may("BASEDIRECTION", DIRECTIONS)],
        ],
        content: &[slot(&["Shape"], 0, 1), slot(&["TextLine"], 0, MANY)],
    },
    Rule {
        names: &["ComposedBlock"],
        attributes: &[BLOCK, PLACE, REFERENCES, &[may("TYPE", Text), may("FILEID", Text)]],
        content: &[slot(&["Shape"], 0, 1), slot(BLOCKS, 0, MANY)],
    },
    Rule {
        names: &["Illustration"],
        attributes: &[BLOCK, PLACE, REFERENCES, &[may("TYPE", Text), may("FILEID", Text)]],
        content: &[slot(&["Shape"], 0, 1)],
    },
    Rule {
        names: &["GraphicalElement"],
        attributes: &[BLOCK, PLACE, REFERENCES],
        content: &[slot(&["Shape"], 0, 1)],
    },
    Rule {
        names: &["TextLine"],
        attributes: &[
            PLACE,
            REFERENCES,
            &[
                may("ID", Id),
                may("BASELINE", FreePoints),
                may("LANG", Text),
                may("CS", Truth),
                may("BASEDIRECTION", DIRECTIONS),
            ],
        ],
        content: &[slot(&["Shape"], 0, 1), slot(&["String", "SP"], 1, MANY), slot(&["HYP"], 0, 1)],
    },
    Rule {
        names: &["String"],
        attributes: &[
            PLACE,
            REFERENCES,
            &[
                may("ID", Id),
                must("CONTENT", Text),
                may("STYLE", Text),
                may("SUBS_TYPE", One(&["HypPart1", "HypPart2", "Abbreviation"])),
                may("SUBS_CONTENT", Text),
                may("WC", Share),
                may("CC", Text),
                may("CS", Truth),
                may("LANG", Text),
            ],
        ],
        content: &[
            slot(&["Shape"], 0, 1),
            slot(&["ALTERNATIVE"], 0, MANY),
            slot(&["Glyph"], 0, MANY),
        ],
    },
    Rule { names: &["SP"], attributes: &[PLACE, &[may("ID", Id)]], content: &[] },
    Rule { names: &["HYP"], attributes: &[PLACE, &[must("CONTENT", Text)]], content: &[] },
    Rule {
        names: &["Glyph"],
        attributes: &[PLACE, &[may("ID", Id), must("CONTENT", Text), may("GC", Share)]],
        content: &[slot(&["Shape"], 0, 1), slot(&["Variant"], 0, MANY)],
    },
    Rule {
        names: &["Shape"],
        attributes: &[],
        content: &[slot(&["Polygon", "Ellipse", "Circle"], 1, 1)],
    },
    Rule { names: &["Polygon"], attributes: &[&[must("POINTS", FreePoints)]], content: &[] },
    Rule {
        names: &["Ellipse"],
        attributes: &[&[
            must("HPOS", Number),
            must("VPOS", Number),
            must("HLENGTH", Number),
            must("VLENGTH", Number),
            may("ROTATION", Number),
        ]],
        content: &[],
    },
    Rule {
        names: &["Circle"],
        attributes: &[&[must("HPOS", Number), must("VPOS", Number), must("RADIUS", Number)]],
        content: &[],
    },
];

/// The rules of the version that is written.
pub const SCHEMA: Schema = Schema { rules: RULES, ids: &["ID"], is_strict: true, name: "ALTO" };

/// Returns what breaks the schema; files that aren't ALTO are left alone.
pub fn faults(file: &XmlFile) -> Result<Vec<Note>> {
    let document = file.parse()?;
    let root = document.root_element();
    if root.tag_name().name() != "alto" {
        return Ok(Vec::new());
    }
    let space = root.tag_name().namespace().unwrap_or_default();
    let schema =
        Schema { is_strict: space == "http://www.loc.gov/standards/alto/ns-v4#", ..SCHEMA };
    let mut faults = schema.faults(file)?;
    if !space.starts_with("http://www.loc.gov/standards/alto/ns-v") && !space.contains("alto") {
        let message = format!("`{space}` is no namespace of ALTO");
        faults.insert(0, Note { code: "schema", at: file.position(root), message });
    }
    for line in document.descendants().filter(|node| node.tag_name().name() == "TextLine") {
        let mut pieces = line.children().filter(|piece| {
            matches!(piece.tag_name().name(), "String" | "SP") && piece.is_element()
        });
        let mut before = "SP";
        let misplaced = pieces.find(|piece| {
            let name = piece.tag_name().name();
            let is_bad = name == "SP" && before == "SP";
            before = name;
            is_bad
        });
        if let Some(space) = misplaced {
            let message = "a <SP> has to follow a <String>".to_owned();
            faults.push(Note { code: "schema", at: file.position(space), message });
        }
    }
    Ok(faults)
}

/// Tells whether an attribute of `element` may say `text`.
pub fn fits(element: &str, name: &str, text: &str) -> bool {
    SCHEMA.fits(element, name, text) && (name != "LANG" || is_language(text))
}

/// `xs:language`: `[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*`.
fn is_language(text: &str) -> bool {
    let fits = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text.split('-').all(fits)
        && text.bytes().take_while(|b| *b != b'-').all(|b| b.is_ascii_alphabetic())
}
