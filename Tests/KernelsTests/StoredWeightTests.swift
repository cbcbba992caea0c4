import Files
import Glibc
import Kernels
import TestSupport
import Testing

/// Weights in the number formats of other programs' files. Tests/Peers/check_gguf.py compares what is read with llama.cpp.
@Suite struct StoredWeightTests {
    private let folder = TemporaryFolder()

    /// Random blocks whose f16 scales are ordinary numbers.
    private func bytes(_ format: StoredFormat, numbers: Int, seed: UInt64) -> [UInt8] {
        let size = format.blockSize, blocks = numbers / format.blockCount
        var result = TestRandom.numbers(blocks * size, seed: seed).map { UInt8(truncatingIfNeeded: Int($0 * 1e6)) }
        for block in 0..<blocks {
            let scales = switch format {
            case .f32: [3]
            case .mxfp4: [0]
            case .f16, .bf16: [1]
            case .q4_0, .q5_0, .q8_0, .iq4_NL, .iq4_XS: [1]
            case .q4_1, .q5_1, .q4_K, .q5_K: [1, 3]
            case .q2_K: [81, 83]
            case .q3_K: [109]
            case .q6_K: [209]
            }
            // The upper byte of a small positive or negative number, or a moderate exponent.
            let kept: UInt8 = format == .mxfp4 ? 0x8f : 0x83
            for scale in scales { result[block * size + scale] = (result[block * size + scale] & kept) | 0x20 }
        }
        return result
    }

    private func weights(
        _ format: StoredFormat, _ O: Int, _ I: Int, seed: UInt64 = 1, reversed: Bool = false
    ) throws -> (weights: QuantizedWeights, values: [Float]) {
        let stored = bytes(format, numbers: O * I, seed: seed), path = folder.write([1, 2, 3] + stored, to: "\(format.name)-\(seed)")
        let file = try MappedFile(path, staysOpen: true), half = O / 2, size = stored.count / O
        // Two tensors, as queries and keys; the rows of the second may be in another order.
        var parts = [
            StoredRows(in: file, at: 3..<3 + half * size, format, rows: 0..<half),
            StoredRows(in: file, at: 3 + half * size..<3 + stored.count, format, rows: half..<O),
        ]
        var order = Array(0..<O)
        if reversed {
            parts[1].order = (0..<Int32(O - half)).reversed()
            order = Array(0..<half) + (half..<O).reversed()
        }
        var values = [Float](repeating: 0, count: O * I)
        var span = values.mutableSpan
        format.read(stored.span, into: &span)
        return (QuantizedWeights(rows: parts, outputs: O, inputs: I), order.flatMap { values[$0 * I..<($0 + 1) * I] })
    }

