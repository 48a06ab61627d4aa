use std::ops::Range;

use bytes::Bytes;
use tollgate_types::{Endpoint, ModelId, ModelPlace};
use tollgate_wire::{
    multipart::{Field, Malformed, Scanner, boundary},
    scan,
};

use crate::{BadRequest, BodyEdit, BodyMutation, Delivery, Inspected, Spots, Untranslatable};

/// The most that a field may have that decides where a form goes, in bytes.
const VALUE: usize = 1024;

/// So much of a file is looked at, in bytes, to find out which model its first line asks for.
const LINE: usize = 64 * 1024;

/// A `multipart/form-data` body, read while it passes.
///
/// It is read to its end, also behind the model: a second one there would ask for something else than what was
/// routed, admitted and paid for.
#[derive(Debug)]
pub struct Form {
    endpoint: Endpoint,
    scanner: Scanner,
    place: Place,
    delivery: Option<Delivery>,
    /// The model that the first line of a batch asks for.
    batched: Option<ModelId>,
}

/// Where a form names its model, so that another one can be put there.
#[derive(Clone, Debug)]
pub struct Place {
    boundary: String,
    named: Option<Named>,
}

#[derive(Clone, Debug)]
struct Named {
    model: ModelId,
    /// Where it stands, in bytes from the start of the body.
    range: Range<u64>,
}

/// What a body is, by its endpoint and its `content-type`.
#[derive(Debug)]
pub enum Shape {
    /// A JSON object.
    Json,
    /// A form.
    Form(Box<Form>),
}

// === impl Shape ===

impl Shape {
    /// Tells by the head of a request what its body has to be.
    ///
    /// # Errors
    /// [`BadRequest`] where the endpoint takes no such body.
    pub fn of(endpoint: Endpoint, content_type: Option<&[u8]>) -> Result<Self, BadRequest> {
        let boundary = content_type.and_then(boundary).transpose().map_err(malformed)?;
        let takes_forms = endpoint.model() == ModelPlace::Form || endpoint == Endpoint::Files;
        match boundary {
            Some(_) if !takes_forms => Err(BadRequest::NoForm),
            Some(boundary) => Ok(Self::Form(Box::new(Form {
                endpoint,
                scanner: Scanner::new(&boundary, if endpoint == Endpoint::Files { LINE } else { VALUE }),
                place: Place { boundary, named: None },
                delivery: None,
                batched: None,
            }))),
            // Pictures may also be named by their URLs, in JSON.
            None if takes_forms && endpoint != Endpoint::ImageEdits => Err(BadRequest::NotAForm(endpoint)),
            None => Ok(Self::Json),
        }
    }
}

// === impl Form ===

impl Form {
    /// Reads the next piece, which may be cut anywhere.
    ///
    /// # Errors
    /// [`BadRequest`] where it is no form, or names two models.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), BadRequest> {
        let mut at = 0;
        while let Some(field) = self.scanner.next(piece, &mut at).map_err(malformed)? {
            self.take(&field)?;
        }
        if self.endpoint == Endpoint::Files
            && let Some(part) = self.scanner.current().filter(|part| part.is_file)
        {
            self.batched = self.batched.take().or_else(|| first_model(&part.value));
        }
        Ok(())
    }

    /// The model that an uploaded batch asks for, as far as its first line tells.
    #[must_use]
    pub const fn batched(&self) -> Option<&ModelId> {
        self.batched.as_ref()
    }

    /// What routing needs to know, once the model has been read.
    #[must_use]
    pub fn inspected(&self) -> Option<Inspected> {
        let Named { model, range: _ } = self.place.named.as_ref()?;
        Some(self.asking_for(model.clone()))
    }

    /// The same at the end of the body.
    ///
    /// # Errors
    /// [`BadRequest`] where the form is not complete, or names no model and has to.
    pub fn finish(&self) -> Result<Inspected, BadRequest> {
        if !self.scanner.is_complete() {
            return Err(malformed(Malformed("it ends before its last boundary")));
        }
        match &self.place.named {
            Some(named) => Ok(self.asking_for(named.model.clone())),
            None => {
                let model = crate::inspect::default_model(self.endpoint).ok_or(BadRequest::NoModel)?;
                Ok(self.asking_for(model.into()))
            }
        }
    }

    /// Where the model is named, as far as the form has been read.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    fn asking_for(&self, model: ModelId) -> Inspected {
        Inspected {
            model,
            delivery: self.delivery.unwrap_or(Delivery::Whole),
            wants_usage: false,
            completion_bound: None,
            spots: Spots::default(),
        }
    }

    fn take(&mut self, field: &Field) -> Result<(), BadRequest> {
        if self.endpoint == Endpoint::Files {
            if field.is_file {
                self.batched = self.batched.take().or_else(|| first_model(&field.value));
            }
            return Ok(());
        }
        match &*field.name {
            "model" => {
                let name = field.whole().filter(|name| !name.is_empty() && !field.is_file);
                let name = name.and_then(|name| std::str::from_utf8(name).ok());
                let model = ModelId::from(name.ok_or(BadRequest::ModelNotAString)?);
                match self.place.named.replace(Named { model, range: field.range.clone() }) {
                    None => Ok(()),
                    Some(_) => Err(BadRequest::Twice("model")),
                }
            }
            "stream" => {
                let streamed = field.whole().is_some_and(|value| value.eq_ignore_ascii_case(b"true"));
                let delivery = match self.endpoint {
                    Endpoint::Translations | Endpoint::ImageVariations => Delivery::Whole,
                    _ if streamed => Delivery::Streamed,
                    _ => Delivery::Whole,
                };
                match self.delivery.replace(delivery) {
                    None => Ok(()),
                    Some(_) => Err(BadRequest::Twice("stream")),
                }
            }
            _ => Ok(()),
        }
    }
}

