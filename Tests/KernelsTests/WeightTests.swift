import Glibc
import Kernels
import TestSupport
import Testing

/// Products with packed weights, against plain loops in f64 over what the weights became.
@Suite struct Weights {
    /// Rows N, outputs O, inputs I.
    static let cases = [(N: 1, O: 1, I: 1), (2, 33, 5), (5, 31, 32), (13, 70, 100), (7, 64, 33), (29, 17, 64), (3, 130, 259)]

    private func forms(_ p: Processor) -> [WeightPrecision] { WeightPrecision.allCases.filter(p.offers) }

    /// What a packed matrix [O, I] stands for: what it makes of rows that are all 0 but for a 1, which no form rounds.
    private func meaning(of weights: PackedWeights, on p: Processor) -> [Double] {
        let (O, I) = (weights.outputs, weights.inputs), y = p.buffer(of: I * O, .float32)
        let rows = p.buffer((0..<I * I).map { $0 / I == $0 % I ? 1 : 0 })
        p.multiply(rows, rows: I, by: weights, into: y)
        let columns = p.floats(y)
        return (0..<O * I).map { Double(columns[$0 % I * O + $0 / I]) }
    }

    @Test(arguments: Machine.all)
    func `mean what was packed, as nearly as their form can`(machine: Machine) throws {
        let p = try machine.processor()
        for (_, O, I) in Self.cases {
            let values = TestRandom.numbers(O * I, seed: UInt64(O + I))
            for form in forms(p) {
                let meaning = meaning(of: p.pack(p.buffer(values), outputs: O, inputs: I, as: form), on: p)
                for o in 0..<O {
                    for start in stride(from: 0, to: I, by: 64) {
                        let group = o * I + start..<o * I + min(start + 64, I), most = group.reduce(0) { max($0, abs(Double(values[$1]))) }
                        let allowed: Double = switch form {
                        case .float32: 1e-7
                        case .bfloat16: 1.0 / 256
                        // half a step, and the scale in bf16 is up to 1/128 larger than it has to be
                        case .int8: 0.5 / 127 * 1.01
                        case .int4: 0.25                         // what lies far out may be cut off, for the good of the others
                        }
                        for i in group where abs(meaning[i] - Double(values[i])) > allowed * most * 1.01 {
                            Issue.record("\(form.rawValue) [\(O), \(I)] at \(i): \(values[i]) became \(meaning[i]), the largest is \(most)")
                        }
                    }
                }
            }
        }
    }

