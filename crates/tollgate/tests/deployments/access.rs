//! Who gets in: security/*.yaml.
use rcgen::PKCS_RSA_SHA256;
use tollgate_simulate::{Grant, Issuer};

use crate::{
    gateway::Ask,
    tenants::{AI, Changes, HOST, PYTORCH, SKLEARN, Tenants, asked, chat, now, predict},
};

#[test]
fn a_tenants_token_opens_its_own_model_and_no_other() {
    let all = Tenants::start();
    let (a, b, c) = (all.token("tenant-a"), all.token("tenant-b"), all.token("tenant-c"));
    for (token, sklearn, pytorch) in [(&a, 200, 403), (&b, 403, 403), (&c, 403, 200)] {
        let answer = all.predict(SKLEARN, token);
        assert_eq!(answer.status, sklearn, "{answer:?}");
        assert_eq!(all.predict(PYTORCH, token).status, pytorch);
        assert_eq!(all.chat("sklearn-iris", token).status, sklearn);
        assert_eq!(all.chat("pytorch-resnet", token).status, pytorch);
    }
    assert_eq!(asked(&all.sklearn, SKLEARN).len(), 1);
    assert_eq!(asked(&all.pytorch, PYTORCH).len(), 1);
    assert!(asked(&all.mesh, "/v1/chat/completions").is_empty(), "a refused call went to the mesh");
}

#[test]
fn without_a_token_nothing_answers_on_any_path() {
    let all = Tenants::start();
    let paths =
        ["/", "/v1/models", "/v1/models/sklearn-iris", "/v1/models/sklearn-iris/x", "/anything", SKLEARN];
    let mut asks: Vec<_> =
        [AI, HOST].into_iter().flat_map(|host| paths.map(|path| Ask::get(host, path))).collect();
    asks.extend([predict(SKLEARN), chat("sklearn-iris"), chat("no-such-model")]);
    for ask in asks {
        let answer = all.ask(&ask);
        assert_eq!(answer.status, 401, "{ask:?}: {answer:?}");
        assert!(
            answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")),
            "{answer:?}"
        );
    }
}

#[test]
fn a_token_that_is_not_good_is_refused() {
    let all = Tenants::start();
    let good = Grant::default();
    let expired = all.grant(&Grant { expires_in: -120, ..good.clone() });
    let pem = rcgen::KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem();
    let stranger = Issuer::new("inference-in-a-box", &[], Some(&pem)).unwrap().token(&good, now()).unwrap();
    let whole = all.token("tenant-a");
    let (unsigned, _) = whole.rsplit_once('.').unwrap();
    for bad in [&*expired, &*stranger, unsigned, &format!("{unsigned}."), "anything", "a.b.c"] {
        let answer = all.predict(SKLEARN, bad);
        assert_eq!(answer.status, 401, "{bad}: {answer:?}");
        assert!(!answer.body.contains(bad), "{answer:?}");
    }
    assert!(asked(&all.sklearn, SKLEARN).is_empty());
}

#[test]
fn a_tenant_that_is_not_one_of_the_three_gets_nothing() {
    let all = Tenants::start();
    for tenant in ["tenant-d", "", "TENANT-A", "tenant-a,tenant-c"] {
        let token = all.token(tenant);
        for ask in [predict(SKLEARN), chat("sklearn-iris"), Ask::get(HOST, "/"), Ask::get(AI, "/v1/models")] {
            assert_eq!(all.ask(&ask.clone().bearer(&token)).status, 403, "{tenant:?} {ask:?}");
        }
    }
}

#[test]
fn what_a_client_says_of_itself_is_not_believed() {
    let all = Tenants::start();
    let token = all.token("tenant-c");
    for name in ["x-tenant", "X-Tenant"] {
        let answer = all.ask(&chat("sklearn-iris").with(name, "tenant-a").bearer(&token));
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    let ask = predict(PYTORCH).with("x-tenant", "tenant-a").with("x-jwt-sub", "root").with("x-gateway", "me");
    assert_eq!(all.ask(&ask.bearer(&token)).status, 200);
    let seen = asked(&all.pytorch, PYTORCH).pop().unwrap();
    for (name, value) in
        [("x-tenant", "tenant-c"), ("x-jwt-sub", "user@tenant-c"), ("x-gateway", "ai-gateway")]
    {
        let values: Vec<_> = seen.headers.iter().filter(|(have, _)| have == name).collect();
        assert_eq!(values.len(), 1, "{seen:?}");
        assert_eq!(values[0].1, value);
    }
}

#[test]
fn a_model_named_in_a_header_does_not_choose_the_policy() {
    let all = Tenants::start();
    let ask = chat("sklearn-iris").with("x-ai-eg-model", "pytorch-resnet").bearer(&all.token("tenant-c"));
    assert_eq!(all.ask(&ask).status, 403);
}

#[test]
fn the_external_service_has_a_say_where_the_openai_api_is_asked() {
    let all = Tenants::with(&Changes { known: &["tenant-c"], ..Changes::default() });
    let (a, c) = (all.token("tenant-a"), all.token("tenant-c"));
    let refused = all.chat("sklearn-iris", &a);
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body.contains("access_denied"), "{refused:?}");
    assert_eq!(all.chat("pytorch-resnet", &c).status, 200);
    assert_eq!(all.predict(SKLEARN, &a).status, 200);
}

#[test]
fn keys_change_without_a_failed_request() {
    let all = Tenants::start();
    let old = all.token("tenant-a");
    assert_eq!(all.predict(SKLEARN, &old).status, 200);
    for _ in 0..3 {
        all.rotate(1);
        let new = all.token("tenant-a");
        for token in [&new, &old, &new] {
            let answer = all.predict(SKLEARN, token);
            assert!(answer.status == 200 || token == &old, "{answer:?}");
        }
    }
}

#[test]
fn the_models_see_the_gateways_key_and_not_the_clients_token() {
    let all = Tenants::start();
    let answer = all.chat("sklearn-iris", &all.token("tenant-a"));
    assert_eq!((answer.status, answer.header("x-simulator-key")), (200, Some("-key")), "{answer:?}");
}

#[test]
fn a_service_of_another_namespace_needs_a_grant() {
    let service = "
---
apiVersion: v1
kind: Service
metadata: {name: sklearn-iris-predictor-default, namespace: tenant-a}
spec: {ports: [{port: 80}]}
";
    let named = "        - name: sklearn-iris-predictor-default
          namespace: tenant-a
          port: 80";
    let reference = "        - group: gateway.envoyproxy.io
          kind: Backend
          name: sklearn-iris-backend";
    let routes = |text: String| text.replace(reference, named) + service;
    let all = Tenants::with(&Changes {
        file: &|file, text| Some(if file == "routing/httproute.yaml" { routes(text) } else { text }),
        ..Changes::default()
    });
    assert_eq!(all.predict(SKLEARN, &all.token("tenant-a")).status, 200);
    let all = Tenants::with(&Changes {
        file: &|file, text| match file {
            "routing/httproute.yaml" => Some(routes(text)),
            "security/reference-grants.yaml" => {
                Some(text.replace("namespace: tenant-a", "namespace: elsewhere"))
            }
            _ => Some(text),
        },
        ..Changes::default()
    });
    assert_eq!(all.predict(SKLEARN, &all.token("tenant-a")).status, 500);
    assert_eq!(all.predict(PYTORCH, &all.token("tenant-c")).status, 200);
}
