import Files

/// The texts between which a model thinks before it answers.
package struct ThoughtMarks: Sendable, Equatable {
    package let start: String
    package let end: String

    /// DeepSeek R1's, Qwen 3's and most others'.
    package static let think = ThoughtMarks(start: "<think>", end: "</think>")

    /// Whether a text, such as the end of a prompt or the beginning of an answer, ends inside of a thought.
    package func isOpen(atEndOf text: [UInt8]) -> Bool {
        guard let opening = text.lastStart(of: Array(start.utf8)) else { return false }
        return (text.lastStart(of: Array(end.utf8)) ?? -1) < opening
    }
}

/// Separates the thought at the beginning of an answer from the rest while it is generated.
///
///     var parser = ThoughtParser(.think, isOpen: prompt.endsWithThinkMark)
///     let (thought, content) = parser.add(piece)
///     let last = parser.finish()
///
/// The result does not depend on how the answer is divided into pieces. White space around the thought is dropped. An answer that ends
/// before its thought does is all thought. If each piece is the text of a token, `thoughtPieces` is the number of tokens of the thought.
package struct ThoughtParser: Sendable {
    package typealias Output = (thought: [UInt8], content: [UInt8])

    private enum State {
        /// Only white space so far, or a part of the mark.
        case beginning
        /// - hasText: Whether some of the thought was returned.
        case thought(hasText: Bool)
        /// Behind the thought, where white space is dropped.
        case gap
        case content
    }

    private let start: [UInt8]
    private let end: [UInt8]
    private var state: State
    /// Whether the prompt has opened the thought. Some models write the mark again.
    private let isOpen: Bool
    /// Text that was not returned yet.
    private var held: [UInt8] = []
    /// The offsets in `held` at which pieces begin.
    private var pieceStarts: [Int] = []
    /// The pieces of the thought that begin before `held`.
    private var earlierPieces = 0

    /// - Parameters:
    ///   - isOpen: Whether the prompt ends with the mark that begins a thought, or inside of a thought.
    ///   - continuesAnswer: Whether the prompt ends inside of the answer, so that white space is part of the text.
    package init(_ marks: ThoughtMarks, isOpen: Bool, continuesAnswer: Bool = false) {
        start = Array(marks.start.utf8)
        end = Array(marks.end.utf8)
        self.isOpen = isOpen
        state = !continuesAnswer ? .beginning : isOpen ? .thought(hasText: true) : .content
    }

    /// The pieces so far that begin between the marks, with the white space around the thought. A mark that is not complete counts as a
    /// part of the thought.
    package var thoughtPieces: Int {
        switch state {
        case .beginning: isOpen ? pieceStarts.count : 0
        case .thought: earlierPieces + pieceStarts.count
        case .gap, .content: earlierPieces
        }
    }

    package mutating func add(_ text: [UInt8]) -> Output {
        pieceStarts.append(held.count)
        held += text
        var output: Output = ([], [])
        if case .beginning = state { begin() }
        if case .thought = state { readThought(into: &output) }
        if case .gap = state {
            drop(held.prefix(while: \.isSpace).count)
            if !held.isEmpty { state = .content }
        }
        if case .content = state {
            output.content += held
            held = []
            pieceStarts = []
        }
        return output
    }

    /// Returns the rest at the end of the answer.
    package mutating func finish() -> Output {
        defer { held = [] }
        switch state {
        case .beginning: return isOpen ? (held.trimmed, []) : ([], held)
        case .thought(let hasText): return (hasText ? Array(held.trimmingSuffix(while: \.isSpace)) : held.trimmed, [])
        case .gap, .content: return ([], held)
        }
    }

    private mutating func begin() {
        let text = held.drop(while: \.isSpace)
        if text.starts(with: start) {
            drop(text.startIndex + start.count)
            state = .thought(hasText: false)
        } else if !start.starts(with: text) {
            state = isOpen ? .thought(hasText: false) : .content
        }
    }

    private mutating func readThought(into output: inout Output) {
        guard case .thought(var hasText) = state else { return }
        func shown(_ text: ArraySlice<UInt8>) -> [UInt8] {
            Array(hasText ? text.trimmingSuffix(while: \.isSpace) : text.trimming(while: \.isSpace))
        }
        if let close = held.range(of: end) {
            output.thought += shown(held[..<close.lowerBound])
            earlierPieces += drop(close.lowerBound)
            drop(end.count)
            state = .gap
            return
        }
        // The end of the text may begin the mark, and white space before the mark is dropped.
        let partial = (1..<end.count).last { $0 <= held.count && held.suffix($0).elementsEqual(end.prefix($0)) } ?? 0
        let text = held[..<(held.count - partial)]
        let visible = shown(text)
        guard !visible.isEmpty else { return }
        let last = text.lastIndex { !$0.isSpace } ?? 0
        earlierPieces += drop(last + 1)
        hasText = true
        state = .thought(hasText: true)
        output.thought += visible
    }

    /// Removes the first bytes of the held text, and returns the number of pieces that begin in them.
    @discardableResult private mutating func drop(_ count: Int) -> Int {
        let all = pieceStarts.count
        held.removeFirst(count)
        pieceStarts = pieceStarts.filter { $0 >= count }.map { $0 - count }
        return all - pieceStarts.count
    }
}

extension [UInt8] {
    fileprivate func lastStart(of part: [UInt8]) -> Int? {
        guard count >= part.count else { return nil }
        return (0...count - part.count).last { self[$0] == part[0] && self[$0...].starts(with: part) }
    }
}
