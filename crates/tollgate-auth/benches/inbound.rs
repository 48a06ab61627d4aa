//! What a caller's token costs: known (each request but the first) and new.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use support::*;
use tollgate_auth::{ClaimToHeader, Provider, TokenCache};

fn bench(criterion: &mut Criterion) {
    for alg in ["RS256", "ES256"] {
        let signer = Signer::new(alg, "key-1");
        let told = Provider {
            audiences: vec!["gateway".into()],
            claims_to_headers: ["sub", "org.tenant"]
                .map(|claim| ClaimToHeader {
                    header: format!("x-{}", claim.replace('.', "-")).parse().unwrap(),
                    claim: claim.into(),
                })
                .into(),
            ..provider(local(&[&signer]))
        };
        let access = by_token(vec![told]);
        let mut claims = good();
        claims["aud"] = "gateway".into();
        claims["org"] = serde_json::json!({"tenant": "t1", "groups": vec!["a group of people"; 10]});
        let asked = Asked::bearer(&signer.sign(&claims));
        let (caller, ring) = (asked.caller(), Ring::default());
        let mut cache = TokenCache::default();
        criterion.bench_function(&format!("known {alg} token"), |bencher| {
            bencher.iter(|| access.authenticate(&caller, &ring, &mut cache, NOW).unwrap());
        });
        criterion.bench_function(&format!("new {alg} token"), |bencher| {
            bencher.iter(|| access.authenticate(&caller, &ring, &mut TokenCache::new(0, 0), NOW).unwrap());
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
