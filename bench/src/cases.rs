use std::fmt::Write as _;

use tollgate_simulate::Behaviour;

/// What is asked and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Chat1K,
    Chat64K,
    Chat400K,
    /// Seven events in one write.
    StreamShort,
    /// 200 events in one write.
    StreamLong,
    /// 200 events a stream, 20 ms apart, stamped.
    StreamPaced,
    /// OpenAI chat answered by Anthropic messages.
    Claude,
    ClaudeStream,
    /// A reply of 300 KiB.
    Embeddings,
    /// A stream that hardly moves, to count memory by.
    StreamIdle,
}

/// Where a request goes, before a peer's own spelling of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Embeddings,
}

pub(crate) const MEASURED: [Case; 8] = [
    Case::Chat1K,
    Case::Chat64K,
    Case::Chat400K,
    Case::StreamShort,
    Case::StreamLong,
    Case::Claude,
    Case::ClaudeStream,
    Case::Embeddings,
];

// === impl Case ===

impl Case {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chat1K => "chat, 1 KiB prompt",
            Self::Chat64K => "chat, 64 KiB prompt",
            Self::Chat400K => "chat, 400 KiB prompt",
            Self::StreamShort => "stream, 7 events at once",
            Self::StreamLong => "stream, 200 events at once",
            Self::StreamPaced => "stream, 200 events at 20 ms",
            Self::Claude => "OpenAI to Anthropic, whole",
            Self::ClaudeStream => "OpenAI to Anthropic, 200 events at once",
            Self::Embeddings => "embeddings, 300 KiB reply",
            Self::StreamIdle => "stream, idle",
        }
    }

    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Chat1K => "chat-1k",
            Self::Chat64K => "chat-64k",
            Self::Chat400K => "chat-400k",
            Self::StreamShort => "stream-7",
            Self::StreamLong => "stream-200",
            Self::StreamPaced => "stream-paced",
            Self::Claude => "claude",
            Self::ClaudeStream => "claude-stream",
            Self::Embeddings => "embeddings",
            Self::StreamIdle => "stream-idle",
        }
    }

    pub(crate) const fn api(self) -> Api {
        match self {
            Self::Embeddings => Api::Embeddings,
            _ => Api::Chat,
        }
    }

    pub(crate) const fn model(self) -> &'static str {
        match self {
            Self::Claude | Self::ClaudeStream => "claude-sonnet-4-5",
            Self::Embeddings => "text-embedding-3-small",
            _ => "gpt-4o-mini",
        }
    }

    /// Whether a proxy that only forwards bytes cannot do it.
    pub(crate) const fn is_translated(self) -> bool {
        matches!(self, Self::Claude | Self::ClaudeStream)
    }

    /// Clients that keep a gateway busy; fewer for large bodies, which fill the sockets.
    pub(crate) const fn connections(self) -> usize {
        match self {
            Self::Chat400K | Self::Embeddings => 16,
            _ => 64,
        }
    }

    /// What the simulator does for it.
    pub(crate) fn behaviour(self) -> Behaviour {
        let tokens = |count| Behaviour { tokens: Some(count), ..Behaviour::default() };
        match self {
            Self::Chat1K | Self::Chat64K | Self::Chat400K | Self::Claude => tokens(16),
            Self::StreamShort => tokens(4),
            Self::StreamLong | Self::ClaudeStream => tokens(196),
            Self::StreamPaced => Behaviour { rate: Some(50.0), stamp: Some(true), ..tokens(196) },
            Self::StreamIdle => Behaviour { rate: Some(0.2), stamp: Some(true), ..tokens(100_000) },
            Self::Embeddings => Behaviour { dimensions: Some(1536), ..Behaviour::default() },
        }
    }

    /// The request's body, for a model as the peer calls it.
    pub(crate) fn body(self, model: &str) -> String {
        let stream = match self {
            Self::StreamShort
            | Self::StreamLong
            | Self::StreamPaced
            | Self::ClaudeStream
            | Self::StreamIdle => r#","stream":true,"stream_options":{"include_usage":true}"#,
            _ => "",
        };
        match self {
            Self::Embeddings => {
                let inputs: Vec<_> = (0..17).map(|index| format!("\"passage number {index}\"")).collect();
                let inputs = inputs.join(",");
                format!(r#"{{"model":"{model}","encoding_format":"float","input":[{inputs}]}}"#)
            }
            _ => format!(
                r#"{{"model":"{model}","messages":[{{"role":"system","content":"You are a helpful assistant."}},{{"role":"user","content":"{}"}}],"temperature":0.7,"max_tokens":200000{stream}}}"#,
                prompt(self.prompt_bytes())
            ),
        }
    }

    const fn prompt_bytes(self) -> usize {
        match self {
            Self::Chat64K => 64 << 10,
            Self::Chat400K => 400 << 10,
            _ => 800,
        }
    }
}

/// Prose of so many bytes with a line end now and then, as a JSON string's inside.
fn prompt(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 100);
    let mut line = 0;
    while text.len() < bytes {
        let _ = write!(
            text,
            "Line {line}: the heron counts silver fish below the old stone bridge and nobody asks why.\\n"
        );
        line += 1;
    }
    text
}
