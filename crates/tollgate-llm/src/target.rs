use tollgate_types::ApiSchema;

/// How to speak to one backend: `AIServiceBackend.spec.schema`, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The API it speaks.
    pub schema: ApiSchema,
    /// OpenAI and Anthropic: the path before the operation, without slashes at its ends; `v1` unless configured.
    pub prefix: String,
    /// AzureOpenAI: `api-version`; the cloud schemas: their API version. `None` where none is configured.
    pub version: Option<String>,
}

/// One change to a JSON body's top level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyEdit {
    /// The field; dots reach into objects.
    pub path: String,
    /// JSON text to insert as it is.
    pub value: String,
}

/// Changes to the body that goes to the provider: removals first, then sets (`bodyMutation`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyMutation {
    /// Fields to insert or replace.
    pub set: Vec<BodyEdit>,
    /// Fields to remove.
    pub remove: Vec<String>,
}

// === impl BodyMutation ===

impl BodyMutation {
    /// True where there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}
