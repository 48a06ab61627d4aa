//! Our CustomResourceDefinitions: the files in the repository, their form, and the corpus held against them.

use std::path::Path;

use expect_test::expect_file;
use tollgate_resources::crds;

#[test]
fn the_files_in_the_repository_are_those_that_the_types_give() {
    for (name, text) in crds() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds").join(name);
        expect_file![path].assert_eq(&text);
    }
}
