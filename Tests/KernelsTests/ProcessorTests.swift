import CKernels
import Files
import Glibc
import Kernels
import Platform
import SharedLibraries
import Synchronization
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
        #expect(error?.description == "expected 1 to 1,024 threads, found \(text).")
    }

    @Test func `errors suggest a solution`() {
        #expect(ProcessorError.noThreads(requested: 900).description == "the system cannot create 900 threads. Use fewer.")
        let missing = MissingLibrary(package: "libopenblas0", reason: "libopenblas.so.0: no such file")
        #expect(
            ProcessorError.noLibrary(.openblas, missing).description
                == "cannot use openblas: \(missing). slm's own kernels need no library.")
    }

    @Test(arguments: ProcessorVariant.all)
    func `a processor has the requested instruction set, threads and BLAS`(variant: ProcessorVariant) throws {
        let p = try variant.processor()
        #expect(p.instructionSet == variant.instructionSet && p.threads == variant.threads && p.blas == .slm && p.libraryVersion == nil)
        #expect(p.hasBFloat16 == (["avx512amx", "avx512bf16", "neonbf16"].contains(variant.instructionSet)))
    }

    @Test(arguments: [(8, 2, 4), (2, 8, 4), (3, 3, 6), (16, 1, 1)])
    func `work is divided for the threads that can run at once`(threads: Int, cores: Int, parts: Int) throws {
        let p = try Processor(threads: threads, cores: cores), found = Mutex<[Range<Int>]>([])
        p.split(1_001) { range in found.withLock { $0.append(range) } }
        let ranges = found.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
        #expect(ranges.count == parts && ranges.flatMap(Array.init) == Array(0..<1_001))
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

@Suite struct CPUNameTests {
    @Test func `ARM CPUs have the names of their numbers`() {
        #expect(Machine.armName(implementer: "0x41", part: "0xd0c") == "Neoverse N1")
        #expect(Machine.armName(implementer: "0x41", part: "0x001") == "64-bit ARM CPU, implementer 0x41, part 0x001")
    }
}

@Suite struct CacheTests {
    private static let caches: [(name: String, level: String, type: String, size: String)] = [
        ("index0", "1", "Data", "48K"), ("index1", "1", "Instruction", "32K"), ("index2", "2", "Unified", "2048K"),
        ("index3", "3", "Unified", "105M"),
    ]

    @Test func `cache sizes are read from the system's description`() throws {
        let folder = TemporaryFolder()
        for cache in Self.caches {
            try Folder.create(folder(cache.name))
            for (name, text) in [("level", cache.level), ("type", cache.type), ("size", cache.size)] {
                folder.write(text + "\n", to: "\(cache.name)/\(name)")
            }
        }
        let sizes = [1, 2, 3, 4].map { CacheTopology(root: folder.path).dataBytes(level: $0) }
        #expect(sizes == [48 << 10, 2 << 20, 105 << 20, nil])
    }

    @Test(arguments: ["", "K", "-1K", "0", "many", "99999999999999999999M", "9999999999999M"])
    func `a size that is not one is not known`(size: String) throws {
        let folder = TemporaryFolder()
        try Folder.create(folder("index2"))
        for (name, text) in [("level", "2"), ("type", "Unified"), ("size", size)] { folder.write(text + "\n", to: "index2/\(name)") }
        #expect(CacheTopology(root: folder.path).dataBytes(level: 2) == nil)
        #expect(CacheTopology(root: folder("none")).dataBytes(level: 2) == nil)
    }
}

#if arch(x86_64) || arch(arm64)
/// Kernels run only on CPUs that have every feature that they are compiled for.
@Suite struct InstructionSetTests {
    /// The features that a CPU is said to have.
    private final class Features {
        let names: Set<String>
        init(_ names: Set<String>) { self.names = names }
    }

    private func kernels(_ name: String, with features: Set<String>) -> slm_kernels? {
        let features = Features(features)
        return withExtendedLifetime(features) {
            slm_kernels_for(name, { context, feature in
                guard let context, let feature else { return false }
                return Unmanaged<Features>.fromOpaque(context).takeUnretainedValue().names.contains(String(cString: feature))
            }, Unmanaged.passUnretained(features).toOpaque())?.pointee
        }
    }

    #if arch(x86_64)
    private static let names = ["avx512amx", "avx512bf16", "avx512", "avx2vnni", "avx2"], flagsLine = "flags"
    private static let needed: [String: Set<String>] = [
        "avx2": ["avx2", "fma", "f16c", "bmi2"],
        "avx2vnni": ["avxvnni", "avx2", "fma", "f16c", "bmi2"],
        "avx512": ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "avx2", "fma", "f16c", "bmi2"],
        "avx512amx": [
            "amx-tile", "amx-int8", "amx-bf16", "avx512bf16", "avx512vnni", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd",
            "avx2", "fma", "f16c", "bmi2",
        ],
        "avx512bf16": [
            "avx512bf16", "avx512vnni", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "avx2", "fma", "f16c", "bmi2",
        ],
    ]
    #else
    private static let names = ["neonbf16", "neondotprod", "neon"], flagsLine = "Features"
    private static let needed: [String: Set<String>] = ["neon": [], "neondotprod": ["dotprod"], "neonbf16": ["bf16", "dotprod"]]
    #endif

    @Test(arguments: names)
    func `without any one of its features, a CPU does not get the kernels`(name: String) throws {
        let needed = try #require(Self.needed[name]), table = try #require(kernels(name, with: needed))
        #expect(Set(String(cString: table.features).split(separator: ",").map(String.init)) == needed)
        for feature in needed { #expect(kernels(name, with: needed.subtracting([feature])) == nil, "without \(feature)") }
        #expect(kernels("plain", with: []) != nil)
    }

    /// /proc/cpuinfo writes some names in another way.
    @Test func `the CPU's features are those that the system lists`() throws {
        let info = String(decoding: try InputFile.contents(of: "/proc/cpuinfo"), as: UTF8.self)
        let line = try #require(info.split(separator: "\n").first { $0.hasPrefix(Self.flagsLine) })
        let flags = Set(line.split(separator: " ").map {
            String($0).replacing(/^(avx(512)?)_/, with: { $0.1 }).replacing("amx_", with: "amx-").replacing("asimddp", with: "dotprod")
        })
        var usable = flags
        for feature in Self.names.reduce(into: Set<String>(), { $0.formUnion(Self.needed[$1, default: []]) }) {
            let isThere = slm_cpu_has(nil, feature)
            // A container may refuse tiles to a process.
            if feature.hasPrefix("amx-"), !isThere { usable.remove(feature) }
            #expect(isThere == usable.contains(feature), "\(feature)")
        }
        let available = Self.names.filter { Self.needed[$0, default: []].isSubset(of: usable) }
        #expect(Processor.instructionSets == available + ["plain"])
    }
}
#endif

@Suite struct WorkerPoolTests {
    @Test(arguments: [1, 2, 3, 8])
    func `every run calls each thread once`(threads: Int) throws {
        let pool = try WorkerPool(threads: threads), calls = Mutex([Int](repeating: 0, count: threads))
        for _ in 0..<1_000 { pool.run { thread in calls.withLock { $0[thread] += 1 } } }
        #expect(calls.withLock { $0 } == [Int](repeating: 1_000, count: threads))
    }

    @Test(arguments: [1, 2, 3, 8], [0, 1, 2, 7, 100])
    func `every item is done once, by a thread of the pool`(threads: Int, count: Int) throws {
        let pool = try WorkerPool(threads: threads), done = Mutex([Int](repeating: 0, count: count))
        for _ in 0..<500 {
            pool.forEach(count) { item, thread in
                done.withLock { $0[item] += (0..<threads).contains(thread) ? 1 : 1_000_000 }
            }
        }
        #expect(done.withLock { $0 } == [Int](repeating: 500, count: count))
    }

    /// The caller does the work of a thread that does not come: here one that is busy with an item of an earlier pass.
    @Test func `items do not wait for a thread that does not run`() throws {
        let pool = try WorkerPool(threads: 2, cores: 2), done = Atomic(0)
        // Whichever thread takes the first item waits until the other one has done all the others.
        pool.forEach(100) { item, _ in
            if item == 0 { while done.load(ordering: .acquiring) < 99 { sched_yield() } }
            done.add(1, ordering: .acquiringAndReleasing)
        }
        #expect(done.load(ordering: .acquiring) == 100)
    }

    @Test func `a pool can be destroyed without having run a task`() throws {
        for threads in [1, 2, 5] { _ = try WorkerPool(threads: threads) }
    }

    @Test func `sleeping threads wake up for a task`() throws {
        let pool = try WorkerPool(threads: 3), calls = Mutex([0, 0, 0])
        for _ in 0..<5 {
            usleep(2_000)                                       // longer than threads spin
            pool.run { thread in calls.withLock { $0[thread] += 1 } }
        }
        #expect(calls.withLock { $0 } == [5, 5, 5])
    }

    @Test func `with more threads than cores, as many do items as there are cores`() throws {
        let pool = try WorkerPool(threads: 16, cores: 2), counts = Mutex([Int](repeating: 0, count: 16))
        for _ in 0..<200 {
            pool.forEach(64) { _, thread in counts.withLock { $0[thread] += 1 } }
            pool.run { thread in counts.withLock { $0[thread] += 1 } }
        }
        #expect(counts.withLock { $0[0] + $0[1] } == 200 * (64 + 2))
        #expect(counts.withLock { $0.dropFirst(2) }.allSatisfy { $0 == 200 })
    }

    /// More threads than cores, and tasks of every kind in turn.
    @Test(arguments: [1, 2, 16])
    func `many threads take turns on few cores`(cores: Int) throws {
        let pool = try WorkerPool(threads: 16, cores: cores), sum = Atomic(0)
        for round in 0..<300 {
            pool.forEach(round % 40) { item, _ in sum.add(item, ordering: .relaxed) }
            if round % 50 == 0 { pool.run { _ in sum.add(1, ordering: .relaxed) } }
        }
        var items = 0
        for round in 0..<300 { items += (0..<round % 40).reduce(0, +) }
        #expect(sum.load(ordering: .relaxed) == items + 6 * 16)
    }
}
