"""What lxml says of files and their published schemas: FOLDER SCHEMAS -> {file: [faults]}."""

import json
import sys
from pathlib import Path

from lxml import etree

folder, schemas = map(Path, sys.argv[1:])
by_space = {}
for name in ("alto-4-3.xsd", "pagecontent.xsd"):
    tree = etree.parse(str(schemas / name))
    by_space[tree.getroot().get("targetNamespace")] = etree.XMLSchema(tree)
said = {}
for file in sorted(folder.rglob("*.xml")):
    tree = etree.parse(str(file))
    schema = by_space[etree.QName(tree.getroot()).namespace]
    schema.validate(tree)
    faults = [f"{error.line}: {error.message}" for error in schema.error_log]
    said[file.relative_to(folder).as_posix()] = faults
json.dump(said, sys.stdout)
