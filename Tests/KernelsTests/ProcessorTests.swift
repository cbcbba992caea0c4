import CKernels
import Kernels
import TestSupport
import Testing

@Suite struct ProcessorTests {
    @Test func `an unknown instruction set is an error that lists the supported ones`() {
        let instructionSets = Processor.instructionSets
        let error = #expect(throws: ProcessorError.unknownInstructionSet("avx1024", known: instructionSets)) {
            try Processor(instructionSet: "avx1024")
        }
        #expect(error?.description == "this CPU has no kernels 'avx1024'. It supports: \(instructionSets.joined(separator: ", ")).")
        #expect(instructionSets.last == "plain")
    }

    @Test(arguments: [(0, "0"), (-1, "-1"), (1_025, "1025")])
    func `an invalid number of threads is an error`(threads: Int, text: String) {
        let error = #expect(throws: ProcessorError.badThreads(threads)) { try Processor(threads: threads) }
        #expect(error?.description == "expected 1 to 1,024 threads, found \(text) (--threads).")
    }

    @Test func `errors suggest a solution`() {
        #expect(ProcessorError.noThreads(requested: 900).description == "the system cannot create 900 threads. Use fewer: --threads 1")
        #expect(
            ProcessorError.noLibrary(.openblas, because: "libopenblas.so.0: cannot open shared object file").description
                == "cannot use openblas: libopenblas.so.0: cannot open shared object file. Install it with `make deps`, or omit --blas."
        )
    }

    @Test(arguments: ProcessorVariant.all)
    func `a processor has the requested instruction set, threads and BLAS`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        #expect(p.instructionSet == variant.instructionSet && p.threads == variant.threads && p.blas == .slm && p.libraryVersion == nil)
        #expect(p.hasBFloat16 == (variant.instructionSet == "avx512bf16"))
    }

    @Test func `processors on different threads do not affect each other`() async throws {
        let sums = await withTaskGroup(of: [Float].self) { group in
            for _ in 0..<4 {
                group.addTask {
                    guard let p = try? Processor(threads: 2) else { return [] }
                    let x = p.buffer([Float](repeating: 1, count: 50_000)), y = p.zeros(1)
                    for _ in 0..<50 { p.sum(x, outer: 1, R: 50_000, inner: 1, into: y, adding: true) }
                    return p.floats(y)
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(sums == [2_500_000, 2_500_000, 2_500_000, 2_500_000])
    }
}

@Suite struct WorkerPoolTests {
    @Test(arguments: [1, 2, 3, 8])
    func `every run calls each thread once`(threads: Int) throws {
        let pool = try #require(slm_pool_create(Int32(threads)) as OpaquePointer?)
        defer { slm_pool_destroy(pool) }
        var calls = [Int](repeating: 0, count: threads)
        calls.withUnsafeMutableBufferPointer { calls in
            for _ in 0..<1_000 {
                slm_pool_run(pool, { context, thread in
                    // Each thread has its own counter, so that a missing or a second call shows.
                    context?.assumingMemoryBound(to: Int.self)[Int(thread)] += 1
                }, calls.baseAddress)
            }
        }
        #expect(calls == [Int](repeating: 1_000, count: threads))
    }

    @Test func `a pool can be destroyed without having run a task`() throws {
        for threads in [Int32(1), 2, 5] { slm_pool_destroy(try #require(slm_pool_create(threads) as OpaquePointer?)) }
    }

    @Test func `sleeping workers wake up for a task`() throws {
        let pool = try #require(slm_pool_create(3) as OpaquePointer?)
        defer { slm_pool_destroy(pool) }
        var calls = [0, 0, 0]
        for _ in 0..<5 {
            var busy = 0
            for i in 0..<3_000_000 { busy &+= i ^ busy }       // longer than the workers spin
            #expect(busy != 1)
            slm_pool_run(pool, { context, thread in context?.assumingMemoryBound(to: Int.self)[Int(thread)] += 1 }, &calls)
        }
        #expect(calls == [5, 5, 5])
    }
}
