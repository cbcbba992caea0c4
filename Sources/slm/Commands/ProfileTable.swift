import Kernels

/// What this machine can do at most, measured in this process.
struct Limits {
    /// Of our innermost loop, on data in the first-level cache.
    let gflops: Double
    /// Of a sum over more than any cache holds.
    let gigabytes: Double

    init(of processor: Processor, in type: DataType) {
        gflops = processor.peak(in: type) * 1e-9
        gigabytes = processor.bandwidth() * 1e-9
    }
}

/// Operations by the time they take, each beside its own limit: arithmetic for products, memory for everything else.
struct ProfileTable {
    private struct Row {
        let name: String
        let milliseconds, share, gflops, gigabytes, ofLimit: Double
        let calls: Int
    }

    private let rows: [Row]
    private let limits: Limits

    init(_ profile: Profile, steps: Int, limits: Limits, total: Double) {
        self.limits = limits
        var rows = profile.entries.map { name, entry in
            let gflops = entry.flops / entry.seconds * 1e-9, gigabytes = entry.bytes / entry.seconds * 1e-9
            return Row(
                name: name, milliseconds: entry.seconds * 1e3 / Double(steps), share: entry.seconds / total, gflops: gflops,
                gigabytes: gigabytes,
                ofLimit: entry.flops > 0 ? gflops / limits.gflops : gigabytes / limits.gigabytes, calls: entry.calls / steps)
        }.sorted { $0.milliseconds > $1.milliseconds }
        let rest = total - profile.entries.values.reduce(0) { $0 + $1.seconds }
        rows.append(Row(name: "between operations", milliseconds: rest * 1e3 / Double(steps), share: rest / total, gflops: 0, gigabytes: 0,
                        ofLimit: 0, calls: 0))
        self.rows = rows
    }

    func write(asJSON: Bool) {
        if asJSON {
            for row in rows {
                say(
                    JSONLine([
                        "profile": .text(row.name), "ms_per_step": .number(row.milliseconds), "share": .number(row.share),
                        "calls": .whole(row.calls),
                        "gflops": .number(row.gflops), "gb_per_s": .number(row.gigabytes), "of_limit": .number(row.ofLimit),
                    ]))
            }
            return
        }
        print("\nlimits of this machine: \(Int(limits.gflops)) GFLOP/s, \(Int(limits.gigabytes)) GB/s\n")
        print(
            "operation".padded(to: 22)
                + ["ms/step", "share", "calls", "GFLOP/s", "GB/s", "of limit"].map { $0.leftPadded(to: 10) }.joined())
        for row in rows {
            let numbers = [
                row.milliseconds.fixed(1), (row.share * 100).fixed(1) + " %", "\(row.calls)", row.gflops > 0 ? row.gflops.fixed(0) : "",
                row.gigabytes > 0 ? row.gigabytes.fixed(1) : "", row.ofLimit > 0 ? (row.ofLimit * 100).fixed(0) + " %" : "",
            ]
            print(row.name.padded(to: 22) + numbers.map { $0.leftPadded(to: 10) }.joined())
        }
    }
}
