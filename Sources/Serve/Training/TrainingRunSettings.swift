import Files
import Infer
import JSON
import Store
import Train

/// The settings of a fine-tuning run, as a request or the schedule gives them. What is nil gets a default when the run is added.
package struct TrainingRunSettings: Equatable {
    package enum Method: String, CaseIterable { case lora, full }
    package enum Objective: String, CaseIterable { case chats, preferences }

    var name: String?
    /// The id of a model of the registry; nil for the active one.
    var base: String?
    var method: Method?
    var objective = Objective.chats
    /// Whether answers from documents are trained on, with their passages.
    var passages = false
    /// Files of older chats to mix in, or `generated`. nil for those of the base model, or generated ones if they are not known.
    var replay: [String]?
    /// Which of the included chats to train on, as JSON.
    var filter: String?
    /// By their names.
    private var numbers: [String: Double] = [:]

    static let members = ["name", "base", "method", "objective", "passages", "filter", "replay"] + RunNumber.all.map(\.name)

    init() {}

    init(_ fields: RequestFields) throws(APIError) {
        name = try fields.optionalText("name", 1...64)
        if let name, !Self.isFileName(name) {
            throw .invalid("name", "expected letters, digits, '.', '-' and '_', beginning with a letter or digit.")
        }
        base = try fields.optionalText("base", 1...64)
        method = try fields.choice("method")
        objective = try fields.choice("objective") ?? .chats
        passages = try fields.boolean("passages") ?? false
        for number in RunNumber.all {
            self[number] = try number.isWhole
                ? fields.integer(number.name, number.wholeRange).map { Double($0) } : fields.number(number.name, number.range)
        }
        if self[.rank] != nil, method == .full {
            throw .invalid("rank", "expected nothing with the method full, which trains no LoRA adapter.")
        }
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
        let lengths = RunNumber.lengths.count { self[$0] != nil }
        if lengths > 1 {
            throw .invalid("minutes", "expected one of \(RunNumber.lengths.map(\.name).joined(separator: ", ")), found \(lengths).")
        }
        if objective == .preferences, replay?.isEmpty == false {
            throw .invalid("replay", "expected nothing with the objective preferences: older chats have no preferences.")
        }
    }

    subscript(number: RunNumber) -> Double? {
        get { numbers[number.name] }
        set { numbers[number.name] = newValue }
    }

    /// Gives a run that trains a new LoRA adapter the usual rank if it has none.
    mutating func completeRank(_ base: TrainingBase) {
        if method == .lora, base.adapter == nil { self[.rank] = self[.rank] ?? Double(RunNumber.defaultRank) }
    }

    /// The option of `slm finetune` for a number; none if it has no value.
    func argument(_ number: RunNumber, otherwise value: Double? = nil) -> [String] {
        (self[number] ?? value).map { [number.option, number.text(of: $0) + number.unit] } ?? []
    }

    /// The option for the length of the run.
    var lengthArgument: [String] { RunNumber.lengths.flatMap { argument($0) } }

    /// Reads what `json` has written. Members that this version does not know are ignored.
    init(json: String) throws {
        try self.init(RequestFields(JSONElement(parsing: Array(json.utf8))))
    }

    /// A name that is a file name on any system, and no option.
    static func isFileName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first.isLetterOrDigit, name.utf8.count <= 64, name != "default" else { return false }
        return name.utf8.allSatisfy { $0.isLetterOrDigit || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_")].contains($0) }
    }

    var json: String {
        return JSONWriter.text { write(to: &$0) }
    }

    func write(to object: inout JSONWriter) {
        if let name { object["name"] = name }
        object["base"] = base
        if let method { object["method"] = method.rawValue }
        object["objective"] = objective.rawValue
        if passages { object["passages"] = true }
        object.json("filter", filter)
        object["replay"] = replay
        for number in RunNumber.all { if let value = self[number] { object.json(number.name, number.text(of: value)) } }
    }
}

/// A number among the settings of a run. The page and openapi.yaml repeat names and ranges: WebFilesTests compares them.
package struct RunNumber: Sendable {
    /// In requests, where runs are stored, and with hyphens as an option of `slm training start`.
    package let name: String
    /// The option of `slm finetune` that it becomes, and the unit of its value.
    let option: String
    var unit = ""
    package var isWhole = false
    package let range: ClosedRange<Double>
    package let help: String
    package var defaultText = ""

    /// What a run has whose request does not set them.
    static let defaultRank = 16, defaultMinutes = 10, defaultReplayShare = 0.8

    static let rank = RunNumber("lora", as: "rank", in: AdapterSettings.settings, defaultText: "\(defaultRank)")
    static let minutes = RunNumber(
        name: "minutes", option: "--time", unit: "m", range: 0.01...100_000, help: "Train for X minutes.",
        defaultText: "\(defaultMinutes)")
    static let epochs = RunNumber("epochs", in: TrainingPlan.lengths)
    static let maxSteps = RunNumber("max-steps", in: TrainingPlan.lengths)
    static let replayShare = RunNumber(
        "replay-share", in: Finetuning.Settings.settings,
        defaultText: "\(defaultReplayShare); \(GeneratedText.replayShare) of generated ones")
    static let learningRate = RunNumber("lr", in: TrainingPlan.settings, defaultText: "as slm finetune")
    /// A run has at most one of them.
    static let lengths = [minutes, epochs, maxSteps]
    package static let all = [rank] + lengths + [replayShare, learningRate]

    package var optionName: String { name.replacing("_", with: "-") }
    package var isLength: Bool { Self.lengths.contains { $0.name == name } }
    package var wholeRange: ClosedRange<Int> { Int(range.lowerBound)...Int(range.upperBound) }
    package func text(of value: Double) -> String { isWhole ? "\(Int(value))" : "\(value)" }
}

extension RunNumber {
    /// A setting of `slm finetune`.
    private init<Whole>(_ name: String, as key: String? = nil, in settings: [Setting<Whole>], defaultText: String = "") {
        guard let setting = settings.first(where: { $0.name == name }) else { preconditionFailure("no setting \(name)") }
        switch setting.type {
        case .integer(let range):
            self.init(
                name: key ?? setting.key, option: setting.option, isWhole: true, range: Double(range.lowerBound)...Double(range.upperBound),
                help: setting.help, defaultText: defaultText)
        case .number(let range):
            self.init(name: key ?? setting.key, option: setting.option, range: range, help: setting.help, defaultText: defaultText)
        case .seconds, .flag, .text, .choice: preconditionFailure("\(setting.name) is no number")
        }
    }
}

extension TrainingRunSettings {
    /// The chats to train on, among those that are included.
    var trainingFilter: TrainingFilter {
        get throws {
            guard let filter else { return TrainingFilter() }
            return try TrainingFilter(JSONElement(parsing: filter))
        }
    }
}