// === impl Place ===

impl Place {
    /// The pieces that were read, with this model in them. `None` where that cannot be done: its name would end the
    /// field, or the form names none and does not begin with a part.
    #[must_use]
    pub fn renamed(&self, pieces: &[Bytes], model: &ModelId) -> Option<Vec<Bytes>> {
        let own = self.named.as_ref().map(|named| &named.model);
        if own == Some(model) {
            return Some(pieces.to_vec());
        }
        if model.as_str().contains(['\r', '\n']) {
            return None;
        }
        let Some(Named { range, .. }) = &self.named else { return self.with_model(pieces, model) };
        let mut out = Vec::with_capacity(pieces.len() + 2);
        let (mut at, mut written) = (0_u64, false);
        for piece in pieces {
            let end = at + piece.len() as u64;
            let local = |place: u64| usize::try_from(place.clamp(at, end) - at).unwrap_or(piece.len());
            let (before, after) = (piece.slice(..local(range.start)), piece.slice(local(range.end)..));
            out.extend(Some(before).filter(|part| !part.is_empty()));
            if !written && range.start <= end {
                written = true;
                out.push(Bytes::copy_from_slice(model.as_str().as_bytes()));
            }
            out.extend(Some(after).filter(|part| !part.is_empty()));
            at = end;
        }
        written.then_some(out)
    }

    /// What keeps its parts apart.
    #[must_use]
    pub fn boundary(&self) -> &str {
        &self.boundary
    }

    /// The form with a part of its own before all others.
    fn with_model(&self, pieces: &[Bytes], model: &ModelId) -> Option<Vec<Bytes>> {
        pieces.first().filter(|first| first.starts_with(b"--"))?;
        let boundary = &self.boundary;
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n");
        Some([&[Bytes::from(part)], pieces].concat())
    }
}

/// A whole form with the fields of it that a mutation changes: removals first, then sets, as in JSON. Fields are named as
/// they are, dots included; a text is set without its quotes, anything else as its JSON.
///
/// # Errors
/// [`Untranslatable::Field`] for a value that would end its field, [`Untranslatable::Shape`] where this is no whole form.
pub fn edited(body: &[u8], boundary: &str, mutation: &BodyMutation) -> Result<Vec<u8>, Untranslatable> {
    let shape = |Malformed(reason)| Untranslatable::Shape(reason.to_owned());
    let (mut scanner, mut at) = (Scanner::new(boundary, 0), 0);
    let (mut parts, mut end) = (Vec::new(), 0);
    while let Some(field) = scanner.next(body, &mut at).map_err(shape)? {
        let local = |place: u64| usize::try_from(place).unwrap_or(body.len()).min(body.len());
        let value = local(field.range.start)..local(field.range.end);
        // From the part's own delimiter up to the next one.
        let begin = find(body, end, boundary).ok_or_else(|| shape(Malformed("a part has no boundary")))?;
        end = value.end;
        parts.push((field.name, begin, value));
    }
    if !scanner.is_complete() {
        return Err(shape(Malformed("it ends before its last boundary")));
    }
    let first = parts.first().map_or(0, |(_, begin, _)| *begin);
    let mut out = Vec::with_capacity(body.len() + 256);
    out.extend_from_slice(body.get(..first).unwrap_or_default());
    for BodyEdit { path, value } in &mutation.set {
        field(path, value, boundary, &mut out)?;
    }
    let mut rest = first;
    for (name, begin, value) in &parts {
        if !mutation.remove.contains(name) && !mutation.set.iter().any(|edit| edit.path == *name) {
            continue;
        }
        out.extend_from_slice(body.get(rest..*begin).unwrap_or_default());
        // The line end behind the value belongs to the next delimiter, which begins a line already.
        rest = (value.end + 2).min(body.len());
    }
    out.extend_from_slice(body.get(rest..).unwrap_or_default());
    Ok(out)
}

