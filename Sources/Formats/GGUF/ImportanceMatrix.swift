package import Kernels
package import Model
import Autograd
package import Checkpoint
import Files

/// Sums of the squared inputs of a model's matmuls on a text, by GGUF's names of the matrices: what llama.cpp calls an importance matrix.
///
///     guard let matrix = try ImportanceMatrix(at: "model.imatrix") else { … }           // another file, such as a text
///     let statistics = try matrix.statistics(for: checkpoint.configuration)
///
/// The matrices that share an input, such as those of queries, keys and values, have the same sums.
package struct ImportanceMatrix: Sendable {
    package struct Entry: Sendable, Equatable {
        /// A sum for each input; of a tensor that stacks the matrices of experts, those of one expert after the other.
        package var sums: [Float]
        /// How many inputs were summed: one number, or one for each expert.
        package var counts: [Float]

        package init(sums: [Float], counts: [Float]) {
            self.sums = sums
            self.counts = counts
        }
    }

    /// The file, for messages.
    let path: String
    package internal(set) var entries: [String: Entry] = [:]
    /// The names of the texts.
    package internal(set) var datasets: [String] = []
    /// The pieces that the model read, and the tokens of a piece.
    package internal(set) var chunkCount = 0, chunkSize = 0

    init(path: String) { self.path = path }

    /// - Parameters:
    ///   - squares: Those of single matrices, by slm's names of the parameters. Only those of layers are kept, as in llama.cpp's files.
    ///   - path: The file that it is for, in messages.
    package init(
        of configuration: GPTConfiguration, _ squares: [String: Entry], dataset: String, chunkCount: Int, chunkSize: Int, path: String
    ) throws(CheckpointError) {
        self.init(path: path)
        datasets = [dataset]
        self.chunkCount = chunkCount
        self.chunkSize = chunkSize
        for (parameter, parts) in try Self.layout(of: configuration, path).parameters where parameter.name.hasPrefix("layer") {
            guard let own = squares[parameter.name], let count = own.counts.first else { continue }
            for part in parts {
                guard let (expert, experts) = part.slice else {
                    entries[part.name] = own
                    continue
                }
                let I = own.sums.count, none = [Float](repeating: 0, count: experts)
                entries[part.name, default: Entry(sums: Array(repeating: 0, count: experts * I), counts: none)]
                    .set(own.sums, count: count, of: expert)
            }
        }
    }

    /// The mean squares of the inputs of a model's matrices, by slm's names of the parameters.
    ///
    /// The embedding and the head have none if the file, as most of llama.cpp's, has none; and experts that no token of the text reached.
    /// Throws if another matrix has none, or if the file has those of another model.
    package func statistics(for configuration: GPTConfiguration) throws(CheckpointError) -> [String: InputStatistics] {
        let layers = configuration.layers
        if let other = entries.keys.filter({ Self.layer(of: $0) ?? 0 >= layers }).min() {
            throw .mismatch(path: path, name: other, expected: "no more than the \(layers) layers of this model", found: "another one")
        }
        var result: [String: InputStatistics] = [:]
        for (parameter, parts) in try Self.layout(of: configuration, path).parameters
        where Checkpoint.isMatrix(parameter.name, parameter.shape) {
            guard let part = parts.first(where: { entries[$0.name] != nil }), let entry = entries[part.name] else {
                if !parameter.name.hasPrefix("layer") || parts.first?.slice != nil { continue }
                throw mismatch(parts.first?.name ?? parameter.name, parameter, nil)
            }
            let I = parameter.columns, (expert, experts) = part.slice ?? (0, 1)
            guard entry.sums.count == experts * I, entry.counts.count == 1 || entry.counts.count == experts else {
                throw mismatch(part.name, parameter, entry.sums.count / experts)
            }
            let count = entry.counts[entry.counts.count == 1 ? 0 : expert]
            if count > 0 { result[parameter.name] = InputStatistics(squares: entry.sums[expert * I..<(expert + 1) * I].map { $0 / count }) }
        }
        return result
    }

    private func mismatch(_ name: String, _ parameter: Parameter, _ found: Int?) -> CheckpointError {
        .mismatch(
            path: path, name: name, expected: "squares of the \(parameter.columns) inputs that this model's matrix has",
            found: found.map { "\($0)" } ?? "none")
    }

    /// Throws if GGUF has no names for the matrices of a model.
    package static func check(_ configuration: GPTConfiguration, path: String) throws(CheckpointError) {
        _ = try layout(of: configuration, path)
    }

    /// The tensors of each parameter of a model in a GGUF file.
    private static func layout(of configuration: GPTConfiguration, _ path: String) throws(CheckpointError) -> TensorLayout {
        let own = configuration.withoutWindow, (found, reason) = GGUFArchitecture.family(of: own)
        guard let architecture = found else { throw .notExpressible(format: GGUFFile.format(at: path), reason: reason) }
        return TensorLayout(architecture.features.stored(own), architecture.names)
    }

    /// The number in a name such as "blk.3.ffn_down.weight".
    private static func layer(of name: String) -> Int? {
        let parts = name.split(separator: ".")
        return parts.first == "blk" && parts.count > 1 ? Int(parts[1]) : nil
    }
}

extension ImportanceMatrix.Entry {
    fileprivate mutating func set(_ own: [Float], count: Float, of expert: Int) {
        sums.replaceSubrange(expert * own.count..<(expert + 1) * own.count, with: own)
        counts[expert] = count
    }
}

extension ImportanceMatrix {
    /// Writes the file atomically as GGUF, as llama.cpp's `llama-imatrix` does.
    package func write(to path: String) throws(CheckpointError) {
        var header = GGUFHeader()
        header.add("general.type", Self.kind)
        header.add("imatrix.datasets", datasets.map { Array($0.utf8) })
        header.add("imatrix.chunk_count", UInt32(clamping: chunkCount))
        header.add("imatrix.chunk_size", UInt32(clamping: chunkSize))
        let tensors = entries.sorted { $0.key < $1.key }.flatMap { name, entry in
            [(name: name + Self.sumsEnding, numbers: entry.sums, rows: entry.counts.count),
             (name: name + Self.countsEnding, numbers: entry.counts, rows: entry.counts.count)]
        }
        for tensor in tensors { header.add(tensor.name, [tensor.rows, tensor.numbers.count / tensor.rows], .f32) }
        do throws(FileError) {
            var file = try AtomicFile(path)
            try file.write(header.bytes)
            for tensor in tensors {
                var bytes: [UInt8] = []
                for number in tensor.numbers { bytes.append(littleEndian: number.bitPattern) }
                bytes += repeatElement(0, count: GGUFHeader.aligned(bytes.count) - bytes.count)
                try file.write(bytes)
            }
            try file.commit()
        } catch { throw CheckpointError(error, needed: header.byteCount) }
    }

    static let kind = "imatrix", sumsEnding = ".in_sum2", countsEnding = ".counts"
}
