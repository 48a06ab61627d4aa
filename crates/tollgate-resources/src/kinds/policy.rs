use std::collections::BTreeMap;

use serde::Deserialize;

use super::common::{LabelRequirement, LabelSelector};

/// What a policy is attached to, whatever its kind. Each policy has these as fields of its `spec`.
#[derive(Clone, Copy, Debug)]
pub struct PolicyTargets<'a> {
    /// One object; deprecated in favour of the list.
    pub target_ref: Option<&'a PolicyTarget>,
    /// Objects by name.
    pub target_refs: &'a [PolicyTarget],
    /// Objects by label.
    pub target_selectors: &'a [TargetSelector],
    /// How it is merged onto the policy of the next wider level; unset: it replaces it.
    pub merge_type: Option<MergeType>,
}

/// An object of the policy's own namespace, or a section of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTarget {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// A listener of a Gateway, or a named rule of a route.
    pub section_name: Option<String>,
}

/// Objects by their labels; without any labels all of the kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetSelector {
    /// API group, `gateway.networking.k8s.io` unless given.
    #[serde(default = "gateway_group")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Where they are; the policy's own namespace unless given.
    #[serde(default)]
    pub namespaces: TargetNamespaces,
    /// Labels that have to have these values.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels, all of which have to hold.
    #[serde(default)]
    pub match_expressions: Vec<LabelRequirement>,
}

/// Where selected objects are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetNamespaces {
    /// Which namespaces.
    #[serde(default)]
    pub from: TargetNamespacesFrom,
    /// Labels of the namespaces, with `from: Selector`.
    pub selector: Option<LabelSelector>,
}

/// Which namespaces are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TargetNamespacesFrom {
    /// The policy's own.
    #[default]
    Same,
    /// Every one.
    All,
    /// By their labels.
    Selector,
}

/// How a policy is merged onto a wider one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum MergeType {
    /// Lists with keys are merged by key.
    StrategicMerge,
    /// RFC 7386: lists are replaced.
    #[serde(rename = "JSONMerge")]
    JsonMerge,
    /// Known to the API and refused by it.
    Replace,
}

fn gateway_group() -> String {
    "gateway.networking.k8s.io".to_owned()
}

// === impl TargetSelector ===

impl TargetSelector {
    /// True where it looks for objects in a namespace with these labels.
    #[must_use]
    pub fn covers(&self, own: &str, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        match self.namespaces.from {
            TargetNamespacesFrom::Same => own == namespace,
            TargetNamespacesFrom::All => true,
            TargetNamespacesFrom::Selector => {
                self.namespaces.selector.as_ref().is_some_and(|selector| selector.matches(labels))
            }
        }
    }

    /// True where it selects an object with these labels.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let Self { match_labels, match_expressions, .. } = self;
        let (match_labels, match_expressions) = (match_labels.clone(), match_expressions.clone());
        LabelSelector { match_labels, match_expressions }.matches(labels)
    }
}
