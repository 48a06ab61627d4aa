use crate::{
    bedrock::frames::Framing,
    text::{Text, escape},
};

/// The events of a streamed reply, made as they are sent: ten thousand open streams hold little memory.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Leave together with the first token.
    pub(crate) lead: Vec<Vec<u8>>,
    pub(crate) tokens: Option<Tokens>,
    /// Leave together with the last token.
    pub(crate) tail: Vec<Vec<u8>>,
    /// All of the above are server-sent events; this is what becomes of them on the wire.
    pub(crate) framing: Framing,
}

/// One event for each token of a text.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) text: Text,
    /// Up to the token.
    pub(crate) before: Vec<u8>,
    /// Behind the token.
    pub(crate) after: Vec<u8>,
    /// When the events are numbered: the first one's number, written behind `after`, and what follows it.
    pub(crate) number: Option<(u64, &'static [u8])>,
}

// === impl Events ===

impl Events {
    pub(crate) fn len(&self) -> usize {
        self.lead.len() + self.token_count() + self.tail.len()
    }

    /// Whether the pace of the model lies between this event and the one before.
    pub(crate) fn is_paced(&self, index: usize) -> bool {
        index > self.lead.len() && index < self.lead.len() + self.token_count()
    }

    /// Appends the bytes of event `index`.
    pub(crate) fn write(&self, index: usize, out: &mut Vec<u8>) {
        if let Some(event) = self.lead.get(index) {
            return out.extend_from_slice(event);
        }
        let index = index - self.lead.len();
        match &self.tokens {
            Some(tokens) if index < tokens.text.len() as usize => tokens.write(index, out),
            _ => out
                .extend_from_slice(self.tail.get(index - self.token_count()).map_or(&[][..], Vec::as_slice)),
        }
    }

    fn token_count(&self) -> usize {
        self.tokens.as_ref().map_or(0, |tokens| tokens.text.len() as usize)
    }
}

// === impl Tokens ===

impl Tokens {
    fn write(&self, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before);
        escape(self.text.piece(u32::try_from(index).unwrap_or(u32::MAX)), out);
        out.extend_from_slice(&self.after);
        if let Some((first, end)) = self.number {
            out.extend_from_slice(itoa::Buffer::new().format(first + index as u64).as_bytes());
            out.extend_from_slice(end);
        }
    }
}
