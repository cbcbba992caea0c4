import AdminAPI
import Threads

extension Command {
    static var adminInvite: Command {
        ofServer(
            "admin invite",
            "Print an invitation: a code with which one user can register.",
            [
                .option("email", \.email, value: "ADDRESS", "Note for whom it is.").positional(),
                .option("expires-in", \.lifetime, "Let it expire after DURATION.", default: "7d"),
                .json(\.json),
            ],
            examples: ["slm admin invite ada@example.org", "slm admin invite --expires-in 1d"]
        ) { options in
            let seconds = options.lifetime.map { Int($0.inSeconds) }
            let outcome = try options.client().perform(.invite(email: options.email, lifetime: seconds))
            outcome.code?.printForUser(json: options.json, id: outcome.id, name: nil)
        }
    }
}
