import Autograd
import Checkpoint
import Files
import Formats
import Infer
import JSON
import Model
import Tokenize

struct ExplainOptions: MachineOptions {
    var machine = MachineSettings()
    var text: String?
    var checkpoint: String?
    var base: String?
    var user: String?
    var assistant: String?
    var layer = 0
    var head = 0
    var position: Int?
    var top = 5
    var gradient: String?
    var json = false
}

extension Command {
    static var explain: Command {
        Command(
            "explain",
            "Show how a model reads a text: tokens, attention, logits and losses.",
            ExplainOptions(),
            [
                OptionGroup(
                    "Main options",
                    [
                        .option("text", \.text, value: "TEXT", "Explain TEXT.").positionalOnly(),
                        .option("checkpoint", \.checkpoint, value: "CHECKPOINT", "Use this model.").short("c"),
                        .option("user", \.user, value: "TEXT", "Explain TEXT as the user's message of a chat, instead of a plain text."),
                        .option("assistant", \.assistant, value: "TEXT", "Explain the answer TEXT to --user, too."),
                        .option("layer", \.layer, in: 0...1_000_000, "Show the attention of layer N, from 0."),
                        .option("head", \.head, in: 0...1_000_000, "Show the attention of head N, from 0."),
                        .option(
                            "position", \.position, in: 0...1_000_000, "Show how attention is computed at position N.", default: "not shown"
                        ),
                        .option(
                            "gradient", \.gradient, value: "NAME[I,J]", "Show the gradient of one weight, such as head.weight[337,0].",
                            default: "not shown"),
                    .option("top", \.top, in: 1...1_000, "Show the N most likely next tokens."),
                    .option("base", \.base, value: "CHECKPOINT", "Take the base model of a LoRA adapter from this file."),
                    .json(\.json, "Print one JSON object with all numbers."),
                ]),
                OptionGroup("Machine", ExplainOptions.machineOptions),
            ],
            examples: [
                "slm explain \"Once upon a time\" --checkpoint checkpoints/first/best.h5",
                "slm explain --user \"Hello\" --assistant \"Hi!\" -c checkpoints/first/best.h5 --layer 1 --head 2 --position 4",
            ]
        ) { options in
            let report = try ExplanationReport(options)
            printLine(options.json ? report.json : report.text)
        }
    }
}

/// Runs the model and prints what it computed, for `slm explain`.
private struct ExplanationReport {
    private let options: ExplainOptions
    private let explanation: Explanation
    private let vocabulary: Vocabulary
    private let gradient: GradientReport?

    init(_ options: ExplainOptions) throws {
        guard let path = options.checkpoint else { throw UsageError("slm explain: expected a model: --checkpoint FILE.") }
        guard (options.text == nil) != (options.user == nil), options.assistant == nil || options.user != nil else {
            throw UsageError("slm explain: expected TEXT, or --user TEXT with or without --assistant TEXT.")
        }
        let file = try ModelFile(path, base: options.base), checkpoint = file.checkpoint
        try file.verify()
        let tokenizer = try Tokenizer(checkpoint.vocabulary())
        let processor = try options.processor()
        let (model, parameters) = try file.model(copying: options.gradient != nil, on: processor)
        let configuration = model.configuration
        let ids = try options.ids(by: tokenizer, checkpoint.chatTemplate)
        guard (1...configuration.context).contains(ids.count) else {
            throw UsageError("slm explain: expected 1…\(configuration.context) tokens, found \(ids.count).")
        }
        guard options.layer < max(1, configuration.layers), options.head < configuration.heads else {
            throw UsageError("slm explain: expected --layer 0…\(configuration.layers - 1) and --head 0…\(configuration.heads - 1), "
                + "found \(options.layer) and \(options.head).")
        }
        if let position = options.position, position >= ids.count {
            throw UsageError("slm explain: expected --position 0…\(ids.count - 1), found \(position).")
        }
        if options.gradient != nil, ids.count < 2 { throw UsageError("slm explain: --gradient needs a text of at least two tokens.") }
        self.options = options
        vocabulary = tokenizer.vocabulary
        let explanation = Explanation(of: ids, model, parameters, on: processor)
        self.explanation = explanation
        gradient = try options.gradient.map { text in
            let weight = try WeightReference(text, in: parameters)
            let measured = ExplainedGradient(
                of: weight.parameter, row: weight.row, column: weight.column, ids, model, parameters, on: processor,
                includingCurve: options.json)
            let isHead = weight.parameter.name == "head.weight"
            return GradientReport(
                name: text, gradient: measured, chainRule: isHead ? explanation.headGradient(row: weight.row, column: weight.column) : nil)
        }
    }

