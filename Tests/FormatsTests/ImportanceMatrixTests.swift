import Checkpoint
import Files
import Formats
import Kernels
import Model
import TestSupport
import Testing

/// llama.cpp's importance matrices in both formats. Tests/Peers/check_gguf.py compares them with the gguf package.
@Suite struct ImportanceMatrixTests {
    private let folder = TemporaryFolder()
    private typealias Sample = SampleImportanceMatrix

    /// What an importance makes of mean squares: relative to their mean, and damped.
    private func expected(_ squares: [Float]) -> [Float] {
        let mean = squares.reduce(0, +) / Float(squares.count)
        return squares.map { $0 / mean + 0.01 }
    }

    private func importance(_ statistics: InputStatistics?, on processor: Processor) -> [Float]? {
        guard case .importance(let values)? = statistics?.errorWeights(on: processor), let count = statistics?.inputs else { return nil }
        return values.read { span in (0..<count).map { span[$0] } }
    }

    @Test(arguments: SampleFamily.allCases)
    func `a written matrix gives each matrix of the model its squares`(family: SampleFamily) throws {
        let processor = try Processor(threads: 1), configuration = family.configuration, path = folder("a.imatrix")
        try Sample.matrix(of: configuration, path: path).write(to: path)
        let matrix = try #require(try ImportanceMatrix(at: path)), statistics = try matrix.statistics(for: configuration)
        #expect(matrix.datasets == ["chats.jsonl"] && matrix.chunkCount == 3 && matrix.chunkSize == 8)
        #expect(matrix.entries.keys.allSatisfy { $0.hasPrefix("blk.") && $0.hasSuffix(".weight") })
        let squares = Sample.squares(of: configuration).filter { $0.key.hasPrefix("layer") }
        #expect(Set(statistics.keys) == Set(squares.keys))
        for (name, entry) in squares {
            let found = importance(statistics[name], on: processor) ?? [], wanted = expected(entry.sums.map { $0 / 10 })
            #expect(found.count == wanted.count && zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-5 * $1 }, "\(name)")
        }
    }

    @Test func `tensors that stack experts have a row for each, and those without tokens no statistics`() throws {
        let configuration = SampleFamily.mixtral.configuration, path = folder("a.imatrix")
        let squares = Sample.squares(of: configuration).filter { !$0.key.contains(".expert3.") }
        try ImportanceMatrix(of: configuration, squares, dataset: "", chunkCount: 1, chunkSize: 8, path: path).write(to: path)
        let matrix = try #require(try ImportanceMatrix(at: path)), down = try #require(matrix.entries["blk.1.ffn_down_exps.weight"])
        #expect(down.counts == [10, 10, 10, 0, 10] && down.sums.count == 5 * configuration.hiddenWidth)
        #expect(matrix.entries["blk.1.ffn_gate_exps.weight"] == matrix.entries["blk.1.ffn_up_exps.weight"])
        let statistics = try matrix.statistics(for: configuration)
        #expect(statistics["layer1.expert3.down.weight"] == nil && statistics["layer1.expert4.down.weight"]?.isDiagonal == true)
    }

    @Test func `the older format has means times the pieces of text`() throws {
        let matrices: [(String, [Float])] = [("blk.0.attn_q.weight", [1, 4]), ("blk.0.ffn_down.weight", [0, 2, 5])]
        let bytes = Sample.older(matrices), end = Sample.older(end: "chats.jsonl", pieces: 3).count
        for (file, isWhole) in [(bytes, true), (Array(bytes.dropLast(end)), false)] {
            let matrix = try #require(try ImportanceMatrix(at: folder.write(file, to: "a.dat")))
            #expect(matrix.entries["blk.0.attn_q.weight"] == .init(sums: [3, 12], counts: [3]))
            #expect(matrix.entries["blk.0.ffn_down.weight"] == .init(sums: [0, 6, 15], counts: [3]) && matrix.entries.count == 2)
            #expect(matrix.chunkCount == (isWhole ? 3 : 0) && matrix.datasets == (isWhole ? ["chats.jsonl"] : []))
        }
        // Without a number of pieces, the numbers are the means.
        let means = try ImportanceMatrix(at: folder.write(Sample.older([("a", [7])], pieces: 1, end: []), to: "b.dat"))
        #expect(means?.entries["a"] == .init(sums: [7], counts: [1]))
    }

