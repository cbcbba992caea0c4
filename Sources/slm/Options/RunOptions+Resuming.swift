import Checkpoint
import Distributed
import Files
import Kernels
import Report
import Train
import Tuning

/// How `slm train` and `slm finetune` resume a run.
extension RunOptions {
    typealias Setup = (plan: TrainingPlan, machine: TrainingMachine, processor: Processor, changes: [PlanChange])

    /// Opens the machine of a run, and completes its plan with it and with the groups of the ranks. Throws if an option changes what a
    /// resumed run keeps.
    func setup(_ plan: TrainingPlan, resuming stored: TrainingPlan? = nil, width: Int) throws -> Setup {
        var plan = try sharing(plan, isNew: stored == nil)
        let (processor, machine) = try openMachine(resuming: stored?.machine, width: width)
        plan.machine = machine
        return (plan, machine, processor, try stored.map { stored in try plan.changes(from: stored) } ?? [])
    }

    /// The processor of a run and the type of its matmuls: of the options, else of the run to resume, else the fastest of this machine for
    /// a model of this width. All ranks use what the first one chooses.
    func openMachine(resuming stored: TrainingMachine?, width: Int) throws -> (processor: Processor, machine: TrainingMachine) {
        if stored == nil, let opened, opened.width == width { return (opened.processor, opened.machine) }
        guard let ranks = Ranks.current else { return try ownMachine(stored, width) }
        let first = ranks.isFirst ? try ownMachine(stored, width) : nil
        let words = first.map { "\($0.machine.cpu) \($0.machine.blas.rawValue) \($0.machine.precision.rawValue)" } ?? ""
        let chosen = ranks.fromFirst(words).split(separator: " ").map(String.init)
        if let first { return first }
        var options = self
        options.machine.cpu = chosen[0]
        options.machine.blas = BLAS(rawValue: chosen[1])
        options.precision = chosen[2] == DataType.bfloat16.rawValue ? .bf16 : .f32
        return try options.ownMachine(stored, width)
    }

    private func ownMachine(_ stored: TrainingMachine?, _ width: Int) throws -> (processor: Processor, machine: TrainingMachine) {
        var options = self
        if stored == nil, let tuned = try tunedTraining(width: width, precision, isQuiet: quiet) {
            options.machine.use(tuned)
            options.precision = TrainingPrecisionOption(tuned.precision)
        }
        if let stored {
            if machine.threads == nil { options.machine.threads = threads(resuming: stored) }
            if machine.device == nil, stored.device == .vulkan { options.machine.device = .vulkan(nil) }
            if machine.cpu == nil, Processor.instructionSets.contains(stored.cpu) {
                options.machine.cpu = stored.cpu
            }
            options.machine.blas = machine.blas ?? stored.blas
            if precision == .auto { options.precision = TrainingPrecisionOption(stored.precision) }
        }
        let processor: Processor
        do {
            processor = try options.processor()
        } catch ProcessorError.noLibrary where machine.blas == nil {
            options.machine.blas = .slm
            processor = try options.processor()
        }
        let recompute = self.recompute ?? stored?.recomputesBlocks ?? false
        let chosen = processor.precision(for: options.precision, isChosen: precision == .bf16)
        return (processor, TrainingMachine(processor, chosen, recomputesBlocks: recompute))
    }

    /// The bits of a run depend on its number of threads, so a resumed run keeps it where the machine has as many cores.
    private func threads(resuming stored: TrainingMachine) -> Int {
        let cores = CPU.availableCores
        if stored.threads < cores {
            printNote("resuming with \(stored.threads.counted("thread")), as before. --threads \(cores) uses all cores of this machine.")
        }
        return min(stored.threads, cores)
    }
}

/// Prints what differs from the run to resume.
func printChanges(_ changes: [PlanChange]) {
    for change in changes { printNote("resuming with \(change.option) \(change.new) instead of \(change.old).") }
}

/// Prints how to train a run further that has ended.
func printExtension(of run: TrainingRun) {
    switch run.ending {
    case .finished: printNote("the run has finished. Train it further with a longer --max-steps or --time.")
    case .earlyStopped:
        printNote("early stopping has ended the run. Train it further with a larger --patience (0 for no early stopping), a longer "
            + "--max-steps or --time, or another --lr.")
    case .stopped, .diverged, nil: break
    }
}

extension [PlanChange] {
    /// The entries of the log and the report.
    var settings: [RunSetting] {
        map { RunSetting("changed", String($0.option.drop { $0 == "-" }), .text("\($0.new) instead of \($0.old)")) }
    }
}