    @Test(arguments: Processor.instructionSets)
    func `rows and columns are those of the whole, in f32 and rounded to bf16`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet), O = 70, I = 768, rows = 30..<64, columns = 256..<768
        for format in StoredFormat.allCases {
            for reversed in [false, true] {
                let (weights, expected) = try weights(format, O, I, seed: 2, reversed: reversed)
                let block = p.buffer(rows.flatMap { expected[$0 * I + columns.lowerBound..<$0 * I + columns.upperBound] })
                let found = p.buffer(of: block.count, .float32)
                p.dequantize(weights, rows: rows, columns: columns, into: found)
                #expect(p.floats(found) == p.floats(block), "\(format.name)")
                let rounded = p.buffer(of: block.count, .bfloat16), narrow = p.buffer(of: block.count, .bfloat16)
                p.copy(block, into: rounded)
                p.dequantize(weights, rows: rows, columns: columns, into: narrow)
                #expect(p.floats(narrow) == p.floats(rounded), "\(format.name) in bf16")
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `stored weights are packed like their values`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet), O = 70, I = 512
        let x = p.buffer(TestRandom.numbers(3 * I, seed: 5))
        func product(_ weights: PackedWeights) -> [UInt32] {
            let y = p.buffer(of: 3 * O, .float32)
            p.packedMatmul(x, rows: 3, by: weights, into: y)
            return p.floats(y).map(\.bitPattern)
        }
        for format in StoredFormat.allCases {
            let (weights, values) = try weights(format, O, I)
            for precision in WeightPrecision.allCases where precision != format.precision || format.blockCount == 1 {
                let direct = p.pack(p.buffer(values), outputs: O, inputs: I, as: precision)
                let isSame = product(p.pack(weights, as: precision)) == product(direct)
                #expect(isSame, "\(format.name) as \(precision.rawValue)")
            }
        }
    }

    @Test(arguments: Processor.instructionSets)
    func `weights in the file give the bits of packed ones`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet)
        for (O, I) in [(2, 256), (33, 256), (70, 512)] {
            for format in StoredFormat.allCases {
                let weights = try weights(format, O, I, reversed: true).weights
                for precision in WeightPrecision.allCases {
                    guard let unpacked = p.unpacked(weights, as: precision) else {
                        // Finding the scales of int6 and int4 takes longer than packing.
                        #expect(precision.isAffine && precision != format.precision, "\(format.name) as \(precision.rawValue)")
                        continue
                    }
                    let packed = p.pack(weights, as: precision)
                    expectSameResults(packed, unpacked, rows: 3, on: p, "\(format.name) as \(precision.rawValue) [\(O), \(I)]")
                }
            }
        }
    }

    /// The codes and scales of llama.cpp's blocks are kept, so that only the input rows are rounded.
    @Test(arguments: ProcessorVariant.all)
    func `blocks are packed without rounding`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (O, I) in [(2, 32), (33, 96), (70, 512)] {
            for format in StoredFormat.allCases where format.blockCount > 1 && I % format.blockCount == 0 {
                let (weights, values) = try weights(format, O, I, reversed: true), packed = p.pack(weights, as: format.precision)
                // A row of the identity matrix is not rounded.
                let rows = p.buffer((0..<I * I).map { $0 / I == $0 % I ? 1 : 0 }), y = p.buffer(of: I * O, .float32)
                p.packedMatmul(rows, rows: I, by: packed, into: y)
                let columns = p.floats(y), largest = values.reduce(0) { max($0, abs($1)) }
                for i in 0..<O * I {
                    let found = columns[i % I * O + i / I], expected = values[i]
                    // A code and a minimum may be far larger than their sum.
                    if abs(found - expected) > 1e-6 * ([.q8_0, .q4_0].contains(format) ? abs(expected) : largest) {
                        Issue.record("\(format.name) [\(O), \(I)] at \(i): expected \(expected), found \(found)")
                        return
                    }
                }
                let table = p.buffer(of: O * I, .float32)
                p.embed(p.ids((0..<Int32(O)).map { $0 }), in: packed, plus: nil, into: table)
                #expect(p.floats(table) == values, "\(format.name) [\(O), \(I)]")
            }
        }
    }

    /// The bits of a row depend neither on the other rows nor on the threads.
    @Test(arguments: Processor.instructionSets)
    func `a row's product with blocks is the same in every batch`(instructionSet: String) throws {
        let one = try Processor(threads: 1, instructionSet: instructionSet)
        let three = try Processor(threads: 3, instructionSet: instructionSet)
        let O = 70, I = 256, x = TestRandom.numbers(199 * I, seed: 3)
        for format in StoredFormat.allCases where format.blockCount > 1 {
            let weights = try weights(format, O, I).weights, packed = one.pack(weights, as: format.precision)
            let rows = (0..<199).flatMap { row in
                let y = one.buffer(of: O, .float32)
                one.packedMatmul(one.buffer(Array(x[row * I..<(row + 1) * I])), rows: 1, by: packed, into: y)
                return one.floats(y).map(\.bitPattern)
            }
            let shared = three.pack(weights, as: format.precision)
            for N in [1, 2, 3, 6, 7, 12, 13, 98, 199] {
                let y = three.buffer(of: N * O, .float32)
                three.packedMatmul(three.buffer(Array(x[0..<N * I])), rows: N, by: shared, into: y)
                let isSame = three.floats(y).map(\.bitPattern) == Array(rows[0..<N * O])
                #expect(isSame, "\(format.name), \(N) rows")
            }
        }
    }

    /// Queries, keys and values of one layer may lie in different formats.
    @Test(arguments: Processor.instructionSets)
    func `rows in several formats keep the codes of each`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet), I = 512, N = 7, first = 64
        let x = p.buffer(TestRandom.numbers(N * I, seed: 5)), formats = [StoredFormat.q4_K, .q4_K, .q6_K]
        var file: [UInt8] = [], ranges: [Range<Int>] = []
        for (i, format) in formats.enumerated() {
            let stored = bytes(format, numbers: (i == 2 ? 30 : first / 2) * I, seed: UInt64(i))
            ranges.append(file.count..<file.count + stored.count)
            file += stored
        }
        let mapped = try MappedFile(folder.write(file, to: "mixed"), staysOpen: true)
        func weights(_ parts: Range<Int>, startingAt starts: [Int]) -> QuantizedWeights {
            let rows = zip(parts, starts).map { part, start in
                let count = ranges[part].count / (I / 256 * formats[part].blockSize)
                return StoredRows(in: mapped, at: ranges[part], formats[part], rows: start..<start + count)
            }
            return QuantizedWeights(rows: rows, outputs: rows.last?.rows.upperBound ?? 0, inputs: I)
        }
        func product(_ weights: PackedWeights, bias: Buffer? = nil) -> [Float] {
            let y = p.buffer(of: N * weights.outputs, .float32)
            p.packedMatmul(x, rows: N, by: weights, bias: bias, then: .relu, into: y)
            return p.floats(y)
        }
        let upper = weights(0..<2, startingAt: [0, first / 2]), lower = weights(2..<3, startingAt: [0])
        let whole = weights(0..<3, startingAt: [0, first / 2, first])
        #expect(upper.precision == .int4 && lower.precision == .int6 && whole.precision == .int6)
        let packed = p.pack(whole, as: .int6), unpacked = try #require(p.unpacked(whole, as: .int6))
        let bias = p.buffer(TestRandom.numbers(94, seed: 6)), found = product(packed, bias: bias)
        let above = product(p.pack(upper, as: .int4), bias: bias[0..<first])
        let below = product(p.pack(lower, as: .int6), bias: bias[first..<94])
        for n in 0..<N {
            #expect(found[n * 94..<n * 94 + first] == above[n * first..<(n + 1) * first], "row \(n)")
            #expect(found[n * 94 + first..<(n + 1) * 94] == below[n * 30..<(n + 1) * 30], "row \(n)")
        }
        expectSameResults(packed, unpacked, rows: N, on: p, "several formats")
        let bits = Double(packed.byteCount * 8) / Double(94 * I)
        #expect(bits < 6.6, "\(bits) bits per weight")
        // Within a panel, a row has one format: these are quantized once more.
        let shifted = QuantizedWeights(
            rows: [
                StoredRows(in: mapped, at: ranges[2], .q6_K, rows: 0..<30), StoredRows(in: mapped, at: ranges[0], .q4_K, rows: 30..<62),
            ], outputs: 62, inputs: I)
        #expect(p.unpacked(shifted, as: .int6) == nil)
        let values = p.buffer(of: 62 * I, .float32)
        p.dequantize(shifted, into: values)
        #expect(product(p.pack(shifted, as: .int6)) == product(p.pack(values, outputs: 62, inputs: I, as: .int6)))
    }

    /// Inputs that are nearly equal: the errors of some weights of an output are made up for by the others.
    @Test(arguments: Processor.instructionSets)
    func `calibrated K-quants give outputs with smaller errors`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet), O = 50, I = 512, N = 600
        let noise = TestRandom.numbers(N * (I + 4), seed: 3), mix = TestRandom.numbers(4 * I, seed: 4)
        let x = p.buffer((0..<N * I).map { item in
            let (n, i) = (item / I, item % I)
            return (0..<4).reduce(0.1 * noise[n * (I + 4) + i]) { $0 + noise[n * (I + 4) + I + $1] * mix[$1 * I + i] }
        })
        let w = p.buffer(TestRandom.numbers(O * I, seed: 5))
        let statistics = InputStatistics(inputs: I, try LinearAlgebra(for: p.instructionSet))
        statistics.add(x, rows: N, on: p)
        func outputs(_ weights: Buffer) -> [Float] {
            let y = p.buffer(of: N * O, .float32)
            let matmul = Matmul(
                of: Matrix(x, rows: N, columns: I), Matrix(weights, rows: O, columns: I).transposed, into: Matrix(y, rows: N, columns: O))
            p.run(matmul, as: "test")
            return p.floats(y)
        }
        let exact = outputs(w)
        for format in StoredFormat.allCases where format.isFitted {
            let errors = [nil, statistics].map { calibration in
                var numbers = [Float](repeating: 0, count: O * I), span = numbers.mutableSpan
                let blocks = p.blocks(w, outputs: O, inputs: I, as: format, weighting: calibration?.errorWeights(on: p))
                blocks.readBytes { format.read($0, into: &span) }
                return zip(exact, outputs(p.buffer(numbers))).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            }
            #expect(errors[1] < 0.3 * errors[0], "\(format.name): \(errors)")
        }
    }

    @Test func `columns of a tensor are rows of a matrix`() throws {
        let p = try Processor(threads: 1), O = 40, I = 24, stored = bytes(.f16, numbers: O * I, seed: 7)
        let file = try MappedFile(folder.write(stored, to: "columns"))
        var rows = StoredRows(in: file, at: 0..<stored.count, .f16, rows: 0..<O)
        rows.isTransposed = true
        var numbers = [Float](repeating: 0, count: O * I)
        var span = numbers.mutableSpan
        StoredFormat.f16.read(stored.span, into: &span)
        let weights = QuantizedWeights(rows: [rows], outputs: O, inputs: I), expected = (0..<O * I).map { numbers[$0 % I * O + $0 / I] }
        let values = p.buffer(of: O * I, .float32)
        p.dequantize(weights, into: values)
        #expect(p.floats(values) == expected)
        let narrow = p.buffer(of: 9 * I, .bfloat16), rounded = p.buffer(of: 9 * I, .bfloat16)
        p.dequantize(weights, rows: 30..<39, into: narrow)
        p.copy(p.buffer(Array(expected[30 * I..<39 * I])), into: rounded)
        #expect(p.floats(narrow) == p.floats(rounded))
    }

    @Test(arguments: Processor.instructionSets)
    func `MXFP4 whose scales are another tensor equals the blocks of llama.cpp`(instructionSet: String) throws {
        let p = try Processor(threads: 2, instructionSet: instructionSet), O = 70, I = 512
        let blocks = bytes(.mxfp4, numbers: O * I, seed: 9), starts = Array(stride(from: 0, to: blocks.count, by: 17))
        // A byte has two numbers that follow each other, instead of the numbers i and i + 16.
        let codes = starts.flatMap { start in
            let numbers = blocks[start + 1..<start + 17].map { $0 & 15 } + blocks[start + 1..<start + 17].map { $0 >> 4 }
            return stride(from: 0, to: 32, by: 2).map { numbers[$0] | numbers[$0 + 1] << 4 }
        }
        let file = try MappedFile(folder.write(codes + starts.map { blocks[$0] }, to: "apart"), staysOpen: true)
        let joined = try MappedFile(folder.write(blocks, to: "joined"), staysOpen: true)
        var apart = StoredRows(in: file, at: 0..<codes.count, .mxfp4, rows: 0..<O)
        apart.scales = (file, codes.count..<codes.count + starts.count)
        var together = StoredRows(in: joined, at: 0..<blocks.count, .mxfp4, rows: 0..<O)
        for order in [nil, (0..<Int32(O)).map { $0 % 2 * Int32(O / 2) + $0 / 2 }] {
            apart.order = order
            together.order = order
            let found = QuantizedWeights(rows: [apart], outputs: O, inputs: I)
            let expected = QuantizedWeights(rows: [together], outputs: O, inputs: I)
            #expect(found.storedBytes == expected.storedBytes)
            for columns in [0..<I, 256..<I] {
                let a = p.buffer(of: 35 * columns.count, .float32), b = p.buffer(of: 35 * columns.count, .float32)
                p.dequantize(found, rows: 30..<65, columns: columns, into: a)
                p.dequantize(expected, rows: 30..<65, columns: columns, into: b)
                #expect(p.floats(a) == p.floats(b) && Set(p.floats(a)).count > 100)
            }
            for precision in [WeightPrecision.int4, .int8] {
                let packed = p.pack(expected, as: precision), unpacked = try #require(p.unpacked(found, as: precision))
                expectSameResults(packed, p.pack(found, as: precision), rows: 3, on: p, "packed")
                expectSameResults(packed, unpacked, rows: 3, on: p, "in the file")
            }
        }
    }
}
