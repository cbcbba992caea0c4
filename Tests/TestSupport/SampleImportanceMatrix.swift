import Autograd
import Checkpoint
import Files
package import Formats
package import Model

/// Importance matrices with known numbers.
package enum SampleImportanceMatrix {
    /// The squares of every matrix of a model's layers and of its head: of `count` inputs each, whose mean squares are i + 1 for input i,
    /// and 100 more for each expert with a lower number.
    package static func squares(of configuration: GPTConfiguration, count: Float = 10) -> [String: ImportanceMatrix.Entry] {
        var squares: [String: ImportanceMatrix.Entry] = [:]
        for parameter in ParameterList(of: configuration).parameters where Checkpoint.isMatrix(parameter.name, parameter.shape) {
            let expert = parameter.name.split(separator: ".").compactMap { Int($0.trimmingPrefix("expert")) }.first ?? 0
            let sums = (0..<parameter.shape[1]).map { count * Float($0 + 1 + 100 * expert) }
            squares[parameter.name] = ImportanceMatrix.Entry(sums: sums, counts: [count])
        }
        return squares
    }

    package static func matrix(of configuration: GPTConfiguration, path: String) throws -> ImportanceMatrix {
        try ImportanceMatrix(
            of: configuration, squares(of: configuration), dataset: "chats.jsonl", chunkCount: 3, chunkSize: 8, path: path)
    }

    /// A file in llama.cpp's older format: for each input the mean square times the number of pieces.
    package static func older(
        _ matrices: [(name: String, means: [Float])], pieces: Int32 = 3, end: [UInt8] = older(end: "chats.jsonl", pieces: 3)
    ) -> [UInt8] {
        var bytes = UInt32(matrices.count).littleEndianBytes
        for (name, means) in matrices {
            bytes += UInt32(name.utf8.count).littleEndianBytes + Array(name.utf8) + pieces.littleEndianBytes
            bytes += UInt32(means.count).littleEndianBytes
            for mean in means { bytes += (mean * Float(pieces)).bitPattern.littleEndianBytes }
        }
        return bytes + end
    }

    /// What follows the matrices: the number of pieces, and the name of the text.
    package static func older(end dataset: String, pieces: Int32) -> [UInt8] {
        pieces.littleEndianBytes + UInt32(dataset.utf8.count).littleEndianBytes + Array(dataset.utf8)
    }
}
