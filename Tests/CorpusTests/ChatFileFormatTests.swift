import Corpus
import Files
import TestSupport
import Testing
import Tokenize

@Suite struct ChatFileFormatTests {
    let folder = TemporaryFolder()

    private func entries(of text: String, format: ChatFileFormat? = nil, maxLineBytes: Int = 1_000_000) throws -> [String] {
        try CorpusTests.entries(of: folder.write(text, to: "chats.txt"), format: format, maxLineBytes: maxLineBytes)
    }

    @Test(arguments: [
        ("[INST] a [/INST] b [INST] c [/INST] d\n", ["1 user: a | assistant: b | user: c | assistant: d"]),
        ("\n  [INST]a[/INST]b\r\n\n[INST] c [/INST]\n[INST] d", ["2 user: a | assistant: b", "4 user: c", "5 user: d"]),
        ("[INST] [x] [/ [INS] [/INST] [/IN\n", ["1 user: [x] [/ [INS] | assistant: [/IN"]),
        ("[INST] [/INST]\n[INST]\n[INST] [/INST] \n", ["1 empty", "2 empty", "3 empty"]),
        ("[INST] a [/INST] [INST] b\n", ["FILE:1: an empty assistant message"]),
        ("[INST] [/INST] b\n", ["FILE:1: an empty user message"]),
        ("[INST] a [/INST] b [INST] [/INST]\n", ["FILE:1: an empty user message"]),
        ("[INST] a [INST] b\n", ["FILE:1: [INST] inside a user message"]),
        ("[INST] a [/INST] b [/INST] c\n", ["FILE:1: [/INST] without [INST] before it"]),
        (
            "x [INST] a\n[INST] b\nno\n[/INST] c",
            ["FILE:1: text before the first [INST]", "2 user: b", "FILE:3: no [INST]", "FILE:4: [/INST] without [INST] before it"]
        ),
    ])
    func `TinyChat has one conversation per line`(_ text: String, _ expected: [String]) throws {
        #expect(try entries(of: text) == expected)
    }

