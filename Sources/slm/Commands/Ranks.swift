import Corpus
import Distributed
import Files
import Glibc
import Kernels
import Synchronization
import Train

/// The processes that `mpirun` started for one run. The first one prints and writes for all.
enum Ranks {
    private static let joined = Mutex<RankGroup?>(nil)
    /// Standard error of a rank that prints nothing but its end.
    private static let errorOutput = Atomic(STDERR_FILENO)

    /// nil in a process that was started alone.
    static var current: RankGroup? { joined.withLock { $0 } }

    static var isFirst: Bool { current?.isFirst ?? true }

    /// In how many groups the ranks sum the gradients of a batch, unless it was set: a power of two, for which the order of the sums is
    /// simple. Each rank has a part of the tree of its own.
    static func gradientGroups(of count: Int, rows: Int) -> Int {
        var groups = 4
        while groups < count { groups *= 2 }
        return min(groups, rows)
    }

    /// Joins the other processes, if mpirun started this one. The ranks after the first print nothing from then on.
    static func join() throws {
        guard current == nil, MPITransport.isStarted(in: SLM.environmentVariables()) else { return }
        let end: @Sendable (RankError) -> Never = { error in
            Ranks.printError("\(error)")
            ScratchFolder.removeAll()
            _exit(1)
        }
        let transport = try MPITransport(whenLost: end)
        StopSignal.watchForEndOfRanks()
        let group = try RankGroup(transport, whenLost: end, isEnding: { StopSignal.isEndOfRanks }) { error in
            if let error { Ranks.printError("\(error)") }
            if StopSignal.isStoppingRun { return }
            ScratchFolder.removeAll()
            _exit(128 + SIGTERM)
        }
        joined.withLock { $0 = group }
        if !group.isFirst { silence() }
        try group.checkProgram(version: version)
    }

    /// Ends the communication of a run that has succeeded.
    static func end() { current?.end() }

    /// Tells the other ranks why this one ends.
    static func fail(_ error: any Error) { current?.fail("\(error)") }

    /// Prints on standard error which rank failed.
    static func printError(_ text: String) {
        let rank = current.map { $0.count > 1 ? "rank \($0.rank): " : "" } ?? ""
        let bytes = Array("slm: \(rank)\(text)\n".utf8)
        _ = bytes.withUnsafeBytes { write(errorOutput.load(ordering: .relaxed), $0.baseAddress, $0.count) }
    }

    /// Work whose result is kept in a file, such as training a tokenizer: the first rank of each machine does it, then the others find
    /// the file.
    static func firstOnEachMachine<Result>(_ work: () throws -> Result) rethrows -> Result {
        guard let current else { return try work() }
        if !current.isFirstOnThisHost { current.wait() }
        let result = try work()
        if current.isFirstOnThisHost { current.wait() }
        return result
    }

    /// The threads of this rank. mpirun gives each rank cores of its own, except with --bind-to none.
    static var threads: Int? {
        guard let current else { return nil }
        let isBound = CPU.cores.limitedBy != nil
        return max(1, CPU.availableCores / (isBound ? 1 : current.ranksOnThisHost))
    }

    private static func silence() {
        errorOutput.store(dup(STDERR_FILENO), ordering: .relaxed)
        let null = open("/dev/null", O_WRONLY)
        dup2(null, STDOUT_FILENO)
        dup2(null, STDERR_FILENO)
        close(null)
    }
}

extension MachineOptions {
    /// Joins the processes of mpirun. Their threads share the cores of a machine.
    mutating func joinRanks() throws {
        try Ranks.join()
        if machine.threads == nil { machine.threads = Ranks.threads }
    }
}

extension RunOptions {
    /// The plan with the number of groups that the ranks share.
    ///
    /// - Parameter isNew: Whether it is the plan of a new run; a resumed one keeps its groups where it can.
    func sharing(_ plan: TrainingPlan, isNew: Bool) throws -> TrainingPlan {
        var plan = plan
        if let groups = self.plan[integer: "gradient-groups"] {
            if groups > plan.batch {
                throw UsageError(
                    "slm: --gradient-groups: expected at most \(plan.batch), the sequences of a batch, found \(groups).")
            }
        } else if let ranks = Ranks.current, isNew || ranks.count > plan.gradientGroups {
            plan.gradientGroups = Ranks.gradientGroups(of: ranks.count, rows: plan.batch)
        }
        return plan
    }

    /// Trains as one of the ranks after the first, which print and write nothing.
    func follow(_ run: TrainingRun, prepare: RunPreparation = { _, _, _ in }) throws {
        let stop = StopSignal()
        try prepare(now, { stop.isRaised }, { _ in })
        _ = try run.run(clock: now, shouldStop: { _ in stop.isRaised }, { _ in })
    }
}
