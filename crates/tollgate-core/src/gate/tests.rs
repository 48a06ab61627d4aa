use std::time::Instant;

use http::{Method, Uri, Version};
use tollgate_snapshot::{
    AccessLogRule, Format, HostPattern, HostTable, Listener, LogScope, Port, PortProtocol, Snapshot,
};

use super::*;
use crate::{Live, RequestHead, receive};

fn live(access_log: Option<Arc<AccessLogSettings>>) -> Arc<Live> {
    let listener = Listener {
        id: "default/gw/http".into(),
        hostname: HostPattern::parse("shop.example"),
        tls: None,
        guard: Guard::Open,
        client: Arc::default(),
        access_log,
        hosts: HostTable::default(),
    };
    let listeners = vec![Arc::new(listener)];
    let port = Port { number: 80, protocol: PortProtocol::Http, client: Arc::default(), listeners };
    Arc::new(Live::new(Snapshot { ports: vec![port], ..Snapshot::default() }, None))
}

/// No listener claims its host, so it is refused; its record says everything all the same.
fn lost(access_log: Option<Arc<AccessLogSettings>>) -> Box<Record> {
    let head = RequestHead {
        method: Method::GET,
        uri: Uri::from_static("http://other.example/"),
        version: Version::HTTP_2,
        headers: HeaderMap::new(),
        port: 80,
        server_name: None,
        secure: false,
        certificate: None,
        peer: ([127, 0, 0, 1], 1).into(),
    };
    let now = Now { instant: Instant::now(), unix_ms: 0 };
    receive(live(access_log), head, now, [1; 4]).unwrap_err().record
}

#[test]
fn of_a_reply_only_those_headers_are_kept_that_the_log_shows() {
    let (shown, other) = (HeaderName::from_static("x-shown"), HeaderName::from_static("x-other"));
    let mut reply = HeaderMap::new();
    reply.insert(&shown, HeaderValue::from_static("1"));
    reply.insert(&other, HeaderValue::from_static("2"));
    let rule = AccessLogRule {
        scope: LogScope::All,
        filters: Vec::new(),
        format: Format::parse("%RESP(X-SHOWN)% %RESP(X-MISSING)%").unwrap(),
        files: Vec::new(),
        collectors: Vec::new(),
    };
    let mut record = lost(Some(Arc::new(AccessLogSettings::new(vec![rule]))));
    assert!(record.listener.is_none() && record.access_log().is_some());
    record.decorate(&mut reply);
    assert_eq!(record.reply_header(&shown).unwrap(), "1");
    assert!(record.reply_header(&other).is_none());
    let mut record = lost(None);
    record.decorate(&mut reply);
    assert!(record.reply_header(&shown).is_none());
}
