package import Testing

/// Expects two lists that are equal bit for bit. Reports the first difference, since two long lists are not readable.
package func expectSame(
    _ found: [Float],
    _ expected: [Float],
    _ label: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let different = found.indices.filter { $0 < expected.count && found[$0].bitPattern != expected[$0].bitPattern }
    if found.count != expected.count || !different.isEmpty {
        let first = different.first.map { "number \($0) is \(found[$0]), expected \(expected[$0])" } ?? ""
        Issue.record(
            "\(label()): \(different.count) of \(found.count) numbers differ from the \(expected.count) expected; \(first)",
            sourceLocation: sourceLocation
        )
    }
}

package func expectSame(
    _ found: [[Float]],
    _ expected: [[Float]],
    _ label: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    for (i, (a, b)) in zip(found, expected).enumerated() { expectSame(a, b, "\(label()) list \(i)", sourceLocation: sourceLocation) }
}
