import Kernels

/// The highest speeds of this machine, measured in this process.
struct MachineLimits {
    /// The speed of slm's innermost matmul loop, on data in the first-level cache.
    let gflops: Double
    /// GB/s, of a sum over more data than the caches hold.
    let bandwidth: Double

    init(of processor: Processor, in precision: DataType) {
        gflops = processor.peak(in: precision) * 1e-9
        bandwidth = processor.bandwidth() * 1e-9
    }
}

/// Operations sorted by time, each with its share of a limit: arithmetic for matmuls, memory bandwidth for the others.
struct ProfileTable {
    private struct Row {
        let name: String
        let milliseconds: Double
        let share: Double
        let calls: Int
        var gflops = 0.0
        var bandwidth = 0.0
        var shareOfLimit = 0.0
    }

    private let rows: [Row]
    private let limits: MachineLimits

    /// - Parameter total: seconds of all steps.
    init(_ profile: Profile, steps: Int, limits: MachineLimits, total: Double) {
        self.limits = limits
        let measured = profile.entries.map { name, entry in
            let gflops = entry.flops / entry.seconds * 1e-9
            let bandwidth = entry.bytes / entry.seconds * 1e-9
            return Row(
                name: name,
                milliseconds: entry.seconds * 1e3 / Double(steps),
                share: entry.seconds / total,
                calls: entry.calls / steps,
                gflops: gflops,
                bandwidth: bandwidth,
                shareOfLimit: entry.flops > 0 ? gflops / limits.gflops : bandwidth / limits.bandwidth)
        }
        let rest = total - profile.entries.values.reduce(0) { $0 + $1.seconds }
        rows = measured.sorted { $0.milliseconds > $1.milliseconds }
            + [Row(name: "between operations", milliseconds: rest * 1e3 / Double(steps), share: rest / total, calls: 0)]
    }

    func write(asJSON: Bool) {
        if asJSON { return rows.forEach(writeJSON) }
        print("\nlimits of this machine: \(Int(limits.gflops)) GFLOP/s, \(Int(limits.bandwidth)) GB/s\n")
        print("operation".padded(to: 22) + ["ms/step", "share", "calls", "GFLOP/s", "GB/s", "of "
            + "limit"].map { $0.leftPadded(to: 10) }.joined())
        for row in rows {
            let numbers = [
                row.milliseconds.fixed(1),
                (row.share * 100).fixed(1) + " %",
                "\(row.calls)",
                row.gflops > 0 ? row.gflops.fixed(0) : "",
                row.bandwidth > 0 ? row.bandwidth.fixed(1) : "",
                row.shareOfLimit > 0 ? (row.shareOfLimit * 100).fixed(0) + " %" : "",
            ]
            print(row.name.padded(to: 22) + numbers.map { $0.leftPadded(to: 10) }.joined())
        }
    }

    private func writeJSON(_ row: Row) {
        printLine(JSONLine([
            "profile": .text(row.name),
            "ms_per_step": .number(row.milliseconds),
            "share": .number(row.share),
            "calls": .whole(row.calls),
            "gflops": .number(row.gflops),
            "gb_per_s": .number(row.bandwidth),
            "of_limit": .number(row.shareOfLimit),
        ]))
    }
}
