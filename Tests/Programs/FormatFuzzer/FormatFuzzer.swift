import Glibc
import Kernels
import TestSupport
import ResourceWatch

/// Reads damaged files of other programs and measures the memory and time of each.
///
///     FormatFuzzer ROUNDS [FORMAT [FIRST]]    rounds of each format, or of one, optionally starting at round FIRST
///     FormatFuzzer bombs                      small files that are designed to exhaust memory or time
///
/// `ReadCost` has the limits. A crash, a timeout, an exceeded limit or an unclear error message is printed with its round, and the exit
/// status is then not 0.
@main
struct FormatFuzzer {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 2 else { return print("usage: FormatFuzzer ROUNDS [FORMAT [FIRST]] | FormatFuzzer bombs") }
        var succeeded = true
        if arguments[1] == "bombs" {
            for bomb in Bomb.all() where try !read(bomb) { succeeded = false }
        } else {
            let rounds = Int(arguments[1]) ?? 0, first = arguments.count > 3 ? Int(arguments[3]) ?? 0 : 0
            let formats = FuzzedFormat.allCases.filter { arguments.count < 3 || arguments[2] == $0.rawValue }
            for format in formats where try !run(format, first..<first + rounds) { succeeded = false }
        }
        exit(succeeded ? 0 : 1)
    }

    private static func printNow(_ line: String) {
        print(line)
        fflush(nil)
    }

    private static func run(_ format: FuzzedFormat, _ rounds: Range<Int>) throws -> Bool {
        let processor = try Processor(threads: 1)
        var fuzz = try FormatFuzz(format, in: TemporaryFolder()), read = 0, refused = 0, wrong = 0, worst = ReadCost()
        for round in rounds {
            fuzz.prepare(round)
            let (outcome, cost) = ReadCost.of(fuzz, format.rawValue, round, on: processor)
            worst.grow(to: cost)
            if cost.exceedsLimits { printNow("\(format.rawValue): round \(round): \(cost)") }
            switch outcome {
            case .read: read += 1
            case .refused: refused += 1
            case .wrong(let what):
                wrong += 1
                if wrong <= 10 { printNow("\(format.rawValue): round \(round): \(what)") }
            }
        }
        printNow("\(format.rawValue): \(rounds.count) files, \(read) read, \(refused) rejected, \(wrong) failures; at most \(worst)")
        return wrong == 0 && !worst.exceedsLimits && (rounds.count < 1_000 || read > 0 && refused > 0)
    }

    private static func read(_ bomb: Bomb) throws -> Bool {
        let processor = try Processor(threads: 1), folder = TemporaryFolder()
        var fuzz = try FormatFuzz(bomb.format, in: folder)
        fuzz.put(bomb.files, entry: bomb.entry)
        let (outcome, cost) = ReadCost.of(fuzz, bomb.name, 0, on: processor)
        let result = "\(outcome)".replacing(folder.path, with: "…")
        printNow("\(bomb.name): \(fuzz.byteCount) bytes, \(cost): \(result.prefix(200))")
        if case .wrong = outcome { return false }
        return !cost.exceedsLimits
    }
}

/// The memory and time of reading one file, with limits.
struct ReadCost: CustomStringConvertible {
    /// The peak of malloc's memory in bytes.
    private var memory = 0
    /// The growth of the arena, which holds the weights, in bytes. It grows in steps of 4 MB.
    private var arena = 0
    /// CPU seconds.
    private var seconds = 0.0
    /// Memory per byte of the file, without `fixedMemory`, which an encoder and gaps between token ids take.
    private var ratio = 0.0

    static let maximumSeconds = 10
    private static let maximumRatio = 64.0, fixedMemory = 2 << 20, maximumArena = 8 << 20

    var exceedsLimits: Bool { ratio > Self.maximumRatio || arena > Self.maximumArena }

    static func of(_ fuzz: FormatFuzz, _ name: String, _ round: Int, on processor: Processor) -> (FormatFuzz.Outcome, ReadCost) {
        let capacity = processor.arena.capacity, start = clock()
        resource_watch_begin(name, round, UInt32(maximumSeconds))
        let outcome = fuzz.read(on: processor)
        var cost = ReadCost()
        cost.memory = resource_watch_end()
        cost.seconds = Double(clock() - start) / 1_000_000       // CLOCKS_PER_SEC is a million on POSIX
        cost.arena = processor.arena.capacity - capacity
        cost.ratio = Double(max(0, cost.memory - fixedMemory)) / Double(max(1, fuzz.byteCount))
        return (outcome, cost)
    }

    mutating func grow(to other: ReadCost) {
        memory = max(memory, other.memory)
        arena = max(arena, other.arena)
        seconds = max(seconds, other.seconds)
        ratio = max(ratio, other.ratio)
    }

    var description: String {
        "\(memory >> 10) kB (\((ratio * 10).rounded() / 10) bytes per byte of the file, plus \(Self.fixedMemory >> 10) kB), "
            + "\(arena >> 20) MB of weights, \((seconds * 1_000).rounded() / 1_000) s"
    }
}