    /// In bf16 each takes less than two bytes, unless those that lie together are spread too widely.
    @Test(arguments: [("normal", true), ("a few much larger, or smaller", true), ("tiny", true), ("huge", true), ("all exponents", false)])
    func `lose no bit that bf16 has`(spread: String, isShort: Bool) throws {
        let p = try Processor(threads: 2), (O, I) = (130, 192)
        guard p.offers(.bfloat16) else { return }
        let packed = p.pack(p.buffer(numbers(O * I, spread, on: p)), outputs: O, inputs: I, as: .bfloat16)
        #expect((packed.byteCount < 2 * O * I) == isShort, "\(packed.byteCount) bytes")
        let rows = p.buffer(of: O * I, .float32)
        p.embed(p.ids((0..<Int32(O)).map { $0 }), in: packed, plus: nil, into: rows)
        let wanted = numbers(O * I, spread, on: p).map { rounded($0).bitPattern }
        let differing = zip(p.floats(rows).map(\.bitPattern), wanted).enumerated().filter { $1.0 != $1.1 }
        #expect(differing.isEmpty, "\(differing.prefix(5))")
        // 0 · ∞ is no number
        if spread != "huge" { #expect(meaning(of: packed, on: p) == wanted.map { Double(Float(bitPattern: $0)) }) }
    }

    private func numbers(_ count: Int, _ spread: String, on p: Processor) -> [Float] {
        let normal = p.buffer(of: count, .float32)
        p.normal(into: normal, seed: 3)
        var values = p.floats(normal)
        let strange: [Float]
        switch spread {
        case "a few much larger, or smaller": strange = [1e6, 1e-6, 0, -0.0, 1e30, -1e-30]
        case "tiny": (values, strange) = (values.map { $0 * 1e-33 }, [0, -0.0])
        case "huge": (values, strange) = (values.map { $0 * 1e37 }, [.infinity, -.infinity, -0.0])
        case "all exponents":
            (values, strange) = (values.indices.map { Float(sign: .plus, exponent: $0 * 7 % 200 - 100, significand: 1.5) }, [])
        default: strange = []
        }
        for (i, value) in strange.enumerated() { for place in stride(from: 77 + 331 * i, to: count, by: 3_000) { values[place] = value } }
        return values
    }

    @Test func `lose little when they are rounded`() throws {
        let p = try Processor(threads: 2), (O, I) = (256, 512)
        let normal = p.buffer(of: O * I, .float32)
        p.normal(into: normal, seed: 3)
        let values = p.floats(normal), energy = values.reduce(0) { $0 + Double($1) * Double($1) }
        for (form, most) in [(WeightPrecision.int8, 4e-5), (.int4, 7.5e-3)] {
            let meaning = meaning(of: p.pack(normal, outputs: O, inputs: I, as: form), on: p)
            let lost = zip(values, meaning).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
            #expect(lost / energy < most, "\(form.rawValue): \(lost / energy) of the square is lost")
        }
    }

    @Test(arguments: Machine.all)
    func `are multiplied, with what comes after`(machine: Machine) throws {
        let p = try machine.processor()
        for (N, O, I) in Self.cases {
            let x = TestRandom.numbers(N * I, seed: 1), values = TestRandom.numbers(O * I, seed: 2), bias = TestRandom.numbers(O, seed: 3),
                plus = TestRandom.numbers(N * O, seed: 4)
            for form in forms(p) {
                let packed = p.pack(p.buffer(values), outputs: O, inputs: I, as: form), w = meaning(of: packed, on: p),
                    y = p.buffer(of: N * O, .float32)
                let rows =
                    form == .float32 ? x.map { Double($0) } : form == .bfloat16 ? x.map { Double(rounded($0)) } : roundedInGroups(x, I)
                p.multiply(p.buffer(x), rows: N, by: packed, bias: p.buffer(bias), then: .relu, plus: p.buffer(plus), into: y)
                var wanted = plus.map { Double($0) }
                for n in 0..<N {
                    for o in 0..<O {
                        let sum = (0..<I).reduce(Double(bias[o])) { $0 + rows[n * I + $1] * w[o * I + $1] }
                        wanted[n * O + o] += max(0, sum)
                    }
                }
                expectClose(p.floats(y), wanted, within: .gradient, terms: Double(I).squareRoot(), "\(form.rawValue) \((N, O, I))")
            }
        }
    }

    /// Each group of 64 of a row in ±127 steps.
    private func roundedInGroups(_ x: [Float], _ I: Int) -> [Double] {
        var result = x.map { Double($0) }
        for row in stride(from: 0, to: x.count, by: I) {
            for start in stride(from: row, to: row + I, by: 64) {
                let group = start..<min(start + 64, row + I), most = group.reduce(Float(0)) { max($0, abs(x[$1])) }
                for i in group where most > 0 { result[i] = Double((x[i] * (127 / most)).rounded(.toNearestOrEven)) * Double(most / 127) }
            }
        }
        return result
    }

    @Test(arguments: Processor.instructionSets)
    func `give a row the same bits, whoever else is there`(path: String) throws {
        let one = try Processor(threads: 1, instructionSet: path), three = try Processor(threads: 3, instructionSet: path),
            (O, most) = (77, 40)
        for (form, I) in forms(one).map({ ($0, 130) }) + forms(one).filter({ $0 == .bfloat16 }).map({ ($0, 192) }) {
            let x = TestRandom.numbers(most * I, seed: 1), values = numbers(O * I, "a few much larger, or smaller", on: one)
            let alone = one.pack(one.buffer(values), outputs: O, inputs: I, as: form),
                shared = three.pack(three.buffer(values), outputs: O, inputs: I, as: form)
            let rows = (0..<most).map { n in
                let y = one.buffer(of: O, .float32)
                one.multiply(one.buffer(Array(x[n * I..<(n + 1) * I])), rows: 1, by: alone, into: y)
                return one.floats(y).map(\.bitPattern)
            }
            for N in [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 16, 25, 40] {
                let y = three.buffer(of: N * O, .float32)
                three.multiply(three.buffer(Array(x[0..<N * I])), rows: N, by: shared, into: y)
                let same = three.floats(y).map(\.bitPattern) == rows[0..<N].flatMap { $0 }
                #expect(same, "\(form.rawValue), \(N) rows")
            }
        }
    }

    @Test(arguments: Processor.instructionSets) func `are the same through the rows that a file keeps, and mean what those say`(
        path: String
    ) throws {
        let p = try Processor(threads: 2, instructionSet: path)
        for (_, O, I) in Self.cases where I > 1 {
            let values = p.buffer(TestRandom.numbers(O * I, seed: 4)), x = p.buffer(TestRandom.numbers(3 * I, seed: 5))
            for form in [WeightPrecision.int8, .int4] {
                let rounded = p.round(values, outputs: O, inputs: I, to: form), direct = p.pack(values, outputs: O, inputs: I, as: form),
                    again = p.pack(rounded)
                let products = [direct, again].map { weights in
                    let y = p.buffer(of: 3 * O, .float32)
                    p.multiply(x, rows: 3, by: weights, into: y)
                    return p.floats(y).map(\.bitPattern)
                }
                let isSame = products[0] == products[1]
                #expect(isSame, "\(form.rawValue) [\(O), \(I)]")
                let said = p.buffer(of: O * I, .float32)
                p.values(of: rounded, into: said)
                expectClose(p.floats(said), meaning(of: direct, on: p), within: .forward, "\(form.rawValue) [\(O), \(I)]")
            }
        }
    }

    @Test func `keep what is no number to its own row`() throws {
        let p = try Processor(threads: 2), (O, I) = (40, 64)
        var x = TestRandom.numbers(3 * I, seed: 1)
        x[I + 7] = .nan
        x[I + 9] = .infinity
        for form in forms(p) {
            let packed = p.pack(p.buffer(TestRandom.numbers(O * I, seed: 2)), outputs: O, inputs: I, as: form),
                y = p.buffer(of: 3 * O, .float32)
            p.multiply(p.buffer(x), rows: 3, by: packed, into: y)
            let found = p.floats(y)
            #expect(found[0..<O].allSatisfy(\.isFinite) && found[(2 * O)...].allSatisfy(\.isFinite))
            #expect(found[O..<2 * O].allSatisfy { !$0.isFinite }, "\(form.rawValue)")
        }
    }
}