    @Test(arguments: [
        (#"{"text": " a\nb ", "meta": {"url": "x"}}"# + "\n" + #"{"text": "c"}"#, ["text:  a\nb c"]),
        ("\n" + #"{"id": 7, "text": "ä"}"#, ["text: ä"]),
        (#"{"text": "a"}"# + "\n" + #"{"text": ""}"# + "\n\n" + #"{"text": 7}"# + "\n" + #"["text"]"# + "\n" + #"{"messages": []}"#,
         ["2 empty", #"FILE:4: "text": expected a string, found a number"#, "FILE:5: expected an object, found an array",
          #"FILE:6: "text": expected a string, found nothing"#, "text: a"]),
        // A chat with a text beside it stays a chat.
        (#"{"text": "a", "messages": [{"role": "user", "content": "b"}]}"#, ["1 user: b"]),
    ])
    func `a line with a text is a document`(_ text: String, _ expected: [String]) throws {
        #expect(try entries(of: text) == expected)
    }

    @Test(arguments: [
        (#"{"timestamp": "2025", "user": " a\n", "assistant": "b", "more": [1]}"#, "1 user: a | assistant: b"),
        (
            #"{"history": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "user": "a", "assistant": "b"}"#,
            "1 -user: x | -assistant: y | user: a | assistant: b"
        ),
        (#"{"history": [], "user": "a", "assistant": "b"}"#, "1 user: a | assistant: b"),
        (#"{"history": 7, "user": "a", "assistant": "b"}"#, #"FILE:1: "history": expected an array, found a number"#),
        (#"{"user": "a", "assistant": " "}"#, "FILE:1: an empty assistant message"),
        (#"{"user": "", "assistant": " "}"#, "1 empty"),
        (#"{"user": "a"}"#, #"FILE:1: "assistant": expected a string, found nothing"#),
        (#"{"user": "a", "assistant": 7}"#, #"FILE:1: "assistant": expected a string, found a number"#),
        (#"{"user": "a\u0000", "assistant": "b"}"#, #"FILE:1: "user": a NUL character"#),
        (#"{"user": "a", "assistant": "b"} x"#, #"FILE:1: at byte 32: expected the end of the document, found 'x'"#),
        (#"{"user": "\ud800", "assistant": "b"}"#, #"FILE:1: at byte 10: expected both halves of a surrogate pair, found one"#),
        (#"["user"]"#, "FILE:1: expected an object, found an array"),
    ])
    func `a collected chat is one exchange`(_ text: String, _ expected: String) throws {
        #expect(try entries(of: text, format: .collected) == [expected])
    }

    @Test(arguments: [
        (
            #"{"messages": [{"role": "system", "content": "s"}, {"role": "assistant", "content": "a"}, "#
                + #"{"role": "assistant", "content": "b"}]}"#,
            "1 system: s | assistant: a | assistant: b"
        ),
        (#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]}]}"#, "1 user: a b"),
        (#"{"messages": []}"#, "1 empty"),
        (#"{"messages": [{"role": "user", "content": ""}]}"#, "1 empty"),
        (
            #"{"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": ""}]}"#,
            "FILE:1: an empty system message"
        ),
        (#"{"messages": {"role": "user"}}"#, #"FILE:1: "messages": expected an array, found an object"#),
        (
            #"{"message": []}"#, #"FILE:1: expected "messages", "conversations", "instruction" or "prompt", found none of them"#
        ),
        (#"{"messages": ["a"]}"#, #"FILE:1: in "messages": expected an object, found a string"#),
        (
            #"{"messages": [{"role": "ipython", "content": "a"}]}"#,
            #"FILE:1: "role": expected "system", "user", "assistant" or "tool", found "ipython""#
        ),
        (#"{"messages": [{"content": "a"}]}"#, #"FILE:1: "role": expected "system", "user", "assistant" or "tool", found nothing"#),
        (
            #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}, "#
                + #"{"role": "assistant", "content": "c", "weight": 1}]}"#,
            "1 user: a | -assistant: b | assistant: c"
        ),
        (#"{"messages": [{"role": "user", "content": "a", "weight": 0.5}]}"#, #"FILE:1: "weight": expected 0 or 1"#),
        (#"{"messages": [{"role": "user", "content": null}]}"#, #"FILE:1: "content": expected a string, found null"#),
        (
            #"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#,
            #"FILE:1: "content": expected parts of type "text", found "image_url""#
        ),
        (#"{"messages": [{"role": "user", "content": [{"type": "text"}]}]}"#, #"FILE:1: "text": expected a string, found nothing"#),
        (#"{"messages": [{"role": "user", "content": "a"}"#, "FILE:1: at byte 46: expected a comma or ']', found the end"),
    ])
    func `messages are in OpenAI's format`(_ text: String, _ expected: String) throws {
        #expect(try entries(of: text) == [expected])
        #expect(try entries(of: text, format: .messages) == [expected])
    }

    @Test(arguments: [
        (#"{"conversations": [{"from": "human", "value": " a "}, {"from": "gpt", "value": "b"}]}"#, "1 user: a | assistant: b"),
        (
            #"{"system": "s", "conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}]}"#,
            "1 system: s | user: a | assistant: b"
        ),
        (
            #"{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, "#
                + #"{"from": "human", "value": "c"}, {"from": "gpt", "value": "d"}]}"#,
            "1 system: s | user: a | assistant: b | user: c | assistant: d"
        ),
        (#"{"conversations": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#, "1 user: a | assistant: b"),
        (
            #"{"conversations": [{"from": "observation", "value": "a"}]}"#,
            #"FILE:1: "from": expected "system", "human", "user", "gpt" or "assistant", found "observation""#
        ),
        (#"{"conversations": [{"from": "human"}]}"#, #"FILE:1: "value": expected a string, found nothing"#),
        (#"{"conversations": []}"#, "1 empty"),
        (#"{"conversations": 5}"#, #"FILE:1: "conversations": expected an array, found a number"#),
        (#"{"instruction": "a", "input": "", "output": "b"}"#, "1 user: a | assistant: b"),
        (#"{"instruction": "a", "input": "x", "output": "b", "system": "s"}"#, "1 system: s | user: a\n\nx | assistant: b"),
        (#"{"instruction": "a"}"#, #"FILE:1: "output": expected a string, found nothing"#),
        (
            #"{"instruction": "a", "output": "b", "history": [["c", "d"]]}"#,
            #"FILE:1: "history" beside "instruction" is not read; write all messages as "messages""#
        ),
        (#"{"prompt": "a", "completion": "b"}"#, "1 -user: a | assistant: b"),
        (
            #"{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}], "#
                + #""completion": [{"role": "assistant", "content": "b"}]}"#,
            "1 -system: s | -user: a | assistant: b"
        ),
        (#"{"prompt": "a"}"#, #"FILE:1: expected "completion", found nothing"#),
    ])
    func `data sets are in the forms of ShareGPT, Alpaca and TRL`(_ text: String, _ expected: String) throws {
        #expect(try entries(of: text) == [expected])
    }

    private static let weather = #"{"type": "function", "function": {"name": "weather"}}"#
    private static let call = #"{"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{\"x\": 1}"}}"#
    private static let bareCall = #"{"function": {"name": "weather", "arguments": {"x": 2}}}"#

    @Test(arguments: [
        // As OpenAI's API has it, and as data sets of Hugging Face: arguments as objects, no ids, the list of tools in a string.
        (
            #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "tool_calls": [\#(call)]}, "#
                + #"{"role": "tool", "tool_call_id": "a", "content": " s "}, {"role": "assistant", "content": "b"}], "#
                + #""tools": [\#(weather)]}"#,
            #"1 [weather] user: a | assistant:  a=weather{"x":1} | tool a: s | assistant: b"#
        ),
        (
            #"{"tools": "[{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]", "messages": [{"role": "assistant", "#
                + #""content": "t", "tool_calls": [\#(bareCall), \#(bareCall)]}, {"role": "tool", "content": ""}, "#
                + #"{"role": "tool", "content": "r"}]}"#,
            #"1 [f] assistant: t call10001=weather{"x":2} call10002=weather{"x":2} | tool call10001:  | tool call10002: r"#
        ),
        (
            #"{"history": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [\#(call)]}, "#
                + #"{"role": "tool", "content": "r"}], "tools": [\#(weather)], "user": "a", "assistant": "b"}"#,
            #"1 [weather] -user: x | -assistant:  a=weather{"x":1} | -tool a: r | user: a | assistant: b"#
        ),
        (#"{"tools": [\#(weather)], "user": "a", "assistant": "b"}"#, "1 [weather] user: a | assistant: b"),
        (#"{"messages": [{"role": "user", "content": "a"}], "tools": []}"#, "1 user: a"),
        (#"{"messages": [{"role": "assistant", "content": "a", "tool_calls": []}], "tools": null}"#, "1 assistant: a"),
        (#"{"messages": [{"role": "user", "content": "a"}], "tools": 1}"#, #"FILE:1: "tools": expected a list, found a number"#),
        (
            #"{"messages": [{"role": "user", "content": "a"}], "tools": "[1"}"#,
            #"FILE:1: "tools": at byte 2: expected a comma or ']', found the end"#
        ),
        (
            #"{"messages": [{"role": "user", "content": "a"}], "tools": [{"name": "f"}]}"#,
            #"FILE:1: "tools[0]": expected an object with the type function and the member function"#
        ),
        (
            #"{"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[]"}}]}]}"#,
            #"FILE:1: "tool_calls[0].function.arguments": expected a JSON object, or one in a string"#
        ),
        (
            #"{"messages": [{"role": "tool", "content": "r"}]}"#,
            #"FILE:1: a message of the role "tool" without a call before it"#
        ),
        (
            #"{"messages": [{"role": "tool", "content": "r", "tool_call_id": 7}]}"#,
            #"FILE:1: "tool_call_id": expected a string, found a number"#
        ),
    ])
    func `messages have calls of tools and their results`(_ text: String, _ expected: String) throws {
        #expect(try entries(of: text) == [expected])
    }

    @Test func `the format is detected by the first lines`() throws {
        #expect(try entries(of: "[INST] a\n") == ["1 user: a"])
        #expect(try entries(of: #"{"user": "a", "assistant": "b"}"#) == ["1 user: a | assistant: b"])
        #expect(try entries(of: "Once upon a time\n[ a ]\n") == ["text: Once upon a time\n[ a ]\n"])
        #expect(try entries(of: "{ not JSON }\n") == ["text: { not JSON }\n"])
        // A malformed first line does not make chats plain text.
        let broken = try entries(of: "{\"user\": \"a\", \"assist\n{\"user\": \"a\", \"assistant\": \"b\"}\n")
        #expect(broken.count == 2 && broken[0].hasPrefix("FILE:1: at byte ") && broken[1] == "2 user: a | assistant: b")
        #expect(try entries(of: "{\"user\": \"a\", \"assist").first?.hasPrefix("FILE:1: at byte 21") == true)
        // An array of chats, or chats on several lines, are not text, either.
        for array in [#"[{"messages": []}, {"messages": []}]"# + "\n", "[\n  {\"messages\": []}\n]\n", "{\n  \"messages\": []\n}\n"] {
            let first = try entries(of: array).first
            #expect(first?.hasPrefix("FILE:1: expected one JSON object per line, found an array") == true, "\(array)")
        }
        #expect(try entries(of: "[1] The beginning\n") == ["text: [1] The beginning\n"])
        #expect(try entries(of: "hello\n[INST] a\n") == ["FILE:1: no [INST]", "2 user: a"])
        #expect(try entries(of: "{\"texts\": \"x\"}\n").first?.hasPrefix(#"FILE:1: expected "messages", "conv"#) == true)
    }

    @Test func `a byte-order mark and line ends are not part of messages`() throws {
        #expect(try entries(of: "\u{FEFF}[INST] a [/INST] b\r\n") == ["1 user: a | assistant: b"])
        #expect(try entries(of: "\u{FEFF}{\"user\": \"a\", \"assistant\": \"b\"}\r\n\r\n") == ["1 user: a | assistant: b"])
        #expect(try entries(of: "\u{FEFF}one\r\ntwo\r\n") == ["text: one\ntwo\n"])
        #expect(try entries(of: "one\r\ntwo") == ["text: one\ntwo"])
    }

    @Test func `invalid bytes are reported and the other lines are read`() throws {
        let path = folder.write(Array("[INST] a\n[INST] ".utf8) + [0xFF] + Array("\n[INST] b\0\n[INST] c\n".utf8), to: "bad.txt")
        let expected = ["1 user: a", "FILE:2: invalid UTF-8 at byte 7", "FILE:3: a NUL byte at byte 8", "4 user: c"]
        #expect(try CorpusTests.entries(of: path) == expected)
        let text = folder.write(Array("one\ntw".utf8) + [0xC3] + Array("\n\0\nfour".utf8), to: "text.txt")
        #expect(try CorpusTests.entries(of: text) == ["FILE:2: invalid UTF-8 at byte 2", "FILE:3: a NUL byte at byte 0", "text: one\nfour"])
    }

    @Test func `a line over the limit is reported and the next is read`() throws {
        #expect(try entries(of: "[INST] a\n[INST] 0123456789\n[INST] b\n", maxLineBytes: 12)
            == ["1 user: a", "FILE:2: a line longer than 12 bytes", "3 user: b"])
    }

    @Test func `an empty file and a folder without chats are errors`() throws {
        for text in ["", "\n\n \n", "\u{FEFF}"] {
            #expect(try entries(of: text) == ["FILE:1: the file is empty"], "\(text.debugDescription)")
        }
        let empty = TemporaryFolder()
        #expect(throws: CorpusError.file(.noMatchingFiles(folder: empty.path, extensions: CorpusBlocks.fileExtensions))) {
            _ = try CorpusBlocks([empty.path])
        }
        #expect(throws: CorpusError.file(.unreadable(path: "/no/such", reason: "No such file or directory"))) {
            _ = try CorpusBlocks(["/no/such"])
        }
    }

    @Test func `each file of a folder has its own format`() throws {
        folder.write("[INST] a\n", to: "1.txt")
        folder.write(#"{"user": "b", "assistant": "c"}"#, to: "2.jsonl")
        folder.write("d\n", to: "3.txt")
        folder.write("no chat", to: "tokenizer.json")
        var reader = try ConversationReader([folder.path]), texts: [String] = []
        try reader.forEach { conversation, _, _ in texts += conversation.messages.map { String(decoding: $0.text, as: UTF8.self) } }
        #expect(texts == ["a", "b", "c", "d\n"] && reader.report.kept == 3)
    }

    @Test func `the first malformed line throws unless malformed lines are skipped`() throws {
        let path = folder.write("[INST] a\n" + String(repeating: "no\n[INST]\n", count: 12), to: "bad.txt")
        var reader = try ConversationReader([path])
        let error = #expect(throws: CorpusError.self) { try reader.forEach { _, _, _ in } }
        #expect(error?.description == "\(path):2: no [INST].")
        var skipping = try ConversationReader([path], skipsBad: true)
        try skipping.forEach { _, _, line in #expect(line == 1) }
        #expect(skipping.report.kept == 1 && skipping.report.malformed == 12 && skipping.report.empty == 12)
        #expect(skipping.report.malformedLines.count == 10 && skipping.report.malformedLines[9].line == 20)
    }
}
