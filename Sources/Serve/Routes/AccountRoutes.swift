import HTTPServer
import JSON
import Secrets
import Store

/// Accounts: made, signed in to, shown.
extension App {
    static var accountRoutes: [Route] {
        [Route("POST", "/api/auth/register", by: .hashing) { try $0.register($1) },
         Route("POST", "/api/auth/login", by: .hashing) { try $0.signIn($1) },
         Route("GET", "/api/me", for: .accounts) { try $0.me($1) }]
    }

    private func register(_ call: Call) throws -> Response {
        guard settings.letsPeopleRegister else {
            throw Failure(status: .forbidden, code: "closed", message: "This server takes no new accounts.")
        }
        let fields = try Fields(of: call.request, known: ["username", "password", "email"])
        let username = try Self.username(fields), email = try Self.email(fields),
            password = try fields.text("password", 1...PasswordHasher.maxBytes)
        try rates.checkRegistration(call.caller.person)
        if try store.user(named: username) != nil { throw StoreError.usernameTaken(username: username) }
        let hash: String
        do throws(PasswordError) { hash = try passwords.hash(password) } catch {
            if error == .unavailable { throw error }
            throw Failure.invalid("password", "\(error)")
        }
        return try token(for: try store.addUser(username, email: email, passwordHash: hash).id, .created)
    }

    /// An unknown name and a wrong password take the same time, and say the same.
    private func signIn(_ call: Call) throws -> Response {
        let fields = try Fields(of: call.request, known: ["username", "password"])
        let username = try fields.text("username", 1...64), password = try fields.text("password", 1...PasswordHasher.maxBytes)
        try rates.checkSignIn(call.caller.person)
        let door = Rates.Door.account(username)
        try rates.checkGuess(at: door)
        let user = try store.user(named: username)
        guard passwords.verify(password, against: user?.passwordHash), let user else {
            rates.noteWrongGuess(at: door)
            throw Failure(status: .unauthorized, code: "wrong_credentials", message: "The name or the password is wrong.")
        }
        try store.recordActivity(of: user.id)
        return try token(for: user.id, .ok)
    }

    private func token(for user: UserID, _ status: Status) throws -> Response {
        let text = signer.text(of: SessionToken(for: user.description, at: unixTime(), lifetime: settings.tokenLifetime))
        return Response.json(status) { token in
            token.key("access_token"); token.string(text)
            token.key("token_type"); token.string("bearer")
            token.key("expires_in"); token.integer(settings.tokenLifetime)
        }
    }

    private func me(_ call: Call) throws -> Response {
        guard let user = try store.user(try call.account) else { throw StoreError.notFound(.user) }
        let model = models.current
        return Response.json { me in
            me.key("username"); me.string(user.username)
            me.key("email"); if let email = user.email { me.string(email) } else { me.null() }
            me.key("created_at"); me.string(user.createdAt.description)
            me.key("model"); me.string(model?.name ?? "")
            me.key("context"); me.integer(model?.context ?? 0)
        }
    }

    /// Letters and digits of any language, `.`, `-`, `_`.
    private static func username(_ fields: Fields) throws(Failure) -> String {
        let name = try fields.text("username", 1...64)
        guard name.utf8.count <= 255,
            name.unicodeScalars.allSatisfy({
                ".-_".unicodeScalars.contains($0) || $0.properties.isAlphabetic || $0.properties.numericType != nil
                    || $0.properties.isGraphemeExtend
            })
        else {
            throw .invalid("username", "expected letters, digits, '.', '-' and '_' only.")
        }
        return name
    }

    private static func email(_ fields: Fields) throws(Failure) -> String? {
        guard let email = try fields.optionalText("email", 0...254), !email.isEmpty else { return nil }
        let parts = email.split(separator: "@", omittingEmptySubsequences: false)
        let isOne =
            parts.count == 2 && !parts[0].isEmpty && parts[1].contains(".") && !email.contains { $0.isWhitespace || $0.isNewline }
            && !parts[1].hasPrefix(".") && !parts[1].hasSuffix(".")
        guard isOne, email.utf8.count <= 255, email.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else {
            throw .invalid("email", "expected an address such as ada@example.org.")
        }
        return email
    }
}
