import Glibc
import Kernels
import TestSupport
import Watch

/// Reads damaged files of other programs, and measures what each takes of memory and of time.
///
///     Mutants ROUNDS [FORMAT [FIRST]]       so many rounds of each format, or of one, from the round FIRST on
///     Mutants bombs                         files that are made to grow in whoever reads them
///
/// A file may take `Cost.mostSeconds`, and memory as `Cost` says. A crash, a hang, too much, or a refusal that does not say enough is told
/// with its
/// round, and the status is not 0.
@main
struct Mutants {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 2 else { return print("usage: see Mutants.swift") }
        var isSound = true
        if arguments[1] == "bombs" {
            for bomb in Bomb.all() where try !explode(bomb) { isSound = false }
        } else {
            let rounds = Int(arguments[1]) ?? 0, first = arguments.count > 3 ? Int(arguments[3]) ?? 0 : 0
            let formats = FuzzedFormat.allCases.filter { arguments.count < 3 || arguments[2] == $0.rawValue }
            for format in formats where try !run(format, first..<first + rounds) { isSound = false }
        }
        exit(isSound ? 0 : 1)
    }

    private static func say(_ line: String) {
        print(line)
        fflush(nil)
    }

    private static func run(_ format: FuzzedFormat, _ rounds: Range<Int>) throws -> Bool {
        let processor = try Processor(threads: 1)
        var fuzz = try FormatFuzz(format, in: TemporaryFolder()), read = 0, refused = 0, wrong = 0, worst = Cost()
        for round in rounds {
            fuzz.prepare(round)
            let (outcome, cost) = Cost.of(fuzz, format.rawValue, round, on: processor)
            worst.grow(to: cost)
            if cost.isTooMuch { say("\(format.rawValue): round \(round): \(cost)") }
            switch outcome {
            case .read: read += 1
            case .refused: refused += 1
            case .wrong(let what):
                wrong += 1
                if wrong <= 10 { say("\(format.rawValue): round \(round): \(what)") }
            }
        }
        say("\(format.rawValue): \(rounds.count) files, \(read) read, \(refused) refused, \(wrong) wrong; at most \(worst)")
        return wrong == 0 && !worst.isTooMuch && (rounds.count < 1_000 || read > 0 && refused > 0)
    }

    private static func explode(_ bomb: Bomb) throws -> Bool {
        let processor = try Processor(threads: 1), folder = TemporaryFolder()
        var fuzz = try FormatFuzz(.config, in: folder)
        fuzz.put(bomb.files, entry: bomb.entry)
        let (outcome, cost) = Cost.of(fuzz, bomb.name, 0, on: processor)
        let said = "\(outcome)".replacing(folder.path, with: "…")
        say("\(bomb.name): \(fuzz.byteCount) bytes, \(cost): \(said.prefix(200))")
        if case .wrong = outcome { return false }
        return !cost.isTooMuch
    }
}

/// What reading a file took.
struct Cost: CustomStringConvertible {
    /// Of malloc's, at once.
    private var memory = 0
    /// By which the arena grew, where weights are. It grows in steps of 4 MB.
    private var arena = 0
    /// Of the processor's time.
    private var seconds = 0.0
    /// Of memory, for each byte of the file, beyond `besides`, which an encoder and a tokenizer's gaps take.
    private var ratio = 0.0

    static let mostSeconds = 10
    private static let mostRatio = 64.0, besides = 2 << 20, mostArena = 8 << 20

    var isTooMuch: Bool { ratio > Self.mostRatio || arena > Self.mostArena }

    static func of(_ fuzz: FormatFuzz, _ name: String, _ round: Int, on processor: Processor) -> (FormatFuzz.Outcome, Cost) {
        let capacity = processor.arena.capacity, start = clock()
        watch_begin(name, round, UInt32(mostSeconds))
        let outcome = fuzz.read(on: processor)
        var cost = Cost()
        cost.memory = watch_end()
        cost.seconds = Double(clock() - start) / 1_000_000       // CLOCKS_PER_SEC is a million in POSIX
        cost.arena = processor.arena.capacity - capacity
        cost.ratio = Double(max(0, cost.memory - besides)) / Double(max(1, fuzz.byteCount))
        return (outcome, cost)
    }

    mutating func grow(to other: Cost) {
        memory = max(memory, other.memory)
        arena = max(arena, other.arena)
        seconds = max(seconds, other.seconds)
        ratio = max(ratio, other.ratio)
    }

    var description: String {
        "\(memory >> 10) kB (\((ratio * 10).rounded() / 10) bytes for each of the file, and \(Self.besides >> 10) kB), \(arena >> 20) MB of weights, \((seconds * 1_000).rounded() / 1_000) s"
    }
}
