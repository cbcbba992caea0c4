/// What is wrong with a text that should be YAML, and in which line.
package struct YAMLError: Error, Equatable {
    package let line: Int
    package let reason: String

    init(_ line: Int, _ reason: String) { (self.line, self.reason) = (line, reason) }
}
