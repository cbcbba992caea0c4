import HTTPServer
import Infer
import JSON
import Store

/// The object of a response: what it repeats of its request, and the answer so far.
struct ResponseObject: Sendable {
    static let idPrefix = "resp_"

    let id: ResponseID
    private let created = Timestamp.now().seconds
    private let model: String
    /// Whether the passages that were found are part of the output.
    let includesSearchResults: Bool
    /// Members with their JSON.
    private let repeated: [(name: String, json: String)]

    /// - Parameter stores: Whether the response is stored.
    init(id: ResponseID, of request: ResponsesRequest, _ completion: CompletionRequest, model: String, stores: Bool) {
        self.id = id
        self.model = model
        includesSearchResults = request.fields["include"]?.elements?.contains { $0.isString("file_search_call.results") } ?? false
        func json(_ body: (inout JSONWriter) -> Void) -> String {
            var writer = JSONWriter()
            body(&writer)
            return writer.text
        }
        func given(_ name: String, or fallback: String) -> (String, String) {
            (name, request.fields[name].map { String(decoding: $0.json, as: UTF8.self) } ?? fallback)
        }
        repeated = [
            given("instructions", or: "null"), given("max_output_tokens", or: "null"), given("metadata", or: "{}"),
            given("parallel_tool_calls", or: "true"), given("previous_response_id", or: "null"),
            given("reasoning", or: #"{"effort":null,"summary":null}"#), given("text", or: #"{"format":{"type":"text"}}"#),
            given("tool_choice", or: #""auto""#), given("tools", or: "[]"), given("top_logprobs", or: "0"),
            given("truncation", or: #""disabled""#), given("user", or: "null"),
            ("store", json { $0.boolean(stores) }), ("temperature", json { $0.number(completion.config.temperature) }),
            ("top_p", json { $0.number(completion.config.topP) }),
        ]
    }

    /// An answer, or the part of it that there is.
    struct Answer {
        var items: [ResponseItem] = []
        /// nil while it is in progress, and of an answer that has failed.
        var start: GenerationStart?
        var end: GenerationEnd?
        var error: APIError?

        var status: String {
            if error != nil { return "failed" }
            guard let end else { return "in_progress" }
            return end.reason == .length ? "incomplete" : "completed"
        }
    }

    func write(_ answer: Answer, to response: inout JSONWriter) {
        response["id"] = Self.idPrefix + id.description
        response["object"] = "response"
        response["created_at"] = created
        response["status"] = answer.status
        if answer.status == "completed" { response["completed_at"] = Timestamp.now().seconds }
        response["background"] = false
        response.key("error")
        if let error = answer.error {
            response.object {
                $0["code"] = error.status.rawValue == 429 ? "rate_limit_exceeded" : "server_error"
                $0["message"] = error.message
            }
        } else {
            response.null()
        }
        response.key("incomplete_details")
        if answer.status == "incomplete" {
            response.object { $0["reason"] = "max_output_tokens" }
        } else {
            response.null()
        }
        response["model"] = model
        response.objects("output", answer.items) { $0.write(to: &$1) }
        for (name, json) in repeated { response.json(name, json) }
        response.key("usage"); writeUsage(of: answer, to: &response)
        writeWarning(answer.start, to: &response)
    }

    private func writeUsage(of answer: Answer, to response: inout JSONWriter) {
        guard let end = answer.end else { return response.null() }
        response.object {
            $0["input_tokens"] = end.promptTokens
            $0.object("input_tokens_details") {
                $0["cached_tokens"] = answer.start?.cachedTokens ?? 0
                $0["cache_write_tokens"] = 0
            }
            $0["output_tokens"] = end.answerTokens
            $0.object("output_tokens_details") { $0["reasoning_tokens"] = end.reasoningTokens }
            $0["total_tokens"] = end.promptTokens + end.answerTokens
        }
    }

    /// Writes how much of the prompt was dropped because it does not fit the context. OpenAI's API has no such field.
    private func writeWarning(_ start: GenerationStart?, to response: inout JSONWriter) {
        guard let start, start.droppedMessages > 0 || start.wasTruncated else { return }
        response.object("warning") {
            $0["dropped_turns"] = start.droppedMessages
            $0["cut"] = start.wasTruncated
        }
    }
}
