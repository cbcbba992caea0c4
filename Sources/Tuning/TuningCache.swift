package import Files
import Hashing
import JSON
import Kernels

/// The measurements of this machine, in files of the user's cache directory: one for each use, machine, number of threads and version.
///
/// A file that is damaged or describes something else counts as missing. Processes that measure at the same time both write the same
/// file, each atomically.
package struct TuningCache: Sendable {
    /// What measurements depend on.
    package struct Machine: Sendable, Equatable {
        /// The CPU with its features and caches.
        package let cpu: String
        package let threads: Int
        package let version: String

        package init(cpu: String, threads: Int, version: String) {
            self.cpu = cpu
            self.threads = threads
            self.version = version
        }

        /// The machine that the program runs on.
        package static func current(threads: Int, version: String) -> Machine {
            let caches = CPU.caches
            let parts = [CPU.name, CPU.features.joined(separator: " "), "\(caches.second ?? 0)", "\(caches.third ?? 0)"]
            return Machine(cpu: parts.joined(separator: "; "), threads: threads, version: version)
        }
    }

    private let folder: String
    private let machine: Machine

    package init(in folder: String, for machine: Machine) {
        self.folder = folder
        self.machine = machine
    }

    package func path(of use: TuningUse) -> String {
        let digest = Digest()
        digest.add(Array("\(machine.cpu)\n\(machine.threads)\n\(machine.version)".utf8).span)
        return "\(folder)/\(use.name)-\(digest.text.suffix(16)).json"
    }

    /// The stored result; nil if there is none, or if it has choices that are not among the candidates.
    package func result(for use: TuningUse, among candidates: [KernelChoice]) -> TuningResult? {
        // Missing or unreadable, which is the same here: the machine is measured again.
        guard let bytes = try? InputFile.contents(of: path(of: use)), bytes.count < 1 << 20 else { return nil }
        return try? Self.parse(bytes, use, machine, candidates)
    }

    package var isWritable: Bool { (try? Folder.create(folder)) != nil && Folder.isWritable(folder) }

    /// Throws if the directory cannot be written.
    package func store(_ result: TuningResult, for use: TuningUse) throws(FileError) {
        try Folder.create(folder)
        try AtomicFile.write(json(result, use), to: path(of: use))
    }

    private func json(_ result: TuningResult, _ use: TuningUse) -> String {
        var writer = JSONWriter(.pretty)
        writer.object { writer in
            writer["use"] = use.name
            writer["cpu"] = machine.cpu
            writer["threads"] = machine.threads
            writer["version"] = machine.version
            writer["steady"] = result.isSteady
            writer.array("measured") { writer in
                for measurement in result.measurements {
                    writer.object { writer in
                        writer["kernels"] = measurement.choice.instructionSet
                        writer["dtype"] = measurement.choice.precision.rawValue
                        writer["blas"] = measurement.choice.blas.rawValue
                        writer["seconds"] = measurement.seconds
                    }
                }
            }
        }
        return writer.text + "\n"
    }

    private static func parse(
        _ bytes: [UInt8], _ use: TuningUse, _ machine: Machine, _ candidates: [KernelChoice]
    ) throws(JSONError) -> TuningResult? {
        let root = try JSONElement(parsing: bytes)
        let stored = Machine(cpu: try root.string("cpu"), threads: try root.integer("threads"), version: try root.string("version"))
        guard stored == machine, try root.string("use") == use.name else { return nil }
        var measured: [KernelChoice: Double] = [:]
        for entry in try root.array("measured") {
            guard let precision = DataType(rawValue: try entry.string("dtype")), let blas = BLAS(rawValue: try entry.string("blas"))
            else { return nil }
            let choice = KernelChoice(try entry.string("kernels"), precision, blas), seconds = try entry.number("seconds")
            guard candidates.contains(choice), seconds > 0, seconds.isFinite, measured.updateValue(seconds, forKey: choice) == nil
            else { return nil }
        }
        if measured.isEmpty { return nil }
        return TuningResult(
            candidates.compactMap { choice in measured[choice].map { TuningResult.Measurement(choice, seconds: $0) } },
            isSteady: try root.boolean("steady"))
    }
}
