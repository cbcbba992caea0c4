import Files

/// Counts the tokens of the thought at the beginning of an answer while it is generated: those whose text begins between its marks.
///
///     var counter = ThoughtTokenCounter(.think, isOpen: prompt.endsWithThinkMark)
///     for id in answer { counter.add(vocabulary.bytes(of: id)) }
///     counter.count
///
/// The thought is the one that ``ThoughtParser`` separates, with the white space around it.
package struct ThoughtTokenCounter: Sendable {
    private enum State { case beginning, thought, content }

    private let start: [UInt8]
    private let end: [UInt8]
    private let isOpen: Bool
    private var state: State
    /// The text in which a mark may begin.
    private var held: [UInt8] = []
    /// The offsets in `held` at which tokens begin.
    private var starts: [Int] = []
    /// The tokens before `held`.
    private var decided = 0

    /// - Parameters:
    ///   - isOpen: Whether the prompt ends with the mark that begins a thought, or inside of a thought.
    ///   - continuesAnswer: Whether the prompt ends inside of the answer.
    package init(_ marks: ThoughtMarks, isOpen: Bool, continuesAnswer: Bool = false) {
        start = Array(marks.start.utf8)
        end = Array(marks.end.utf8)
        self.isOpen = isOpen
        state = !continuesAnswer ? .beginning : isOpen ? .thought : .content
    }

    /// The tokens of the thought so far. A mark that is not complete counts as a part of the thought.
    package var count: Int {
        switch state {
        case .beginning: isOpen ? starts.count : 0
        case .thought, .content: decided + starts.count
        }
    }

    package mutating func add(_ token: [UInt8]) {
        if state == .content { return }
        starts.append(held.count)
        held += token
        if state == .beginning { begin() }
        if state == .thought { readThought() }
    }

    private mutating func begin() {
        let text = held.drop(while: \.isSpace)
        if text.starts(with: start) {
            let offset = text.startIndex + start.count
            starts = starts.filter { $0 >= offset }
            drop(offset)
            state = .thought
        } else if !start.starts(with: text) {
            state = isOpen ? .thought : .content
            if !isOpen { starts = [] }
        }
    }

    private mutating func readThought() {
        if let mark = held.range(of: end) {
            starts = starts.filter { $0 < mark.lowerBound }
            state = .content
            return
        }
        // The end of the text may begin the mark.
        let offset = max(0, held.count - (end.count - 1)), all = starts.count
        starts = starts.filter { $0 >= offset }
        decided += all - starts.count
        drop(offset)
    }

    private mutating func drop(_ count: Int) {
        held.removeFirst(count)
        starts = starts.map { $0 - count }
    }
}
