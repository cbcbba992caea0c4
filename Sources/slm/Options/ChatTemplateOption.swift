import Checkpoint
import Tokenize
import Train

extension CommandOption {
    /// `--chat-template`.
    static func chatTemplate(
        _ path: WritableKeyPath<Options, ChatTemplateChoice?>,
        _ help: String = "Render chats with this chat template, or with a Jinja file.", default defaultText: String = "the model's"
    ) -> CommandOption {
        .option("chat-template", path, help, default: defaultText)
    }
}

extension AddedTokenChoice: OptionValue {
    init?(optionText: String) {
        let texts = optionText.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        if texts.contains("") { return nil }
        self = .texts(texts)
    }

    var optionText: String {
        switch self {
        case .ofTemplate: "true"
        case .texts(let texts): texts.joined(separator: ",")
        }
    }

    static var standalone: AddedTokenChoice? { .ofTemplate }
    static var metavariable: String { "TEXTS" }
    static var expectation: String { "texts of special tokens, separated by commas" }
}

extension CommandOption {
    /// `--add-tokens`.
    static func addTokens(_ path: WritableKeyPath<Options, AddedTokenChoice?>) -> CommandOption {
        .option("add-tokens", path, "Add the special tokens of --chat-template to the vocabulary, or TEXTS, separated by commas.",
                default: "none")
    }
}

extension Checkpoint {
    /// Throws if a chosen chat template is not that of the run to resume.
    func check(_ choice: ChatTemplateChoice) throws {
        let given = try choice.template(for: Tokenizer(vocabulary()), replacing: chatTemplate)
        if given != chatTemplate {
            throw TrainingError.cannotChange(
                option: "--chat-template", stored: chatTemplate?.rawValue ?? "none", given: choice.text)
        }
    }
}

/// What is printed about a model without a chat template that is to answer chats.
func templateNote(_ name: String, reason: String? = nil, template: ChatTemplate = .humanAssistant) -> String {
    let cause = reason.map { "the chat template of \(name) cannot be rendered (\($0))" } ?? "\(name) has no chat template"
    return "\(cause): its chats are rendered as '\(template.rawValue)'. Choose another with --chat-template NAME or a Jinja file."
}

func printTemplateNote(_ name: String) { printNote(templateNote(name)) }

/// Prints a note if a model to fine-tune or import has no chat template.
func printTemplateNote(_ name: String, of checkpoint: Checkpoint) throws {
    guard checkpoint.chatTemplate == nil || checkpoint.isChatTemplateAssumed else { return }
    let template = try checkpoint.chatTemplate ?? .assumed(for: checkpoint.vocabulary())
    printNote(templateNote(name, reason: checkpoint.chatTemplateError, template: template))
}
