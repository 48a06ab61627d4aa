use std::{fmt::Write as _, sync::atomic::Ordering::Relaxed};

use crate::{route, state::State};

/// Blocks of 16 tokens that the pretended key-value cache holds.
const BLOCKS: u64 = 8192;

/// vLLM's Prometheus metrics, moving with the load.
pub(crate) fn text(state: &State) -> String {
    let (running, waiting) = route::load(state);
    let capacity = u64::from(state.options.capacity).max(1);
    // Figures far below 2^52: exact.
    #[expect(clippy::cast_precision_loss, reason = "a capacity and its share are small")]
    let usage = running as f64 / capacity as f64;
    let model = state.options.models.first().map_or("", String::as_str);
    let gauges = [
        ("vllm:num_requests_running", running as f64),
        ("vllm:num_requests_waiting", waiting as f64),
        ("vllm:kv_cache_usage_perc", usage),
        ("vllm:gpu_cache_usage_perc", usage),
    ];
    let counters = [
        ("vllm:prompt_tokens_total", state.prompt_tokens.load(Relaxed)),
        ("vllm:generation_tokens_total", state.output_tokens.load(Relaxed)),
        ("vllm:request_success_total", state.requests.load(Relaxed)),
    ];
    let mut out = String::new();
    for (name, value) in gauges {
        let _ = writeln!(out, "# TYPE {name} gauge\n{name}{{engine=\"0\",model_name=\"{model}\"}} {value}");
    }
    for (name, value) in counters {
        let _ = writeln!(out, "# TYPE {name} counter\n{name}{{engine=\"0\",model_name=\"{model}\"}} {value}");
    }
    let _ = writeln!(
        out,
        "# TYPE vllm:cache_config_info gauge\n\
         vllm:cache_config_info{{block_size=\"16\",num_gpu_blocks=\"{BLOCKS}\"}} 1\n\
         # TYPE vllm:lora_requests_info gauge\n\
         vllm:lora_requests_info{{max_lora=\"4\",running_lora_adapters=\"\",waiting_lora_adapters=\"\"}} {}",
        state.now()
    );
    out
}
