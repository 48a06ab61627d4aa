use std::collections::BTreeMap;

use tollgate_types::{Secret, Severity};

use crate::{finding::Finding, kinds::SecretData, tree::Mark};

const FROM_ENV: &str = "substitution.aigw.run/env/";
const FROM_FILE: &str = "substitution.aigw.run/file/";

/// Makes one map of `data`, `stringData` and what annotations take from the environment, the latter winning.
pub(crate) fn complete(
    mut secret: SecretData,
    annotations: Option<&BTreeMap<String, String>>,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) -> SecretData {
    secret.data.append(&mut secret.string_data);
    for (annotation, source) in annotations.into_iter().flatten() {
        let mut warn = |code, message| {
            let field = format!("metadata.annotations[{annotation:?}]");
            findings.push(Finding {
                severity: Severity::Warning,
                code,
                message,
                help: None,
                at: None,
                field,
            });
        };
        if let Some(key) = annotation.strip_prefix(FROM_ENV) {
            match env(source) {
                Some(value) => drop(secret.data.insert(key.to_owned(), Secret::new(value))),
                None => warn(
                    "variable-not-set",
                    format!("the environment variable {source} is not set; `{key}` stays as it is written"),
                ),
            }
        } else if annotation.starts_with(FROM_FILE) {
            warn("not-served", format!("taking a secret from the file {source} is not served yet"));
        }
    }
    secret
}

/// A Secret as it lies in a repository: nothing decrypts it on its way here.
pub(crate) fn encrypted(at: Mark) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "encrypted-secret",
        message: "the Secret is encrypted by SOPS: its values are taken as they stand".to_owned(),
        help: Some("decrypt it first: `sops --decrypt FILE`".to_owned()),
        at: Some(at),
        field: "sops".to_owned(),
    }
}

/// Takes the value out of a message about a secret's data.
pub(crate) fn hide(finding: &mut Finding) {
    if !finding.field.starts_with("data") && !finding.field.starts_with("stringData") {
        return;
    }
    if let Some(shown) = finding.message.find(", found ") {
        finding.message.truncate(shown);
    }
    if finding.help.as_ref().is_some_and(|help| help.starts_with("quote it")) {
        finding.help = Some("quote it".to_owned());
    }
}
