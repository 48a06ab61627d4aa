//! The table of `docs/endpoints.md`, made from the table of the code.
#![allow(clippy::expect_used, reason = "a test that cannot begin has failed")]

use std::{fmt::Write as _, fs, path::Path};

use tollgate_llm::{serves, translate};
use tollgate_types::{ApiSchema, Endpoint, ModelPlace};

const BEGIN: &str = "<!-- endpoints -->\n";
const END: &str = "<!-- end of endpoints -->";

#[test]
fn the_page_lists_every_endpoint_and_who_serves_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/endpoints.md");
    let mut page = fs::read_to_string(&path).expect("the page is part of the repository");
    let start = page.find(BEGIN).expect("the page has a place for the table") + BEGIN.len();
    let stop = start + page[start..].find(END).expect("the table has an end");
    page.replace_range(start..stop, &table());
    expect_test::expect_file![path].assert_eq(&page);
}

fn table() -> String {
    let mut out =
        String::from("| call | operation | model | passed to | translated for |\n|---|---|---|---|---|\n");
    for endpoint in Endpoint::ALL {
        let prefix = endpoint.dialect().default_prefix().trim_end_matches('/');
        let place = match endpoint.model() {
            ModelPlace::Body => "body",
            ModelPlace::Form => "form",
            ModelPlace::Path => "path",
            ModelPlace::Query => "query",
            ModelPlace::Nowhere => "",
        };
        let passed = match endpoint.is_local() {
            true => "(answered here)".to_owned(),
            false => names(|schema| serves(endpoint, schema)),
        };
        let translated = names(|schema| !serves(endpoint, schema) && translate::supports(endpoint, schema));
        let (methods, operation) = (endpoint.methods(), endpoint.operation());
        let _ = writeln!(
            out,
            "| {methods} `{prefix}{endpoint}` | {operation} | {place} | {passed} | {translated} |"
        );
    }
    out
}

fn names(wanted: impl Fn(ApiSchema) -> bool) -> String {
    let names: Vec<_> =
        ApiSchema::ALL.into_iter().filter(|schema| wanted(*schema)).map(ApiSchema::as_str).collect();
    names.join(", ")
}
