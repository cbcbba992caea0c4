package import HTTPServer

/// How a server behaves.
///
///     var settings = ServeSettings()
///     settings.http.port = 8_000
package struct ServeSettings: Sendable {
    package var http = HTTPServer.Settings()
    /// Answers at a time, of all and of one person; how many may wait.
    package var places = 64, perPerson = 64, waiting = 256
    /// Chats, and attempts to sign in or to register, of one person or address in a minute; 0 for as many as they like.
    package var chatsPerMinute = 240, signInsPerMinute = 20, registrationsPerMinute = 20
    /// What opens `/api/admin`; nil keeps it shut.
    package var adminKey: String?
    /// Whether programs need a key.
    package var needsKey = false
    /// Whether guests may chat, and strangers make accounts.
    package var letsGuestsIn = true, letsPeopleRegister = true
    /// Names by which the server is called besides those of this machine, and other sites whose pages may ask.
    package var hosts: [String] = [], origins: [String] = []
    /// Whether `X-Forwarded-For` says who asks, because a proxy of this machine wrote it.
    package var trustsProxy = false
    /// Seconds that somebody stays signed in.
    package var tokenLifetime = 7 * 86_400
    /// bcrypt's cost.
    package var passwordCost = 12
    /// Answers that are remembered for those who ask the same, drawn without chance.
    package var rememberedAnswers = 1_024
    package var version = ""

    package init() {}
}
