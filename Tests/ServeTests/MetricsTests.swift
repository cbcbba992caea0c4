import Glibc
import Infer
import Serve
import TestSupport
import Testing

/// `Tests/Peers/check_metrics.py` checks the text format with Prometheus's parser.
@Suite struct MetricsTests {
    private func metrics(routes: [String] = ["/api/health", "/api/chat"]) -> Metrics {
        Metrics(
            routes: routes, version: "1", slots: 4, load: { .init(running: 2, waiting: 3) },
            checks: { [("model", true), ("database", false)] })
    }

    private func line(_ start: String, of metrics: Metrics) -> Substring? {
        metrics.text.split(separator: "\n").first { $0.hasPrefix(start + " ") }?.dropFirst(start.count + 1)
    }

    @Test func `slots and health checks are written`() {
        #expect(line("slm_slots", of: metrics()) == "4" && line("slm_answers_running", of: metrics()) == "2")
        #expect(
            line(#"slm_check_ok{check="model"}"#, of: metrics()) == "1" && line(#"slm_check_ok{check="database"}"#, of: metrics()) == "0")
    }

    @Test func `the memory of KV caches is written, except of a model on another server`() {
        let local = Metrics(
            routes: [], version: "1", slots: 4, load: { .init(running: 2, waiting: 3) }, checks: { [] },
            kvMemory: { KVMemoryUse(used: 1, reserved: 2, limit: 3) })
        #expect(line("slm_kv_cache_bytes", of: local) == "1" && line("slm_kv_cache_reserved_bytes", of: local) == "2")
        #expect(line("slm_kv_cache_limit_bytes", of: local) == "3" && line("slm_kv_cache_bytes", of: metrics()) == nil)
    }

    @Test func `requests are counted by route, method and status`() {
        let metrics = metrics()
        for _ in 0..<3 { metrics.requests.count(route: 1, method: "POST", status: 200, seconds: 0.2) }
        metrics.requests.count(route: 1, method: "POST", status: 429, seconds: 0)
        metrics.requests.count(route: nil, method: "BREW", status: 418, seconds: 0)
        #expect(line(#"slm_http_requests_total{route="/api/chat",method="POST",status="200"}"#, of: metrics) == "3")
        #expect(line(#"slm_http_requests_total{route="/api/chat",method="POST",status="429"}"#, of: metrics) == "1")
        #expect(line(#"slm_http_requests_total{route="other",method="other",status="other"}"#, of: metrics) == "1")
        // Combinations that did not occur are not written.
        #expect(metrics.text.split(separator: "\n").count { $0.hasPrefix("slm_http_requests_total{") } == 3)
        #expect(
            line(#"slm_http_request_seconds_count{route="/api/chat"}"#, of: metrics) == "4"
                && !metrics.text.contains(#"{route="/api/health""#))
    }

    @Test func `routes that differ only in the method share one series of durations`() {
        let metrics = metrics(routes: ["/api/keys", "/api/keys"])
        metrics.requests.count(route: 0, method: "GET", status: 200, seconds: 0.1)
        metrics.requests.count(route: 1, method: "POST", status: 201, seconds: 0.1)
        let counts = metrics.text.split(separator: "\n").filter { $0.hasPrefix(#"slm_http_request_seconds_count{route="/api/keys"}"#) }
        #expect(counts == [#"slm_http_request_seconds_count{route="/api/keys"} 2"#])
    }

    @Test func `a bucket counts all values up to its bound`() {
        let metrics = metrics()
        // Infinity and NaN are ignored.
        for seconds in [0.001, 0.0010001, 0.5, 121, .infinity, .nan] { metrics.answerSeconds.observe(seconds) }
        #expect(
            line(#"slm_answer_seconds_bucket{le="0.0005"}"#, of: metrics) == "0"
                && line(#"slm_answer_seconds_bucket{le="0.001"}"#, of: metrics) == "1")
        #expect(
            line(#"slm_answer_seconds_bucket{le="0.0025"}"#, of: metrics) == "2"
                && line(#"slm_answer_seconds_bucket{le="120.0"}"#, of: metrics) == "3")
        #expect(line(#"slm_answer_seconds_bucket{le="+Inf"}"#, of: metrics) == "4" && line("slm_answer_seconds_count", of: metrics) == "4")
        #expect(line("slm_answer_seconds_sum", of: metrics) == "121.5020001")
    }

    @Test func `counts from many threads add up`() async {
        let metrics = metrics()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<5_000 {
                        metrics.tokensGenerated.add(2)
                        metrics.firstTokenSeconds.observe(0.25)
                        metrics.requests.count(route: 0, method: "GET", status: 200, seconds: 0.25)
                    }
                }
            }
            for _ in 0..<20 {
                let text = metrics.text.split(separator: "\n")
                let end = { (start: String) in text.first { $0.hasPrefix(start) }?.split(separator: " ").last }
                #expect(end("slm_first_token_seconds_count") == end(#"slm_first_token_seconds_bucket{le="+Inf"}"#))
            }
        }
        #expect(line("slm_tokens_generated_total", of: metrics) == "80000" && line("slm_first_token_seconds_count", of: metrics) == "40000")
        #expect(line("slm_first_token_seconds_sum", of: metrics) == "10000.0")
        #expect(line(#"slm_http_requests_total{route="/api/health",method="GET",status="200"}"#, of: metrics) == "40000")
    }

    @Test func `an answer is counted with its tokens and times`() throws {
        let server = try TestServer(), connection = try server.connect()
        func value(_ name: String) throws -> String? {
            let text = try #require(connection.ask("GET", "/metrics")).text
            return text.split(separator: "\n").first { $0.hasPrefix(name + " ") }.map { String($0.dropFirst(name.count + 1)) }
        }
        for name in ["slm_answer_seconds_count", "slm_first_token_seconds_count", "slm_tokens_generated_total", "slm_prompt_tokens_total"] {
            #expect(try value(name) == "0", "\(name)")
        }
        for _ in 0..<2 { #expect(connection.post("/chat", #"{"message":"Hi there"}"#)?.status == 200) }
        #expect(try value("slm_answer_seconds_count") == "2" && value("slm_first_token_seconds_count") == "2")
        #expect(try value("slm_tokens_generated_total") == "20" && value("slm_prompt_tokens_total") == "18")
        try eventually { try value(#"slm_http_requests_total{route="/chat",method="POST",status="200"}"#) == "2" }
    }

    @Test func `guesses are counted, right and wrong ones apart`() throws {
        let script = ScriptedBackend()
        let server = try TestServer(ClosureBackend(context: 64) { request, deliver throws(GenerationError) in
            try script.start(request) { event in
                guard case .ended(var end) = event else { return deliver(event) }
                end.guesses.checked = 5
                end.guesses.right = 3
                deliver(.ended(end))
            }
        })
        let connection = try server.connect()
        for _ in 0..<2 { #expect(connection.post("/chat", #"{"message":"Hi"}"#)?.status == 200) }
        try eventually {
            let lines = try #require(connection.ask("GET", "/metrics")).text.split(separator: "\n")
            return lines.contains(#"slm_guessed_tokens_total{result="right"} 6"#)
                && lines.contains(#"slm_guessed_tokens_total{result="wrong"} 4"#)
        }
    }

    @Test func `SQLite's memory is written with SQLite only`() throws {
        #expect(!metrics().text.contains("slm_sqlite_memory_bytes"))
        let server = try TestServer(), text = try #require(server.connect().ask("GET", "/metrics")).text
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("slm_sqlite_memory_bytes ") })
        #expect(try #require(line.split(separator: " ").last.flatMap { Int($0) }) > 10_000)
    }

    @Test(.enabled(if: getenv("TSAN_OPTIONS") == nil, "ThreadSanitizer replaces the allocator whose memory is counted"))
    func `the heap is counted`() throws {
        let metrics = metrics(), heap = { Double(line("slm_heap_bytes", of: metrics) ?? "") ?? -1 }, before = heap()
        let block = UnsafeMutableRawPointer.allocate(byteCount: 256 << 20, alignment: 16)
        #expect(before > 1e5 && heap() > before + 128e6)
        block.deallocate()
    }

    @Test func `process metrics describe this process`() throws {
        let metrics = metrics(), value = { line($0, of: metrics).flatMap { Double($0) } ?? -1 }
        #expect(value("process_resident_memory_bytes") > 4e6 && value("process_resident_memory_bytes") < 1e12)
        #expect(
            value("process_start_time_seconds") <= Double(time(nil)) + 1 && value("process_start_time_seconds") > Double(time(nil)) - 86_400
        )
        #expect(
            value("process_cpu_seconds_total") > 0 && value("process_open_fds") >= 3 && value("slm_queue_length") == 3
                && value("slm_answers_running") == 2)
        // Other tests open files at the same time, but fewer.
        let before = value("process_open_fds")
        let files = (0..<300).map { _ in open("/dev/null", O_RDONLY) }
        #expect(value("process_open_fds") > before + 200)
        for file in files { close(file) }
    }
}