/// Where the next delimiter begins, its line end aside: at the start of a line.
fn find(body: &[u8], from: usize, boundary: &str) -> Option<usize> {
    let delimiter = ["--", boundary].concat();
    let mut places = memchr::memmem::find_iter(body.get(from..)?, delimiter.as_bytes()).map(|at| from + at);
    places.find(|at| *at == 0 || body.get(..*at).is_some_and(|before| before.ends_with(b"\r\n")))
}

/// A part of its own.
fn field(name: &str, json: &str, boundary: &str, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let refused = |reason: &str| Untranslatable::Field { field: name.to_owned(), reason: reason.to_owned() };
    if name.contains(['"', '\r', '\n']) {
        return Err(refused("cannot be the name of a form's field"));
    }
    let text = tollgate_wire::text::unquote(json.trim().as_bytes());
    let value = text.as_deref().unwrap_or(json.trim());
    if value.contains(boundary) {
        return Err(refused("has the boundary of the client's form in its value"));
    }
    let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// `body.model` of the first line of a batch; nothing where this is no batch, or its first line is too long.
fn first_model(text: &[u8]) -> Option<ModelId> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    let request = scan::document(line).ok()?;
    let model = request.get("body")?.get("model")?.text()?;
    (!model.is_empty()).then(|| ModelId::from(&*model))
}

