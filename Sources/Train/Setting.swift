package import Checkpoint

/// What is made of settings: the plan of a run, or its loss of preferences.
package protocol Configurable: Sendable {
    static var settings: [Setting<Self>] { get }
    /// The group of a checkpoint's `training` fields that stores them.
    static var fieldGroup: String { get }
}

/// A setting of a training run: its name, its place in the plan, its range and its help.
///
/// Options, environment variables, configuration keys, fields of checkpoints, changes of a resumed run, the agreement of ranks and the
/// report come from it. To add a setting, add a line to ``TrainingPlan/settings`` and a property to ``TrainingPlan``.
package struct Setting<Whole: Configurable>: Sendable {
    /// As on the command line: `eval-every`.
    package let name: String
    package let kind: SettingKind
    /// nil if no option sets it.
    package let group: SettingGroup?
    package let type: SettingType
    package let help: String
    /// Describes the default.
    package let defaultText: String
    /// nil if the plan does not have it.
    package let value: @Sendable (Whole) -> CheckpointValue?
    package let set: @Sendable (inout Whole, CheckpointValue) -> Void

    package var option: String { "--" + name }
    package var isFlag: Bool { if case .flag = type { true } else { false } }
    private var field: String { "\(Whole.fieldGroup)/\(key)" }
    /// In checkpoints and reports.
    package var key: String { name.replacing("-", with: "_") }

    /// The value as it is printed; the default if the plan does not have it, and nil if it also cannot get it later.
    package func text(in whole: Whole) -> String? {
        switch (value(whole), type) {
        case (.integer(let value)?, .flag): value == 0 ? "off" : "on"
        case (.integer(let value)?, _): "\(value)"
        case (.number(let value)?, _): "\(Float(value))"
        case (.text(let text)?, _): text
        default: kind == .changeable ? defaultText.isEmpty ? "off" : defaultText : nil
        }
    }

    /// Adds the value to a checkpoint's fields.
    func write(_ whole: Whole, to fields: inout OrderedDictionary<CheckpointValue>) { value(whole).map { fields[field] = $0 } }

    /// Takes the value from a checkpoint, if it has one.
    func read(from checkpoint: Checkpoint, into whole: inout Whole) throws(CheckpointError) {
        guard checkpoint.training[field] != nil else { return }
        switch type {
        case .integer(let range): set(&whole, .integer(try checkpoint.integer(field, in: range)))
        case .flag: set(&whole, .integer(try checkpoint.integer(field, in: 0...1)))
        case .number(let range): set(&whole, .number(try checkpoint.number(field, in: range)))
        case .text: set(&whole, .text(try checkpoint.text(field)))
        case .choice(let choices):
            let text = try checkpoint.text(field)
            guard choices.contains(text) else {
                throw .mismatch(
                    path: checkpoint.name, name: "training/" + field, expected: "one of \(choices.joined(separator: ", "))",
                    found: "'\(text)'")
            }
            set(&whole, .text(text))
        }
    }
}

package enum SettingKind: Sendable {
    /// Data, order of the data and initial weights depend on it: a resumed run cannot change it.
    case fixed
    case changeable
    /// It concerns the computation, such as the number of threads, instead of the training.
    case machine
}

/// The part of the help in which a setting is an option. A command has the settings of the groups that it lists.
package enum SettingGroup: Sendable {
    case main, data, schedule, evaluation, processes
    /// `slm train` only.
    case vocabulary, windows, recipe
    /// `slm finetune` only.
    case adapter, noise
    /// Training on preferences: all of it, on pairs only (DPO), and on good and bad answers only (KTO).
    case preferences, pairs, ratings
}

package enum SettingType: Sendable {
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case flag
    case text
    case choice([String])
}

extension Setting {
    typealias Path<Value> = any (WritableKeyPath<Whole, Value> & Sendable)

    static func integer(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Int>, in range: ClosedRange<Int>, _ help: String,
        default text: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .integer(range), help: help, defaultText: text,
            value: { .integer($0[keyPath: path]) },
            set: { whole, value in if case .integer(let number) = value { whole[keyPath: path] = number } })
    }

    /// - Parameter none: The value that stands for nil; nil if the option cannot say it.
    static func integer(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Int?>, in range: ClosedRange<Int>, none: Int? = nil,
        _ help: String, default text: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .integer(range), help: help, defaultText: text,
            value: { ($0[keyPath: path] ?? none).map { .integer($0) } },
            set: { whole, value in if case .integer(let number) = value { whole[keyPath: path] = number == none ? nil : number } })
    }

    /// - Parameter infinity: The value that stands for infinity.
    static func number<Number: BinaryFloatingPoint & Sendable>(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Number>, in range: ClosedRange<Double>,
        infinity: Number? = nil, _ help: String, default text: String = ""
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .number(range), help: help, defaultText: text,
            value: { whole in
                let value = whole[keyPath: path]
                return .number(Double(value.isFinite ? value : infinity ?? value))
            },
            set: { whole, value in
                guard case .number(let number) = value else { return }
                whole[keyPath: path] = Number(number) == infinity ? .infinity : Number(number)
            })
    }

    static func flag(_ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Bool>, _ help: String) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .flag, help: help, defaultText: "", value: { .integer($0[keyPath: path] ? 1 : 0) },
            set: { whole, value in if case .integer(let number) = value { whole[keyPath: path] = number != 0 } })
    }

    static func text(_ name: String, _ kind: SettingKind, _ path: Path<String?>) -> Setting {
        Setting(
            name: name, kind: kind, group: nil, type: .text, help: "", defaultText: "",
            value: { whole in whole[keyPath: path].map { .text($0) } },
            set: { whole, value in if case .text(let text) = value { whole[keyPath: path] = text } })
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable & SendableMetatype>(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Choice>, _ help: String, default text: String
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .choice(Choice.allCases.map(\.rawValue)), help: help, defaultText: text,
            value: { .text($0[keyPath: path].rawValue) },
            set: { whole, value in if case .text(let text) = value, let choice = Choice(rawValue: text) { whole[keyPath: path] = choice } })
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable & SendableMetatype>(
        _ name: String, _ kind: SettingKind, _ group: SettingGroup, _ path: Path<Choice?>, _ help: String, default text: String
    ) -> Setting {
        Setting(
            name: name, kind: kind, group: group, type: .choice(Choice.allCases.map(\.rawValue)), help: help, defaultText: text,
            value: { whole in whole[keyPath: path].map { .text($0.rawValue) } },
            set: { whole, value in if case .text(let text) = value { whole[keyPath: path] = Choice(rawValue: text) } })
    }
}

