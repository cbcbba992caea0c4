import Checkpoint
package import Kernels

/// What the bits of a run depend on besides its plan and its data: the type of matmuls, the threads and the kernels.
///
/// A checkpoint stores it, so that a resumed run computes in the same way.
package struct TrainingMachine: Sendable, Equatable {
    /// The type of matmuls and stored activations.
    package var precision: DataType
    /// Whether the backward pass recomputes the blocks. Changes memory and time, but no bits.
    package var isRecomputing: Bool
    package var threads: Int
    package var instructionSet: String
    package var blas: BLAS
    /// Whether a GPU computes. A run may change it.
    package var usesGPU: Bool

    package init(_ processor: Processor, _ precision: DataType, isRecomputing: Bool = false) {
        self.precision = precision
        self.isRecomputing = isRecomputing
        threads = processor.threads
        instructionSet = processor.instructionSet
        blas = processor.blas
        usesGPU = processor.gpu != nil
    }

    private var device: String { usesGPU ? "vulkan" : "cpu" }
}

extension TrainingMachine {
    var values: OrderedDictionary<CheckpointValue> {
        [
            "plan/dtype": .text(precision.rawValue), "plan/recompute": .integer(isRecomputing ? 1 : 0),
            "plan/threads": .integer(threads), "plan/cpu": .text(instructionSet), "plan/blas": .text(blas.rawValue),
            "plan/device": .text(device),
        ]
    }

    /// The options of the command line that set it, with their texts.
    package static let options: [(name: String, text: @Sendable (TrainingMachine) -> String)] = [
        ("--dtype", { $0.precision.rawValue }), ("--recompute", { $0.isRecomputing ? "on" : "off" }),
        ("--threads", { "\($0.threads)" }), ("--cpu", { $0.instructionSet }), ("--blas", { $0.blas.rawValue }),
        ("--device", { $0.device }),
    ]

    /// nil for the checkpoint of a plan without a machine.
    init?(from checkpoint: Checkpoint) throws(CheckpointError) {
        guard checkpoint.training["plan/dtype"] != nil else { return nil }
        let type = try checkpoint.text("plan/dtype")
        guard let precision = DataType(rawValue: type), [.float32, .bfloat16].contains(precision) else {
            throw .mismatch(path: checkpoint.name, name: "training/plan/dtype", expected: "f32 or bf16", found: type)
        }
        let library = try checkpoint.text("plan/blas")
        guard let blas = BLAS(rawValue: library) else {
            let known = BLAS.allCases.map(\.rawValue).joined(separator: ", ")
            throw .mismatch(path: checkpoint.name, name: "training/plan/blas", expected: "one of \(known)", found: library)
        }
        self.precision = precision
        self.blas = blas
        isRecomputing = try checkpoint.integer("plan/recompute") != 0
        threads = try checkpoint.integer("plan/threads")
        instructionSet = try checkpoint.text("plan/cpu")
        usesGPU = try checkpoint.text("plan/device") == "vulkan"
    }
}
