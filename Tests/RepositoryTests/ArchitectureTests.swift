import Foundation
import Testing

/// The diagrams of Documentation/Architecture.md show the modules that Package.swift declares.
struct ArchitectureTests {
    /// Module to direct dependencies, of the product's own modules: system libraries and C targets are left out.
    static func declared() throws -> [String: Set<String>] {
        let package = try Repository.text(of: "Package.swift")
        let call = try Regex(#"(?s)module\(\s*"(?<name>\w+)"(?:, in: "\w+")?(?:,\s*\[(?<list>[^\]]*)\])?"#)
        let executable = try Regex(#"(?s)\.executableTarget\(\s*name: "slm",\s*dependencies: \[(?<list>[^\]]*)\]"#)
        let quoted = try Regex(#""(?<name>\w+)""#)
        func names(_ list: Substring?) -> Set<String> {
            Set((list ?? "").matches(of: quoted).compactMap { $0["name"]?.substring.map(String.init) })
        }
        var modules: [String: Set<String>] = [:]
        for match in package.matches(of: call) {
            if let name = match["name"]?.substring { modules[String(name)] = names(match["list"]?.substring) }
        }
        if let match = try executable.firstMatch(in: package) { modules["slm"] = names(match["list"]?.substring) }
        let own = Set(modules.keys)
        return modules.mapValues { $0.intersection(own) }
    }

    /// The Mermaid diagram that follows a heading.
    static func diagram(after heading: String) throws -> [String] {
        let lines = try Repository.lines(of: "Documentation/Architecture.md").map(\.text)
        let start = try #require(lines.firstIndex(of: heading), "Architecture.md has no heading '\(heading)'")
        let open = try #require(lines[start...].firstIndex(of: "```mermaid"), "no diagram under '\(heading)'")
        let close = try #require(lines[(open + 1)...].firstIndex(of: "```"))
        return Array(lines[(open + 1)..<close])
    }

    @Test func `the diagram of modules has the dependencies of Package.swift`() throws {
        let modules = try Self.declared()
        #expect(modules.count > 20)
        // An arrow for each dependency that does not follow from another.
        func reachable(from module: String) -> Set<String> {
            (modules[module] ?? []).reduce(into: []) { $0.formUnion(reachable(from: $1)); $0.insert($1) }
        }
        var expected: Set<String> = []
        for (module, dependencies) in modules {
            for dependency in dependencies
            where !dependencies.contains(where: { $0 != dependency && reachable(from: $0).contains(dependency) }) {
                expected.insert("\(module) --> \(dependency)")
            }
        }
        let arrow = try Regex(#"(?<from>\w+) --> (?<to>\w+)"#)
        var drawn: Set<String> = []
        for line in try Self.diagram(after: "## Modules") {
            if let match = try arrow.firstMatch(in: line), let from = match["from"]?.substring, let to = match["to"]?.substring {
                drawn.insert("\(from) --> \(to)")
            }
        }
        #expect(drawn.subtracting(expected).sorted() == [], "drawn, but not in Package.swift")
        #expect(expected.subtracting(drawn).sorted() == [], "in Package.swift, but not drawn")
    }

    /// The modules of each part of the diagram.
    static func parts() throws -> [String: Set<String>] {
        let line = try Regex(#"^ +(?:subgraph (?<part>\w+)|(?<module>\w+))$"#)
        var parts: [String: Set<String>] = [:], part = ""
        for match in try diagram(after: "## Modules").compactMap({ try line.wholeMatch(in: $0) }) {
            if let name = match["part"]?.substring { part = String(name) }
            if let module = match["module"]?.substring, module != "end" { parts[part, default: []].insert(String(module)) }
        }
        return parts
    }

    @Test func `no module of the engine imports one of the server, and support imports neither`() throws {
        let modules = try Self.declared(), parts = try Self.parts()
        #expect(Set(parts.keys) == ["program", "server", "engine", "support"])
        #expect(parts.values.reduce(into: [String]()) { $0 += $1 }.sorted() == modules.keys.sorted(), "each module is in one part")
        for (part, allowed) in [("support", ["support"]), ("engine", ["support", "engine"]), ("server", ["support", "engine", "server"])] {
            let lower = allowed.reduce(into: Set<String>()) { $0.formUnion(parts[$1] ?? []) }
            for module in parts[part] ?? [] {
                let above = (modules[module] ?? []).subtracting(lower)
                #expect(above.sorted() == [], "\(module) of \(part) imports modules above it")
            }
        }
    }

    /// The diagrams of a step and of a request name types as `Module.Type`: the module declares them.
    @Test(arguments: ["## A training step", "## A chat request"])
    func `the diagrams name types that their modules declare`(_ heading: String) throws {
        let name = try Regex(#"\b(?<module>[A-Z]\w+)\.(?<type>[A-Z]\w+)\b"#)
        var count = 0
        for line in try Self.diagram(after: heading) {
            for match in line.matches(of: name) {
                guard let module = match["module"]?.substring, let type = match["type"]?.substring else { continue }
                let files = Repository.files(under: ["Sources/\(module)/", "Sources/Support/\(module)/"], withSuffix: [".swift"])
                let declaration = try Regex("(?:struct|class|enum|protocol|actor) \(type)\\b")
                #expect(try files.contains { try Repository.text(of: $0).contains(declaration) }, "\(module) declares no type \(type)")
                count += 1
            }
        }
        #expect(count >= 5)
    }
}
