use crate::{answer::Usage, events::Events};

/// A correct reply, before delays, faults and framing.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    pub(crate) usage: Usage,
}

#[derive(Debug)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    Events(Box<Events>),
    /// A WebSocket, once its handshake is answered with this.
    Socket(String),
}

/// Whose error bodies and headers a path answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    OpenAi,
    Azure,
    Anthropic,
    Bedrock,
    Cohere,
    Google,
    KServe,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: Body::Whole(body.into()),
            usage: Usage::default(),
        }
    }

    /// The connection becomes a WebSocket.
    pub(crate) fn socket(accept: String) -> Self {
        Self { body: Body::Socket(accept), ..Self::json(101, Vec::new()) }
    }

    pub(crate) fn text(body: impl Into<Vec<u8>>) -> Self {
        Self { content_type: "text/plain; version=0.0.4; charset=utf-8", ..Self::json(200, body) }
    }

    pub(crate) fn events(events: Events, usage: Usage) -> Self {
        Self {
            content_type: "text/event-stream; charset=utf-8",
            body: Body::Events(Box::new(events)),
            usage,
            ..Self::json(200, Vec::new())
        }
    }

    pub(crate) fn with_usage(self, usage: Usage) -> Self {
        Self { usage, ..self }
    }
}