    @Test func `files are recognized by their content`() throws {
        for other in ["", "hello", "<|user|>Hi\n", "{\"user\": \"Hi\"}\n", "\u{1}\0\0\0\u{1}\0\0\0\0", "\u{1}\0\0\0\0\0\0\0a"] {
            let path = folder.write(other, to: "a.imatrix"), matrix = try ImportanceMatrix(at: path)
            #expect(matrix == nil, "\(other.debugDescription)")
        }
        let nowhere = try ImportanceMatrix(at: folder("none")), aFolder = try ImportanceMatrix(at: folder.path)
        #expect(nowhere == nil && aFolder == nil)
    }

    private func refusal(_ bytes: [UInt8], for configuration: GPTConfiguration? = nil) -> String {
        let path = folder.write(bytes, to: "a.imatrix")
        do throws(CheckpointError) {
            guard let matrix = try ImportanceMatrix(at: path) else { return "not recognized" }
            if let configuration { _ = try matrix.statistics(for: configuration) }
        } catch { return "\(error)".replacing(folder.path + "/", with: "") }
        return "accepted"
    }

    @Test func `a matrix of another model is refused in one sentence`() throws {
        let configuration = SampleFamily.llama.configuration
        func refusal(_ change: (inout GPTConfiguration) -> Void) throws -> String {
            var other = configuration
            change(&other)
            try Sample.matrix(of: other, path: "b").write(to: folder("b.imatrix"))
            return self.refusal(try InputFile.contents(of: folder("b.imatrix")), for: configuration)
        }
        #expect(try refusal { _ in } == "accepted")
        #expect(try refusal { $0.hiddenWidth = 96 }
            == "a.imatrix: blk.0.ffn_down.weight: expected squares of the 64 inputs that this model's matrix has, found 96.")
        #expect(try refusal { $0.layers = 2 }
            == "a.imatrix: blk.2.attn_q.weight: expected squares of the 32 inputs that this model's matrix has, found none.")
        #expect(try refusal { $0.layers = 4 }
            == "a.imatrix: blk.3.attn_k.weight: expected no more than the 3 layers of this model, found another one.")
        #expect(self.refusal(Sample.older([("output.weight", [1])]), for: configuration).contains("blk.0.attn_q.weight: expected"))
        var unknown = configuration
        unknown.positions = .none
        #expect(self.refusal(Sample.older([("output.weight", [1])]), for: unknown).contains("a GGUF file cannot hold this model: "))
    }

    @Test func `weights of inputs with large squares have smaller errors in a file`() throws {
        let checkpoint = try SampleGGUF { ($0.width, $0.headWidth, $0.hiddenWidth) = (256, 128, 512) }.checkpoint
        let processor = try Processor(threads: 2), name = "layer0.up.weight"
        let importance = (0..<256).map { $0 % 8 == 3 ? 100 : 1 as Float }
        var squares = Sample.squares(of: checkpoint.configuration)
        squares[name] = .init(sums: importance, counts: [1])
        let matrix = try ImportanceMatrix(
            of: checkpoint.configuration, squares, dataset: "", chunkCount: 1, chunkSize: 1, path: folder("a.imatrix"))
        let statistics = try matrix.statistics(for: checkpoint.configuration)
        func error(_ calibration: @escaping (String) -> InputStatistics?) throws -> Float {
            try checkpoint.writeGGUF(to: folder("a.gguf"), as: .q4_k_m, on: processor, calibration: calibration)
            let found = try Checkpoint(readingGGUF: folder("a.gguf"), on: processor).weight(name), exact = checkpoint.weight(name)
            return exact.indices.reduce(0) { $0 + importance[$1 % 256] * (found[$1] - exact[$1]) * (found[$1] - exact[$1]) }
        }
        let plain = try error { _ in nil }, weighted = try error { statistics[$0] }
        #expect(plain > 0 && weighted < 0.75 * plain, "\(weighted), \(plain) without the squares")
    }

    // MARK: Malicious files

    @Test func `every truncation of the older format is rejected`() {
        let bytes = Sample.older([("blk.0.attn_q.weight", [1, 4]), ("blk.1.attn_q.weight", [2])])
        let end = Sample.older(end: "chats.jsonl", pieces: 3).count
        for count in 9..<bytes.count where ![bytes.count - end, bytes.count - end + 4].contains(count) {
            let outcome = refusal(Array(bytes[..<count]))
            #expect(outcome.hasPrefix("a.imatrix: byte ") && outcome.contains("expected"), "\(count): \(outcome)")
        }
        #expect(refusal(bytes + [0]) == "a.imatrix: byte \(bytes.count): expected the end of the file, found 1 more bytes.")
    }

    @Test func `wrong numbers of the older format are rejected`() {
        let bytes = Sample.older([("blk.0.a", [1, 4])])
        func refusal(_ number: UInt32, at offset: Int) -> String {
            var bytes = bytes
            bytes.replaceSubrange(offset..<offset + 4, with: number.littleEndianBytes)
            return self.refusal(bytes)
        }
        // The number of pieces is then the length of a name.
        #expect(refusal(2, at: 0).contains("byte 35: expected a name without spaces, found the byte 11"))
        #expect(refusal(256, at: 4) == "not recognized")
        for count in [0, 7, 1 << 30, 1 << 31, .max] as [UInt32] {
            #expect(refusal(count, at: 19).contains("byte 19: expected 1 to "), "\(count)")
        }
        for number in [-1, .nan, .infinity] as [Float] {
            #expect(refusal(number.bitPattern, at: 27).contains("byte 27: expected a finite number of at least 0 for blk.0.a, found "))
        }
        for length in [100, 1 << 31, .max] as [UInt32] { #expect(refusal(length, at: 35).contains("bytes of the text's name, found 11")) }
        #expect(self.refusal(Sample.older([("a", [1]), ("a", [1])])).contains(#"expected each matrix once, found "a" again"#))
    }

    @Test func `wrong GGUF files are rejected`() throws {
        func refusal(_ change: (inout GGUFBytes) -> Void) -> String {
            var file = GGUFBytes()
            file.keys = [("general.type", GGUFBytes.text("imatrix"))]
            file.tensors = [("a.in_sum2", [2, 3], 0, 0), ("a.counts", [1, 3], 0, 32)]
            file.data = [UInt8](repeating: 0, count: 64)
            change(&file)
            return self.refusal(file.bytes)
        }
        #expect(refusal { _ in } == "accepted")
        let wanted = "a.imatrix: general.type: expected imatrix, an importance matrix, found "
        #expect(refusal { $0.set("general.type", GGUFBytes.text("model")) } == wanted + "model.")
        #expect(refusal { $0.keys = [] } == wanted + "nothing.")
        #expect(refusal { $0.set("general.type", GGUFBytes.u32(1)) }.contains("general.type: expected a string, found 1"))
        #expect(refusal { $0.tensors.removeLast() } == "a.imatrix: a.counts: expected a tensor in F32, found nothing.")
        #expect(refusal { $0.tensors.removeFirst() } == "a.imatrix: a.in_sum2: expected a tensor in F32, found nothing.")
        #expect(refusal { $0.tensors[1].type = 1 }.contains("a.counts: expected a tensor in F32, found F16 [3, 1]"))
        #expect(refusal { $0.tensors[1].sizes = [1, 4] }.contains("for each of the 4 matrices that have counts, found F32 [3, 2]"))
        #expect(refusal { $0.data[3] = 0xFF }.contains("a.in_sum2[0]: expected a finite number of at least 0, found -"))
        #expect(refusal { $0.set("imatrix.chunk_count", GGUFBytes.text("1")) }.contains("imatrix.chunk_count: expected a whole number"))
        #expect(refusal { $0.set("imatrix.datasets", GGUFBytes.u32(1)) } == "accepted")
        #expect(refusal { $0.data.removeLast(40) }.contains("is not a valid GGUF file: at byte "))
    }
}
