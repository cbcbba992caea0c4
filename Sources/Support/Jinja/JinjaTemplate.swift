/// A chat template of a model: Jinja as Hugging Face's transformers runs it.
///
///     let template = try JinjaTemplate("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}")
///     let text = try template.render(["messages": .list(messages)], clock: .init(year: 2026, month: 11, day: 21))
///     text.string                                              // <|user|>Hi
///
/// Rendering has no effects, sees nothing but its variables, and is bounded in time and memory (`JinjaLimits`). Immutable: threads share
/// one.
package struct JinjaTemplate: Sendable {
    /// The names of variables, functions and macros in its expressions.
    package let namesRead: Set<String>
    private let statements: [JinjaStatement]

    package init(_ source: String) throws(JinjaError) {
        let parsed = try JinjaParser.parsed(source)
        statements = parsed.statements
        namesRead = parsed.namesRead
    }

    package func render(
        _ variables: [String: JinjaValue], clock: JinjaClock, limits: JinjaLimits = JinjaLimits()
    ) throws(JinjaError) -> JinjaText {
        try JinjaInterpreter(limits: limits, clock: clock).render(statements, variables)
    }
}
