import Files
package import Tokenize

extension TokenFile {
    /// The turns of all shards, in ascending order of their start.
    package struct Turns: Sendable, RandomAccessCollection {
        private let parts: [Part]
        package let startIndex = 0
        package let endIndex: Int

        private struct Part: Sendable {
            /// nil without turns.
            let file: MappedFile?
            /// The indices of its turns.
            let indices: Range<Int>
            /// The position of its first token.
            let firstToken: Int
        }

        /// - Parameter files: The turns of each shard, and the positions of its tokens.
        init(_ files: [(path: String?, tokens: Range<Int>)]) throws(CorpusError) {
            var parts: [Part] = [], end = 0
            for (path, tokens) in files {
                let file = try path.map { path throws(CorpusError) in try Self.open(path, tokens: tokens.count) }
                let count = (file?.count ?? 0) / 8
                parts.append(Part(file: file, indices: end..<end + count, firstToken: tokens.lowerBound))
                end += count
            }
            self.parts = parts
            endIndex = end
        }

        private static func open(_ path: String, tokens: Int) throws(CorpusError) -> MappedFile {
            let file = try mapFileError { () throws(FileError) in try MappedFile(path) }
            guard file.count % 8 == 0 else {
                throw .damaged(path: path, reason: "\(file.count) bytes are not a multiple of 64 bits; the file is truncated")
            }
            let invalid = file.read(as: UInt64.self) { words -> Int? in
                var least: UInt64 = 0
                for i in words.indices {
                    let start = words[i] >> 2
                    if start < least || start >= UInt64(tokens) { return i }
                    least = start + 1
                }
                return nil
            }
            if let invalid {
                throw .damaged(path: path, reason: "turn \(invalid) does not start after the turn before it and within \(tokens) tokens")
            }
            return file
        }

        func count(inPart part: Int) -> Int { parts[part].indices.count }
        func file(ofPart part: Int) -> MappedFile? { parts[part].file }

        package subscript(i: Int) -> ChatTokens.Turn {
            precondition(indices.contains(i), "turn \(i) of \(count)")
            let part = parts[parts.count == 1 ? 0 : parts.prefixCount { $0.indices.upperBound <= i }]
            let word = part.file?.read(as: UInt64.self) { $0[i - part.indices.lowerBound] } ?? 0
            return .init(part.firstToken + Int(word >> 2), TokenRole(rawValue: UInt8(word & 3)) ?? .preamble)
        }

        /// The turn that a token belongs to: the last one that starts at or before it.
        package func index(ofTurnAt position: Int) -> Int? {
            let count = prefixCount { $0.start <= position }
            return count == 0 ? nil : count - 1
        }
    }
}
