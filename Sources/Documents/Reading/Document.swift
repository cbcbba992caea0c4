/// The text of a file, with the structure that its format has.
package struct Document: Sendable, Equatable {
    /// What the document calls itself; nil if it has no title.
    package var title: String?
    package var blocks: [Block]

    package init(title: String? = nil, blocks: [Block] = []) {
        self.title = title
        self.blocks = blocks
    }

    /// A part that is not divided if it fits into a passage.
    package struct Block: Sendable, Equatable {
        package enum Kind: Sendable, Equatable {
            /// Level 1 is the highest.
            case heading(level: Int)
            case paragraph, listItem
            /// Lines of code. The label is its declaration, if it is known.
            case code(label: String?)
            /// A row of a table. A passage that begins with it begins with the header.
            case row(header: String?)
        }

        package let kind: Kind
        package let text: String
        /// Its first line in the file, from 1.
        package let line: Int
        /// Its page, from 1, in a format that has pages.
        package let page: Int?

        package init(_ kind: Kind, _ text: String, line: Int, page: Int? = nil) {
            self.kind = kind
            self.text = text
            self.line = line
            self.page = page
        }
    }
}

/// Why a file is not in an index.
package enum SkipReason: Error, Equatable, Sendable {
    case unreadable(String)
    case tooLarge(bytes: Int, limit: Int)
    case binary
    /// A format that slm knows by name and does not read.
    case unsupported(format: String)
    case empty
    /// Something other than a file, such as a pipe.
    case notAFile
    /// A program that reads the format is not installed.
    case missingProgram(String, package: String)
    /// The text of the format cannot be taken out of it.
    case notConverted(String)
    /// The contents are not those of the format.
    case damaged(String)
}

extension SkipReason {
    /// Whether the same contents will be skipped again. Another version of slm may read more formats.
    var isPermanent: Bool {
        switch self {
        case .binary, .empty, .damaged: true
        case .unsupported, .unreadable, .tooLarge, .notAFile, .missingProgram, .notConverted: false
        }
    }
}

extension SkipReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let reason): "cannot be read: \(reason)"
        case .tooLarge(let bytes, let limit): "larger than \(megabytes(limit)) MB: \(megabytes(bytes)) MB"
        case .binary: "not a text"
        case .unsupported(let format): "\(format) is not supported; save it as PDF, DOCX or text"
        case .empty: "no text in it"
        case .notAFile: "not a regular file"
        case .missingProgram(let program, let package): "\(program) is not installed: sudo apt install \(package)"
        case .notConverted(let reason): reason
        case .damaged(let reason): "damaged: \(reason)"
        }
    }

    private func megabytes(_ bytes: Int) -> Int { (bytes + 999_999) / 1_000_000 }
}
