"""Checks the server's metrics with Prometheus's own parser.

    Tests/Peers/check_metrics.py .build/release/ServeParts
"""
import math
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

TYPES = {
    "slm_http_requests": "counter", "slm_http_request_seconds": "histogram", "slm_tokens_generated": "counter", "slm_prompt_tokens": "counter",
    "slm_guessed_tokens": "counter",
    "slm_embeddings": "counter", "slm_queue_length": "gauge", "slm_answers_running": "gauge", "slm_first_token_seconds": "histogram", "slm_answer_seconds": "histogram", "process_resident_memory_bytes": "gauge",
    "process_cpu_seconds": "counter", "process_open_fds": "gauge", "process_max_fds": "gauge", "process_start_time_seconds": "gauge", "slm_build_info": "gauge",
    "slm_slots": "gauge", "slm_check_ok": "gauge", "slm_servers": "gauge", "slm_sqlite_memory_bytes": "gauge", "slm_heap_bytes": "gauge",
    "slm_model_answers": "counter", "slm_model_tokens_generated": "counter", "slm_kv_cache_bytes": "gauge",
    "slm_kv_cache_reserved_bytes": "gauge", "slm_kv_cache_limit_bytes": "gauge",
}


def main():
    text = subprocess.run([sys.argv[1], "metrics"], check=True, capture_output=True, text=True).stdout
    families = list(text_string_to_metric_families(text))
    assert {family.name: family.type for family in families} == TYPES, [(family.name, family.type) for family in families]
    assert all(family.documentation for family in families)
    samples = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}
    assert len(samples) == sum(len(family.samples) for family in families), "expected each sample once"

    def value(name, **labels):
        return samples[name, tuple(sorted(labels.items()))]

    assert value("slm_http_requests_total", route="/api/health", method="GET", status="200") == 3
    assert value("slm_http_requests_total", route="/api/conversations/{id}", method="PATCH", status="404") == 1
    assert value("slm_http_requests_total", route="other", method="other", status="other") == 1
    assert value("slm_tokens_generated_total") == 12 and value("slm_prompt_tokens_total") == 345
    assert value("slm_slots") == 4 and value("slm_check_ok", check="model") == 1 and value("slm_check_ok", check="database") == 0
    assert value("slm_servers") == 1 and value("slm_sqlite_memory_bytes") == 345_678
    assert value("slm_kv_cache_bytes") == 4_096 and value("slm_kv_cache_reserved_bytes") == 12_288
    assert value("slm_kv_cache_limit_bytes") == 1 << 31
    assert value("slm_queue_length") == 3 and value("slm_answers_running") == 2
    assert value("slm_build_info", version='1.0 "quoted"\\\n') == 1
    assert value("slm_first_token_seconds_bucket", le="0.01") == 1 and value("slm_first_token_seconds_bucket", le="0.5") == 3
    assert abs(value("slm_first_token_seconds_sum") - 0.43) < 1e-12

    for name in [name for name, kind in TYPES.items() if kind == "histogram"]:
        series = {}
        for (sample, labels), count in samples.items():
            if sample == name + "_bucket":
                rest = tuple(pair for pair in labels if pair[0] != "le")
                series.setdefault(rest, []).append((float(dict(labels)["le"]), count))
        assert series, name
        for rest, buckets in series.items():
            counts = [count for _, count in sorted(buckets)]
            assert counts == sorted(counts) and math.isinf(max(buckets)[0]), (name, rest, buckets)
            assert counts[-1] == samples[name + "_count", rest], (name, rest)
    print(f"metrics: {len(samples)} samples of {len(families)} metrics, read by Prometheus's parser")


if __name__ == "__main__":
    main()