    private var last: Int { explanation.ids.count - 1 }

    private func token(_ id: TokenID) -> String { TokenizeOptions.visible(vocabulary.tokens[Int(id)]) }

    // MARK: Text

    var text: String {
        var sections = [tokens]
        if explanation.configuration.layers > 0 {
            sections.append(attention)
            if let position = options.position { sections.append(computation(at: position)) }
        }
        if let gradient { sections.append(gradient.text) }
        sections.append(next)
        return sections.joined(separator: "\n\n")
    }

    /// One line per token: what the model expected, and what the token cost.
    private var tokens: String {
        var rows = [["position", "id", "token", "loss", "probability", "rank", "most likely"]]
        for (i, id) in explanation.ids.enumerated() {
            var row = ["\(i)", "\(id)", token(id)]
            if i > 0, let best = explanation.mostLikely(1, after: i - 1).first {
                let probability = explanation.probabilities(after: i - 1)[Int(id)]
                row += [
                    Double(explanation.loss(at: i - 1)).fixed(3), Double(probability).fixed(4), "\(explanation.rank(at: i - 1) + 1)",
                    "\(token(best.id)) \(Double(best.probability).fixed(2))",
                ]
            }
            rows.append(row)
        }
        let losses = (0..<last).map { Double(explanation.loss(at: $0)) }
        let mean = losses.isEmpty ? "" : "\nmean loss \((losses.reduce(0, +) / Double(losses.count)).fixed(3)) nats per token"
        return "Tokens\n" + table(rows, leftAligned: [2, 6]) + mean
    }

    /// Attention weights; row: the position that attends, column: the position attended to.
    private var attention: String {
        let weights = explanation.attention(layer: options.layer, head: options.head)
        let shown = max(0, weights.count - 16)..<weights.count
        var rows = [["", ""] + shown.map { "\($0)" }]
        for i in shown {
            rows.append(["\(i)", token(explanation.ids[i])] + shown.map { $0 <= i ? Double(weights[i][$0]).fixed(2) : "" })
        }
        let note = shown.lowerBound > 0 ? " (the last 16 positions)" : ""
        return "Attention weights of layer \(options.layer), head \(options.head)\(note)\n" + table(rows, leftAligned: [1])
    }

    /// The numbers behind one row of the attention weights.
    private func computation(at position: Int) -> String {
        let layer = options.layer, head = options.head
        let scores = explanation.scores(layer: layer, head: head, at: position)
        let weights = Explanation.softmax(scores)
        var rows = [["position", "token", "key", "q·k/√D", "weight", "value"]]
        for i in 0...position {
            rows.append([
                "\(i)", token(explanation.ids[i]), numbers(explanation.key(layer: layer, head: head, at: i)), Double(scores[i]).fixed(3),
                Double(weights[i]).fixed(3), numbers(explanation.value(layer: layer, head: head, at: i)),
            ])
        }
        let D = explanation.configuration.headWidth
        let output = Array(explanation.attended[layer][position][head * D..<head * D + D])
        return """
            Attention at position \(position), layer \(layer), head \(head), D = \(D)
            embedding  \(numbers(explanation.embeddings[position]))
            query      \(numbers(explanation.query(layer: layer, head: head, at: position)))
            \(table(rows, leftAligned: [1, 2, 5]))
            output     \(numbers(output))
            """
    }

    private var next: String {
        var rows = [["token", "id", "logit", "probability"]]
        for entry in explanation.mostLikely(options.top, after: last) {
            rows.append([token(entry.id), "\(entry.id)", Double(entry.logit).fixed(3), Double(entry.probability).fixed(4)])
        }
        return "Most likely next tokens\n" + table(rows, leftAligned: [0])
    }

    /// The first eight of a vector.
    private func numbers(_ vector: [Float]) -> String {
        let shown = vector.prefix(8).map { Double($0).fixed(2) }.joined(separator: " ")
        return "[\(shown)\(vector.count > 8 ? " …" : "")]"
    }