fn malformed(Malformed(reason): Malformed) -> BadRequest {
    BadRequest::BadForm(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &[u8] = b"multipart/form-data; boundary=X";

    fn form(fields: &[(&str, &str)]) -> Bytes {
        let part = |(name, value): &(&str, &str)| {
            let file = if *name == "file" { "; filename=\"a.wav\"" } else { "" };
            format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
        };
        let parts: String = fields.iter().map(part).collect();
        Bytes::from(parts + "--X--\r\n")
    }

    fn begun(endpoint: Endpoint) -> Form {
        match Shape::of(endpoint, Some(TYPE)) {
            Ok(Shape::Form(form)) => *form,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_form_is_known_as_soon_as_its_model_is() {
        let body = form(&[("file", "RIFF"), ("model", "whisper-1"), ("stream", "True")]);
        let mut read = begun(Endpoint::Transcriptions);
        let cut = body.len() - 60;
        read.push(&body[..cut]).unwrap();
        assert_eq!(read.inspected().unwrap().model, ModelId::from("whisper-1"));
        assert_eq!(read.inspected().unwrap().delivery, Delivery::Whole);
        assert!(read.finish().is_err());
        read.push(&body[cut..]).unwrap();
        assert_eq!(read.finish().unwrap().delivery, Delivery::Streamed);
    }

    #[test]
    fn the_model_is_replaced_wherever_pieces_are_cut() {
        let body = form(&[("model", "whisper-1"), ("file", "RIFF")]);
        let wanted = form(&[("model", "local/large"), ("file", "RIFF")]);
        for at in 0..=body.len() {
            let pieces = [body.slice(..at), body.slice(at..)];
            let mut read = begun(Endpoint::Transcriptions);
            for piece in &pieces {
                read.push(piece).unwrap();
            }
            let renamed = read.place().renamed(&pieces, &ModelId::from("local/large")).unwrap();
            assert_eq!(renamed.concat(), wanted, "cut at {at}");
            assert_eq!(read.place().renamed(&pieces, &ModelId::from("whisper-1")).unwrap().concat(), body);
            assert_eq!(read.place().renamed(&pieces, &ModelId::from("a\r\n--X")), None);
        }
    }

    #[test]
    fn fields_are_removed_and_set_and_files_stay_as_they_are() {
        let body = form(&[
            ("prompt", "a"),
            ("file", "a --X in a file"),
            ("temperature", "1"),
            ("tags", "x"),
            ("tags", "y"),
        ]);
        let set = |path: &str, value: &str| BodyEdit { path: path.to_owned(), value: value.to_owned() };
        let mutation = BodyMutation {
            set: vec![set("temperature", "0.5"), set("language", r#""d\u0065""#), set("tags", "[1]")],
            remove: vec!["prompt".to_owned(), "missing".to_owned()],
        };
        let wanted =
            form(&[("temperature", "0.5"), ("language", "de"), ("tags", "[1]"), ("file", "a --X in a file")]);
        assert_eq!(edited(&body, "X", &mutation).unwrap(), wanted);
        assert_eq!(edited(&body, "X", &BodyMutation::default()).unwrap(), body);
        let all = BodyMutation {
            set: Vec::new(),
            remove: ["prompt", "file", "temperature", "tags"].map(String::from).into(),
        };
        assert_eq!(edited(&body, "X", &all).unwrap(), b"--X--\r\n");
        for wrong in [set("a", r#""--X""#), set("a\"b", "1")] {
            let mutation = BodyMutation { set: vec![wrong], remove: Vec::new() };
            assert!(edited(&body, "X", &mutation).is_err());
        }
        assert!(edited(&body[..20], "X", &BodyMutation::default()).is_err());
        let spoken = [b"a --X\r\n", &body[..]].concat();
        let wanted = [b"a --X\r\n", &wanted[..]].concat();
        assert_eq!(edited(&spoken, "X", &mutation).unwrap(), wanted);
    }

    #[test]
    fn a_second_model_is_refused_however_late_it_comes() {
        let mut read = begun(Endpoint::ImageEdits);
        let body = form(&[("model", "a"), ("file", "x"), ("model", "b")]);
        assert_eq!(read.push(&body), Err(BadRequest::Twice("model")));
        for wrong in [form(&[("model", "")]), form(&[("model", &"x".repeat(VALUE + 1))])] {
            assert_eq!(begun(Endpoint::ImageEdits).push(&wrong), Err(BadRequest::ModelNotAString));
        }
    }

    #[test]
    fn bodies_have_the_shape_that_their_endpoint_takes() {
        let shape = |endpoint, kind: Option<&'static str>| Shape::of(endpoint, kind.map(str::as_bytes));
        let multipart = Some("multipart/form-data; boundary=X");
        assert!(matches!(shape(Endpoint::ChatCompletions, None), Ok(Shape::Json)));
        assert!(matches!(shape(Endpoint::ImageEdits, Some("application/json")), Ok(Shape::Json)));
        assert!(matches!(shape(Endpoint::ImageEdits, multipart), Ok(Shape::Form(_))));
        let refused = |endpoint, kind| shape(endpoint, kind).unwrap_err().to_string();
        assert_eq!(
            refused(Endpoint::ChatCompletions, multipart),
            "malformed request: multipart body not supported for this endpoint"
        );
        assert_eq!(
            refused(Endpoint::Transcriptions, Some("application/json")),
            "malformed request: expected multipart/form-data content type for /v1/audio/transcriptions"
        );
        assert!(refused(Endpoint::Transcriptions, Some("multipart/form-data")).contains("no boundary"));
    }

    #[test]
    fn a_batch_tells_its_model_in_its_first_line() {
        let line =
            r#"{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o"}}"#;
        for (file, model) in [
            (format!("{line}\n{line}\n"), Some("gpt-4o")),
            (line.to_owned(), Some("gpt-4o")),
            (format!("{line},\n"), None),
            ("%PDF-1.7".to_owned(), None),
        ] {
            let mut read = begun(Endpoint::Files);
            read.push(&form(&[("purpose", "batch"), ("file", &file)])).unwrap();
            assert_eq!(read.batched().map(ModelId::as_str), model, "{file}");
        }
    }

    #[test]
    fn variations_may_leave_the_model_to_openai() {
        let mut read = begun(Endpoint::ImageVariations);
        read.push(&form(&[("image", "x")])).unwrap();
        assert_eq!(read.finish().unwrap().model, ModelId::from("dall-e-2"));
        let renamed = read.place().renamed(&[form(&[("image", "x")])], &ModelId::from("flux")).unwrap();
        assert_eq!(renamed.concat(), form(&[("model", "flux"), ("image", "x")]));
        let mut read = begun(Endpoint::Transcriptions);
        read.push(&form(&[("file", "x")])).unwrap();
        assert_eq!(read.finish(), Err(BadRequest::NoModel));
    }
}
