/// Checks that a report is well-formed XML: matching tags, quoted attributes, escaped text.
enum WellFormed {
    static func fault(in page: String) -> String? {
        var rest = Substring(page), open: [Substring] = []
        guard rest.hasPrefix("<!DOCTYPE html>\n") else { return "no document type" }
        rest = rest.dropFirst(16)
        while let start = rest.firstIndex(of: "<") {
            if let fault = textFault(rest[..<start], isStyle: open.last == "style") { return fault }
            guard let end = rest[start...].firstIndex(of: ">") else { return "a tag without an end" }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("/") {
                guard open.popLast() == tag.dropFirst() else { return "\(tag) closes another" }
                continue
            }
            let isLeaf = tag.hasSuffix("/"), parts = tag.split(separator: "\"", omittingEmptySubsequences: false)
            // Every second part is an attribute value.
            guard parts.count % 2 == 1 else { return "quotes in \(tag)" }
            for (i, part) in parts.enumerated() where i % 2 == 1 { if let fault = textFault(part, isStyle: false) { return fault } }
            if !isLeaf { open.append(tag.prefix { $0 != " " }) }
        }
        return open.isEmpty && rest.allSatisfy(\.isWhitespace) ? nil : "\(open.joined(separator: ", ")) open at the end"
    }

    private static func textFault(_ text: Substring, isStyle: Bool) -> String? {
        if isStyle { return text.contains("&") ? "& in a style" : nil }
        if let scalar = text.unicodeScalars.first(where: { $0.value < 32 && $0 != "\n" && $0 != "\t" || $0 == "<" || $0 == ">" }) {
            return "\(scalar.value) in a text"
        }
        for part in text.split(separator: "&", omittingEmptySubsequences: false).dropFirst()
        where !["amp;", "lt;", "gt;", "quot;"].contains(where: part.hasPrefix) {
            return "& in a text"
        }
        return nil
    }
}
