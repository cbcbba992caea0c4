import HTTPServer
import Infer
import JSON
import Store

/// The object of a response: what it repeats of its request, and the answer so far.
struct ResponseObject: Sendable {
    static let idPrefix = "resp_"

    let id: ResponseID
    private let created = unixTime()
    private let model: String
    /// Members with their JSON.
    private let repeated: [(name: String, json: String)]

    /// - Parameter stores: Whether the response is stored.
    init(id: ResponseID, of request: ResponsesRequest, _ completion: CompletionRequest, model: String, stores: Bool) {
        self.id = id
        self.model = model
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
        var reasoningTokens = 0
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
        response.key("id"); response.string(Self.idPrefix + id.description)
        response.key("object"); response.string("response")
        response.key("created_at"); response.integer(created)
        response.key("status"); response.string(answer.status)
        if answer.status == "completed" { response.key("completed_at"); response.integer(unixTime()) }
        response.key("background"); response.boolean(false)
        response.key("error")
        if let error = answer.error {
            response.object {
                $0.key("code"); $0.string(error.status.rawValue == 429 ? "rate_limit_exceeded" : "server_error")
                $0.key("message"); $0.string(error.message)
            }
        } else {
            response.null()
        }
        response.key("incomplete_details")
        if answer.status == "incomplete" {
            response.object { $0.key("reason"); $0.string("max_output_tokens") }
        } else {
            response.null()
        }
        response.key("model"); response.string(model)
        response.key("output"); response.array { list in for item in answer.items { list.object { item.write(to: &$0) } } }
        for (name, json) in repeated { response.key(name); response.json(json) }
        response.key("usage"); writeUsage(of: answer, to: &response)
        writeWarning(answer.start, to: &response)
    }

    private func writeUsage(of answer: Answer, to response: inout JSONWriter) {
        guard let end = answer.end else { return response.null() }
        response.object {
            $0.key("input_tokens"); $0.integer(end.promptTokens)
            $0.key("input_tokens_details")
            $0.object {
                $0.key("cached_tokens"); $0.integer(answer.start?.cachedTokens ?? 0)
                $0.key("cache_write_tokens"); $0.integer(0)
            }
            $0.key("output_tokens"); $0.integer(end.answerTokens)
            $0.key("output_tokens_details"); $0.object { $0.key("reasoning_tokens"); $0.integer(answer.reasoningTokens) }
            $0.key("total_tokens"); $0.integer(end.promptTokens + end.answerTokens)
        }
    }

    /// Writes how much of the prompt was dropped because it does not fit the context. OpenAI's API has no such field.
    private func writeWarning(_ start: GenerationStart?, to response: inout JSONWriter) {
        guard let start, start.droppedMessages > 0 || start.wasTruncated else { return }
        response.key("warning")
        response.object {
            $0.key("dropped_turns"); $0.integer(start.droppedMessages)
            $0.key("cut"); $0.boolean(start.wasTruncated)
        }
    }
}
