package import Autograd
import Files
import Foundation

/// A reader of safetensors files for golden data: 8 bytes with the length of a JSON header, the header, the numbers.
///
///     let golden = try GoldenTensors(reading: path)
///     golden.floats("sum/y")
///
/// The whole file is read into memory. Errors trap, since these are our own files.
package struct GoldenTensors: Sendable {
    private struct Entry: Decodable {
        let dtype: String
        let shape: [Int]
        let data_offsets: [Int]
    }

    private let path: String
    private let entries: [String: Entry]
    private let numbers: [UInt8]

    package init(reading path: String) throws {
        let bytes = try [UInt8](Data(contentsOf: URL(filePath: path)))
        precondition(bytes.count >= 8, "\(path) ends before its header")
        let header = 8..<8 + Int(littleEndian: bytes.span.extracting(0..<8))
        precondition(header.upperBound <= bytes.count, "\(path) ends within its header")
        let tensors = try JSONDecoder().decode([String: HeaderEntry].self, from: Data(bytes[header]))
        self.path = path
        entries = tensors.compactMapValues(\.tensor)
        numbers = Array(bytes[header.upperBound...])
    }

    package var names: [String] { entries.keys.sorted() }

    package func has(_ name: String) -> Bool { entries[name] != nil }

    package func shape(_ name: String) -> Shape { Shape(entry(name).shape) }

    package func isIDs(_ name: String) -> Bool { entry(name).dtype == "I32" }

    package func floats(_ name: String) -> [Float] { words(name, "F32").map(Float.init(bitPattern:)) }

    package func ids(_ name: String) -> [Int32] { words(name, "I32").map(Int32.init(bitPattern:)) }

    private func entry(_ name: String) -> Entry {
        guard let entry = entries[name] else { preconditionFailure("\(path) holds no '\(name)'") }
        return entry
    }

    private func words(_ name: String, _ type: String) -> [UInt32] {
        let entry = entry(name), (start, end) = (entry.data_offsets[0], entry.data_offsets[1])
        precondition(entry.dtype == type, "\(path): '\(name)' holds \(entry.dtype), not \(type)")
        precondition(
            end <= numbers.count && end - start == 4 * entry.shape.reduce(1, *), "\(path): '\(name)' has other bytes than \(entry.shape)")
        return stride(from: start, to: end, by: 4).map { UInt32(littleEndian: numbers.span.extracting($0..<$0 + 4)) }
    }

    /// A tensor, or another entry of the header.
    private struct HeaderEntry: Decodable {
        let tensor: Entry?

        init(from decoder: any Decoder) throws {
            tensor = try decoder.container(keyedBy: Key.self).contains(.dtype) ? Entry(from: decoder) : nil
        }

        private enum Key: CodingKey { case dtype }
    }
}

extension GoldenTensors {
    /// A file of Tests/Golden/make_golden.py: "operations" or "gpt".
    package static func golden(_ name: String) throws -> GoldenTensors { try GoldenTensors(reading: path(of: "\(name).safetensors")) }

    /// The path of a file in Tests/Golden.
    package static func path(of name: String) -> String { repositoryPath("Tests/Golden/\(name)") }
}
