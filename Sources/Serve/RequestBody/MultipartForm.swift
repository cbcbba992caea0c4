import Files
import HTTPServer

/// The parts of a request with a form, as browsers and OpenAI's clients send files (RFC 7578).
///
///     let form = try MultipartForm(of: request)
///     let file = form["file"]?.bytes
struct MultipartForm {
    struct Part {
        let name: String
        /// nil for a field.
        let fileName: String?
        let bytes: ArraySlice<UInt8>
    }

    let parts: [Part]
    private static let maxParts = 64, maxHeaderBytes = 8_192

    init(of request: Request) throws(APIError) {
        guard let boundary = Self.boundary(of: request.header("content-type") ?? "") else {
            throw .unsupportedMediaType("a form with the header Content-Type: multipart/form-data; boundary=…")
        }
        parts = try Self.parts(of: request.body, boundary)
    }

    /// The last part of this name.
    subscript(name: String) -> Part? { parts.last { $0.name == name } }

    /// From 1 to 70 characters.
    private static func boundary(of type: String) -> String? {
        let parts = type.split(separator: ";").map { $0.trimming { $0 == " " } }
        guard parts.first?.lowercased() == "multipart/form-data",
              let parameter = parts.first(where: { $0.lowercased().hasPrefix("boundary=") }) else { return nil }
        let text = parameter.dropFirst("boundary=".count)
        let boundary = text.first == "\"" && text.last == "\"" && text.utf8.count > 1 ? text.dropFirst().dropLast() : text
        return (1...70).contains(boundary.utf8.count) ? String(boundary) : nil
    }

    private static func parts(of body: [UInt8], _ boundary: String) throws(APIError) -> [Part] {
        let delimiter = Array("\r\n--\(boundary)".utf8), opening = delimiter.dropFirst(2)
        // Text before the first boundary is ignored.
        let start = body.starts(with: opening) ? opening.count : body.range(of: delimiter)?.upperBound
        guard var position = start else { throw .badRequest("Invalid form: its boundary is missing.") }
        var parts: [Part] = []
        while !body[position...].starts(with: "--".utf8) {
            guard body[position...].starts(with: "\r\n".utf8) else {
                throw .badRequest("Invalid form: expected a line break after a boundary.")
            }
            guard parts.count < maxParts else { throw .badRequest("Invalid form: expected at most \(maxParts) parts.") }
            let headerEnd = body[position..<min(body.count, position + maxHeaderBytes)].range(of: "\r\n\r\n".utf8)
            guard let header = headerEnd, let end = body[(header.upperBound - 2)...].range(of: delimiter) else {
                throw .badRequest("Invalid form: a part has no end.")
            }
            let contents = header.upperBound..<max(header.upperBound, end.lowerBound)
            parts.append(try part(String(decoding: body[position..<header.lowerBound], as: UTF8.self), body[contents]))
            position = end.upperBound
        }
        return parts
    }

    private static func part(_ headers: String, _ bytes: ArraySlice<UInt8>) throws(APIError) -> Part {
        let lines = headers.split(whereSeparator: \.isNewline)
        guard let line = lines.first(where: { $0.lowercased().hasPrefix("content-disposition:") }),
              let name = parameter("name", of: line) else { throw .badRequest("Invalid form: a part has no name.") }
        return Part(name: name, fileName: parameter("filename", of: line), bytes: bytes)
    }

    /// A quoted parameter of a header. Browsers write quotes and line breaks in it as %22, %0D and %0A, other clients with a backslash.
    private static func parameter(_ name: String, of line: Substring) -> String? {
        var rest = line[...]
        while let start = rest.firstRange(of: "\(name)=\"") {
            let isWhole = start.lowerBound == rest.startIndex || "; \t".contains(rest[rest.index(before: start.lowerBound)])
            rest = rest[start.upperBound...]
            guard isWhole else { continue }
            var value = "", isEscaped = false
            for character in rest {
                if isEscaped || (character != "\"" && character != "\\") {
                    value.append(character)
                    isEscaped = false
                } else if character == "\\" { isEscaped = true } else { return value.replacing("%22", with: "\"") }
            }
            return nil
        }
        return nil
    }
}
