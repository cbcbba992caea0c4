/// What the server counts of itself, for Prometheus.
///
///     let metrics = Metrics(routes: routes, version: "1.0", queue: { queue.status })
///     metrics.requests.count(route: 0, method: "GET", status: 200, seconds: 0.001)
///     metrics.tokensGenerated.add(12)
///     metrics.text                                             // # HELP slm_http_requests_total …
///
/// Counting takes no lock and looks nothing up; reading takes what is there while others go on counting. No name and nothing that was said
/// is in it.
package final class Metrics: Sendable {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package let requests: RequestFigures
    package let tokensGenerated = Counter(), promptTokens = Counter()
    /// From a question to the first piece of its answer; to its end.
    package let firstTokenSeconds = Histogram(bounds: Histogram.seconds), answerSeconds = Histogram(bounds: Histogram.seconds)

    private let version: String
    private let queue: @Sendable () -> FairQueue.Status

    package init(routes: [String], version: String, queue: @escaping @Sendable () -> FairQueue.Status) {
        requests = RequestFigures(routes: routes)
        self.version = version
        self.queue = queue
    }

    package var text: String {
        var text = PrometheusText()
        requests.write(to: &text)
        text.metric("slm_tokens_generated_total", .counter, "Tokens that answers are made of") { $0.sample(tokensGenerated.value) }
        text.metric("slm_prompt_tokens_total", .counter, "Tokens that were read to answer") { $0.sample(promptTokens.value) }
        let queue = queue()
        text.metric("slm_queue_length", .gauge, "Answers that wait for a place") { $0.sample(queue.waiting) }
        text.metric("slm_answers_running", .gauge, "Answers that are being given") { $0.sample(queue.running) }
        text.metric("slm_first_token_seconds", .histogram, "From a question to the first piece of its answer") {
            $0.sample(firstTokenSeconds)
        }
        text.metric("slm_answer_seconds", .histogram, "From a question to the end of its answer") { $0.sample(answerSeconds) }
        ProcessFigures().write(to: &text)
        text.metric("slm_build_info", .gauge, "1, with what is served") { $0.sample(1, [("version", version)]) }
        return text.text
    }
}
