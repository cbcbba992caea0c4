import Kernels
import Tokenize

/// A place for one sequence at a time: what it remembers, and of which ids. What the last sequence left stays until another needs the place.
struct Slot {
    let memory: Recollection
    /// What the memory holds keys and values of, in order.
    var ids: [TokenID] = []
    /// When it was last needed, counted in answers.
    var usedAt = 0

    /// How many ids of a prompt need not be computed again. The last always is: its scores are wanted.
    func shared(with prompt: [TokenID]) -> Int {
        let most = min(ids.count, prompt.count - 1)
        var count = 0
        while count < most, ids[count] == prompt[count] { count += 1 }
        return count
    }
}

/// The places that there are. Memory is taken for one when it is first needed.
struct Slots {
    /// Copying a whole memory takes as long as computing about so many tokens.
    private static let worthCopying = 16

    private var slots: [Slot] = []
    private var isTaken: [Bool] = []
    private var answers = 0
    private let most: Int
    private let makeMemory: () -> Recollection

    init(most: Int, makeMemory: @escaping () -> Recollection) { (self.most, self.makeMemory) = (most, makeMemory) }

    var hasRoom: Bool { slots.count < most || isTaken.contains(false) }
    var memoryBytes: Int { slots.reduce(0) { $0 + $1.memory.byteCount } }

    subscript(place: Int) -> Slot {
        get { slots[place] }
        set { slots[place] = newValue }
    }

    /// A place for a prompt, the one that knows most of its beginning. It begins with the ids that it shares with the prompt.
    mutating func take(for prompt: [TokenID]) -> Int? {
        let shared = slots.map { $0.shared(with: prompt) }, free = slots.indices.filter { !isTaken[$0] }
        // Of those that know as little, what was needed longest ago is forgotten.
        var place = free.max { (shared[$0], -slots[$0].usedAt) < (shared[$1], -slots[$1].usedAt) }
        if slots.count < most, place.map({ shared[$0] < Self.worthCopying && 2 * shared[$0] < slots[$0].ids.count }) ?? true {
            slots.append(Slot(memory: makeMemory()))
            isTaken.append(false)
            place = slots.count - 1
        }
        guard let place else { return nil }
        let known = place < shared.count ? shared[place] : 0
        if let best = slots.indices.prefix(shared.count).max(by: { shared[$0] < shared[$1] }), shared[best] >= known + Self.worthCopying {
            slots[place].memory.copy(from: slots[best].memory)
            slots[place].ids = Array(slots[best].ids.prefix(shared[best]))
        } else {
            slots[place].ids.removeLast(slots[place].ids.count - known)
        }
        answers += 1
        (isTaken[place], slots[place].usedAt) = (true, answers)
        return place
    }

    mutating func giveBack(_ place: Int) { isTaken[place] = false }
}