extension TrainingPlan: Configurable {
    package static let fieldGroup = "plan"
    /// All settings but the length of the run.
    package static let settings: [Setting<TrainingPlan>] = [
        .text("preset", .fixed, \.preset),
        .integer("vocab-size", .fixed, .vocabulary, \.vocabularySize, in: 256...100_000_000,
                 "Train a tokenizer with N tokens on the data."),
        .choice("recipe", .fixed, .recipe, \.recipe, "Initialize the weights from n-gram counts, or train as nanoGPT does.",
                default: "counts if the model is large enough"),
        .integer("ngram-contexts", .fixed, .recipe, \.nGramContexts, in: 0...1_000_000_000, "Fit the n-gram initialization to N contexts.",
                 default: "819200, at most 2/3 of the tokens"),
        .integer("batch", .fixed, .main, \.rows, in: 1...65_536, "Set the sequences per batch."),
        .flag("windows", .fixed, .windows, \.usesWindows, 
              "Train on windows at random positions, like nanoGPT, instead of packed conversations."),
        .choice("loss-scope", .fixed, .data, \.lossScope, "Compute the loss on the tokens of this role.", default: ""),
        .integer("seed", .fixed, .schedule, \.seed, in: Int.min...Int.max,
                 "Seed the weights, the order of the data and dropout.", default: "1"),
        .choice("optimizer", .fixed, .recipe, \.optimizer, "Choose the optimizer of the linear layers' weights.", default: ""),
        .number("muon-lr", .changeable, .recipe, \.muonRate, in: 0...10,
                "Set the peak learning rate of Muon; --lr is that of all other weights.", default: "0.02"),
        .number("lr", .changeable, .main, \.rate, in: 0...10, "Set the peak learning rate."),
        .choice("schedule", .changeable, .schedule, \.schedule,
                "Choose how the learning rate falls after the warmup; wsd keeps it until the last fifth.", default: "cosine"),
        .integer("warmup", .changeable, .schedule, \.warmup, in: 0...1_000_000_000, "Warm the learning rate up over N steps.",
                 default: "100, or a tenth of all steps"),
        .number("min-lr", .changeable, .schedule, \.minimumRateFraction, in: 0...1, "Let the learning rate fall to X times the peak.",
                default: "0.1; 0 with --recipe counts"),
        .number("weight-decay", .changeable, .schedule, \.decay, in: 0...10, "Set AdamW's weight decay for matrices."),
        .number("beta2", .changeable, .schedule, \.beta2, in: 0...0.99999, "Set AdamW's beta2; 0.99 suits small batches.", default: "0.95"),
        .number("lora-plus-ratio", .changeable, .adapter, \.loraPlusRatio, in: 0.01...1_000,
                "Multiply the learning rate of B by X (LoRA+).", default: "1"),
        .number("neftune", .changeable, .noise, \.noiseAlpha, in: 0...1_000,
                "Add noise of up to X / √(tokens of a row · width) to embeddings (NEFTune).", default: "0"),
        .number("clip", .changeable, .schedule, \.clipping, in: 0...1e9, infinity: 0,
                "Clip the gradient norm to X; 0 for no clipping.", default: "1"),
        .number("min-gain", .changeable, .schedule, \.minGain, in: 0...100, "Ignore improvements below X nats per token (early stopping).",
                default: "0.001"),
        .integer("patience", .changeable, .schedule, \.patience, in: 0...1_000_000, none: 0,
                 "Stop after N evaluations that rule a gain out; 0 for never.", default: "5"),
        .integer("eval-every", .changeable, .evaluation, \.evaluateEvery, in: 1...1_000_000_000, "Evaluate every N steps.",
                 default: "a twentieth of the run"),
        .integer("eval-tokens", .changeable, .evaluation, \.evaluationTokens, in: 1...1_000_000_000_000,
                 "Evaluate on at most N validation tokens during the run, the same in every run on the data.", default: "65536"),
        .integer("save-every", .changeable, .evaluation, \.saveEvery, in: 1...1_000_000_000, "Save every N steps, besides at evaluations."),
        .integer("gradient-groups", .machine, .processes, \.gradientGroups, in: 1...65_536,
                 "Sum gradients in N groups of sequences, which the processes share. Runs with the same N have the same bits.",
                 default: "1; with mpirun 4, or a power of two for more processes"),
    ]
}
