import Infer
import Testing

extension GrammarTests {
    /// Schemas of several parts that a value has to satisfy together.
    static let mergedSchemas = [
        Schema(
            source: #"{"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, "#
                + #"{"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}]}"#,
            valid: [#"{"a":1,"b":"x"}"#], invalid: ["{}", #"{"b"#, #"{"a":1}"#, #"{"a":1,"b":1"#, #"{"a":1,"b":"x","c"#]),
        Schema(
            source: #"{"properties": {"a": {"type": "number"}}, "allOf": [{"properties": {"a": {"type": "integer"}, "b": true}}, "#
                + #"{"required": ["a"]}]}"#,
            valid: [#"{"a":1,"b":[]}"#, #"{"a":-2}"#], invalid: [#"{"a":1."#, "{}", #"{"b"#]),
        Schema(
            source: ##"{"allOf": [{"$ref": "#/$defs/base"}, {"properties": {"name": {"type": "string"}}, "required": ["name"]}], "##
                + ##""$defs": {"base": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}}}"##,
            valid: [#"{"id":1,"name":"x"}"#], invalid: ["{}", #"{"id":1}"#, #"{"name"#]),
        Schema(
            source: ##"{"$ref": "#/$defs/base", "properties": {"b": {"type": "null"}}, "required": ["b"], "##
                + ##""$defs": {"base": {"properties": {"a": {"type": "boolean"}}, "required": ["a"]}}}"##,
            valid: [#"{"a":true,"b":null}"#], invalid: ["{}", #"{"b"#, #"{"a":true}"#]),
        // A tree whose nodes are merged themselves.
        Schema(
            source: ##"{"$ref": "#/$defs/node", "$defs": {"named": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}, "##
                + ##""node": {"allOf": [{"$ref": "#/$defs/named"}, {"properties": {"of": {"items": {"$ref": "#/$defs/node"}}}}]}}}"##,
            valid: [#"{"n":1}"#, #"{"n":1,"of":[{"n":2,"of":[]},{"n":3}]}"#], invalid: ["{}", #"{"n":1,"of":[{}"#, #"{"n":1,"of":[1"#]),
        Schema(
            source: #"{"allOf": [{"properties": {"a": {"properties": {"x": {"type": "integer"}}, "required": ["x"]}}, "required": ["a"]}, "#
                + #"{"properties": {"a": {"properties": {"y": {"type": "null"}}, "required": ["y"]}}}]}"#,
            valid: [#"{"a":{"x":1,"y":null}}"#], invalid: ["{}", #"{"a":{}"#, #"{"a":{"y"#, #"{"a":{"x":1}"#]),
        // What only one part lists has to satisfy the other part's schema of further members.
        Schema(
            source: #"{"allOf": [{"properties": {"a": true}, "additionalProperties": {"type": "integer"}}, "#
                + #"{"properties": {"b": {"type": ["integer", "string"]}}, "additionalProperties": true}]}"#,
            valid: [#"{"a":"x","b":1,"c":2}"#, "{}"], invalid: [#"{"b":"x"#, #"{"c":"x"#]),
        Schema(
            source: #"{"allOf": [{"properties": {"a": true, "b": true}, "additionalProperties": false}, "#
                + #"{"properties": {"a": true, "c": true}}]}"#,
            valid: [#"{"a":1,"b":2}"#, "{}"], invalid: [#"{"c"#, #"{"a":1,"c"#]),
        Schema(
            source: #"{"allOf": [{"type": "array", "items": {"type": "number"}, "minItems": 1}, "#
                + #"{"items": {"type": ["integer", "null"]}, "maxItems": 2}]}"#,
            valid: ["[1]", "[1,2]"], invalid: ["[]", "[1.", "[null", "[1,2,"]),
        Schema(
            source: #"{"allOf": [{"prefixItems": [{"type": "number"}, true]}, {"items": {"type": "integer"}}]}"#,
            valid: ["[]", "[1,2,3]"], invalid: ["[1.", "[1,true"]),
        Schema(
            source: #"{"allOf": [{"prefixItems": [true, true], "items": true}, {"prefixItems": [true], "items": false}]}"#,
            valid: ["[]", "[{}]"], invalid: ["[1,"]),
        Schema(
            source: #"{"type": "string", "allOf": [{"minLength": 2}, {"maxLength": 3}, {"minLength": 1}]}"#,
            valid: [#""ab""#, #""abc""#], invalid: [#""a""#, #""abcd"#, "1"]),
        Schema(
            source: #"{"allOf": [{"enum": ["a", "bcd", 1, 2.5, null, {"x": 1}, {"x": 2}, [1], [1, 2]]}, "#
                + #"{"type": ["string", "integer", "object", "array"], "maxLength": 2, "maxItems": 1, "#
                + #""properties": {"x": {"enum": [2, 3]}}}]}"#,
            valid: [#""a""#, "1", #"{"x":2}"#, "[1]"], invalid: [#""b"#, "2", "n", #"{"x":1"#, "[1,"]),
        Schema(source: #"{"allOf": [{"enum": [1, 2, 3]}, {"enum": [3, 2]}, {"const": 3}]}"#, valid: ["3"], invalid: ["1", "2"]),
        // Each alternative is merged; one that conflicts is left out.
        Schema(
            source: #"{"properties": {"a": true, "b": true}, "additionalProperties": false, "#
                + #""anyOf": [{"required": ["a"]}, {"required": ["b"]}, {"type": "null"}, {"required": ["c"]}]}"#,
            valid: [#"{"a":1}"#, #"{"b":1}"#, #"{"a":1,"b":2}"#, "null"], invalid: ["{}", #"{"c"#]),
        Schema(
            source: #"{"type": ["string", "boolean"], "anyOf": [{"type": "string"}, {"type": "integer"}], "#
                + #""oneOf": [{"type": "boolean"}, {"maxLength": 1}]}"#,
            valid: [#""""#, #""a""#], invalid: ["t", "1", #""ab"#]),
        // An allOf that only describes keeps a recursive schema recursive.
        Schema(
            source: ##"{"properties": {"next": {"description": "The rest.", "##
                + ##""allOf": [{"$ref": "#"}, {"description": "or none"}, true]}}}"##,
            valid: ["{}", #"{"next":{"next":{}}}"#], invalid: [#"{"next":1"#]),
        Schema(source: #"{"description": "anything", "allOf": [true, {}]}"#, valid: ["{}", "1"]),
    ]

    @Test(arguments: [
        (
            #"{"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": ["integer", "null"]}}}]}"#,
            ".allOf[1].properties.a.type", "no type that .allOf[0].properties.a.type allows, too."
        ),
        (
            #"{"allOf": [{"properties": {"a": true}, "additionalProperties": false}, {"properties": {"b": true}, "required": ["b"]}]}"#,
            ".allOf[1].required", "'b' is excluded by .allOf[0].additionalProperties."
        ),
        (
            #"{"allOf": [{"enum": [1, 2]}, {"enum": [3]}]}"#, ".allOf[0].enum", "no value that the rest of the schema allows, too."
        ),
        (#"{"enum": [1, null], "type": "string"}"#, ".enum", "no value that the rest of the schema allows, too."),
        (#"{"allOf": [{"minLength": 3}, {"maxLength": 2}]}"#, ".allOf[0].minLength", "expected at most maxLength."),
        ("false", "", "expected a schema, found false, which nothing satisfies."),
        (#"{"allOf": [true, false]}"#, ".allOf[1]", "expected a schema, found false, which nothing satisfies."),
        (
            #"{"type": "integer", "anyOf": [{"type": "string"}, {"type": "null"}]}"#,
            ".anyOf[0].type", "no type that .type allows, too."
        ),
    ])
    func `schemas that exclude each other are an error at their place`(source: String, path: String, reason: String) {
        #expect(throws: JSONSchemaError(path: path, reason: reason, isConflict: true)) { try Self.grammar(source, isStrict: true) }
    }

    @Test func `a keyword that is not supported is found in each part of a strict schema`() throws {
        let source = #"{"allOf": [{"type": "integer"}, {"uniqueItems": true}]}"#
        #expect(throws: JSONSchemaError(path: ".allOf[1].uniqueItems", reason: "not supported in a strict schema.")) {
            try Self.grammar(source, isStrict: true)
        }
        _ = try Self.grammar(source)
    }

    @Test(arguments: [
        ##"{"allOf": [{"$ref": "#"}, {"type": "integer"}]}"##,
        ##"{"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}"##,
        // Two to the power of thirty alternatives, none of which is possible.
        #"{"type": "null", "allOf": ["#
            + (0..<30).map { _ in #"{"anyOf": [{"type": "string"}, {"type": "string"}, true]}"# }.joined(separator: ",")
            + #", {"type": "string"}]}"#,
        ##"{"enum": [{"a": 1}], "properties": {"a": {"$ref": "#/$defs/x0"}}, "$defs": {"##
            + (0..<40).map { ##""x\##($0)": {"anyOf": [{"$ref": "#/$defs/x\##($0 + 1)"}, {"$ref": "#/$defs/x\##($0 + 1)"}]}"## }
            .joined(separator: ",") + #", "x40": {"type": "null"}}}"#,
    ])
    func `merging always ends`(source: String) {
        #expect(throws: JSONSchemaError.self) { try Self.grammar(source) }
    }
}
