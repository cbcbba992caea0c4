import Files
import Glibc
import Infer
import Kernels
import Tuning

/// Chooses kernels, data type and matmul library, where options leave them open, by measuring the machine once. The results are stored in
/// the user's cache directory.
enum Autotuning {
    /// The environment variable `SLM_AUTOTUNE`: not an option, because it must be the same for all commands of a script.
    enum Mode: String, CaseIterable {
        case on
        /// Uses what the CPU's features suggest.
        case off
        /// Replaces the stored result.
        case again
    }

    static func mode() throws -> Mode {
        guard let text = getenv("SLM_AUTOTUNE").map({ String(cString: $0) }), !text.isEmpty else { return .on }
        guard let mode = Mode(rawValue: text) else {
            let known = Mode.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError("slm: SLM_AUTOTUNE: expected one of \(known), found '\(text)'.")
        }
        return mode
    }

    static func candidates(for use: TuningUse) -> [KernelChoice] {
        KernelChoice.candidates(for: use, among: Processor.instructionSets, multipliesBFloat16: Processor.multipliesBFloat16)
    }

    /// The stored result for this machine.
    static func stored(for use: TuningUse, threads: Int) -> TuningResult? {
        cache(threads: threads)?.result(for: use, among: candidates(for: use))
    }

    /// The stored result, or a measurement, which is stored. nil if measuring is switched off, or if it would be repeated by every command
    /// because the result cannot be stored.
    static func result(for use: TuningUse, threads: Int, isQuiet: Bool) throws -> TuningResult? {
        let mode = try mode(), candidates = candidates(for: use), cache = cache(threads: threads)
        if mode == .off || candidates.count < 2 { return nil }
        // A training run is long enough to measure again what a busy machine has measured, or what cannot be stored.
        if mode == .on, let stored = stored(for: use, threads: threads), stored.isSteady || use == .inference { return stored }
        if use == .inference, cache?.isWritable != true { return nil }
        if !isQuiet { printNote("measuring the kernels of this machine for \(use.text), once.") }
        let evict: () -> Void = use == .inference ? TuningWork.cacheEviction() : {}
        let result = Tuner.measure(candidates, pause: { usleep(3_000) }) { choice in
            switch use {
            case .training(let width): TuningWork.trainingStep(width: width, choice, threads: threads)
            case .inference: TuningWork.answer(choice, threads: threads, evict: evict)
            }
        }
        do { try cache?.store(result, for: use) } catch { printNote("the measurement is not kept: \(error)") }
        return result
    }

    private static func cache(threads: Int) -> TuningCache? {
        userCacheFolder().map { TuningCache(in: $0 + "/kernels", for: .current(threads: threads, version: version)) }
    }
}

extension TuningUse {
    var text: String {
        switch self {
        case .training(let width): "training at a width of \(width)"
        case .inference: "inference"
        }
    }
}

extension MachineSettings {
    mutating func use(_ choice: KernelChoice) {
        cpu = choice.instructionSet
        blas = choice.blas
    }
}

extension MachineOptions {
    var threadCount: Int { machine.threads ?? min(CPU.availableCores, 1_024) }

    /// The measured choice for training; nil to use what the CPU's features suggest.
    func tunedTraining(width: Int, _ precision: TrainingPrecisionOption, isQuiet: Bool) throws -> KernelChoice? {
        // What is measured are the CPU's kernels.
        if case .vulkan = machine.device { return nil }
        let cpu = machine.cpu, blas = machine.blas
        if cpu != nil, blas != nil, precision != .auto { return nil }
        return try Autotuning.result(for: .forTraining(modelOfWidth: width), threads: threadCount, isQuiet: isQuiet)?.best { choice in
            (cpu == nil || choice.instructionSet == cpu) && (blas == nil || choice.blas == blas)
                && (precision == .auto || choice.precision == (precision == .bf16 ? .bfloat16 : .float32))
        }
    }

    /// Finds the measured choice for a model whose weights are not quantized, if `--dtype` is not given.
    func tunedInference(_ precision: PrecisionOption, isQuiet: Bool) -> @Sendable () throws -> TunedInference? {
        let machine = machine, threadCount = threadCount, usesCPU = machine.device == nil || machine.device == .cpu
        return {
            guard precision == .auto, usesCPU else { return nil }
            let choice = try Autotuning.result(for: .inference, threads: threadCount, isQuiet: isQuiet)?.best { choice in
                machine.cpu == nil || choice.instructionSet == machine.cpu
            }
            guard let choice else { return nil }
            return TunedInference(precision: choice.precision == .bfloat16 ? .bfloat16 : .float32) {
                try Processor(threads: machine.threads, instructionSet: choice.instructionSet, blas: machine.blas)
            }
        }
    }
}

/// The user's cache directory for slm; nil if neither XDG_CACHE_HOME nor HOME is set.
func userCacheFolder() -> String? {
    let environment = { (name: String) in getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil } }
    return environment("XDG_CACHE_HOME").map { $0 + "/slm" } ?? environment("HOME").map { $0 + "/.cache/slm" }
}
