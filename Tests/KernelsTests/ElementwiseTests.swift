import Glibc
import Kernels
import TestSupport
import Testing

/// Elementwise operations, copies and reductions.
@Suite struct ElementwiseTests {
    static let counts = [0, 1, 3, 17, 33, 65, 5_001, 20_000]

    @Test(arguments: ProcessorVariant.all, UnaryFunction.allCases)
    func `unary functions and their derivatives agree with the C library`(variant: ProcessorVariant, f: UnaryFunction) throws {
        let p = try variant.processor()
        for count in Self.counts {
            let x = TestRandom.numbers(count, seed: 1).map { f == .log || f == .sqrt ? 1.5 + $0 : 4 * $0 }
            let dy = TestRandom.numbers(count, seed: 2), old = TestRandom.numbers(count, seed: 3)
            let expected = x.map { f.value(Double($0)) }, gradients = zip(x, dy).map { f.derivative(Double($0)) * Double($1) }
            for type in [DataType.float32, .bfloat16] {
                let y = p.buffer(of: count, type), tolerance = type == .float32 ? Tolerance.forward : .stored
                p.apply(f, p.buffer(x), into: y)
                expectClose(p.floats(y), expected, within: tolerance, "\(f) of \(count)")
                for adding in [false, true] {
                    let dx = p.buffer(old, type)
                    p.applyGradient(f, dy: p.buffer(dy), x: p.buffer(x), into: dx, adding: adding)
                    expectClose(p.floats(dx), gradients.indices.map { gradients[$0] + (adding ? Double(old[$0]) : 0) },
                               within: tolerance, terms: 1, "derivative of \(f)")
                }
            }
            let inPlace = p.buffer(x)
            p.apply(f, inPlace, into: inPlace)
            expectClose(p.floats(inPlace), expected, within: .forward, "\(f) in place")
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `soft caps and their derivatives agree with the C library`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for count in Self.counts {
            for cap: Float in [0.5, 30] {
                let x = TestRandom.numbers(count, seed: 1).map { 40 * $0 }, dy = TestRandom.numbers(count, seed: 2)
                let expected = x.map { Double(cap) * tanh(Double($0) / Double(cap)) }
                let y = p.buffer(x)
                p.softCap(y, at: cap, into: y)
                expectClose(p.floats(y), expected, within: .forward, "\(count) capped at \(cap)")
                let slopes = zip(p.floats(y), dy).map { Double($1) * (1 - Double($0) / Double(cap) * (Double($0) / Double(cap))) }
                for type in [DataType.float32, .bfloat16] {
                    let dx = p.buffer(dy, type), tolerance = type == .float32 ? Tolerance.forward : .bfloat16Gradient
                    p.softCapGradient(dy: dx, y: y, cap: cap, into: dx)
                    expectClose(p.floats(dx), slopes, within: tolerance, terms: 1, "derivative of \(count) capped at \(cap)")
                    let stored = p.buffer(of: count, type)
                    p.softCap(p.buffer(x), at: cap, into: stored)
                    expectClose(p.floats(stored), expected, within: type == .float32 ? .forward : .stored, "\(type) capped at \(cap)")
                }
            }
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `bf16 is rounded to the nearest, ties to even, and NaN stays NaN`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        var x: [Float] = [0, -0.0, 1, .infinity, -.infinity, .nan, -.nan, .greatestFiniteMagnitude, -.greatestFiniteMagnitude]
        // Halfway between two bf16 numbers, just below and just above; NaN that only the lower 16 bits distinguish from infinity.
        x += [0x3F80_8000, 0x3F81_8000, 0x3F80_7FFF, 0x3F80_8001, 0xBF81_8000, 0x7F7F_7FFF, 0x7F7F_8000,
              0x7F80_0001, 0xFF80_0001, 0x7FFF_FFFF].map(Float.init(bitPattern:))
        x += TestRandom.numbers(200, seed: 1)
        for count in [x.count, 19, 5] {
            let actual = p.floats(p.buffer(Array(x[..<count]), .bfloat16))
            for (a, b) in zip(x, actual) { #expect(a.isNaN ? b.isNaN : rounded(a).bitPattern == b.bitPattern, "\(a) was rounded to \(b)") }
        }
        for value in x {       // also one by one, without vectors
            let one = p.buffer([value]), two = p.buffer(of: 2, .bfloat16)
            p.copy(shape: [1, 1, 1, 2], one, strides: [0, 0, 0, 0], into: two, strides: [0, 0, 0, 1])
            let strided = p.buffer(of: 3, .bfloat16)
            p.copy(shape: [1, 1, 1, 2], one, strides: [0, 0, 0, 0], into: strided, strides: [0, 0, 0, 2])
            let actual = p.floats(strided)[0]
            #expect(value.isNaN ? actual.isNaN : actual.bitPattern == rounded(value).bitPattern)
        }
    }

    static let shapes = [[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 3, 17], [2, 3, 5, 33], [3, 1, 2, 65], [1, 2, 200, 33], [70, 1, 1, 100]]

    @Test(arguments: ProcessorVariant.devices)
    func `arithmetic supports any strides`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for shape in Self.shapes {
            for (a, b) in [(StrideOrder.contiguous, StrideOrder.contiguous), (.contiguous, .reversed), (.broadcastLast, .contiguous),
                        (.contiguous, .broadcastFirst), (.reversed, .broadcastLast)] {
                let all: [(ArithmeticOperator, (Float, Float) -> Float)] = [(.add, +), (.subtract, -), (.multiply, *), (.divide, /)]
                for (f, reference) in all {
                    let x = TestRandom.numbers(a.count(shape), seed: 1), y = TestRandom.numbers(b.count(shape), seed: 2).map { $0 + 3 }
                    let z = p.buffer(of: shape.reduce(1, *), .float32)
                    p.combine(f, shape: shape, p.buffer(x), strides: a.strides(shape), p.buffer(y), strides: b.strides(shape), into: z)
                    let expected = indices(of: shape).map { reference(x[a.offset($0, shape)], y[b.offset($0, shape)]) }
                    expectSame(p.floats(z), expected, "\(f) \(shape) \(a) \(b)")
                }
            }
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `copies support any strides and accumulation`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for shape in Self.shapes {
            for (from, to) in [(StrideOrder.contiguous, StrideOrder.contiguous), (.reversed, .contiguous), (.contiguous, .reversed),
                        (.broadcastLast, .reversed), (.broadcastFirst, .contiguous)] {
                for adding in [false, true] {
                    let x = TestRandom.numbers(from.count(shape), seed: 1), old = TestRandom.numbers(to.count(shape), seed: 2),
                        y = p.buffer(old)
                    p.copy(
                        shape: shape, p.buffer(x), strides: from.strides(shape), into: y, strides: to.strides(shape), scale: 0.5,
                        adding: adding)
                    var expected = old
                    for i in indices(of: shape) {
                        expected[to.offset(i, shape)] = x[from.offset(i, shape)] * 0.5 + (adding ? expected[to.offset(i, shape)] : 0)
                    }
                    expectClose(p.floats(y), expected, within: .forward, "\(shape) from \(from) to \(to), adding \(adding)")
                }
            }
            if shape.contains(0) { continue }
            let from = StrideOrder.contiguous, to = StrideOrder.broadcastFirst
            let x = TestRandom.numbers(from.count(shape), seed: 1), sums = p.zeros(to.count(shape))
            p.copy(shape: shape, p.buffer(x), strides: from.strides(shape), into: sums, strides: to.strides(shape), adding: true)
            var expected = [Double](repeating: 0, count: sums.count)
            for i in indices(of: shape) { expected[to.offset(i, shape)] += Double(x[from.offset(i, shape)]) }
            expectClose(p.floats(sums), expected, within: .forward, "\(shape) summed into a broadcast axis")
        }
    }

    @Test(arguments: ProcessorVariant.all)
    func `sums along an axis agree with reference loops`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (outer, R, inner) in [(0, 3, 2), (1, 0, 3), (2, 0, 1), (1, 1, 1), (3, 17, 1), (1, 33, 17), (3, 5, 65),
                    (1, 3_000, 40), (200, 65, 3), (1, 5_000, 1)] {
            for type in [DataType.float32, .bfloat16] {
                let x = TestRandom.numbers(outer * R * inner, seed: 1).map { type == .bfloat16 ? rounded($0) : $0 }
                let old = TestRandom.numbers(outer * inner, seed: 2)
                for adding in [false, true] {
                    let y = p.buffer(old)
                    p.sum(p.buffer(x, type), outer: outer, R: R, inner: inner, into: y, scale: -0.5, adding: adding)
                    let expected = (0..<outer * inner).map { i in
                        (0..<R).reduce(adding ? Double(old[i]) : 0) { $0 - 0.5 * Double(x[(i / inner * R + $1) * inner + i % inner]) }
                    }
                    expectClose(p.floats(y), expected, within: .forward, "[\(outer), \(R), \(inner)] of \(type)")
                }
            }
        }
    }

    @Test(arguments: ProcessorVariant.all.filter { $0.threads == 2 })
    func `sums of ten million numbers have a relative error of at most 1e-6`(variant: ProcessorVariant) throws {
        let p = try variant.processor(), count = 10_000_000, y = p.zeros(1), x = p.buffer(of: count, .float32)
        let varied = TestRandom.numbers(1_000, seed: 1).map { abs($0) }
        for values in [[0.1], varied] {
            x.write { span in for i in span.indices { span[i] = values[i % values.count] } }
            p.sum(x, outer: 1, R: count, inner: 1, into: y)
            let sum = values.reduce(0) { $0 + Double($1) } * Double(count / values.count)
            expectClose(p.floats(y), [sum], within: .longSum, "a row of \(values.count) distinct numbers")
            let squares = values.reduce(0) { $0 + Double($1) * Double($1) } * Double(count / values.count)
            expectClose([Float(p.sumOfSquares(x))], [squares], within: .longSum, "squares")
            let columns = p.zeros(5)
            p.sum(x, outer: 1, R: count / 5, inner: 5, into: columns)
            let each = (0..<5).map { c in (0..<count / 5).reduce(0) { $0 + Double(values[($1 * 5 + c) % values.count]) } }
            expectClose(p.floats(columns), each, within: .longSum, "columns of \(values.count) distinct numbers")
        }
    }

    @Test(arguments: ProcessorVariant.devices)
    func `sums and arithmetic propagate NaN and infinity`(variant: ProcessorVariant) throws {
        let p = try variant.processor(), y = p.buffer(of: 4, .float32)
        var x = [Float](repeating: 1, count: 4 * 33)
        x[3] = .nan
        x[33 + 32] = .infinity
        x[66] = .infinity
        x[66 + 20] = -.infinity
        p.sum(p.buffer(x), outer: 4, R: 33, inner: 1, into: y)
        expectClose(p.floats(y), [Float.nan, .infinity, .nan, 33], within: .exact)
        p.combine(.divide, shape: [1, 1, 1, 4], p.buffer([0, 1, -1, .infinity]), strides: [0, 0, 0, 1],
                  p.buffer([0, 0, 0, .infinity]), strides: [0, 0, 0, 1], into: y)
        expectClose(p.floats(y), [Float.nan, .infinity, -.infinity, .nan], within: .exact)
    }

    @Test(arguments: ProcessorVariant.devices)
    func `maximum returns the first of equal elements and treats NaN as the largest`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        for (outer, R, inner) in [(0, 3, 2), (1, 1, 1), (3, 17, 1), (2, 33, 17), (300, 65, 1), (1, 5, 65)] {
            var x = TestRandom.numbers(outer * R * inner, seed: 1).map { ($0 * 4).rounded() }
            if R == 33 {
                x[40] = .nan
                x[50] = .infinity
            }
            let y = p.buffer(of: outer * inner, .float32), at = p.buffer(of: outer * inner, .int32)
            p.maximum(p.buffer(x), outer: outer, R: R, inner: inner, into: y, at: at)
            let columns = (0..<outer * inner).map { i in (0..<R).map { x[(i / inner * R + $0) * inner + i % inner] } }
            let expected = columns.map { column in column.contains(where: \.isNaN) ? .nan : column.max() ?? 0 }
            expectClose(p.floats(y), expected, within: .exact)
            #expect(at.integers == zip(columns, expected).map { c, w in Int32(c.firstIndex { w.isNaN ? $0.isNaN : $0 == w } ?? -1) })
        }
    }
}

/// Strides that map four dimensions to a buffer.
private enum StrideOrder {
    case contiguous, reversed, broadcastLast, broadcastFirst

    func strides(_ shape: [Int]) -> [Int] {
        let contiguous = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1]
        return switch self {
        case .contiguous: contiguous
        case .reversed: [1, shape[0], shape[0] * shape[1], shape[0] * shape[1] * shape[2]]
        case .broadcastLast: [shape[1] * shape[2], shape[2], 1, 0]
        case .broadcastFirst: [0, 0, 0, 1]
        }
    }

    func offset(_ i: [Int], _ shape: [Int]) -> Int { zip(i, strides(shape)).reduce(0) { $0 + $1.0 * $1.1 } }
    func count(_ shape: [Int]) -> Int { shape.contains(0) ? 0 : offset(shape.map { $0 - 1 }, shape) + 1 }
}

private func indices(of shape: [Int]) -> [[Int]] {
    (0..<shape.reduce(1, *)).map { i in
        [i / (shape[1] * shape[2] * shape[3]), i / (shape[2] * shape[3]) % shape[1], i / shape[3] % shape[2], i % shape[3]]
    }
}
