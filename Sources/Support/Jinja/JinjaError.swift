/// Why a template could not be parsed or rendered.
///
///     JinjaError(.raised, "Conversation roles must alternate", line: 12).description      // … (line 12 of the chat template)
package struct JinjaError: Error, Equatable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// The template is not valid Jinja.
        case syntax
        /// The template called `raise_exception`.
        case raised
        /// An operation that Python or Jinja rejects, such as adding a number to a string.
        case evaluation
        /// A limit of `JinjaLimits` was reached.
        case limit
    }

    package let kind: Kind
    /// The sentence of Python's jinja2, where it raises too.
    package let message: String
    /// The line of the template, from 1.
    package var line: Int

    package init(_ kind: Kind, _ message: String, line: Int = 0) {
        self.kind = kind
        self.message = message
        self.line = line
    }

    static func evaluation(_ message: String) -> JinjaError { JinjaError(.evaluation, message) }

    static func limit(_ message: String) -> JinjaError { JinjaError(.limit, message) }

    package var description: String { "\(message) (line \(line) of the chat template)" }
}

/// Bounds of one rendering: a template may come from anywhere.
package struct JinjaLimits: Sendable, Equatable {
    /// Evaluated expressions, executed statements, and each 64 characters or 16 elements that are read.
    package var steps = 20_000_000
    /// Bytes of all strings and lists made while rendering, released or not.
    package var bytes = 256 << 20
    /// Nested expressions, statements and macro calls.
    package var depth = 400

    package init() {}
}
