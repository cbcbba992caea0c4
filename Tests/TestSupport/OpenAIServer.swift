package import Infer
import JSON
import Tokenize

extension ScriptedServer {
    /// Speaks OpenAI's language for a backend, as far as the tests ask.
    package convenience init(speakingFor backend: any ChatBackend) {
        self.init { asked, connection in
            guard asked.line.hasPrefix("POST") else {
                connection.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"data\":[{\"id\":\"scripted\"}]}")
                return
            }
            do {
                let events = try backend.stream(Self.request(asked.body))
                connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
                for event in events where !connection.send(Self.chunk(event)) { events.cancel() }
            } catch {
                var writer = JSONWriter(.oneLine)
                writer.object { $0.key("error"); $0.object { $0.key("message"); $0.string("\(error)") } }
                connection.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n\(writer.text)")
            }
        }
    }

    private static func request(_ body: [UInt8]) throws -> GenerationRequest {
        var parser = JSONParser()
        let root = try parser.parse(body)
        let messages = try root["messages"]?.elements?.map {
            Conversation.Message(Conversation.Role(rawValue: try $0.string("role")) ?? .user, try $0.string("content"))
        }
        let config = try GenerationConfig(
            maximumTokens: root["max_tokens"]?.integer, temperature: root.number("temperature"), topK: root.integer("top_k", else: 0),
            topP: root.number("top_p", else: 1), stop: root["stop"]?.elements?.compactMap(\.string) ?? [], seed: root["seed"]?.unsigned)
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
                    writer.key("finish_reason"); writer.string(end.reason.name)
                    isLast = true
                }
            }
            guard case .ended(let end) = event else { return }
            writer.key("usage")
            writer.object {
                $0.key("prompt_tokens"); $0.integer(end.promptTokens); $0.key("completion_tokens"); $0.integer(end.answerTokens)
            }
        }
        return "data: \(writer.text)\n\n" + (isLast ? "data: [DONE]\n\n" : "")
    }
}
