import Files
import Kernels
import TestSupport
import Testing
import Tuning

@Suite struct KernelChoiceTests {
    private func candidates(_ use: TuningUse, _ sets: [String]) -> [String] {
        KernelChoice.candidates(for: use, among: sets) { ["avx512amx", "avx512bf16"].contains($0) }.map(\.description)
    }

    @Test func `the first candidate is what the CPU's features suggest`() {
        let all = ["avx512bf16", "avx512", "avx2vnni", "avx2", "plain"]
        #expect(candidates(.training(width: 512), all) == [
            "bf16, avx512bf16 kernels", "f32, avx512bf16 kernels", "bf16, avx512bf16 kernels, onednn", "f32, avx512bf16 kernels, onednn",
            "f32, avx512bf16 kernels, openblas", "bf16, avx512 kernels", "f32, avx2vnni kernels",
        ])
        #expect(candidates(.inference, all) == [
            "bf16, avx512bf16 kernels", "f32, avx512bf16 kernels", "bf16, avx512 kernels", "bf16, avx2vnni kernels",
            "f32, avx2vnni kernels",
        ])
        #expect(candidates(.training(width: 512), ["avx512amx"] + all) == [
            "bf16, avx512amx kernels", "f32, avx512amx kernels", "bf16, avx512amx kernels, onednn", "f32, avx512amx kernels, onednn",
            "f32, avx512amx kernels, openblas", "bf16, avx512 kernels", "f32, avx2vnni kernels",
        ])
        #expect(candidates(.training(width: 64), ["avx2", "plain"]) == [
            "f32, avx2 kernels", "bf16, avx2 kernels", "f32, avx2 kernels, onednn", "f32, avx2 kernels, openblas",
        ])
        #expect(candidates(.inference, ["avx2", "plain"]) == ["f32, avx2 kernels", "bf16, avx2 kernels"])
        #expect(candidates(.inference, ["plain"]) == ["f32, plain kernels", "bf16, plain kernels"])
    }

    @Test(arguments: [(1, 64), (64, 64), (96, 128), (128, 128), (200, 256), (384, 512), (512, 512), (4_096, 512)])
    func `a model is measured at a width near its own`(width: Int, measured: Int) {
        #expect(TuningUse.forTraining(modelOfWidth: width) == .training(width: measured))
    }
}

@Suite struct TunerTests {
    private static let fast = KernelChoice("avx512", .float32), other = KernelChoice("avx2", .float32),
        library = KernelChoice("avx512", .float32, .onednn)

    private func result(_ seconds: [(KernelChoice, Double)]) -> TuningResult {
        TuningResult(seconds.map { TuningResult.Measurement($0.0, seconds: $0.1) })
    }

    @Test func `a preferred choice loses only to one that is clearly faster`() {
        #expect(result([(Self.fast, 1.019), (Self.other, 1)]).best() == Self.fast)
        #expect(result([(Self.fast, 1.021), (Self.other, 1)]).best() == Self.other)
        #expect(result([(Self.fast, 1.05), (Self.other, 1.01), (Self.library, 1)]).best() == Self.other)
        #expect(result([]).best() == nil)
    }

    @Test func `options leave choices out`() {
        let measured = result([(Self.fast, 1), (Self.other, 2), (Self.library, 3)])
        #expect(measured.best { $0.instructionSet == "avx2" } == Self.other)
        #expect(measured.best { $0.blas == .onednn } == Self.library)
        #expect(measured.best { $0.precision == .bfloat16 } == nil)
        #expect(measured.slowdown(of: Self.other) == 2)
    }

    /// The runs of `measure` in order, and its result. Times beyond the listed ones repeat the last.
    private func measure(_ times: [(KernelChoice, [Double])]) -> (order: [KernelChoice], pauses: Int, result: TuningResult) {
        var order: [KernelChoice] = [], pauses = 0
        let choices = times.map(\.0) + [KernelChoice("none", .float32)]
        let result = Tuner.measure(choices, pause: { pauses += 1 }) { choice in
            guard var left = times.first(where: { $0.0 == choice })?.1 else { return nil }
            return {
                order.append(choice)
                return left.count > 1 ? left.removeFirst() : left[0]
            }
        }
        return (order, pauses, result)
    }

    @Test func `choices are measured in turn, and the least time counts`() {
        let (order, pauses, measured) = measure([
            (Self.fast, [9, 0.011, 0.05, 0.010, 0.0102]), (Self.other, [9, 0.05, 0.05, 0.009, 0.0091]),
            (Self.library, [9, 0.02, 0.03, 0.02]),
        ])
        #expect(measured == result([(Self.fast, 0.010), (Self.other, 0.009), (Self.library, 0.02)]))
        let all = [Self.fast, Self.other, Self.library]
        #expect(order == all + all + all + all + [Self.fast, Self.other], "a warm-up, three rounds, and one of the two fastest")
        #expect(pauses == order.count)
    }

