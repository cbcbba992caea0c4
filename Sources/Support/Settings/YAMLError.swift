/// A YAML syntax error or an unsupported feature, with its line.
package struct YAMLError: Error, Equatable {
    package let line: Int
    package let reason: String

    init(_ line: Int, _ reason: String) {
        self.line = line
        self.reason = reason
    }
}
