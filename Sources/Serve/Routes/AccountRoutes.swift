import HTTPServer
import JSON
import Secrets
import Store

/// Registration, sign-in and the own account.
extension App {
    static var accountRoutes: [Route] {
        [
            Route("POST", "/api/auth/register", on: .passwordHashing) { try $0.register($1) },
            Route("POST", "/api/auth/login", on: .passwordHashing) { try $0.signIn($1) },
            Route("GET", "/api/me", access: .account) { try $0.me($1) },
        ]
    }

    private func register(_ context: RequestContext) throws -> Response {
        guard settings.allowsRegistration else {
            throw APIError(status: .forbidden, code: "closed", message: "Registration is disabled on this server.")
        }
        let fields = try RequestFields(of: context.request, known: ["username", "password", "email"])
        let username = try Self.username(fields)
        let email = try Self.email(fields)
        let password = try fields.text("password", 1...PasswordHasher.maxBytes)
        try rateLimits.checkRegistration(context.client.key)
        // Hashing takes a quarter of a second, so a taken username is rejected first.
        if try store.user(named: username) != nil { throw StoreError.usernameTaken(username: username) }
        let hash: String
        do throws(PasswordError) { hash = try passwordHasher.hash(password) } catch {
            if error == .unavailable { throw error }
            throw APIError.invalid("password", "\(error)")
        }
        return sessionToken(for: try store.addUser(username, email: email, passwordHash: hash).id, .created)
    }

    /// An unknown username and a wrong password take the same time and give the same response.
    private func signIn(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["username", "password"])
        let username = try fields.text("username", 1...64)
        let password = try fields.text("password", 1...PasswordHasher.maxBytes)
        try rateLimits.checkSignIn(context.client.key)
        try rateLimits.checkLockout(.account(username))
        let user = try store.user(named: username)
        guard passwordHasher.verify(password, against: user?.passwordHash), let user else {
            rateLimits.recordFailedAttempt(.account(username))
            throw APIError(status: .unauthorized, code: "wrong_credentials", message: "Wrong username or password.")
        }
        try store.recordActivity(of: user.id)
        return sessionToken(for: user.id, .ok)
    }

    private func sessionToken(for user: UserID, _ status: HTTPStatus) -> Response {
        let text = signer.text(of: SessionToken(for: user.description, at: unixTime(), lifetime: settings.tokenLifetime))
        return Response.json(status) { token in
            token.key("access_token"); token.string(text)
            token.key("token_type"); token.string("bearer")
            token.key("expires_in"); token.integer(settings.tokenLifetime)
        }
    }

    private func me(_ context: RequestContext) throws -> Response {
        guard let user = try store.user(try context.account) else { throw StoreError.notFound(.user) }
        let model = models.current
        return Response.json { me in
            me.key("username"); me.string(user.username)
            me.key("email"); if let email = user.email { me.string(email) } else { me.null() }
            me.key("created_at"); me.string(user.createdAt.description)
            me.key("model"); me.string(model?.name ?? "")
            me.key("context"); me.integer(model?.context ?? 0)
        }
    }

    private static func username(_ fields: RequestFields) throws(APIError) -> String {
        let name = try fields.text("username", 1...64)
        // Letters and digits of any language.
        let isValid = name.unicodeScalars.allSatisfy { scalar in
            let properties = scalar.properties
            return ".-_".unicodeScalars.contains(scalar) || properties.isAlphabetic || properties.numericType != nil
                || properties.isGraphemeExtend
        }
        guard isValid, name.utf8.count <= 255 else { throw .invalid("username", "expected letters, digits, '.', '-' and '_' only.") }
        return name
    }

    private static func email(_ fields: RequestFields) throws(APIError) -> String? {
        guard let email = try fields.optionalText("email", 0...254), !email.isEmpty else { return nil }
        let parts = email.split(separator: "@", omittingEmptySubsequences: false)
        let hasTwoParts = parts.count == 2 && !parts[0].isEmpty
        let hasDomain = hasTwoParts && parts[1].contains(".") && !parts[1].hasPrefix(".") && !parts[1].hasSuffix(".")
        let hasSpace = email.contains { $0.isWhitespace || $0.isNewline }
        let isPrintable = email.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }
        guard hasDomain, !hasSpace, isPrintable, email.utf8.count <= 255 else {
            throw .invalid("email", "expected an email address such as ada@example.org.")
        }
        return email
    }
}