    @Test func `runs that are not steady are repeated, and then a preferred choice must be clearly slower to lose`() {
        let noisy = measure([(Self.fast, [9, 0.5]), (Self.other, [9, 0.5, 0.47, 0.44, 0.41, 0.41])])
        #expect(!noisy.result.isSteady && noisy.order.count == 10, "four rounds of two seconds are enough")
        let later = measure([(Self.fast, [9, 0.02, 0.03, 0.04, 0.05, 0.06, 0.0201])])
        #expect(later.result.isSteady && later.order.count == 7)
        let busy = TuningResult(result([(Self.fast, 1.1), (Self.other, 1)]).measurements, isSteady: false)
        #expect(busy.best() == Self.fast)
        #expect(TuningResult(result([(Self.fast, 1.2), (Self.other, 1)]).measurements, isSteady: false).best() == Self.other)
    }

    @Test func `the work runs with every candidate of this CPU`() throws {
        for use in [TuningUse.training(width: 64), .inference] {
            let candidates = KernelChoice.candidates(
                for: use, among: Processor.instructionSets, multipliesBFloat16: Processor.multipliesBFloat16)
            for choice in candidates {
                let run = switch use {
                case .training(let width): try #require(TuningWork.trainingStep(width: width, choice, threads: 2), "\(choice)")
                case .inference: try #require(TuningWork.answer(choice, threads: 2, evict: TuningWork.cacheEviction()), "\(choice)")
                }
                #expect(run() > 0)
            }
        }
        #expect(TuningWork.answer(KernelChoice("none", .float32), threads: 1, evict: {}) == nil)
    }
}

@Suite struct TuningCacheTests {
    private static let machine = TuningCache.Machine(cpu: "Some CPU; avx2", threads: 2, version: "1.0")
    private static let candidates = [KernelChoice("avx2", .float32), KernelChoice("avx2", .float32, .openblas)]
    private static let measured = TuningResult([
        TuningResult.Measurement(candidates[0], seconds: 0.25), TuningResult.Measurement(candidates[1], seconds: 0.125),
    ])

    @Test func `a result is found by the same machine only`() throws {
        let folder = TemporaryFolder(), cache = TuningCache(in: folder("slm/tuning"), for: Self.machine)
        #expect(cache.result(for: .inference, among: Self.candidates) == nil)
        try cache.store(Self.measured, for: .inference)
        #expect(cache.result(for: .inference, among: Self.candidates) == Self.measured)
        #expect(cache.result(for: .training(width: 64), among: Self.candidates) == nil)
        for other in [
            TuningCache.Machine(cpu: "Some CPU; avx2", threads: 1, version: "1.0"),
            TuningCache.Machine(cpu: "Some CPU; avx2", threads: 2, version: "1.1"),
            TuningCache.Machine(cpu: "Another CPU", threads: 2, version: "1.0"),
        ] { #expect(TuningCache(in: folder("slm/tuning"), for: other).result(for: .inference, among: Self.candidates) == nil) }
        // A CPU that has lost its kernels, as after a move of the virtual machine.
        #expect(cache.result(for: .inference, among: [Self.candidates[0]]) == nil)
    }

    @Test func `a cache that cannot be written is an error, and is read as empty`() throws {
        let folder = TemporaryFolder()
        folder.write("not a folder", to: "slm")
        let cache = TuningCache(in: folder("slm/tuning"), for: Self.machine)
        #expect(throws: FileError.self) { try cache.store(Self.measured, for: .inference) }
        #expect(cache.result(for: .inference, among: Self.candidates) == nil)
    }

    @Test func `a damaged file is the stored result or none`() throws {
        let folder = TemporaryFolder(), cache = TuningCache(in: folder.path, for: Self.machine)
        try cache.store(Self.measured, for: .inference)
        let path = cache.path(of: .inference), name = String(path.dropFirst(folder.path.count + 1))
        let whole = try InputFile.contents(of: path)
        for length in 0..<whole.count - 2 {
            folder.write(Array(whole[..<length]), to: name)
            #expect(cache.result(for: .inference, among: Self.candidates) == nil, "\(length) bytes")
        }
        for round in 0..<2_000 {
            var mutator = Mutator(seed: UInt64(round), words: ["\"seconds\":", "-1", "1e999", "null", "[", "\"bf16\"", "0"]), bytes = whole
            mutator.damage(&bytes)
            folder.write(bytes, to: name)
            guard let read = cache.result(for: .inference, among: Self.candidates) else { continue }
            let isSane = read.measurements.allSatisfy { Self.candidates.contains($0.choice) && $0.seconds > 0 && $0.seconds.isFinite }
            #expect(isSane && !read.measurements.isEmpty, "round \(round)")
        }
    }
}
