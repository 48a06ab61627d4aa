//! An endpoint out of sixteen, with its lease given back: at most 200 ns.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use tollgate_balance::{Algorithm, Ask, Balancing, Cluster, Limits, Outlier};

const NOW: u64 = 1_700_000_000_000;

fn pick(c: &mut Criterion) {
    let names: Vec<String> = (0..16).map(|n| format!("10.0.0.{n}:8080")).collect();
    let mut group = c.benchmark_group("pick of 16");
    for (name, algorithm) in [
        ("round robin", Algorithm::RoundRobin),
        ("least request", Algorithm::LeastRequest),
        ("random", Algorithm::Random),
        ("maglev", Algorithm::Maglev { table_size: 65_537 }),
    ] {
        let limits = Limits { requests: Some(1024), ..Limits::default() };
        let full = Balancing { limits, outlier: Some(Outlier::default()), ..Balancing::default() };
        for (policy, kind) in [(Balancing::default(), "plain"), (full, "counted and watched")] {
            let cluster = Arc::new(Cluster::new(Balancing { algorithm, ..policy }, &names, None));
            let mut random = 1_u64;
            group.bench_function(format!("{name}, {kind}"), |bencher| {
                bencher.iter(|| {
                    random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    let ask = Ask { now: NOW, random, hash: Some(random), ..Ask::default() };
                    black_box(cluster.pick(&ask).is_ok())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, pick);
criterion_main!(benches);
