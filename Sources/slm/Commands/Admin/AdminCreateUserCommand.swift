import AdminAPI
import Dashboard

extension Command {
    static var adminCreateUser: Command {
        ofServer(
            "admin create-user",
            "Create an account, and print a code with which its user sets a password.",
            [
                .option("name", \.name, value: "NAME", "Give the account this username.").positionalOnly(),
                .option("email", \.email, value: "ADDRESS", "Give the account this email address."),
                .option("password-stdin", \.readsPassword, "Read the password from standard input instead of printing a code."),
                .json(\.json),
            ],
            examples: ["slm admin create-user ada --email ada@example.org"]
        ) { options in
            guard let name = options.name else { throw UsageError("slm admin create-user: expected a name: slm admin create-user NAME.") }
            let client = try options.client()
            let password = options.readsPassword ? readLine() : nil
            if options.readsPassword, password == nil {
                throw CommandError(description: "expected a password on standard input, found nothing.")
            }
            let action = AdminAction.createUser(name: name, email: options.email, password: password)
            let outcome = try client.perform(action)
            if let code = outcome.code {
                code.printForUser(json: options.json, id: outcome.id, name: name)
            } else if options.json {
                printLine(JSONLine(["id": outcome.id.map { .text($0) }, "username": .text(name)]))
            } else {
                printLine(action.done.harmless)
            }
        }
    }
}
