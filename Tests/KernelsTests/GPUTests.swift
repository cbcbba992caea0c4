import Foundation
import Kernels
import TestSupport
import Testing

/// What only a device has: its own layouts of weights and KV caches, and memory that the CPU reads and writes, too. Operations are tested
/// with the CPU's kernels, in the suites of operations.
@Suite(.needsVulkan) struct GPUTests {
    @Test(arguments: [(16, 1, nil), (64, 2, nil), (96, 2, nil), (128, 1, 40), (160, 1, nil), (256, 2, nil)] as [(Int, Int, Int?)],
          [WeightPrecision.float32, .bfloat16])
    func `attention over KV caches is that of the CPU`(
        _ shape: (width: Int, group: Int, window: Int?), _ precision: WeightPrecision
    ) throws {
        let heads = AttentionHeads(2 * shape.group, keys: 2, width: shape.width, scoreCap: 20, window: shape.window)
        func run(_ p: Processor) -> [[Float]] {
            let caches = (0..<2).map { _ in
                p.makeKVCache(layers: 2, heads: 2, headWidth: shape.width, capacity: 100, precision)
            }
            var results: [[Float]] = []
            // A prompt, one token, and some tokens, of two sequences of different lengths.
            for (start, count) in [(0, 50), (50, 1), (51, 7)] {
                for layer in 0..<2 {
                    let qkv = p.buffer(TestRandom.numbers(2 * count * heads.rowWidth, seed: UInt64(start + layer))),
                        y = p.buffer(of: 2 * count * heads.queryWidth, .float32)
                    let rows = caches.enumerated().map { CachedRows($0.element, from: start / ($0.offset + 1), count: count) }
                    p.cachedAttention(qkv, heads, rows: rows, layer: layer, into: y)
                    results.append(p.floats(y))
                }
            }
            // A copy of the first positions gives the same result.
            let copy = p.makeKVCache(layers: 2, heads: 2, headWidth: shape.width, capacity: 100, precision)
            copy.copy(58, from: caches[0])
            let qkv = p.buffer(TestRandom.numbers(heads.rowWidth, seed: 99)), y = p.buffer(of: heads.queryWidth, .float32)
            p.cachedAttention(qkv, heads, rows: [CachedRows(copy, from: 58, count: 1)], layer: 1, into: y)
            return results + [p.floats(y)]
        }
        let expected = run(try Processor(threads: 1)), found = run(try Processor(threads: 1, gpu: TestGPU.open()))
        for (i, (expected, found)) in zip(expected, found).enumerated() {
            expectClose(found, expected.map { Double($0) }, within: precision == .float32 ? .forward : .bfloat16, "step \(i)")
        }
    }

    @Test(arguments: [WeightPrecision.float32, .bfloat16], [1, 3, 9])
    func `weights in the device's memory give the products of the CPU's layouts`(_ precision: WeightPrecision, _ N: Int) throws {
        let O = 70, I = 64
        func run(_ p: Processor) -> [[Float]] {
            let w = p.pack(p.buffer(TestRandom.numbers(O * I, seed: 1)), outputs: O, inputs: I, as: precision)
            let x = p.buffer(TestRandom.numbers(N * I, seed: 2)), y = p.buffer(of: N * O, .float32), rows = p.buffer(of: N * I, .float32)
            p.packedMatmul(
                x, rows: N, by: w, bias: p.buffer(TestRandom.numbers(O, seed: 3)), then: .gelu,
                plus: p.buffer(TestRandom.numbers(N * O, seed: 4)), into: y)
            let ids = p.buffer(of: N, .int32)
            ids.writeIDs { span in for n in span.indices { span[n] = Int32(7 * n) } }
            p.embed(ids, in: w, plus: x, into: rows)
            let a = p.pack(p.buffer(TestRandom.numbers(4 * I, seed: 5)), outputs: 4, inputs: I, as: precision)
            let b = p.pack(p.buffer(TestRandom.numbers(O * 4, seed: 6)), outputs: O, inputs: 4, as: precision)
            p.addLowRank([LowRankUpdate(0..<N, PackedLowRank(a: a, b: b, scale: 0.5))], of: x, rows: N, into: y)
            return [p.floats(y), p.floats(rows)]
        }
        let expected = run(try Processor(threads: 1)), found = run(try Processor(threads: 1, gpu: TestGPU.open()))
        for (expected, found) in zip(expected, found) {
            expectClose(found, expected.map { Double($0) }, within: precision == .float32 ? .forward : .bfloat16)
        }
    }

    /// Operations that have no shader, and numbers that the CPU writes while the device still reads what was there before.
    @Test func `the CPU and the device see each other's results in order`() throws {
        let p = try Processor(threads: 2, gpu: TestGPU.open()), n = 5_000
        let x = p.buffer(TestRandom.numbers(n, seed: 1)), y = p.buffer(of: n, .float32), total = p.zeros(n)
        var expected = [Double](repeating: 0, count: n)
        for round in 0..<20 {
            x.write { span in for i in span.indices { span[i] = Float(i % 7 + round) } }                     // the CPU
            p.copy(x, into: y, scale: 2)                                                                    // the device
            p.combine(.add, shape: [1, 1, 1, n], y, strides: [0, 0, 0, 1], x, strides: [0, 0, 0, 1], into: y)  // the CPU
            p.copy(y, into: total, adding: true)                                                            // the device
            for i in 0..<n { expected[i] += 3 * Double(i % 7 + round) }
        }
        expectClose(p.floats(total), expected, within: .forward)
    }

    /// The buffers together exceed the memory that slm takes on a software driver, 1 GB, which ends the program.
    @Test func `memory of buffers that are gone is used again`() throws {
        let gpu = try TestGPU.open(), p = try Processor(threads: 1, gpu: gpu), n = 2 << 20
        let x = p.zeros(n), y = p.zeros(n)
        for _ in 0..<200 {
            let between = p.buffer(of: n, .float32)
            p.copy(x, into: between)
            p.copy(between, into: y, adding: true)
        }
        #expect(gpu.dispatches >= 400)
        #expect(p.floats(y[0..<10]) == [Float](repeating: 0, count: 10))
    }

    @Test func `an unknown device is refused with those that there are`() throws {
        let known = try GPUDevice.all().map(\.name)
        #expect(throws: GPUError.unknownDevice(known.count, known: known)) { try GPUDevice.choose(known.count) }
        #expect("\(GPUError.unknownDevice(3, known: ["A", "B"]))" == "found no device vulkan:3. There are: vulkan:0 (A), vulkan:1 (B).")
    }

    /// With Debian 12's compiler, whose output they are. It leaves the shaders for matrix units as they are.
    @Test func `the committed SPIR-V is that of the sources`() throws {
        guard ["glslangValidator", "spirv-val"].allSatisfy({ FileManager.default.isExecutableFile(atPath: "/usr/bin/\($0)") }),
            try runProgram("/usr/bin/glslangValidator", ["--version"]).output.contains("Glslang Version: 11:12.0.0") else { return }
        let shaders = repositoryPath("Sources/Kernels/Shaders"), folder = TemporaryFolder()
        #expect(try runProgram("\(shaders)/make_shaders.sh", [folder.path], environment: ["PATH": "/usr/bin:/bin"]).status == 0)
        for name in ["index.txt", "all.spv"] {
            let made = try Data(contentsOf: URL(filePath: folder(name)))
            #expect(try made == Data(contentsOf: URL(filePath: "\(shaders)/\(name)")), "\(name): run `make shaders`")
        }
    }
}
