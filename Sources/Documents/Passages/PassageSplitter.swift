import Files

/// Divides documents into passages along their structure.
///
///     let passages = PassageSplitter(budget: 200).passages(of: document)
///
/// A passage has whole blocks that follow each other under the same headings, up to the budget. A block that is longer is cut at the ends
/// of sentences, code at empty lines. The parts of a paragraph overlap by the last sentence, if it is short. Pages are never mixed.
package struct PassageSplitter {
    private let budget: Int
    private let count: (String) -> Int

    /// The most characters of a heading or a title: anything may be in the place of one.
    private static let headingLimit = 200

    /// - Parameters:
    ///   - budget: The most tokens of a passage.
    ///   - count: Counts the tokens of a text.
    package init(budget: Int, count: @escaping (String) -> Int = TokenEstimate.count) {
        precondition(budget > 0, "a budget of \(budget) tokens")
        self.budget = budget
        self.count = count
    }

    package func passages(of document: Document) -> [DocumentPassage] {
        var open = OpenPassage(), headings: [(level: Int, text: String, line: Int)] = [], isHeadingAlone = false
        var passages: [DocumentPassage] = []
        func path() -> String { headings.map(\.text).joined(separator: " > ") }
        func flush() {
            if let passage = open.passage(below: path(), count) { passages.append(passage) }
            open = OpenPassage()
        }
        // A heading without text below it can still be found.
        func addHeadingAlone(before level: Int, page: Int?) {
            guard isHeadingAlone, let last = headings.last, last.level >= level else { return }
            passages.append(DocumentPassage(heading: path(), page: page, line: last.line, text: last.text, tokens: count(last.text)))
        }
        for block in document.blocks {
            if case .heading(let level) = block.kind {
                flush()
                addHeadingAlone(before: level, page: block.page)
                headings.removeAll { $0.level >= level }
                headings.append((level, Self.heading(block.text), block.line))
                isHeadingAlone = true
                continue
            }
            isHeadingAlone = false
            for part in parts(of: block) {
                let tokens = count(part.text)
                // One token for the empty line between two blocks.
                if !open.pieces.isEmpty, open.page != part.page || open.tokens + tokens + 1 > budget { flush() }
                open.add(part, tokens: tokens + 1)
            }
        }
        flush()
        addHeadingAlone(before: 0, page: document.blocks.last?.page)
        return passages
    }

    /// One line of at most 200 characters.
    package static func heading(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.count > headingLimit ? line.prefix(headingLimit) + "…" : line
    }

    /// Blocks that are about to be a passage.
    private struct OpenPassage {
        var pieces: [Document.Block] = []
        var tokens = 0
        var page: Int? { pieces.first?.page }

        mutating func add(_ block: Document.Block, tokens: Int) {
            pieces.append(block)
            self.tokens += tokens
        }

        func passage(below path: String, _ count: (String) -> Int) -> DocumentPassage? {
            guard let first = pieces.first else { return nil }
            var text = ""
            if case .row(let header?) = first.kind { text = PassageSplitter.heading(header) + "\n" }
            for (i, piece) in pieces.enumerated() {
                if i > 0 { text += piece.isOfList && pieces[i - 1].isOfList ? "\n" : "\n\n" }
                text += piece.text
            }
            var labels: [String] = []
            for case .code(let label?) in pieces.map(\.kind) where !labels.contains(label) { labels.append(label) }
            let heading = (path.isEmpty ? [] : [path]) + (labels.isEmpty ? [] : [PassageSplitter.heading(labels.joined(separator: ", "))])
            return DocumentPassage(
                heading: heading.joined(separator: " > "), page: first.page, line: first.line, text: text, tokens: count(text))
        }
    }
}