    private func table(_ rows: [[String]], leftAligned: Set<Int>) -> String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, text in
                let padding = String(repeating: " ", count: widths[column] - text.count)
                return leftAligned.contains(column) ? text + padding : padding + text
            }
            return String(cells.joined(separator: "  ").trimmingSuffix { $0 == " " })
        }.joined(separator: "\n")
    }

    // MARK: JSON

    var json: String {
        JSONWriter.text { object in
            object.objects("tokens", explanation.ids.enumerated()) { entry, object in
                object["id"] = Int(entry.element)
                object["text"] = token(entry.element)
                if entry.offset > 0 {
                    object["loss"] = Double(explanation.loss(at: entry.offset - 1))
                    object["rank"] = explanation.rank(at: entry.offset - 1) + 1
                }
            }
            object.array("embeddings") { for row in explanation.embeddings { $0.numbers(row) } }
            object.objects("layers", 0..<explanation.configuration.layers) { layer, object in
                object.objects("heads", 0..<explanation.configuration.heads) { write(layer, $0, to: &$1) }
            }
            gradient?.write(to: &object)
            object.objects("next", explanation.mostLikely(options.top, after: last)) { entry, object in
                object["id"] = Int(entry.id)
                object["text"] = token(entry.id)
                object["logit"] = Double(entry.logit)
                object["probability"] = Double(entry.probability)
            }
        }
    }

    private func write(_ layer: Int, _ head: Int, to object: inout JSONWriter) {
        object.array("attention") { for row in explanation.attention(layer: layer, head: head) { $0.numbers(row) } }
        for (name, vector) in [("queries", explanation.query), ("keys", explanation.key), ("values", explanation.value)] {
            object.array(name) { for i in explanation.ids.indices { $0.numbers(vector(layer, head, i)) } }
        }
    }
}

/// One element of a weight matrix, written as `head.weight[337,0]`.
private struct WeightReference {
    let parameter: Parameter
    let row, column: Int

    init(_ text: String, in parameters: Parameters) throws {
        let parts = text.split(whereSeparator: { "[,]".contains($0) })
        guard parts.count == 3, text.hasSuffix("]"), let row = Int(parts[1]), let column = Int(parts[2]) else {
            throw UsageError("slm explain: --gradient: expected NAME[ROW,COLUMN], such as head.weight[337,0], found '\(text)'.")
        }
        let matrices = parameters.list.filter { $0.shape.rank == 2 }
        guard let parameter = matrices.first(where: { $0.name == String(parts[0]) }) else {
            throw UsageError(
                "slm explain: --gradient: expected one of \(matrices.map(\.name).joined(separator: ", ")), found '\(parts[0])'.")
        }
        guard (0..<parameter.shape[0]).contains(row), (0..<parameter.shape[1]).contains(column) else {
            throw UsageError(
                "slm explain: --gradient: \(parameter.name) has the shape \(parameter.shape), and [\(row),\(column)] is outside.")
        }
        self.parameter = parameter
        self.row = row
        self.column = column
    }
}

/// The gradient of one weight, by the chain rule, the backward pass and finite differences.
private struct GradientReport {
    let name: String
    let gradient: ExplainedGradient
    /// Computed from probabilities and features, for weights of the head.
    let chainRule: Float?

    var text: String {
        let chain = chainRule.map { "\nchain rule         \(Double($0).fixed(5))" } ?? ""
        return """
            Gradient of the mean loss with respect to \(name)
            weight             \(Double(gradient.weight).fixed(5))
            loss               \(Double(gradient.loss).fixed(5))\(chain)
            backward pass      \(Double(gradient.backward).fixed(5))
            finite difference  \(Double(gradient.finiteDifference).fixed(5))   (h = \(ExplainedGradient.step))
            """
    }

    func write(to object: inout JSONWriter) {
        object.object("gradient") {
            $0["name"] = name
            $0["weight"] = Double(gradient.weight)
            $0["loss"] = Double(gradient.loss)
            if let chainRule { $0["chain_rule"] = Double(chainRule) }
            $0["backward"] = Double(gradient.backward)
            $0["finite_difference"] = Double(gradient.finiteDifference)
            $0.array("curve") { for point in gradient.curve { $0.numbers([point.weight, point.loss]) } }
        }
    }
}

extension ExplainOptions {
    /// The tokens of the text, or of the chat in the model's chat template.
    fileprivate func ids(by tokenizer: Tokenizer, _ template: ChatTemplate?) throws -> [TokenID] {
        guard let user else { return try tokenizer.promptIDs(of: text ?? "") }
        guard let template else { throw UsageError("slm explain: the model has no chat template; give TEXT instead of --user.") }
        let renderer = try ChatRenderer(template, for: tokenizer)
        var encoder = try Encoder(tokenizer)
        var chat = ChatTokens()
        if let assistant {
            try renderer.append(Conversation([.init(.user, user), .init(.assistant, assistant)]), with: &encoder, to: &chat)
        } else {
            try renderer.append(promptOf: [.init(.user, user)], with: &encoder, to: &chat)
        }
        return chat.ids
    }
}

extension JSONWriter {
    fileprivate mutating func numbers(_ row: [Float]) { array { for number in row { $0.number(Double(number)) } } }
}
