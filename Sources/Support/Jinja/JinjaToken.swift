/// A token of a template.
struct JinjaToken {
    enum Kind: String {
        case add = "+"
        case subtract = "-"
        case divide = "/"
        case floorDivide = "//"
        case multiply = "*"
        case modulo = "%"
        case power = "**"
        case tilde = "~"
        case leftBracket = "["
        case rightBracket = "]"
        case leftParenthesis = "("
        case rightParenthesis = ")"
        case leftBrace = "{"
        case rightBrace = "}"
        case equal = "=="
        case notEqual = "!="
        case greater = ">"
        case greaterOrEqual = ">="
        case less = "<"
        case lessOrEqual = "<="
        case assign = "="
        case dot = "."
        case colon = ":"
        case pipe = "|"
        case comma = ","
        case semicolon = ";"
        case name
        case string
        case integer
        case float
        case blockBegin = "begin of statement block"
        case blockEnd = "end of statement block"
        case variableBegin = "begin of print statement"
        case variableEnd = "end of print statement"
        case data = "template data / text"
        case end = "end of template"
    }

    enum Value {
        case nothing
        case text(JinjaText)
        case name(String)
        case integer(Int)
        case float(Double)
    }

    let kind: Kind
    var value = Value.nothing
    let line: Int

    var name: String? { if case .name(let name) = value { name } else { nil } }

    func isName(_ name: String) -> Bool { self.name == name }

    /// As error messages name it.
    var described: String { name ?? kind.rawValue }
}
