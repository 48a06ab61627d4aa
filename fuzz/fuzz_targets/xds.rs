//! Resources of Envoy: whatever Envoy Gateway may send, hooks answer; and what is not ours comes back byte for byte.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tollgate_envoy::extension::{
    Made, Message, Plan, Settings, Translation, post_cluster, post_endpoints, post_route, post_translate,
};
use tollgate_resources::{Source, load};

const ROUTE: &str = "
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: r, namespace: n}
spec:
  parentRefs: [{name: g}]
  rules: [{streamIdleTimeout: 7s, backendRefs: [{name: a}, {name: b, priority: 1}]}]
";

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let set = load(&[Source { name: "-", text: ROUTE }], &|_| None).set;
    let key = (Arc::from("n"), Arc::from("r"));
    Plan::new(&set, [Made { http_route: key.clone(), rule: 0, source: key, source_rule: 0, refs: vec![0, 1], attempts: None }])
});

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(message) = Message::parse(bytes.clone()) {
        assert_eq!(message.encode(), bytes, "what nobody touches stays");
    }
    let settings = Settings::default();
    let _ = post_route(&bytes, [&bytes]);
    let _ = post_cluster(&PLAN, &bytes, [&bytes]);
    let _ = post_endpoints(&PLAN, &bytes);
    let all = Translation {
        clusters: vec![bytes.clone()],
        secrets: vec![bytes.clone()],
        listeners: vec![bytes.clone()],
        routes: vec![bytes.clone()],
    };
    // With nothing planned only what carries our mark is touched.
    if let Ok((made, _)) = post_translate(&Plan::default(), &settings, all.clone())
        && made.clusters.len() == 1
    {
        assert_eq!(made.secrets, all.secrets);
        assert_eq!(made.clusters, all.clusters);
    }
    let Ok((once, _)) = post_translate(&PLAN, &settings, all.clone()) else { return };
    assert_eq!(once.secrets, all.secrets);
    let (again, _) = post_translate(&PLAN, &settings, once.clone()).expect("our own resources");
    assert_eq!(again, once, "a second time changes nothing");
});
