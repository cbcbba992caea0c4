import CKernels
import Kernels
import TestSupport
import Testing

@Suite struct Processors {
    @Test func `an unknown path is refused with the ones there are`() {
        let paths = Processor.instructionSets
        let error = #expect(throws: ProcessorError.unknownInstructionSet("avx1024", known: paths)) {
            try Processor(instructionSet: "avx1024")
        }
        #expect(error?.description == "this CPU has no kernels 'avx1024'. It runs: \(paths.joined(separator: ", ")).")
        #expect(paths.last == "plain")
    }

    @Test(arguments: [(0, "0"), (-1, "-1"), (1_025, "1025")])
    func `a number of threads that makes no sense is refused`(threads: Int, text: String) {
        let error = #expect(throws: ProcessorError.badThreads(threads)) { try Processor(threads: threads) }
        #expect(error?.description == "\(text) threads: expected 1 to 1,024.")
    }

    @Test func `other errors say what to do`() {
        #expect(ProcessorError.noThreads(wanted: 900).description == "the system gives no 900 threads. Ask for fewer: --threads 1")
        #expect(
            ProcessorError.noLibrary(.openblas, because: "libopenblas.so.0: cannot open shared object file").description
                == "openblas cannot be used: libopenblas.so.0: cannot open shared object file. Install it with `make deps`, or leave --blas away."
        )
    }

    @Test(arguments: Machine.all)
    func `are what was asked for`(machine: Machine) throws {
        let p = try machine.processor()
        #expect(p.path == machine.path && p.threads == machine.threads && p.blas == .slm && p.libraryVersion == nil)
        #expect(p.hasBFloat16 == (machine.path == "avx512bf16"))
    }

    @Test func `two on two threads share nothing`() async throws {
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

@Suite struct `The pool` {
    @Test(arguments: [1, 2, 3, 8])
    func `calls every thread once, a thousand times over`(threads: Int) throws {
        let pool = try #require(slm_pool_create(Int32(threads)) as OpaquePointer?)
        defer { slm_pool_destroy(pool) }
        #expect(slm_pool_size(pool) == Int32(threads))
        var calls = [Int](repeating: 0, count: threads)
        calls.withUnsafeMutableBufferPointer { calls in
            for _ in 0..<1_000 {
                slm_pool_run(pool, { context, thread in
                    // Each thread has a place of its own: a second call, or two at once, would show in the count.
                    context?.assumingMemoryBound(to: Int.self)[Int(thread)] += 1
                }, calls.baseAddress)
            }
        }
        #expect(calls == [Int](repeating: 1_000, count: threads))
    }

    @Test func `comes and goes without work`() throws {
        for threads in [Int32(1), 2, 5] { slm_pool_destroy(try #require(slm_pool_create(threads) as OpaquePointer?)) }
    }

    @Test func `wakes up after it has slept`() throws {
        let pool = try #require(slm_pool_create(3) as OpaquePointer?)
        defer { slm_pool_destroy(pool) }
        var calls = [0, 0, 0]
        for _ in 0..<5 {
            var busy = 0
            for i in 0..<3_000_000 { busy &+= i ^ busy }       // longer than the members spin
            #expect(busy != 1)
            slm_pool_run(pool, { context, thread in context?.assumingMemoryBound(to: Int.self)[Int(thread)] += 1 }, &calls)
        }
        #expect(calls == [5, 5, 5])
    }
}
