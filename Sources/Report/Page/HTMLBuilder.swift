/// Builds HTML with inline SVG that is also well-formed XML. All text and attributes are escaped here.
///
///     var page = HTMLBuilder()
///     page.element("p", ["class": "note"]) { $0.text("a < b") }
///     page.html                                                // <p class="note">a &lt; b</p>
package struct HTMLBuilder {
    package private(set) var html = ""

    package init() {}

    package mutating func text(_ text: String) { html += Self.escaped(text) }

    /// Writes an element; `body` writes its content.
    package mutating func element(
        _ name: String, _ attributes: KeyValuePairs<String, String> = [:], _ body: (inout HTMLBuilder) -> Void
    ) {
        open(name, attributes)
        html += ">"
        body(&self)
        html += "</\(name)>"
    }

    package mutating func element(_ name: String, _ attributes: KeyValuePairs<String, String>, _ content: String) {
        element(name, attributes) { $0.text(content) }
    }

    package mutating func element(_ name: String, _ content: String) { element(name, [:], content) }

    /// Writes an empty element, such as `<path/>`.
    package mutating func leaf(_ name: String, _ attributes: KeyValuePairs<String, String>) {
        open(name, attributes)
        html += "/>"
    }

    /// A cell of a table.
    struct Cell {
        let style: String?
        let write: (inout HTMLBuilder) -> Void

        /// - Parameter style: `text` aligns the cell to the left.
        init(style: String? = nil, _ write: @escaping (inout HTMLBuilder) -> Void) {
            self.style = style
            self.write = write
        }

        init(_ text: String, style: String? = nil) { self.init(style: style) { $0.text(text) } }

        /// A name with its color in the charts.
        static func key(_ name: String, color: Int, style: String? = nil) -> Cell {
            Cell(style: style) { $0.element("span", ["class": "key c\(color)"], name) }
        }
    }

    /// - Parameters:
    ///   - frame: The class of the element around the table; nil for none.
    ///   - isBest: Whether a row is emphasized, by its index.
    mutating func table(
        frame: String? = "card scroll", head: [Cell] = [], _ rows: [[Cell]], isBest: (Int) -> Bool = { _ in false }
    ) {
        if let frame { return element("div", ["class": frame]) { $0.table(frame: nil, head: head, rows, isBest: isBest) } }
        element("table") { page in
            if !head.isEmpty { page.element("thead") { $0.row("th", head) } }
            page.element("tbody") { page in
                for (index, cells) in rows.enumerated() { page.row("td", cells, isBest: isBest(index)) }
            }
        }
    }

    private mutating func row(_ name: String, _ cells: [Cell], isBest: Bool = false) {
        element("tr", isBest ? ["class": "best"] : [:]) { page in
            for cell in cells { page.element(name, cell.style.map { ["class": $0] } ?? [:], cell.write) }
        }
    }

    private mutating func open(_ name: String, _ attributes: KeyValuePairs<String, String>) {
        html += "<" + name
        for (key, value) in attributes { html += " \(key)=\"\(Self.escaped(value))\"" }
    }

    /// Returns a whole page with the style sheet.
    static func page(title: String, _ body: (inout HTMLBuilder) -> Void) -> String {
        var page = HTMLBuilder()
        page.html = "<!DOCTYPE html>\n"
        page.element("html", ["lang": "en"]) {
            $0.element("head") {
                $0.leaf("meta", ["charset": "utf-8"])
                $0.leaf("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
                $0.element("title", title)
                // Not escaped, because HTML does not unescape styles. The sheet contains no & and no <.
                $0.element("style") { $0.html += StyleSheet.css }
            }
            $0.element("body") { body(&$0) }
        }
        return page.html + "\n"
    }

    /// Escapes text, leaves out carriage returns, and replaces characters that XML does not allow with U+FFFD.
    private static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result.append(contentsOf: "&amp;".unicodeScalars)
            case "<": result.append(contentsOf: "&lt;".unicodeScalars)
            case ">": result.append(contentsOf: "&gt;".unicodeScalars)
            case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
            case "\t", "\n": result.append(scalar)
            case "\r": continue
            case "\0"..<" ", "\u{7F}"..<"\u{A0}", "\u{FFFE}", "\u{FFFF}": result.append("\u{FFFD}")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
