import JSON
import Store

/// The settings of a fine-tuning run, as a request or the schedule gives them. What is nil gets a default when the run is added.
struct TrainingRunSettings: Equatable {
    enum Method: String, CaseIterable { case lora, full }
    enum Objective: String, CaseIterable { case chats, preferences }
    enum Length: Equatable { case minutes(Double), epochs(Double), steps(Int) }

    var name: String?
    /// The id of a model of the registry; nil for the active one.
    var base: String?
    var method: Method?
    /// The rank of a LoRA adapter.
    var rank: Int?
    var objective = Objective.chats
    var length: Length?
    /// Files of older chats to mix in, or `generated`. nil for those of the base model, or generated ones if they are not known.
    var replay: [String]?
    var replayShare: Double?
    var learningRate: Double?
    /// Which of the included chats to train on, as JSON.
    var filter: String?

    static let members = [
        "name", "base", "method", "rank", "objective", "filter", "minutes", "epochs", "steps", "replay", "replay_share", "learning_rate",
    ]

    init() {}

    init(_ fields: RequestFields) throws(APIError) {
        name = try fields.optionalText("name", 1...64)
        if let name, !Self.isFileName(name) {
            throw .invalid("name", "expected letters, digits, '.', '-' and '_', beginning with a letter or digit.")
        }
        base = try fields.optionalText("base", 1...64)
        method = try fields.choice("method")
        rank = try fields.integer("rank", 1...4_096)
        objective = try fields.choice("objective") ?? .chats
        learningRate = try fields.number("learning_rate", 1e-8...1)
        replayShare = try fields.number("replay_share", 0.01...0.9)
        if rank != nil, method == .full { throw .invalid("rank", "expected nothing with the method full, which trains no LoRA adapter.") }
        if let value = fields["filter"] {
            guard value.kind == .object else { throw .invalid("filter", "expected an object, found \(value.kind.rawValue).") }
            filter = String(decoding: value.json, as: UTF8.self)
            _ = try TrainingFilter(value)
        }
        if let value = fields["replay"] {
            guard let elements = value.elements else { throw .invalid("replay", "expected a list of files, found \(value.kind.rawValue).") }
            var paths: [String] = []
            for element in elements {
                guard let path = element.string, !path.isEmpty, !path.utf8.contains(0), paths.count < 100 else {
                    throw .invalid("replay", "expected a list of at most 100 files.")
                }
                paths.append(path)
            }
            replay = paths
        }
        let lengths: [Length] = [
            try fields.number("minutes", 0.01...100_000).map { .minutes($0) },
            try fields.number("epochs", 0.01...100_000).map { .epochs($0) },
            try fields.integer("steps", 1...1_000_000_000).map { .steps($0) },
        ].compactMap { $0 }
        if lengths.count > 1 { throw .invalid("minutes", "expected one of minutes, epochs and steps, found \(lengths.count).") }
        length = lengths.first
        if objective == .preferences, replay?.isEmpty == false {
            throw .invalid("replay", "expected nothing with the objective preferences: older chats have no preferences.")
        }
    }

    /// Reads what `json` has written. Members that this version does not know are ignored.
    init(json: String) throws {
        var parser = JSONParser()
        try self.init(RequestFields(parser.parse(Array(json.utf8))))
    }

    /// A name that is a file name on any system, and no option.
    static func isFileName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first.isLetterOrDigit, name.utf8.count <= 64, name != "default" else { return false }
        return name.utf8.allSatisfy { $0.isLetterOrDigit || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_")].contains($0) }
    }

    var json: String {
        var writer = JSONWriter()
        writer.object { write(to: &$0) }
        return writer.text
    }

    func write(to object: inout JSONWriter) {
        if let name { object["name"] = name }
        object["base"] = base
        if let method { object["method"] = method.rawValue }
        if let rank { object["rank"] = rank }
        object["objective"] = objective.rawValue
        object.key("filter"); if let filter { object.json(filter) } else { object.null() }
        switch length {
        case .minutes(let minutes): object["minutes"] = minutes
        case .epochs(let epochs): object["epochs"] = epochs
        case .steps(let steps): object["steps"] = steps
        case nil: break
        }
        object.key("replay")
        if let replay { object.array { list in for path in replay { list.string(path) } } } else { object.null() }
        if let replayShare { object["replay_share"] = replayShare }
        if let learningRate { object["learning_rate"] = learningRate }
    }
}

extension UInt8 {
    fileprivate var isLetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }
}

extension RequestFields {
    func integer(_ name: String, _ range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let number = try integer(name) else { return nil }
        guard range.contains(number) else {
            throw .invalid(name, "expected an integer from \(range.lowerBound) to \(range.upperBound), found \(number).")
        }
        return number
    }

    func number(_ name: String, _ range: ClosedRange<Double>) throws(APIError) -> Double? {
        guard let number = try number(name) else { return nil }
        guard range.contains(number) else {
            throw .invalid(name, "expected a number from \(range.lowerBound) to \(range.upperBound), found \(number).")
        }
        return number
    }

    func choice<Choice: CaseIterable & RawRepresentable<String>>(_ name: String) throws(APIError) -> Choice? {
        guard let text = try optionalText(name, 0...64) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw .invalid(name, "expected one of \(Choice.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        return choice
    }
}

extension TrainingRunSettings {
    /// The chats to train on, among those that are included.
    var trainingFilter: TrainingFilter {
        get throws {
            guard let filter else { return TrainingFilter() }
            var parser = JSONParser()
            return try TrainingFilter(parser.parse(filter))
        }
    }
}
