/// A message to or from another rank.
///
/// `@unchecked Sendable`: the thread that submits an operation leaves its memory alone until the operation is done.
struct RankMessage: @unchecked Sendable {
    enum Content {
        case sent(UnsafeRawBufferPointer)
        case received(UnsafeMutableRawBufferPointer)
    }

    let content: Content
    /// The other rank.
    let peer: Int

    static func to(_ peer: Int, _ bytes: UnsafeRawBufferPointer) -> RankMessage {
        RankMessage(content: .sent(bytes), peer: peer)
    }

    static func from(_ peer: Int, _ bytes: UnsafeMutableRawBufferPointer) -> RankMessage {
        RankMessage(content: .received(bytes), peer: peer)
    }

    /// The message in parts of at most `length` bytes, which arrive in this order.
    func parts(of length: Int) -> [RankMessage] {
        func ranges(_ count: Int) -> [Range<Int>] {
            count <= length ? [0..<count] : stride(from: 0, to: count, by: length).map { $0..<min($0 + length, count) }
        }
        return switch content {
        case .sent(let bytes): ranges(bytes.count).map { .to(peer, UnsafeRawBufferPointer(rebasing: bytes[$0])) }
        case .received(let bytes): ranges(bytes.count).map { .from(peer, UnsafeMutableRawBufferPointer(rebasing: bytes[$0])) }
        }
    }
}

/// Messages that all ranks exchange with each other, in stages. Each stage begins when the messages of the one before have arrived.
///
/// `@unchecked Sendable`: one thread makes it and submits it; from then on only the thread of the communication uses it, until it is done.
final class ExchangeOperation: @unchecked Sendable {
    /// The number of the operation, which is the same on all ranks.
    let number: Int
    /// Computes what follows from the messages of the stage before, and returns the messages of the next.
    private var stages: [() -> [RankMessage]]
    private var stage = -1
    private let whenDone: () -> Void

    /// - Parameter whenDone: Called on the thread of the communication.
    init(number: Int, stages: [() -> [RankMessage]], whenDone: @escaping () -> Void) {
        self.number = number
        self.stages = stages
        self.whenDone = whenDone
    }

    /// The messages of the next stage, with their tag; nil after the last one.
    func next() -> (messages: [RankMessage], tag: Int)? {
        stage += 1
        guard stage < stages.count else {
            whenDone()
            stages = []
            return nil
        }
        // Tags repeat after a million operations, when the older ones are long done.
        return (stages[stage](), number % 1_000_000 * 8 + stage)
    }
}
