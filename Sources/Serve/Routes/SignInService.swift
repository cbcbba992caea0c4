import HTTPServer
import JSON
import Secrets
import Store

/// Registration, sign-in, and a new password with a code of the administrator.
struct SignInService: Sendable {
    let settings: ServeSettings
    let store: Store
    let signingKey: SigningKey
    let passwordHasher: PasswordHasher
    let rateLimits: RateLimits

    static let routes: [Route] = [
        Route("POST", "/api/auth/register", limit: .registrations, on: .passwordHashing) { try $0.signIns.register($1) },
        Route("POST", "/api/auth/login", limit: .signIns, on: .passwordHashing) { try $0.signIns.signIn($1) },
        Route("POST", "/api/auth/reset-password", limit: .signIns, on: .passwordHashing) { try $0.signIns.resetPassword($1) },
    ]

    private func register(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["username", "password", "email", "invitation"])
        let invitation = try Self.invitation(fields)
        guard settings.allowsRegistration || invitation != nil else {
            throw APIError.forbidden("closed", "Registration is disabled on this server. It needs an invitation.")
        }
        let username = try fields.username()
        let email = try fields.email()
        let password = try fields.text("password", 1...PasswordHasher.maxBytes)
        try rateLimits.checkRegistration(context.client.key)
        // Hashing takes a quarter of a second, so a taken name and a wrong code are rejected first.
        if try store.user(named: username) != nil { throw StoreError.usernameTaken(username: username) }
        if let email, try store.user(withEmail: email) != nil { throw StoreError.emailTaken }
        if let invitation, try !store.isValidInvitation(invitation) { throw APIError.wrongCode(field: "invitation") }
        let hash = try passwordHasher.hash(password, field: "password")
        let user: User
        do { user = try store.addUser(username, email: email, passwordHash: hash, invitation: invitation) } catch {
            throw error == .invalidCode ? APIError.wrongCode(field: "invitation") : APIError(error)
        }
        return try startSession(of: user, context, .created)
    }

    /// Returns the digest of the invitation; nil if there is none.
    private static func invitation(_ fields: RequestFields) throws(APIError) -> String? {
        guard let text = try fields.optionalText("invitation", 0...64), !text.isEmpty else { return nil }
        guard let code = OneTimeCode(text) else { throw .wrongCode(field: "invitation") }
        return code.digest
    }

    /// An unknown name and a wrong password take the same time and give the same response.
    private func signIn(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["username", "email", "password"])
        let name = try Self.accountName(fields)
        let password = try fields.text("password", 1...PasswordHasher.maxBytes)
        let (user, lockout) = try beginAttempt(name, context)
        guard passwordHasher.verify(password, against: user?.passwordHash), let user else { throw APIError.wrongCredentials }
        try rateLimits.recordSuccess(lockout)
        // Only a user who knows the password gets the reason.
        if user.disabledAt != nil {
            throw APIError.forbidden("disabled", "This account is disabled. Ask the owner of this server.")
        }
        return try startSession(of: user, context)
    }

    /// Sets a new password with a code of the administrator, and signs in. All failures give the same response.
    private func resetPassword(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["username", "email", "code", "new_password"])
        let name = try Self.accountName(fields)
        let code = OneTimeCode(try fields.text("code", 1...64))
        let password = try fields.text("new_password", 1...PasswordHasher.maxBytes)
        let (user, lockout) = try beginAttempt(name, context)
        guard let user, let code, try store.isValidPasswordReset(code.digest, of: user.id) else {
            throw APIError.wrongCode(field: "code")
        }
        try rateLimits.recordSuccess(lockout)
        let hash = try passwordHasher.hash(password, field: "new_password")
        return try startSession(of: try store.resetPassword(of: user.id, code: code.digest, to: hash), context)
    }

    /// Counts an attempt to sign in to an account, which may not exist.
    private func beginAttempt(_ name: AccountName, _ context: RequestContext) throws -> (user: User?, lockout: RateLimits.LockoutKey) {
        try rateLimits.checkSignIn(context.client.key)
        let user = try self.user(name)
        let lockout = RateLimits.LockoutKey.account(user?.username ?? name.text)
        try rateLimits.beginAttempt(lockout)
        return (user, lockout)
    }

    /// How a request names an account.
    private enum AccountName {
        case username(String), email(String)

        var text: String {
            switch self {
            case .username(let name), .email(let name): name
            }
        }
    }

    private static func accountName(_ fields: RequestFields) throws(APIError) -> AccountName {
        guard let email = try fields.optionalText("email", 1...254) else { return .username(try fields.text("username", 1...64)) }
        guard fields["username"] == nil else { throw .invalid("email", "expected either a username or an email address.") }
        return .email(email)
    }

    private func user(_ name: AccountName) throws(StoreError) -> User? {
        switch name {
        case .username(let name): try store.user(named: name)
        case .email(let email): try store.user(withEmail: email)
        }
    }

    /// Starts a session and returns its token.
    ///
    /// - Parameter user: As read before the password was checked.
    func startSession(of user: User, _ context: RequestContext, _ status: HTTPStatus = .ok) throws -> Response {
        let lifetime = settings.tokenLifetime
        let userAgent = String((context.request.header("user-agent") ?? "").prefix(200))
        let address = context.client.address.description
        guard let session = try store.startSession(of: user, from: address, userAgent: userAgent, lifetime: .seconds(lifetime)) else {
            throw APIError.wrongCredentials
        }
        let token = SessionToken(
            for: user.id.description, id: session.id.description, epoch: user.tokenEpoch, at: Timestamp.now().seconds, lifetime: lifetime)
        return Response.json(status) {
            $0["access_token"] = signingKey.text(of: token)
            $0["token_type"] = "bearer"
            $0["expires_in"] = lifetime
        }
    }

    /// Checks the password again before a change that a stolen session token alone must not allow. Attempts are limited like sign-ins.
    func confirm(_ password: String, of user: User, _ context: RequestContext) throws {
        try rateLimits.checkSignIn(context.client.key)
        try rateLimits.beginAttempt(.account(user.username))
        guard passwordHasher.verify(password, against: user.passwordHash) else {
            throw APIError.forbidden("wrong_password", "Wrong password.", field: "password")
        }
        try rateLimits.recordSuccess(.account(user.username))
    }
}

extension PasswordHasher {
    /// Hashes a password. Throws 422 if it is too short or too long.
    func hash(_ password: String, field: String) throws -> String {
        do throws(PasswordError) { return try hash(password) } catch {
            if error == .unavailable { throw error }
            throw APIError.invalid(field, "\(error)")
        }
    }
}

extension RequestFields {
    func username() throws(APIError) -> String {
        let name = try text("username", 1...64)
        // Letters and digits of any language.
        let isValid = name.unicodeScalars.allSatisfy { scalar in
            let properties = scalar.properties
            return ".-_".unicodeScalars.contains(scalar) || properties.isAlphabetic || properties.numericType != nil
                || properties.isGraphemeExtend
        }
        guard isValid, name.utf8.count <= 255 else { throw .invalid("username", "expected letters, digits, '.', '-' and '_' only.") }
        return name
    }

    func email() throws(APIError) -> String? {
        guard let email = try optionalText("email", 0...254), !email.isEmpty else { return nil }
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
