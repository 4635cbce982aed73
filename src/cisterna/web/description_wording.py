"""The words of what datasets say of themselves; a part of the one table in `wording`."""

from __future__ import annotations

DESCRIPTION: dict[str, str] = {
    "field.contributors": "Contributors",
    "field.publisher_ror": "ROR of the publisher",
    "field.embargo_until": "Embargo until",
    "field.subjects": "Subjects",
    "field.language": "Language",
    "field.funding": "Funding",
    "field.references.paper": "Papers",
    "field.references.data-management-plan": "Data management plan",
    "field.references.ethics-approval": "Ethics approval",
    "field.references.agreement": "Agreements",
    "field.references.lab-notebook": "Lab notebook",
    "field.references.software": "Software",
    "field.references.dataset": "Datasets elsewhere",
    "field.references.protocol": "Protocols",
    "field.samples.organisms": "Organisms",
    "field.samples.tissues": "Tissues",
    "field.samples.cell_lines": "Cell lines",
    "field.samples.diseases": "Diseases",
    "field.samples.treatments": "Treatments",
    "field.samples.stains": "Stains",
    "field.samples.wells": "Wells with samples",
    "origin.source": "source dataset",
    "project.contributors": "Contributors",
    "project.help.contributors": "One a line: role: name; ORCID iD; affiliation. Roles are those of DataCite, such as "
    "DataCollector, DataCurator, ProjectLeader or Supervisor. A part that holds a semicolon stands in quotation marks.",
    "project.publisher_ror": "ROR of the publisher",
    "project.help.publisher_ror": "Such as https://ror.org/05gq02987.",
    "project.embargo_until": "Embargo until",
    "project.help.embargo_until": "A day, with the access that is an embargo.",
    "project.keywords": "Keywords",
    "project.help.keywords": "One a line.",
    "project.subjects": "Subjects",
    "project.help.subjects": "One a line: words; term. The term, such as NCBITaxon:9606, may be left out.",
    "project.language": "Language",
    "project.help.language": "A tag of BCP 47, such as en or sv-FI.",
    "project.funding": "Funding",
    "project.help.funding": "One a line: funder; award number; title; ROR or Crossref Funder id; address. All but the "
    "funder may be left out.",
    "project.references": "References",
    "project.help.references": "One a line: kind: identifier; title. Kinds are paper, data-management-plan, "
    "ethics-approval, agreement, lab-notebook, software, dataset and protocol.",
    "project.fault.line": "Line {line} of the field {field} cannot be used: {why}",
}
