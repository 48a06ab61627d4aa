use std::{fmt, sync::Arc};

/// Declares a shared, immutable string id: cheap to clone, compared by its text.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared text, for handing on without a copy.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// A model as a client or a provider names it, for example `gpt-4o-mini`.
    ModelId
}
id! {
    /// A backend, stable over edits: `<namespace>/<name>` of the `AIServiceBackend`, or
    /// `<namespace>/<kind>/<name>:<port>` of a plain Kubernetes backend. Never contains a rule index.
    BackendId
}
id! {
    /// A route resource: `<namespace>/<name>`.
    RouteId
}
id! {
    /// A rule of a route: `<namespace>/<name>/<rule name or index>`. For people; nothing is keyed by it.
    RuleId
}
id! {
    /// A Gateway listener: `<namespace>/<gateway>/<listener>`.
    ListenerId
}