/// Cutting a block that is longer than the budget.
extension PassageSplitter {
    private func parts(of block: Document.Block) -> [Document.Block] {
        if count(block.text) <= budget { return [block] }
        let isCode = if case .code = block.kind { true } else { false }
        var parts: [Document.Block] = [], text = "", tokens = 0, line = block.line, start = block.line
        /// The last unit of the part before, if a paragraph repeats it.
        var last: (text: Substring, tokens: Int, line: Int)?
        func flush() {
            if text.contains(where: { !$0.isWhitespace }) { parts.append(.init(block.kind, text, line: start, page: block.page)) }
            text = ""
            tokens = 0
            start = line
        }
        for unit in isCode ? block.text.codeUnits(in: budget, count) : block.text.sentences(in: budget, count) {
            let size = count(String(unit))
            if tokens + size > budget, tokens > 0 {
                flush()
                if !isCode, let last, last.tokens <= budget / 8, last.tokens + size <= budget {
                    text += last.text
                    tokens = last.tokens
                    start = last.line
                }
            }
            last = (unit, size, line)
            text += unit
            tokens += size
            line += unit.utf8.count { $0 == 10 }
        }
        flush()
        return parts.map { .init($0.kind, $0.text.withoutEmptyEnds, line: $0.line, page: $0.page) }
    }
}

extension Document.Block {
    fileprivate var isOfList: Bool {
        switch kind {
        case .listItem, .row: true
        default: false
        }
    }
}

extension String {
    /// The text in parts that end with a sentence or a line. One that is longer than the budget is cut between words.
    fileprivate func sentences(in budget: Int, _ count: (String) -> Int) -> [Substring] {
        var units: [Substring] = [], start = startIndex, previous: UInt8 = 0
        for i in utf8.indices {
            let byte = utf8[i]
            defer { previous = byte }
            let isEnd = byte == 10 || byte == 32 && ".!?".utf8.contains(previous)
            guard isEnd else { continue }
            let next = utf8.index(after: i)
            units.append(self[start..<next])
            start = next
        }
        units.append(self[start...])
        return units.filter { !$0.isEmpty }.flatMap { $0.cut(to: budget, count) }
    }

    /// The text in parts that end with an empty line; those longer than the budget in lines.
    fileprivate func codeUnits(in budget: Int, _ count: (String) -> Int) -> [Substring] {
        var groups: [[Substring]] = [[]], isAfterEmpty = false
        for line in self.lines {
            let isEmpty = line.allSatisfy(\.isWhitespace)
            if isAfterEmpty, !isEmpty { groups.append([]) }
            isAfterEmpty = isEmpty
            groups[groups.count - 1].append(line)
        }
        return groups.flatMap { group -> [Substring] in
            guard let first = group.first, let last = group.last else { return [] }
            let whole = self[first.startIndex..<last.endIndex]
            return count(String(whole)) <= budget ? [whole] : group.flatMap { $0.cut(to: budget, count) }
        }
    }

    /// With their line ends.
    private var lines: [Substring] {
        var lines: [Substring] = [], start = startIndex
        for i in utf8.indices where utf8[i] == 10 {
            let next = utf8.index(after: i)
            lines.append(self[start..<next])
            start = next
        }
        if start < endIndex { lines.append(self[start...]) }
        return lines
    }

    fileprivate var withoutEmptyEnds: String {
        let lines = lines
        guard let first = lines.first(where: { !$0.allSatisfy(\.isWhitespace) }),
            let last = lines.last(where: { !$0.allSatisfy(\.isWhitespace) }) else { return "" }
        return String(self[first.startIndex..<last.endIndex].trimmingSuffix(while: \.isWhitespace))
    }
}

extension Substring {
    /// Parts within the budget, if possible between words.
    fileprivate func cut(to budget: Int, _ count: (String) -> Int) -> [Substring] {
        if count(String(self)) <= budget { return [self] }
        var parts: [Substring] = [], rest = self
        while !rest.isEmpty {
            // By bytes, since a character may have any number of them.
            var size = Swift.min(rest.utf8.count, Swift.max(1, budget * 4)), part = rest.beginning(ofBytes: size)
            while size > 4, count(String(part)) > budget {
                size = size * 3 / 4
                part = rest.beginning(ofBytes: size)
            }
            if part.endIndex < rest.endIndex, let space = part.utf8.lastIndex(where: { $0 == 32 || $0 == 10 }), space > part.startIndex {
                part = part[...space]
            }
            parts.append(part)
            rest = rest[part.endIndex...]
        }
        return parts
    }

    /// About the first bytes: whole Unicode scalars, at least one. A slice begins and ends at scalars, before an index inside of one.
    private func beginning(ofBytes size: Int) -> Substring {
        let part = self[..<(utf8.index(startIndex, offsetBy: size, limitedBy: endIndex) ?? endIndex)]
        return part.isEmpty ? self[..<unicodeScalars.index(after: startIndex)] : part
    }
}
