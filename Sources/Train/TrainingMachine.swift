import Checkpoint
package import Kernels

/// What the bits of a run depend on besides its plan and its data: the type of matmuls, the threads and the kernels.
///
/// A checkpoint stores it, so that a resumed run computes in the same way.
package struct TrainingMachine: Sendable, Equatable {
    package enum Device: String, CaseIterable, Sendable { case cpu, vulkan }

    /// The type of matmuls and stored activations.
    package var precision = DataType.float32
    /// Whether the backward pass recomputes the blocks. Changes memory and time, but no bits.
    package var recomputesBlocks = false
    package var threads = 1
    package var cpu = "plain"
    package var blas = BLAS.slm
    /// A run may change it.
    package var device = Device.cpu

    package init(_ processor: Processor, _ precision: DataType, recomputesBlocks: Bool = false) {
        self.precision = precision
        self.recomputesBlocks = recomputesBlocks
        threads = processor.threads
        cpu = processor.instructionSet
        blas = processor.blas
        device = processor.gpu == nil ? .cpu : .vulkan
    }
}

extension TrainingMachine: StoredSettings {
    package static let fieldGroup = "plan"
    /// Each command declares the options, since not only training has them.
    package static let settings: [Setting<TrainingMachine>] = [
        .choice("dtype", .machine, nil, \.precision, among: [DataType.float32, .bfloat16].map { ($0.rawValue, $0) }),
        .flag("recompute", .machine, nil, \.recomputesBlocks),
        .integer("threads", .machine, nil, \.threads, in: 1...1_024),
        .text("cpu", .machine, \.cpu),
        .choice("blas", .machine, nil, \.blas),
        .choice("device", .machine, nil, \.device),
    ]

    /// nil for the checkpoint of a plan without a machine.
    init?(from checkpoint: Checkpoint) throws(CheckpointError) {
        guard checkpoint.training["plan/dtype"] != nil else { return nil }
        for setting in Self.settings { try setting.read(from: checkpoint, into: &self) }
    }
}
