package import Infer
import JSON
import Tokenize

extension ScriptedServer {
    /// Serves a backend over the part of OpenAI's API that the tests use.
    package convenience init(serving backend: any ChatBackend) {
        self.init { request, connection in
            guard request.line.hasPrefix("POST") else {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
                connection.send(head + "{\"data\":[{\"id\":\"scripted\"}]}")
                return
            }
            do {
                let stream = try backend.stream(Self.generationRequest(request.body))
                connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
                for event in stream where !connection.send(Self.chunk(event)) { stream.cancel() }
            } catch {
                var writer = JSONWriter(.oneLine)
                writer.object { $0.key("error"); $0.object { $0.key("message"); $0.string("\(error)") } }
                connection.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n\(writer.text)")
            }
        }
    }

    private static func generationRequest(_ body: [UInt8]) throws -> GenerationRequest {
        let root = try JSONElement(parsing: body)
        let messages = try root["messages"]?.elements?.map {
            Conversation.Message(Conversation.Role(rawValue: try $0.string("role")) ?? .user, try $0.string("content"))
        }
        let config = try GenerationConfig(
            maxTokens: root["max_tokens"]?.integer,
            temperature: root.number("temperature"),
            topK: root.integer("top_k", default: 0),
            topP: root.number("top_p", default: 1),
            stop: root["stop"]?.elements?.compactMap(\.string) ?? [],
            seed: root["seed"]?.unsigned
        )
        if let messages { return GenerationRequest(.chat(messages), config) }
        return GenerationRequest(.text(try root.string("prompt")), config)
    }

    private static func chunk(_ event: GenerationEvent) -> String {
        var writer = JSONWriter(.oneLine), isLast = false
        writer.object { writer in
            writer.key("choices")
            writer.array { writer in
                writer.object { writer in
                    writer.key("delta")
                    writer.object { if case .piece(let piece) = event { $0.key("content"); $0.string(piece.text) } }
                    guard case .ended(let end) = event else { return }
                    writer["finish_reason"] = end.reason.name
                    isLast = true
                }
            }
            guard case .ended(let end) = event else { return }
            writer.key("usage")
            writer.object {
                $0["prompt_tokens"] = end.promptTokens
                $0["completion_tokens"] = end.answerTokens
            }
        }
        return "data: \(writer.text)\n\n" + (isLast ? "data: [DONE]\n\n" : "")
    }
}
