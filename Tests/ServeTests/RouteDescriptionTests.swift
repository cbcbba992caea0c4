import Foundation
import Serve
import Testing
import TestSupport

@Suite struct RouteDescriptionTests {
    /// The operations of the description, such as "GET /api/keys". Paths are indented by two spaces, and their methods by four.
    private static func describedOperations() throws -> Set<String> {
        var operations: Set<String> = [], path = "", isInPaths = false
        let description = try String(contentsOfFile: repositoryPath("Documentation/Reference/openapi.yaml"), encoding: .utf8)
        for line in description.split(separator: "\n") {
            if !line.hasPrefix(" ") { isInPaths = line == "paths:" }
            guard isInPaths, line.hasSuffix(":") else { continue }
            let name = line.drop { $0 == " " }.dropLast(), indentation = line.count - name.count - 1
            if indentation == 2 { path = String(name) }
            if indentation == 4, name != "parameters" { operations.insert("\(name.uppercased()) \(path)") }
        }
        return operations
    }

    @Test func `openapi.yaml describes every route, and nothing else`() throws {
        let described = try Self.describedOperations(), routes = Set(Server.routes.map { "\($0.method) \($0.pattern)" })
        #expect(routes.count > 150)
        #expect(routes.subtracting(described).sorted() == [], "routes that openapi.yaml does not describe")
        #expect(described.subtracting(routes).sorted() == [], "described, but no routes")
    }
}
