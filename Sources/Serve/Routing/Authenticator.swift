import HTTPServer
import Secrets
import Store

/// Checks the credentials of requests.
struct Authenticator: Sendable {
    let settings: ServeSettings
    let store: Store
    let rateLimits: RateLimits
    let signingKey: SigningKey

    /// Returns the sender of a request. Throws 401 if it does not have the access that the route needs.
    func authenticate(_ request: Request, for access: Route.Access) throws -> Client {
        let address = clientAddress(of: request)
        switch access {
        case .anyone: return Client(account: nil, address: address)
        case .admin:
            try checkAdminKey(request, from: address)
            return Client(account: nil, address: address)
        case .owner:
            if request.header("x-admin-key") != nil { return try authenticate(request, for: .admin) }
            var client = try authenticate(request, for: .account)
            client.ownerName = try client.account.flatMap { try store.ownerName($0) }
            guard client.ownerName != nil else {
                let message = "Only owners of this server may do this. An administrator makes an account one: "
                    + "slm admin set-role NAME owner."
                throw APIError.forbidden("owner_required", message)
            }
            return client
        case .account:
            guard let token = Self.bearerToken(request) else {
                throw APIError.unauthorized("Sign in first: expected the header Authorization: Bearer TOKEN.")
            }
            if token.hasPrefix(APIKeyToken.prefix) {
                let message = "API keys are valid under /v1 only. Sign in and send the session token."
                throw APIError.forbidden("session_required", message)
            }
            let (account, session) = try verifySession(token)
            return Client(account: account, session: session, address: address)
        case .accountOrGuest:
            if settings.allowsGuests, request.header("authorization") == nil { return Client(account: nil, address: address) }
            return try authenticate(request, for: .account)
        case .apiClient:
            // A server without guests requires an account of API clients, too.
            let requiresKey = settings.requiresAPIKey || !settings.allowsGuests
            guard let token = Self.bearerToken(request) ?? Self.anthropicKey(request) else {
                if requiresKey { throw APIError.unauthorized("API key required: expected the header Authorization: Bearer slm_…") }
                return Client(account: nil, address: address)
            }
            // OpenAI clients always send a key. Where none is required, any placeholder is accepted, but no key of slm that is not valid:
            // its owner would use the server as a guest without knowing.
            let mustBeValid = requiresKey || APIKeyToken(token) != nil
            let sender = mustBeValid ? try sender(of: token) : try? sender(of: token)
            return Client(account: sender?.account, credential: sender?.credential, pinnedModel: sender?.model, address: address)
        }
    }

    private func checkAdminKey(_ request: Request, from address: PeerAddress) throws {
        // Without an admin key, the admin routes do not exist.
        guard let key = settings.adminKey else { throw APIError.notFound("path") }
        let given = request.header("x-admin-key") ?? ""
        try rateLimits.checkLockout(.admin(from: address))
        guard ConstantTime.equal(given, key) else {
            if !given.isEmpty { try rateLimits.beginAttempt(.admin(from: address)) }
            throw APIError.unauthorized("Wrong or missing admin key: expected the value of ADMIN_API_KEY in the header X-Admin-Key.")
        }
    }

    private static func bearerToken(_ request: Request) -> String? {
        guard let value = request.header("authorization"), value.prefix(7).lowercased() == "bearer " else { return nil }
        let token = value.dropFirst(7).drop { $0 == " " }
        return token.isEmpty ? nil : String(token)
    }

    /// The header in which Anthropic's clients send a key.
    private static func anthropicKey(_ request: Request) -> String? {
        guard let key = request.header("x-api-key"), !key.isEmpty else { return nil }
        return key
    }

    /// Returns the account of an API key or a session token, and the model that the key is pinned to.
    private func sender(of token: String) throws -> (account: UserID, credential: Credential, model: ModelID?) {
        guard token.hasPrefix(APIKeyToken.prefix) else {
            let (account, session) = try verifySession(token)
            return (account, .session(session), nil)
        }
        guard let token = APIKeyToken(token), let key = try store.apiKey(withHash: token.digest) else {
            throw APIError.unauthorized("This API key is invalid or revoked.")
        }
        return (key.owner, .apiKey(key.id), key.model)
    }

    /// Returns the account and the session of a session token that has not been revoked.
    private func verifySession(_ text: String) throws -> (account: UserID, session: SessionID) {
        let token: SessionToken
        let account: UserID
        let session: SessionID
        do throws(SessionTokenError) {
            token = try signingKey.token(text, at: Timestamp.now().seconds)
            guard let subject = UserID(token.subject), let id = SessionID(token.id) else { throw SessionTokenError.forged }
            account = subject
            session = id
        } catch {
            throw APIError.unauthorized("\(error)".capitalizedFirst)
        }
        switch try store.state(ofSession: session, epoch: token.epoch, of: account) {
        case .active: return (account, session)
        case .ended: throw APIError.unauthorized("This session has ended. Sign in again.")
        case .disabled: throw APIError.unauthorized("This account is disabled. Ask the owner of this server.")
        }
    }

    /// Returns the address of the client: with `--behind-proxy`, the last element of the `X-Forwarded-For` header that a proxy has
    /// added.
    func clientAddress(of request: Request) -> PeerAddress {
        guard settings.trustsProxy, settings.http.isProxy(request.peer),
              let header = request.headers.last(where: { $0.name == "x-forwarded-for" })?.value else { return request.peer }
        let elements = header.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        let last = elements.last.map { String(Substring($0)) } ?? ""
        // All clients without a valid address share one, which is not the address of the proxy.
        return PeerAddress(forwarded: last) ?? .unknown
    }
}
